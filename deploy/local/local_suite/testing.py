"""A suite of one's own for a test: every process and server, in a folder and on ports of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from embedded import postgres, rabbitmq
from embedded.ports import free_port
from embedded.processes import tail

from local_suite import plan, running, suite
from local_suite.graphql import GraphQLClient
from local_suite.layout import Problem, RunFolder
from local_suite.plan import Options

STACK_LINES = 200


@dataclass(frozen=True)
class Suite:
    """A suite that runs. As a context manager it stops at the end, and deletes its databases."""

    folder: RunFolder
    environment: Mapping[str, str]
    """What all its processes together are told: targets, URLs, secrets."""

    @property
    def gateway_url(self) -> str:
        """Where the gateway answers, `http://host:port`."""
        return self.environment["GATEWAY_URL"]

    @property
    def admin_password(self) -> str:
        """The password of the user `admin`."""
        return self.environment["BOOTSTRAP_ADMIN_PASSWORD"]

    @property
    def processes(self) -> list[str]:
        """The names of its processes, servers included."""
        return ["postgres", "rabbitmq", *(each.name for each in plan.recorded(self.folder))]

    def target(self, service: str) -> str:
        """Where a service's gRPC server listens, `host:port`."""
        return self.environment[f"{service.upper()}_TARGET"]

    @property
    def logs(self) -> Path:
        """The folder of the processes' logs, `<process>.log`."""
        return self.folder.logs

    @property
    def traces(self) -> Path:
        """The folder of the files of spans."""
        return self.folder.traces

    def database(self, service: str) -> "psycopg.Connection[Any]":
        """A connection to a service's database, in autocommit, for a test that looks below the surface."""
        return psycopg.connect(self.environment[f"DATABASE_URL_{service.upper()}"], autocommit=True)

    def admin(self) -> GraphQLClient:
        """A client of the gateway, signed in as the administrator."""
        return GraphQLClient(self.gateway_url).sign_in("admin", self.admin_password)

    def kill(self, name: str) -> None:
        """End a process as a crash would: at once, with no chance to clean up."""
        if name == "postgres":
            database = postgres.attach(self.folder.postgres)
            assert database is not None
            database.process.kill()
        elif name == "rabbitmq":
            broker = rabbitmq.attach(self.folder.rabbitmq)
            assert broker is not None
            broker.process.kill()
        else:
            running.kill(self.folder, name)

    def start(self, name: str, *, wait: bool = True) -> None:
        """Start a process that was killed or stopped, where it was before. With `wait`, returns once it is ready."""
        ports = self.folder.read("ports")
        if name == "postgres":
            postgres.start(self.folder.postgres, ports[name], safe=False)
        elif name == "rabbitmq":
            rabbitmq.start(self.folder.rabbitmq, ports[name])
        else:
            process = next(each for each in plan.recorded(self.folder) if each.name == name)
            begun = running.start(self.folder, process)
            if wait:
                running.wait_until_ready(self.folder, [begun])

    def halt(self, name: str) -> None:
        """Stop one process in an orderly way."""
        if name == "postgres":
            postgres.stop(self.folder.postgres)
        elif name == "rabbitmq":
            rabbitmq.stop(self.folder.rabbitmq)
        else:
            running.stop(self.folder, [name])

    def stop(self) -> None:
        """Stop everything and delete the databases. The logs stay.

        Raises Problem, with where it stood, if a process had to be killed: it may have been a deadlock.
        """
        killed = suite.down(self.folder, lambda text: None)
        postgres.remove(self.folder.postgres)
        if killed:
            stood = [f"{name} did not stop in time:\n{tail(self.folder.log(name), STACK_LINES)}" for name in killed]
            raise Problem("\n".join(stood))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def running_suite(run_dir: Path, *, split: bool = False, test_clock: bool = True, sample: bool = False) -> Suite:
    """Start a suite in a folder. Nothing it commits survives a crash of the machine, which makes it fast."""
    folder = RunFolder(run_dir.resolve())
    folder.create()
    if not folder.read("ports"):
        # Several tests may start suites at once: they do not vie for the usual port.
        folder.write("ports", {"gateway": free_port()})
    options = Options(split=split, test_clock=test_clock, sample=sample, safe=False)
    try:
        done = suite.up(folder, options, lambda text: None)
    except BaseException:
        suite.down(folder, lambda text: None)
        raise
    return Suite(folder, done.environment)
