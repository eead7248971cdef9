"""The loop that asks other services, once, for what they told before this one listened: see `chassis.restating`."""

import logging
from collections.abc import Sequence

from chassis.bus.faults import is_transient
from chassis.bus.handlers import Subscription
from chassis.callers import service_caller
from chassis.db import Database
from chassis.restating import request_state
from chassis.stopping import Stopping

RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


class Asking:
    """Asks for a service, and is done. Waits for a database that is away."""

    def __init__(self, database: Database, subscriptions: Sequence[Subscription]) -> None:
        self._database = database
        self._subscriptions = subscriptions
        self.stopping = Stopping()

    def stop(self) -> None:
        """Ask `run` to return."""
        self.stopping.set()

    def run(self) -> None:
        """Ask for what was not asked for yet. The queues that the answers are for must be there."""
        while not self.stopping.is_set():
            try:
                with self._database.write(service_caller(self._database.service)) as session:
                    requests = request_state(session, self._subscriptions)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("waiting for the database", extra={"service": self._database.service})
                self.stopping.wait(RETRY_SECONDS)
            else:
                for each in requests:
                    log.info("asked for state", extra={"source": each.source, "events": each.events})
                return
