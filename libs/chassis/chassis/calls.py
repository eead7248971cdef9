"""How a servicer opens its transactions: a method parses, calls a use case in one of these, and maps."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from google.protobuf.message import Message
from sqlalchemy.exc import DBAPIError

from chassis import deadlines, idempotency
from chassis.callers import current_caller
from chassis.db import Database, ServiceSession
from chassis.errors import Unavailable
from chassis.names import new_id

Response = TypeVar("Response", bound=Message)

_ATTEMPTS = 4
_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED = "40001", "40P01"


class Calls:
    """Opens sessions on a service's database for the caller of the call under way."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def read(self) -> Iterator[ServiceSession]:
        """A session for reading. Each statement sees the newest data."""
        with self.database.read(current_caller()) as session:
            yield session

    @contextmanager
    def transaction(self, request_id: str = "") -> Iterator[ServiceSession]:
        """A session for writing in methods that `write` does not suit, such as uploads. It commits at the end.

        A call without a request id is given one, which its audit entries then share.
        """
        with self.database.write(current_caller(), request_id=request_id or str(new_id())) as session:
            yield session

    def write(
        self,
        request: Any,
        response_type: type[Response],
        call: Callable[[ServiceSession], Response],
        *,
        secret_fields: Sequence[str] = (),
    ) -> Response:
        """Answer a writing method: all in one transaction, once per `request_id`.

        A transaction that loses against a concurrent one (a deadlock, a serialization failure) runs again, so
        `call` must have no effect but on its session. `secret_fields` are never kept: see `idempotency.once`.
        """
        request_id: str = request.request_id
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(min(random.uniform(0.005, 0.02) * 2**attempt, deadlines.remaining(1)))  # noqa: S311
            try:
                with self.transaction(request_id) as session:
                    return idempotency.once(
                        session, request, request_id, response_type, lambda: call(session), secret_fields=secret_fields
                    )
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in (_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED):
                    raise
        raise Unavailable("TOO_MUCH_CONTENTION", "others change the same records at the same time; try again shortly")
