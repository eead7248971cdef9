"""A private cluster of RabbitMQ nodes on this machine, each of which can be killed and started again."""

import secrets
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from embedded import rabbitmq
from embedded.ports import free_port
from embedded.rabbitmq import Member, RunningRabbitMq
from embedded.tools import default_cache


class Cluster:
    """Nodes that run, numbered from 0. As a context manager it stops at the end. What is durable is kept."""

    def __init__(self, folder: Path, size: int = 3) -> None:
        """Raises embedded.processes.StartFailed."""
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        self._password, self._cookie = secrets.token_urlsafe(24), secrets.token_hex(16)
        self._names_port = free_port()
        self._name_server = rabbitmq.start_name_server(
            rabbitmq.find(default_cache()), self._names_port, folder / "names.log"
        )
        self._folders = [folder / str(number) for number in range(size)]
        self._nodes: list[RunningRabbitMq] = []
        try:
            for number in range(size):
                self._nodes.append(self._start(number))
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """What a client is told: all nodes, separated by `;`."""
        return ";".join(node.url for node in self._nodes)

    @property
    def urls(self) -> list[str]:
        """How a client connects to each."""
        return [node.url for node in self._nodes]

    def kill(self, number: int) -> None:
        """End a node at once, with no chance to clean up."""
        self._nodes[number].process.kill()

    def start(self, number: int) -> None:
        """Start a node that was killed, where it was before."""
        self._nodes[number] = self._start(number, self._nodes[number].port)

    def stop(self) -> None:
        """Stop all of it."""
        for node in reversed(self._nodes):
            node.stop()
        self._name_server.stop(signals=(signal.SIGTERM,), seconds=5)

    def _start(self, number: int, port: int = 0) -> RunningRabbitMq:
        first = _name(0)
        member = Member(_name(number), self._names_port, self._cookie, joins=first if number else "")
        return rabbitmq.start(self._folders[number], port, password=self._password, member=member)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _name(number: int) -> str:
    return f"crm{number}@localhost"
