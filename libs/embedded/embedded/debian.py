"""Programs from Debian's packages (or Ubuntu's), unpacked into a folder. Needs no root and installs nothing."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


class Unobtainable(RuntimeError):
    """A package could not be fetched. The message says why."""


def unpack(package: str, target: Path, wanted: Callable[[str], bool]) -> None:
    """Fetch a package and those it depends on that are `wanted` by name, and unpack them below a folder.

    Libraries are taken only where the machine lacks them. Package lists are fetched into a private folder, since
    a fresh machine has none; sources, proxies and keys are the machine's own. Raises Unobtainable.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise Unobtainable("this machine has no apt-get and dpkg")
    apt = target / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "packages"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    # As if nothing were installed: what is fetched then does not depend on the machine, and is complete.
    (apt / "status").touch()
    options = [
        f"Dir::State::lists={apt}/lists",
        f"Dir::State::status={apt}/status",
        f"Dir::Cache={apt}/cache",
        "Debug::NoLocking=1",
        "Acquire::Languages=none",
        "Acquire::Retries=3",
        # Run by root, apt would otherwise become a user that cannot write into these folders.
        "APT::Sandbox::User=root",
    ]
    command = ["apt-get", "-qq", *(part for option in options for part in ("-o", option))]
    _run([*command, "update"], apt)
    install = ["install", "--print-uris", "--yes", "--no-install-recommends", package]
    listed = _run([*command, *install], apt).splitlines()
    # A line is: 'address' file size hash; a file is: name_version_architecture.deb.
    names = [line.split()[1].partition("_")[0] for line in listed if line.startswith("'")]
    installed = _installed()
    chosen = [name for name in names if wanted(name) or (name.startswith("lib") and name not in installed)]
    _run([*command, "download", *chosen], apt / "packages")
    for archive in sorted((apt / "packages").glob("*.deb")):
        _run(["dpkg", "-x", str(archive), str(target)], apt)
    shutil.rmtree(apt)


def library_folders(target: Path) -> list[Path]:
    """Where unpacked libraries lie, for LD_LIBRARY_PATH."""
    return sorted({path.parent for part in ("lib", "usr/lib") for path in (target / part).glob("*/lib*.so*")})


def _installed() -> set[str]:
    lines = _run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n"], Path("/")).splitlines()
    return {name for name, _, status in (line.partition(" ") for line in lines) if status == "installed"}


def _run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Unobtainable(f"{' '.join([command[0], command[-1]])} failed: {done.stderr.strip()[-1000:]}")
    return done.stdout
