"""The `work` process: event handlers, timers, relay and chores of one or several services, in nameko containers.

eventlet patches this process before anything else is imported, so it is entered by `python -m chassis.bus` only:
see `chassis.bus.launch`.
"""

import gc
import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from threading import Event
from typing import Any, Protocol

import eventlet
from eventlet.hubs import trampoline
from nameko.extensions import Entrypoint, register_entrypoint
from nameko.runners import ServiceRunner
from sqlalchemy import select

from chassis import jobs, logs, metrics, stacks, telemetry, testclock
from chassis.bus.asking import Asking
from chassis.bus.consumer import Consumer
from chassis.bus.housekeeping import Housekeeping
from chassis.bus.relay import Relay
from chassis.bus.topology import declare_all_patiently
from chassis.callers import service_caller
from chassis.cli import make_runtime
from chassis.db import Database
from chassis.hearing import Hearing
from chassis.mail.delivery import Delivery
from chassis.mail.transports import read_settings
from chassis.service import Runtime, Service
from chassis.settings import Settings
from chassis.stopping import Stopping
from chassis.timers import TimerLoop

STOP_SECONDS = 10.0
"""How long to wait for what is being handled when the process is told to stop."""

_STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})

log = logging.getLogger(__name__)


class Loop(Protocol):
    """Something that works until it is stopped."""

    stopping: Stopping

    def run(self) -> None:
        """Work until stopped."""

    def stop(self) -> None:
        """Ask `run` to finish what it is doing and return."""


class LoopEntrypoint(Entrypoint):  # type: ignore[misc]
    """A nameko entry point that keeps a loop running as long as its container.

    nameko's own event handler is of no use here: it acknowledges what failed or spins on it, starts a green thread
    per message, which does not keep their order, and cancels its consumer with messages in hand, on which a single
    active consumer elsewhere goes on with later ones.
    """

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._loop = loop
        self._thread: Any = None

    def start(self) -> None:
        """Called by the container. A loop that breaks ends the process, to be started afresh."""
        self._thread = self.container.spawn_managed_thread(self._run, identifier=self.method_name)

    def _run(self) -> None:
        self._loop.run()
        self._loop.stopping.end()

    def stop(self) -> None:
        """Called by the container: returns when the loop has."""
        self._loop.stop()
        if self._thread is not None:
            self._thread.wait()

    def kill(self) -> None:
        """Called by the container, which then kills the thread."""
        self._loop.stop()


class JobSupervision:
    """Keeps job processes running for a service."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self.stopping = Stopping()

    def run(self) -> None:
        """Supervise until stopped."""
        jobs.supervise(self._settings, self._database, self.stopping.is_set)

    def stop(self) -> None:
        """Ask `run` to end the job processes and return."""
        self.stopping.set()


def run(settings: Settings, services: Sequence[Service]) -> None:
    """Work for these services until SIGTERM or SIGINT, then finish what is under way and return.

    Raises Invalid, naming the variable, if a setting is missing.
    """
    name = "-".join(service.name for service in services)
    logs.start(settings, f"{name} work")
    telemetry.start(settings, f"{name}-work")
    runtimes = [(service, make_runtime(settings, service)) for service in services]
    for _, runtime in runtimes:
        metrics.POOLS.watch(runtime.database)
    try:
        _work(settings, runtimes)
    finally:
        for _, runtime in runtimes:
            runtime.database.dispose()
        telemetry.stop()


def _work(settings: Settings, runtimes: Sequence[tuple[Service, Runtime]]) -> None:
    consumers = {
        service.name: [
            Consumer(settings.amqp_url, runtime.database, subscription)
            for subscription in service.subscriptions(runtime)
        ]
        for service, runtime in runtimes
    }
    told = _watch_signals()
    loops = {service.name: list(_loops(service, runtime, consumers[service.name])) for service, runtime in runtimes}
    monitor = _monitor(settings, _checks(runtimes, consumers), loops)
    if monitor:
        monitor.start()
    # Before any relay runs: what is published before a queue exists does not reach it.
    subscriptions = [consumer.subscription for group in consumers.values() for consumer in group]
    if declare_all_patiently(settings.amqp_url, subscriptions, told):
        runner = ServiceRunner({})
        for service, _ in runtimes:
            runner.add_service(_container_class(service, loops[service.name]))
        runner.start()
        log.info("working", extra={"services": [service.name for service, _ in runtimes]})
        _wait(runner, told)
    if monitor:
        monitor.stop()


def _loops(service: Service, runtime: Runtime, consumers: Sequence[Consumer]) -> Iterator[tuple[str, Loop]]:
    settings, database = runtime.settings, runtime.database
    for consumer in consumers:
        yield f"handle {consumer.subscription.queue}", consumer
    yield "asking", Asking(database, [consumer.subscription for consumer in consumers])
    direct_url = settings.direct_database_url(service.name)
    yield "relay", Relay(settings.amqp_url, direct_url, service.name)
    moves = Hearing(direct_url, testclock.CHANNEL) if settings.test_clock else None
    yield "timers", TimerLoop(database, service.timers(runtime), test_clock=settings.test_clock, moves=moves)
    queues = [consumer.subscription.queue for consumer in consumers]
    yield "housekeeping", Housekeeping(database, settings.amqp_url, queues)
    yield "mail", Delivery(database, read_settings(settings.environment))
    if service.jobs(runtime):
        yield "jobs", JobSupervision(settings, database)


def _monitor(
    settings: Settings, checks: Mapping[str, metrics.Check], loops: Mapping[str, Sequence[tuple[str, Loop]]]
) -> metrics.Monitor | None:
    """It is itself a green thread: a process that is stuck as a whole does not answer at all."""
    if not settings.monitor:
        return None
    alive: dict[str, metrics.Check] = {}
    if settings.hang_seconds:
        for service, group in loops.items():
            alive |= {f"{service} {name}": _progress_check(loop, settings.hang_seconds) for name, loop in group}
    return metrics.Monitor(settings.monitor, checks, alive)


def _progress_check(loop: Loop, seconds: float) -> metrics.Check:
    def check() -> str:
        silence = loop.stopping.silence()
        return f"no progress for {silence:.0f} s" if silence > seconds else ""

    return check


def _container_class(service: Service, loops: Sequence[tuple[str, Loop]]) -> type:
    """The class that nameko makes a container of: one method per loop, which carries its entry point."""

    def method(name: str, loop: Loop) -> Callable[[Any], None]:
        def described(self: Any) -> None:
            """The entry point does the work; nameko knows it by this method."""

        described.__name__ = name
        register_entrypoint(described, LoopEntrypoint(loop))
        return described

    return type("Work", (), {"name": service.name, **{name: method(name, loop) for name, loop in loops}})


def _watch_signals() -> Event:
    """An event that SIGTERM and SIGINT set. The signal that asks for stacks is answered."""
    told = Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # A handler in Python alone would not do: it runs inside the hub, where nothing may wait for a lock, and the hub
    # goes back to its waiting after an interrupt.
    signal.set_wakeup_fd(writing)
    for number in (*_STOPPING, stacks.SIGNAL):
        signal.signal(number, lambda *_: None)
    stacks.tell_when_asked(chain=True)

    def watch() -> None:
        while not told.is_set():
            trampoline(reading, read=True)
            if _STOPPING.intersection(os.read(reading, 64)):
                told.set()
            else:
                stacks.tell_greenlets()

    eventlet.spawn(watch)
    return told


def _wait(runner: ServiceRunner, told: Event) -> None:
    """Wait until told to stop, then stop the containers; if one of them dies, stop them and raise what it died of."""
    death = eventlet.spawn(runner.wait)
    death.link(lambda thread: told.set())
    told.wait()
    with eventlet.Timeout(STOP_SECONDS, exception=False):
        runner.stop()
        log.info("stopped")
        if death.dead:
            death.wait()
        return
    log.warning("what is under way takes too long to stop; it is cut off and done again later")
    runner.kill()


def _checks(
    runtimes: Sequence[tuple[Service, Runtime]], consumers: Mapping[str, Sequence[Consumer]]
) -> dict[str, metrics.Check]:
    checks: dict[str, metrics.Check] = {}
    for service, runtime in runtimes:
        checks[f"{service.name} database"] = _database_check(runtime.database)
        for consumer in consumers[service.name]:
            checks[f"queue {consumer.subscription.queue}"] = _consumer_check(consumer)
    return checks


def _database_check(database: Database) -> metrics.Check:
    def check() -> str:
        with database.read(service_caller(database.service)) as session:
            session.execute(select(1))
        return ""

    return check


def _consumer_check(consumer: Consumer) -> metrics.Check:
    return lambda: "" if consumer.is_consuming else "not connected to the broker"


def main(names: Sequence[str]) -> None:
    """Work for services given by name, found as `SERVICE` in `<name>.main`, or as `module:ATTRIBUTE`."""
    services = []
    for name in names:
        module, _, attribute = name.partition(":")
        services.append(getattr(import_module(module if attribute else f"{name}.main"), attribute or "SERVICE"))
    gc.collect()
    gc.freeze()
    gc.enable()
    run(Settings.read(), services)
