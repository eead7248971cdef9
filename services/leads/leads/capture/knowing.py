"""The capture sources as a server knows them: read at most once a second, so that taking something in costs no more
than to write it."""

import threading
import time
from collections import OrderedDict
from typing import Any
from uuid import UUID

from chassis.callers import Caller
from chassis.db import Database
from chassis.errors import NotFound
from sqlalchemy import select

from leads.model import CaptureSource

FRESH_SECONDS = 1.0
"""How late a server may be to notice that a source was changed."""

_CAPACITY = 5_000
_COLUMNS = (
    CaptureSource.id,
    CaptureSource.kind,
    CaptureSource.disabled,
    CaptureSource.allowed_origins,
    CaptureSource.calls_per_minute,
    CaptureSource.calls_per_address_per_minute,
    CaptureSource.key_digest,
    CaptureSource.former_key_digest,
    CaptureSource.secret,
    CaptureSource.former_secret,
    CaptureSource.former_secret_expire_time,
)


class KnownSources:
    """The capture sources by their ids."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[UUID, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, source_id: UUID) -> Any:
        """A source that takes something in, as a row. Raises NotFound if there is none, or it is disabled."""
        now = time.monotonic()
        until, row = self._known.get(source_id, (0.0, None))
        if until < now:
            row = self._read(source_id)
            with self._lock:
                self._known[source_id] = (now + FRESH_SECONDS, row)
                self._known.move_to_end(source_id)
                if len(self._known) > _CAPACITY:
                    self._known.popitem(last=False)
        if row is None or row.disabled:
            raise NotFound("CAPTURE_SOURCE_NOT_FOUND", "there is no such capture source, or it is closed")
        return row

    def _read(self, source_id: UUID) -> Any:
        with self._database.read(Caller(subject="")) as session:
            return session.execute(select(*_COLUMNS).where(CaptureSource.id == source_id)).first()
