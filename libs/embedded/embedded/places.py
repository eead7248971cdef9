"""Where servers keep what they may not keep in the caller's folder, and as whom they run.

PostgreSQL refuses to run as root, so root starts it as an unprivileged user, and keeps what that user may not reach
below the caller's folders (a home folder such as /root is closed to others) in `/var/lib/guanxi` and
`/var/cache/guanxi` instead. What a crash of the machine may lose is kept in memory where there is plenty.
"""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil

from embedded.processes import Account, StartFailed

SHARED_STATE = Path("/var/lib/guanxi")
SHARED_CACHE = Path("/var/cache/guanxi")
MEMORY = Path("/dev/shm")  # noqa: S108 - names in it are made up here, and checked to be ours
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

ROOMY = 6 << 30
"""Bytes of memory that must be free for a server to keep its data there. Tests run several, each with up to 1 GB."""
_BELONGS_TO = "belongs-to"


def server_account() -> Account | None:
    """The user that the server runs as, or None for the present one."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StartFailed("PostgreSQL cannot run as root, and there is no user 'postgres' or 'nobody' to run it as")


def reachable(path: Path, account: Account | None) -> bool:
    """Whether the server's user may look into a folder."""
    if account is None:
        return True
    test = ["/usr/bin/test", "-x", str(path), "-a", "-r", str(path)]
    return (
        subprocess.run(
            test, cwd="/", user=account.uid, group=account.gid, extra_groups=[], check=False, env=ENVIRONMENT
        ).returncode
        == 0
    )


def shared_home(name: str) -> Path:
    """A new folder for a server's state that its user can reach. Whoever takes it deletes it."""
    if os.geteuid() != 0:
        return Path(tempfile.mkdtemp(prefix=f"guanxi-{name}-"))
    home = SHARED_STATE / f"{name}-{secrets.token_hex(8)}"
    home.mkdir(parents=True, mode=0o755)
    return home


def data_folder(folder: Path, account: Account | None, *, lasting: bool = True) -> Path:
    """Where the cluster of a folder is or shall be.

    That is below the folder, unless the server's user cannot get there, or nothing is lost by losing it (`lasting`
    is false) and there is memory for it. `folder/data` leads there.
    """
    link = folder / "data"
    if link.exists():
        return link.resolve()
    link.unlink(missing_ok=True)
    home = None if lasting else _home_in_memory(folder)
    if home is None:
        if reachable(folder, account):
            return link
        home = shared_home("postgres")
    link.symlink_to(home / "data")
    return home / "data"


def _home_in_memory(folder: Path) -> Path | None:
    """A folder in memory, if there is room. To make and drop a database there takes a tenth of the time."""
    _sweep()
    try:
        free = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
        if free < ROOMY:
            return None
        home = MEMORY / f"guanxi-{secrets.token_hex(8)}"
        home.mkdir(mode=0o755)
        (home / _BELONGS_TO).write_text(str(folder))
    except OSError:  # no such folder, or not for us
        return None
    return home


def _sweep() -> None:
    """Delete what the folders of killed tests had in memory, once those folders are gone."""
    for mark in MEMORY.glob(f"guanxi-*/{_BELONGS_TO}"):
        try:
            if mark.stat().st_uid == os.geteuid() and not Path(mark.read_text()).exists():
                shutil.rmtree(mark.parent, ignore_errors=True)
        except FileNotFoundError:
            continue  # its own test deletes it
