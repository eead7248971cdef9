"""The command line of a service, and the same commands for whoever composes several services in one process."""

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import orjson
from sqlalchemy.exc import OperationalError

from chassis import connecting, logs, stacks, telemetry, written
from chassis.callers import service_caller
from chassis.db import Database
from chassis.errors import DomainError, Invalid, Unavailable
from chassis.service import Runtime, Service, ServiceCommand
from chassis.settings import Settings
from chassis.testclock import suite_clock

STATEMENT_SECONDS = 30
"""The longest that a statement of a call may take."""
_PROBLEM = 1

Command: TypeAlias = Callable[[Service, Settings, argparse.Namespace], int]


def make_runtime(settings: Settings, service: Service, *, statement_seconds: float = 0) -> Runtime:
    """What a process gives a service to work with. Raises Invalid, naming the variable, if a setting is missing.

    Statements are cancelled after `statement_seconds`; 0 sets no limit, as suits timers, jobs and migrations. These go
    past a pooler, which has one limit for all.
    """
    pooled = settings.is_pooled(service.name) and statement_seconds > 0
    database = Database(
        service.name,
        settings.database_url(service.name) if pooled else settings.direct_database_url(service.name),
        pooled=pooled,
        pool_size=settings.pool_size,
        statement_seconds=statement_seconds,
        data_keys=settings.data_keys(),
        zone=settings.zone,
        standby_url=settings.standby_url(service.name),
    )
    if settings.strict_audit:
        written.be_strict()
    if settings.test_clock:
        database.clock = suite_clock(database)
    return Runtime(settings=settings, database=database)


def serve(settings: Settings, services: Sequence[Service], *, process_name: str = "") -> None:
    """Host the gRPC servers of some services until SIGTERM or SIGINT, then drain and return."""
    from chassis.metrics import Monitor
    from chassis.server import build_server

    name = process_name or f"{'-'.join(service.name for service in services)}-serve"
    logs.start(settings, name)
    stacks.tell_when_asked()
    telemetry.start(settings, name)
    hosted = [(service, make_runtime(settings, service, statement_seconds=STATEMENT_SECONDS)) for service in services]
    server = build_server(settings, hosted)
    monitor = Monitor(settings.monitor, server.health.checks, server.alive) if settings.monitor else None
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    server.start()
    if monitor:
        monitor.start()
    _settle()
    told.wait()
    server.drain(settings.drain_seconds)
    server.stop(settings.stop_seconds)
    if monitor:
        monitor.stop()
    telemetry.stop()


def _settle() -> None:
    """Take what a started server consists of out of the garbage collector's rounds: about a tenth of each call."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()  # it may have been off during the start


def migrate(settings: Settings, services: Sequence[Service]) -> None:
    """Bring the databases of some services up to date and put in what each needs to begin with."""
    from chassis import migrations

    for service in services:
        url = settings.direct_database_url(service.name)
        migrations.upgrade(url, service.migrations)
        if settings.is_pooled(service.name):
            connecting.set_defaults(url, STATEMENT_SECONDS)
        if service.bootstrap is not None:
            runtime = make_runtime(settings, service)
            try:
                service.bootstrap(runtime)
            finally:
                runtime.database.dispose()


def declare_queues(settings: Settings, services: Sequence[Service]) -> None:
    """Make sure that the queues of the services' handlers exist.

    Events published before a queue exists do not reach it. A worker declares the queues of its own services before
    it publishes anything. With workers of their own, all services' queues must be declared before the first of
    them starts. Raises Unavailable if the broker is away.
    """
    from chassis.bus.nodes import BROKER_FAULTS
    from chassis.bus.topology import declare_all

    for service in services:
        subscriptions = service.subscriptions(make_runtime(settings, service))
        try:
            declare_all(settings.amqp_url, subscriptions)
        except BROKER_FAULTS as fault:
            raise Unavailable("BROKER_UNAVAILABLE", "the message broker does not answer") from fault


def main(service: Service) -> None:
    """Run the command line of one service: the entry point of its distribution. Exits the process."""
    sys.exit(run(service, sys.argv[1:]))


def run(service: Service, arguments: Sequence[str]) -> int:
    """Run a command and return the exit code: 0 done, 1 could not be done, 2 wrong usage."""
    chosen = _parser(service).parse_args(arguments)
    command: Command = chosen.command
    try:
        return command(service, Settings.read(), chosen)
    except DomainError as error:
        print(f"{service.name}: {error.message}", file=sys.stderr)
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()
        print(f"{service.name}: the database does not answer: {reason[0] if reason else ''}", file=sys.stderr)
    return _PROBLEM


def _parser(service: Service) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=service.name, description=f"The {service.name} service.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "serve", _serve, "answer gRPC calls until stopped")
    _add(commands, "work", _work, "handle events, timers and jobs until stopped")
    _add(commands, "migrate", _migrate, "bring the database up to date")
    events = commands.add_parser("events", help="look after dead letters").add_subparsers(required=True, metavar="WHAT")
    _add(events, "list", _list_dead_letters, "list the events that handlers gave up on")
    show = _add(events, "show", _show_dead_letter, "print a dead letter with its content")
    show.add_argument("event", type=UUID, help="the id of the event")
    replay = _add(events, "replay", _replay_dead_letters, "give dead letters to their handlers again")
    replay.add_argument("event", type=UUID, nargs="?", help="the id of one event; all if not given")
    state = commands.add_parser("state", help="look after what is known of other services' records")
    wanted = state.add_subparsers(required=True, metavar="WHAT")
    _add(wanted, "request", _request_state, "ask the other services to tell all of it again, as after a restore")
    mail = commands.add_parser("mail", help="look after mails").add_subparsers(required=True, metavar="WHAT")
    _add(mail, "list", _list_mails, "list the mails that wait or were given up")
    _add(mail, "retry", _retry_mails, "try the mails again that were given up")
    keys = commands.add_parser("keys", help="look after the data keys").add_subparsers(required=True, metavar="WHAT")
    _add(keys, "reseal", _reseal, "seal anew with the first of DATA_KEYS what other keys sealed")
    audit = commands.add_parser("audit", help="look after the audit log").add_subparsers(required=True, metavar="WHAT")
    _add(audit, "verify", _verify_audit, "check that no entry was altered, removed or slipped in")
    _add(audit, "seal", _seal_audit, "seal the entries written so far")
    _add_own(commands, service)
    return parser


def _add_own(commands: Any, service: Service) -> None:
    """The commands that only this service has."""
    groups: dict[str, Any] = {}
    for each in service.commands:
        if each.group not in groups:
            group = commands.add_parser(each.group, help=each.about_group)
            groups[each.group] = group.add_subparsers(required=True, metavar="WHAT")
        _add(groups[each.group], each.name, partial(_run_own, each), each.about)


def _run_own(own: ServiceCommand, service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    runtime = make_runtime(settings, service)
    try:
        return own.run(runtime)
    finally:
        runtime.database.dispose()


def _add(where: Any, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = where.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    made.set_defaults(command=command)
    return made


def _serve(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    serve(settings, [service])
    return 0


def _work(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis.bus.launch import become_worker

    settings.database_url(service.name)  # a missing setting is told before the process is replaced
    become_worker([service.name])
    return 0


def _migrate(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    logs.start(settings, f"{service.name}-migrate")
    migrate(settings, [service])
    if settings.amqp_url:
        declare_queues(settings, [service])
    return 0


def _list_dead_letters(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis.bus import dead_letters

    letters = dead_letters.list(settings.amqp_url, _queues(service, settings))
    for letter in letters:
        print(f"{letter.time:%Y-%m-%d %H:%M:%S}Z  {letter.event_id}  {letter.queue}  {letter.type}  {letter.error}")
    print(f"{len(letters)} dead letters", file=sys.stderr)
    return 0


def _show_dead_letter(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis.bus import dead_letters

    letter = dead_letters.show(settings.amqp_url, _queues(service, settings), chosen.event)
    print(orjson.dumps(asdict(letter), option=orjson.OPT_INDENT_2).decode())
    return 0


def _replay_dead_letters(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis.bus import dead_letters

    count = dead_letters.replay(settings.amqp_url, _queues(service, settings), chosen.event)
    print(f"{count} given back to their handlers", file=sys.stderr)
    return 0


def _queues(service: Service, settings: Settings) -> list[str]:
    if not settings.amqp_url:
        raise Invalid("MISSING_SETTING", "set the environment variable AMQP_URL", field="AMQP_URL")
    return [subscription.queue for subscription in service.subscriptions(make_runtime(settings, service))]


def _request_state(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis import restating

    runtime = make_runtime(settings, service)
    with runtime.database.write(service_caller(service.name)) as session:
        requests = restating.request_all_again(session, service.subscriptions(runtime))
    for each in requests:
        print(f"asked {each.source} for {', '.join(each.events)}")
    return 0


def _list_mails(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis import mail

    with make_runtime(settings, service).database.read(service_caller(service.name)) as session:
        unsent = mail.unsent(session)
    for each in unsent:
        print(f"{each.create_time:%Y-%m-%d %H:%M:%S}Z  {each.id}  {each.state}  {each.attempts}  {each.last_error}")
    print(f"{len(unsent)} mails not sent", file=sys.stderr)
    return 0


def _retry_mails(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis import mail

    with make_runtime(settings, service).database.write(service_caller(service.name)) as session:
        count = mail.retry(session)
    print(f"{count} mails are tried again", file=sys.stderr)
    return 0


def _reseal(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis import resealing

    database = make_runtime(settings, service).database
    current, stuck = database.data_keys.current, 0
    for done in resealing.reseal(database, service):
        left = f"; {done.stuck} still need another key" if done.stuck else ""
        print(f"{done.what}: {done.renewed} sealed anew{left}")
        stuck += done.stuck
    if stuck:
        print(f"{stuck} values need another key than {current}: run this again, and keep the keys", file=sys.stderr)
        return _PROBLEM
    print(f"the key {current} seals everything")
    return 0


def _verify_audit(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis import audit

    with make_runtime(settings, service).database.read(service_caller(service.name)) as session:
        found = audit.verify_from(session, audit.Progress())
        unsealed, (number, digest) = audit.unsealed(session), audit.head(session)
    if found.broken is not None:
        print(f"the audit log is broken: {found.broken}", file=sys.stderr)
        return _PROBLEM
    erased = found.progress.erased + found.progress.tail_erased
    print(
        f"the audit log is whole; last block {number} {digest}; {unsealed} entries not sealed yet;"
        f" the content of {erased} was erased"
    )
    return 0


def _seal_audit(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    from chassis import audit

    database, sealed = make_runtime(settings, service).database, 0
    while True:
        with database.write(service_caller(service.name)) as session:
            count = audit.seal(session)
        sealed += count
        if not count:
            break
    print(f"{sealed} entries sealed")
    return 0
