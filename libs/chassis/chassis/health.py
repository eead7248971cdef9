"""Whether a server can serve: the standard gRPC health service, kept by looking again and again."""

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from grpc_health.v1 import health, health_pb2
from sqlalchemy import text

from chassis.channels import TRAFFIC
from chassis.db import Database
from chassis.metrics import Check, failing

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0


class _Watchers(ThreadPoolExecutor):
    """Threads for those who watch, of which each holds one for as long as it is there.

    To the server their calls seem to end when they begin, so that they do not count towards the calls that it takes at
    once: the more clients there are, the fewer calls they could make.
    """

    def submit(self, *work: Any, **more: Any) -> "Future[Any]":
        super().submit(*work, **more)
        over: Future[Any] = Future()
        over.set_result(None)
        return over


_WATCHERS = _Watchers(1000, thread_name_prefix="watch")
"""As many as may watch: a client whose watch is not answered does not call. Without threads the servicer sends while it
holds its lock, and waits for the thread that reads what comes in, which waits for that lock to take down a client that
leaves: all calls stand still."""
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def database_check(database: Database) -> Check:
    """A check that a database answers."""

    def check() -> str:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT 1"))
        return ""

    return check


class Health:
    """Answers for the server as a whole (the empty name) and for each of its services by name.

    Checks are named by service; a service serves while its own checks and those under the empty name pass. Clients that
    spread their calls watch the name `chassis.channels.TRAFFIC`, which serves until the server drains.
    """

    def __init__(self, checks: Mapping[str, Mapping[str, Check]], names: Mapping[str, Sequence[str]]) -> None:
        """`checks` by service, then by what is checked; `names` are the gRPC services that each consists of."""
        self.servicer = health.HealthServicer(experimental_non_blocking=False, experimental_thread_pool=_WATCHERS)
        self._checks = checks
        self._names = names
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="health", daemon=True)
        self._last: dict[str, str] | None = None
        self.servicer.set(TRAFFIC, _SERVING)

    @property
    def checks(self) -> dict[str, Check]:
        """All checks, for `/readyz`, and one that fails while the server drains."""
        flat = {
            f"{service}.{name}".lstrip("."): check
            for service, checks in self._checks.items()
            for name, check in checks.items()
        }
        return {**flat, "draining": lambda: "the server is stopping" if self._stopping.is_set() else ""}

    def start(self) -> None:
        """Look now and from then on."""
        self.look()
        self._thread.start()

    def lifeless(self) -> str:
        """What is wrong if nobody looks any more, or the empty string. For liveness."""
        return "" if self._thread.is_alive() or self._stopping.is_set() else "nobody looks any more"

    def drain(self) -> None:
        """Answer NOT_SERVING to everything from now on."""
        self._stopping.set()
        self.servicer.enter_graceful_shutdown()

    def look(self) -> None:
        """Run the checks once and answer accordingly."""
        common = failing(self._checks.get("", {}))
        everything = dict(common)
        for service, grpc_names in self._names.items():
            wrong = {**common, **failing(self._checks.get(service, {}))}
            everything.update({f"{service}.{name}": problem for name, problem in wrong.items() if name not in common})
            for name in (service, *grpc_names):
                self.servicer.set(name, _NOT_SERVING if wrong else _SERVING)
        self.servicer.set("", _NOT_SERVING if everything else _SERVING)
        if everything != self._last:
            self._last = everything
            logger.log(
                logging.WARNING if everything else logging.INFO,
                "not ready" if everything else "ready",
                extra={"failing": everything},
            )

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self.look()
