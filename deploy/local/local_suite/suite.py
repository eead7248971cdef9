"""Brings a copy of the suite up and down: servers, databases, processes, in an order that wastes no time."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from shlex import quote

from embedded import postgres, rabbitmq
from embedded.ports import LOOPBACK, is_free
from embedded.processes import StartFailed, tail

from local_suite import addresses, plan, running, schema
from local_suite.credentials import Credentials
from local_suite.layout import ROOT, SERVICES, Problem, RunFolder, write_private
from local_suite.plan import Options, Process

Report = Callable[[str], None]
PORT_TRIES = 3


@dataclass(frozen=True)
class Up:
    """What came of bringing the suite up."""

    environment: Mapping[str, str]
    """What all processes together are told."""
    port_moved: bool
    """The gateway has a port that it did not have before, since that one was taken by somebody else."""
    already: bool
    """Everything ran already, as wished."""


def up(folder: RunFolder, options: Options, report: Report) -> Up:
    """Bring everything up as the options say. What runs so already is left alone; what runs otherwise is restarted.

    Raises Problem or StartFailed, with what was started left for `down`.
    """
    with folder.locked():
        folder.create()
        credentials = Credentials.of(folder)
        for _ in range(PORT_TRIES - 1):
            try:
                return _up(folder, options, credentials, report)
            except StartFailed:
                # Another program may have taken a port between its choice and its use: then choose again.
                if not _lost_a_port(folder, options):
                    raise
        return _up(folder, options, credentials, report)


def _up(folder: RunFolder, options: Options, credentials: Credentials, report: Report) -> Up:
    wanted = plan.roles(options)
    known = running.started(folder)
    alive = {name for name, each in known.items() if each.process.alive()}
    names = [*addresses.SERVERS, *(port for role in wanted for port in role.port_names)]
    held = {port for role in wanted if role.name in alive for port in role.port_names} | _held_by_servers(folder)
    before = folder.read("ports").get("gateway")
    ports = addresses.choose(folder, options, names, held)
    moved = not options.port and ports["gateway"] not in (plan.GATEWAY_PORT, before)

    with ThreadPoolExecutor(1) as pool:
        broker = pool.submit(_start_broker, folder, credentials, ports["rabbitmq"], report)
        databases = _start_databases(folder, credentials, ports["postgres"], safe=options.safe, report=report)
        amqp_url = os.environ.get("AMQP_URL") or rabbitmq.url_of(ports["rabbitmq"], credentials.amqp_password)
        shared = plan.shared_environment(folder, options, credentials, ports, databases, amqp_url)
        processes = plan.processes(options, shared, ports)
        current = {each.name for each in processes if _runs_as_told(each, known.get(each.name))}
        folder.write("options", asdict(options))
        _write_environment(folder, shared)
        if current == {each.name for each in processes} == set(known):
            broker.result()
            _wait(folder, processes, report, {})
            return Up(shared, moved, already=True)
        running.stop(folder, _in_stop_order([name for name in known if name not in current]))
        _start(folder, [each for each in processes if each.name not in current], processes, shared, broker, report)
    _load_sample(folder, options, shared, report)
    return Up(shared, moved, already=False)


def _start(
    folder: RunFolder,
    missing: list[Process],
    processes: list[Process],
    shared: Mapping[str, str],
    broker: "Future[None]",
    report: Report,
) -> None:
    began = time.monotonic()
    # The gateway needs no database and its start costs much the same, so it comes up beside the migration.
    begun = {each.name: time.monotonic() for each in missing}
    for each in missing:
        if each.role.kind == "gateway":
            running.start(folder, each)
    # Neither does a worker wait for the broker here: it waits by itself, once it has started. Several may publish only
    # when each other's queues are there, or what one tells first is told to nobody.
    _prepare(folder, shared, broker if sum(each.role.kind == "work" for each in missing) > 1 else None)
    report(f"databases are up to date after {time.monotonic() - began:.1f} s")
    for each in missing:
        if each.role.kind != "gateway":
            begun[each.name] = time.monotonic()
            running.start(folder, each)
    broker.result()
    _wait(folder, processes, report, begun)


def _prepare(folder: RunFolder, shared: Mapping[str, str], broker: "Future[None] | None") -> None:
    """Bring the databases up to date, unless nothing has changed since that was done, and make the queues on a broker.

    One process does both, since its start takes longer than either. It migrates while the broker starts.
    """
    state = schema.state(shared)
    current = folder.read("schema") == state
    if current and broker is None:
        return
    what = [*([] if current else ["databases"]), *(["queues"] if broker else [])]
    _run(folder, "prepare", ["-m", "local_suite", "prepare", *what], shared, broker)
    folder.write("schema", state if current else schema.state(shared))


def _wait(folder: RunFolder, processes: list[Process], report: Report, begun: Mapping[str, float]) -> None:
    known = running.started(folder)
    with ThreadPoolExecutor(len(processes)) as pool:

        def wait(process: Process) -> None:
            running.wait_until_ready(folder, [known[process.name]])
            if process.name in begun:
                report(f"{process.name} is ready after {time.monotonic() - begun[process.name]:.1f} s")

        for done in [pool.submit(wait, process) for process in processes]:
            done.result()


def _runs_as_told(process: Process, begun: running.Started | None) -> bool:
    return begun is not None and begun.process.alive() and begun.fingerprint == process.fingerprint


def _held_by_servers(folder: RunFolder) -> set[str]:
    database, broker = postgres.attach(folder.postgres), rabbitmq.attach(folder.rabbitmq)
    return ({"postgres"} if database else set()) | ({"rabbitmq"} if broker else set())


def _start_broker(folder: RunFolder, credentials: Credentials, port: int, report: Report) -> None:
    if os.environ.get("AMQP_URL"):
        return
    began = time.monotonic()
    rabbitmq.start(folder.rabbitmq, port, password=credentials.amqp_password)
    report(f"RabbitMQ is ready after {time.monotonic() - began:.1f} s")


def _start_databases(
    folder: RunFolder, credentials: Credentials, port: int, *, safe: bool, report: Report
) -> dict[str, str]:
    """The URL of each service's database: given in the environment, or made on the private server."""
    given = {name: url for name in SERVICES if (url := os.environ.get(f"DATABASE_URL_{name.upper()}"))}
    missing = [name for name in SERVICES if name not in given]
    if not missing:
        return given
    began = time.monotonic()
    server = postgres.start(folder.postgres, port, safe=safe)
    made = {name: postgres.create_service_database(server, name, credentials.databases[name]) for name in missing}
    report(f"PostgreSQL is ready after {time.monotonic() - began:.1f} s")
    return {**given, **made}


def _lost_a_port(folder: RunFolder, options: Options) -> bool:
    """Whether a process of ours does not run whose port is taken all the same."""
    ports, known = folder.read("ports"), running.started(folder)
    if any(not is_free(ports[name]) for name in {*addresses.SERVERS} - _held_by_servers(folder) if name in ports):
        return True
    for role in plan.roles(options):
        dead = role.name in known and not known[role.name].process.alive()
        host = options.host if role.kind == "gateway" else LOOPBACK
        if dead and any(not is_free(ports[name], host) for name in role.port_names if name in ports):
            return not (role.kind == "gateway" and options.port)
    return False


def _load_sample(folder: RunFolder, options: Options, shared: Mapping[str, str], report: Report) -> None:
    """Load the sample company into a suite that is new. A suite that was begun without it stays without."""
    if folder.read("sample"):
        return
    if options.sample:
        began = time.monotonic()
        report("loading the sample company …")
        _run(folder, "sample", ["-m", "local_suite.sample"], shared)
        report(f"the sample company is loaded after {time.monotonic() - began:.1f} s")
    folder.write("sample", {"loaded": options.sample})


def _run(
    folder: RunFolder,
    name: str,
    arguments: list[str],
    shared: Mapping[str, str],
    awaited: "Future[None] | None" = None,
) -> None:
    """Run a step to its end. Its input ends once what it waits for has come. Raises StartFailed with what it said."""
    log = folder.log(name)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **shared},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as step,
    ):
        if awaited is not None:
            awaited.result()
        step.communicate()
    if step.returncode != 0:
        raise StartFailed(f"{name} failed:\n{tail(log, 30)}")


def _write_environment(folder: RunFolder, shared: Mapping[str, str]) -> None:
    folder.write("environment", dict(shared))
    write_private(folder.environment, "".join(f"export {name}={quote(value)}\n" for name, value in shared.items()))


def _in_stop_order(names: list[str]) -> list[str]:
    """Those who call before those who are called."""
    kinds = ("gateway", "serve", "work")
    return sorted(names, key=lambda name: kinds.index(name.rpartition("-")[2]))


def down(folder: RunFolder, report: Report) -> list[str]:
    """Stop everything, callers before those whom they call. Safe to call again. Returns what had to be killed."""
    if not folder.path.exists():
        return []
    with folder.locked():
        return _down(folder, report)


def _down(folder: RunFolder, report: Report) -> list[str]:
    names, killed = list(running.started(folder)), []
    for kind in ("gateway", "serve", "work"):
        killed += running.stop(folder, [name for name in names if name.rpartition("-")[2] == kind])
    for name in killed:
        report(f"{name} did not stop in time and was killed; {folder.log(name)} ends with where it stood")
    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(rabbitmq.stop, folder.rabbitmq), pool.submit(postgres.stop, folder.postgres)):
            done.result()
    return killed


def reset(folder: RunFolder, report: Report) -> None:
    """Stop everything and delete all that the suite holds. Servers that are not ours keep what they have."""
    if not folder.path.exists():
        return
    if any(folder.path.iterdir()) and not (folder.path / "lock").exists():
        raise Problem(f"{folder.path} is not a folder of the suite; nothing is deleted")
    with folder.locked():
        _down(folder, report)
        postgres.remove(folder.postgres)
        shutil.rmtree(folder.path)
