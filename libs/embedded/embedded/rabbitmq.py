"""A private RabbitMQ node: the one that is installed, or Debian's packages unpacked into a cache folder.

It listens on 127.0.0.1 alone, with its own user, ports and data folder, and shares nothing with a node that the
machine runs already.
"""

import fcntl
import json
import os
import platform
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from embedded import debian
from embedded.ports import LOOPBACK, accepts, free_port, is_free
from embedded.processes import ProcessRef, StartFailed, spawn, wait_for
from embedded.tools import default_cache, system

USER = "crm"
NODE = "crm@localhost"
PATIENCE_SECONDS = 5.0

ADVICE = (
    "Install RabbitMQ (Debian: apt-get install rabbitmq-server; macOS: brew install rabbitmq), "
    "or set AMQP_URL to a server that runs."
)

CONFIGURATION = """\
default_user = {user}
default_pass = {password}
default_vhost = /
loopback_users = none
log.file = false
log.console = true
log.console.level = warning
vm_memory_high_watermark.absolute = 400MB
disk_free_limit.absolute = 100MB
raft.wal_max_size_bytes = 32000000
"""

PLAIN = """\
listeners.tcp.default = {host}:{port}
"""

SECURE = """\
listeners.tcp = none
listeners.ssl.default = {host}:{port}
ssl_options.certfile = {tls.chain}
ssl_options.keyfile = {tls.key}
ssl_options.cacertfile = {tls.authority}
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
"""


@dataclass(frozen=True)
class Tls:
    """The PEM files by which a node speaks TLS, and nothing else."""

    chain: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Member:
    """What makes a node one of a cluster on this machine."""

    name: str
    """As Erlang knows it, `name@localhost`."""
    names_port: int
    """Where the port mapper listens that the nodes share. It is not the node's to start or stop."""
    cookie: str
    """The secret that admits a node to the others."""
    joins: str = ""
    """The node that a new one asks to be taken into its cluster; empty for the first one."""


@dataclass(frozen=True)
class RunningRabbitMq:
    """A RabbitMQ node that runs on this machine."""

    port: int
    process: ProcessRef
    name_server: ProcessRef | None
    """Erlang's port mapper, without which a node does not start; None if it is shared."""
    password: str = field(repr=False)
    tls: bool = False

    @property
    def url(self) -> str:
        """How a client connects."""
        plain = url_of(self.port, self.password)
        return plain.replace("amqp://", "amqps://", 1) if self.tls else plain

    def stop(self) -> None:
        """Stop in an orderly way. What is durable is kept."""
        self.process.stop(seconds=30)
        if self.name_server is not None:
            self.name_server.stop(signals=(signal.SIGTERM,), seconds=5)


@dataclass(frozen=True)
class Installation:
    """Where the programs are."""

    server: Path
    """The script that starts a node."""
    name_server: Path
    environment: Mapping[str, str]


def url_of(port: int, password: str) -> str:
    """How a client connects to a node that runs, or shall run, on a port."""
    return f"amqp://{USER}:{quote(password, safe='')}@{LOOPBACK}:{port}//"


def start(
    folder: Path,
    port: int = 0,
    *,
    cache: Path | None = None,
    password: str = "",
    seconds: float = 180,
    tls: Tls | None = None,
    member: Member | None = None,
) -> RunningRabbitMq:
    """Start the node whose state is in a folder, or find it if it runs already.

    With `port` 0 a free port is chosen. Without a password one is made up; the first start decides on it. The
    first start on a machine without RabbitMQ downloads it into `cache`; later ones need no network. Raises
    StartFailed.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = attach(folder)
        if running is not None:
            return running
        stop(folder)
        if port and not _becomes_free(port):
            raise StartFailed(f"port {port} is in use by another program")
        installation, port = find(cache or default_cache()), port or free_port()
        password = _password(folder, password)
        configuration = _configuration(port, password, tls, member)
        started = _launch(folder, installation, port, configuration, member)
        running = RunningRabbitMq(port, *started, password, tls is not None)
        _keep(folder, running)
        try:
            wait_for("RabbitMQ", lambda: accepts(port), running.process, folder / "log", seconds)
        except StartFailed:
            running.stop()
            raise
        return running


def _becomes_free(port: int) -> bool:
    """Whether nobody listens on the port, or stops to. A node that was killed holds its port until its last thread
    is gone, which on a busy machine takes a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def attach(folder: Path) -> RunningRabbitMq | None:
    """The node whose state is in a folder, if it runs and takes connections."""
    last = _last(folder)
    return last if last is not None and last.process.alive() and accepts(last.port) else None


def stop(folder: Path) -> None:
    """Stop the node whose state is in a folder, and whatever a node that died has left behind."""
    last = _last(folder)
    if last is not None:
        last.stop()


def _last(folder: Path) -> RunningRabbitMq | None:
    """The node that was started last from a folder, whether or not it still runs."""
    try:
        state = json.loads((folder / "running.json").read_text())
    except FileNotFoundError:
        return None
    name_server = ProcessRef(**state["name_server"]) if state["name_server"] else None
    password = (folder / "password").read_text()
    return RunningRabbitMq(
        state["port"], ProcessRef(**state["process"]), name_server, password, state.get("tls", False)
    )


def _keep(folder: Path, running: RunningRabbitMq) -> None:
    state = asdict(running)
    del state["password"]
    (folder / "running.json").write_text(json.dumps(state))


def find(cache: Path) -> Installation:
    """The RabbitMQ to run: installed, in the cache, or downloaded into it. Raises StartFailed if there is none."""
    return _installed() or _downloaded(cache)


def _installed() -> Installation | None:
    # First the scripts proper: what Debian has on the PATH is a wrapper that insists on the system's own user.
    scripts = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"), reverse=True)
    script = scripts[0] if scripts else shutil.which("rabbitmq-server")
    erl, epmd = shutil.which("erl"), shutil.which("epmd")
    if script is None or erl is None:
        return None
    if epmd is None:
        query = [erl, "-noinput", "-boot", "start_clean", "-eval", 'io:format("~s", [code:root_dir()]), halt().']
        root = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        epmd = next(str(path) for path in Path(root).glob("erts-*/bin/epmd"))
    return Installation(Path(script), Path(epmd), {"PATH": os.environ.get("PATH", "/usr/bin:/bin")})


def _downloaded(cache: Path) -> Installation:
    target = cache / f"rabbitmq-{system()}-{platform.machine()}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            try:
                _download(target)
            except debian.Unobtainable as error:
                raise StartFailed(
                    f"There is no RabbitMQ here and it could not be downloaded: {error}\n{ADVICE}"
                ) from error
    erlang = target / "usr/lib/erlang"
    script = next((target / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    libraries = ":".join(map(str, debian.library_folders(target)))
    environment = {"PATH": f"{erlang}/bin:/usr/bin:/bin"} | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
    return Installation(script, next(erlang.glob("erts-*/bin/epmd")), environment)


def _download(target: Path) -> None:
    staging = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    try:
        debian.unpack("rabbitmq-server", staging, lambda name: name.startswith(("erlang-", "rabbitmq-server")))
        erlang = staging / "usr/lib/erlang"
        runtime = next(erlang.glob("erts-*")).name
        # The packaged script has the place where the package would be installed written into it.
        (erlang / "bin/erl").write_text(
            '#!/bin/sh\nROOTDIR=$(cd "$(dirname "$0")/.." && pwd)\n'
            f'BINDIR="$ROOTDIR/{runtime}/bin" EMU=beam PROGNAME=erl\nexport ROOTDIR BINDIR EMU PROGNAME\n'
            'exec "$BINDIR/erlexec" "$@"\n'
        )
        # A node looks through all plugins when it boots, used or not: without them it is ready a third sooner.
        for plugin in (staging / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/plugins/rabbitmq_*"):
            if not plugin.name.startswith("rabbitmq_prelaunch"):
                shutil.rmtree(plugin) if plugin.is_dir() else plugin.unlink()
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _password(folder: Path, wanted: str) -> str:
    path = folder / "password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(wanted or secrets.token_urlsafe(24))
    return path.read_text()


def _configuration(port: int, password: str, tls: Tls | None, member: Member | None) -> str:
    listener = (PLAIN if tls is None else SECURE).format(host=LOOPBACK, port=port, tls=tls)
    known = (member.joins, member.name) if member and member.joins else ()
    joins = "".join(f"cluster_formation.classic_config.nodes.{at} = {name}\n" for at, name in enumerate(known, 1))
    return listener + CONFIGURATION.format(user=USER, password=password) + joins


def _launch(
    folder: Path, installation: Installation, port: int, configuration: str, member: Member | None
) -> tuple[ProcessRef, ProcessRef | None]:
    """Start the node and, if it has one of its own, the port mapper. Returns both."""
    _write_private(folder / "rabbitmq.conf", configuration)
    (folder / "enabled_plugins").write_text("[].\n")
    names_port = member.names_port if member else free_port({port})
    environment = {
        "LANG": "C.UTF-8",
        # Where the node keeps the secret that admits other nodes.
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names_port),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_CRASH_DUMP_SECONDS": "0",
        "ERL_MAX_PORTS": "4096",
        "RABBITMQ_NODENAME": member.name if member else NODE,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port({port, names_port})),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOG": "-color",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MAX_NUMBER_OF_PROCESSES": "65536",
        # Makes the script become the node, instead of watching over it: one process fewer, and signals arrive.
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-noinput +S 1:1 +SDcpu 1:1 -kernel inet_dist_use_interface {127,0,0,1}"
        ),
        **installation.environment,
    }
    name_server = None
    if member is None:
        # Started here, so that it can be stopped: a node that finds none leaves one running for ever.
        name_server = start_name_server(installation, names_port, folder / "log")
    else:
        _write_private(folder / ".erlang.cookie", member.cookie, mode=0o400)
    return spawn([installation.server], environment=environment, log=folder / "log", folder=folder), name_server


def start_name_server(installation: Installation, port: int, log: Path) -> ProcessRef:
    """Start Erlang's port mapper for nodes of this machine. Raises StartFailed."""
    command = (installation.name_server, "-address", LOOPBACK, "-port", str(port))
    started = spawn([str(part) for part in command], environment=installation.environment, log=log)
    wait_for("Erlang's port mapper", lambda: accepts(port), started, log, 60)
    return started


def _write_private(path: Path, text: str, mode: int = 0o600) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
