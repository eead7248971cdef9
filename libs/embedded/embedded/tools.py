"""Programs that are installed, or that Debian packages and that are unpacked into the cache. Needs no root."""

import fcntl
import os
import platform
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded import debian


@dataclass(frozen=True)
class Tool:
    """A program that can be run."""

    path: Path
    environment: Mapping[str, str]
    """What it needs in its environment."""


def default_cache() -> Path:
    """Where downloads are kept for all copies of the suite: `$XDG_CACHE_HOME/guanxi` or `~/.cache/guanxi`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "guanxi"


def system() -> str:
    """The distribution and its release, as packages differ by them."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system().lower()
    return f"{release.get('ID', 'linux')}-{release.get('VERSION_ID', 'rolling')}"


def find(package: str, program: str, *, cache: Path | None = None) -> Tool:
    """A program of a Debian package, `program` being its place in it, such as `usr/sbin/pgbouncer`.

    The installed one is taken if there is one; else the release's own package is fetched once and kept. Raises
    `debian.Unobtainable`.
    """
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    if installed := shutil.which(Path(program).name, path=search):
        return Tool(Path(installed), {})
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{package}-{system()}-{platform.machine()}"
    with (cache / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _fetch(package, target)
    libraries = ":".join(map(str, debian.library_folders(target)))
    return Tool(target / program, {"LD_LIBRARY_PATH": libraries} if libraries else {})


def _fetch(package: str, target: Path) -> None:
    staging = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    try:
        debian.unpack(package, staging, lambda name: name == package)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
