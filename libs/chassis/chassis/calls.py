"""How a servicer opens its transactions: a method parses, calls a use case in one of these, and maps."""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import Message
from sqlalchemy.exc import DBAPIError

from chassis import deadlines, idempotency, metrics, written
from chassis.callers import Caller, current_caller
from chassis.db import Database, ServiceSession
from chassis.errors import Unavailable
from chassis.names import new_id

Response = TypeVar("Response", bound=Message)

_ATTEMPTS = 4
_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED = "40001", "40P01"

log = logging.getLogger(__name__)


class Calls:
    """Opens sessions on a service's database for the caller of the call under way."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def read(self) -> ServiceSession:
        """A session for reading, to be closed at the end of a `with`. Each statement sees the newest data."""
        return self.database.read(current_caller())

    @contextmanager
    def transaction(
        self, request_id: str = "", *, caller: Caller | None = None, unaudited: str = ""
    ) -> Iterator[ServiceSession]:
        """A session for writing in methods that `write` does not suit, such as uploads. It commits at the end.

        A call without a request id is given one, which its audit entries then share. What changes rows must record
        an entry: see `chassis.written`. `unaudited` says why a method need not. `caller` is whom the method finds
        its caller to be, such as who signs in.
        """
        with self.database.write(caller or current_caller(), request_id=request_id or str(new_id())) as session:
            with written.watching() as tables:
                yield session
                session.flush()
            if not unaudited:
                self._require_entry(tables)

    def _require_entry(self, tables: set[str]) -> None:
        if missed := written.unaudited(tables):
            metrics.UNAUDITED_WRITES.labels(self.database.service).inc()
            log.error("a call wrote without an audit entry", extra={"tables": missed})
            if written.is_strict():
                raise written.UnauditedWrite(f"{', '.join(missed)} changed without an audit entry")

    def write(
        self,
        request: Any,
        response_type: type[Response],
        call: Callable[[ServiceSession], Response],
        *,
        ahead: Callable[[ServiceSession], Callable[[], None]] | None = None,
        secret_fields: Sequence[str] = (),
        unaudited: str = "",
    ) -> Response:
        """Answer a writing method: all in one transaction, once per `request_id`.

        A transaction that loses against a concurrent one (a deadlock, a serialization failure) runs again, so
        `call` must have no effect but on its session. `ahead` returns what asks for what `call` will
        need, and `secret_fields` are never kept: see `idempotency.once`. For `unaudited` see `transaction`.
        """
        request_id: str = request.request_id
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(min(random.uniform(0.005, 0.02) * 2**attempt, deadlines.remaining(1)))  # noqa: S311
            try:
                with self.transaction(request_id, unaudited=unaudited) as session:
                    return idempotency.once(
                        session,
                        request,
                        request_id,
                        response_type,
                        partial(call, session),
                        ahead=ahead and partial(ahead, session),
                        secret_fields=secret_fields,
                    )
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in (_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED):
                    raise
        raise Unavailable("TOO_MUCH_CONTENTION", "others change the same records at the same time; try again shortly")
