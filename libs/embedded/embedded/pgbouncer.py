"""A private PgBouncer in transaction mode, in front of a PostgreSQL: Debian's, see `embedded.tools`."""

import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from embedded.places import server_account, shared_home
from embedded.ports import LOOPBACK, accepts, free_port
from embedded.processes import ProcessRef, spawn, wait_for
from embedded.tools import Tool, find

CONFIGURATION = """\
[databases]
{databases}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
server_reset_query_always = 0
"""


@dataclass(frozen=True)
class RunningPgBouncer:
    """A pooler that runs on this machine."""

    urls: Mapping[str, str]
    """How clients connect, by the names that were given."""
    process: ProcessRef
    folder: Path

    def stop(self) -> None:
        """Stop at once, and leave nothing behind."""
        self.process.stop(signals=(signal.SIGINT, signal.SIGTERM), seconds=5)
        shutil.rmtree(self.folder)


def start(direct: Mapping[str, str], *, pool_size: int = 2) -> RunningPgBouncer:
    """Pool connections to the databases with these URLs, given by names, `pool_size` for each.

    Raises `embedded.debian.Unobtainable` where there is no PgBouncer, StartFailed.
    """
    tool, account = find("pgbouncer", "usr/sbin/pgbouncer"), server_account()
    # Like PostgreSQL, it refuses to run as root, and the user that it then runs as must get there.
    folder = shared_home("pgbouncer")
    port, parts = free_port(), {name: urlsplit(url) for name, url in direct.items()}
    users = {unquote(each.username or ""): unquote(each.password or "") for each in parts.values()}
    databases = [
        f"{name} = host={each.hostname} port={each.port} dbname={unquote(each.path[1:])}"
        for name, each in parts.items()
    ]
    (folder / "users.txt").write_text("".join(f'"{user}" "{password}"\n' for user, password in users.items()))
    settings = {"host": LOOPBACK, "port": port, "users": folder / "users.txt", "size": pool_size}
    configuration, log = folder / "pgbouncer.ini", folder / "log"
    configuration.write_text(CONFIGURATION.format(databases="\n".join(databases), **settings))
    for path in (configuration, folder / "users.txt"):
        path.chmod(0o600)
        if account is not None:
            os.chown(path, account.uid, account.gid)
    program, environment = _copy(tool, folder)
    process = spawn([program, configuration], environment=environment, log=log, account=account)
    wait_for("PgBouncer", lambda: accepts(port), process, log, 60)
    urls = {
        name: f"postgresql://{each.username}:{quote(unquote(each.password or ''), safe='')}@{LOOPBACK}:{port}/{name}"
        for name, each in parts.items()
    }
    return RunningPgBouncer(urls, process, folder)


def _copy(tool: Tool, folder: Path) -> tuple[Path, dict[str, str]]:
    """The program and its libraries, where the user that it runs as can read them; and its environment."""
    program, libraries = folder / tool.path.name, folder / "lib"
    shutil.copy(tool.path, program)
    program.chmod(0o755)
    libraries.mkdir(mode=0o755)
    for source in tool.environment.get("LD_LIBRARY_PATH", "").split(":"):
        for library in Path(source).glob("lib*.so*") if source else ():
            shutil.copy(library, libraries)
    return program, {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(libraries)}
