"""Entries for calls that were refused because their caller may not do such a thing, or could not sign in.

An entry is written in a transaction of its own, as that of the call is undone. Whoever is refused again and again
fills the log with 20 entries per minute and method at most; then one entry says how many more there were.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from google.protobuf.message import Message

from chassis import deadlines
from chassis.audit.entries import record
from chassis.callers import Caller
from chassis.clock import system_clock
from chassis.db import Database
from chassis.errors import DomainError, Invalid
from chassis.idempotency import parse_request_id

ACTION = "access.refused"
LIMIT = 20
"""The most entries for one subject and method within a window."""
WINDOW_SECONDS = 60.0
_LOOK_SECONDS = 5.0
_NAME = re.compile(r"[A-Za-z]{1,40}/[0-9a-f-]{36}")

logger = logging.getLogger(__name__)


@dataclass
class _Window:
    """What was refused to one subject at one method within a minute."""

    ends_at: float
    """By the monotonic clock."""
    since: datetime
    until: datetime
    permission: str
    count: int = 0
    untold: int = 0
    """Those that have no entry."""


class RefusalLog:
    """The refusals of the methods of one service."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], _Window] = {}

    def note(self, caller: Caller, method: str, error: DomainError, request: Any) -> None:
        """Write an entry for a refused call, or count it if there were too many.

        What cannot be written is counted, too, and told later. Never raises: the refusal is answered in any case.
        """
        permission = error.details.get("permission", "")
        self.tell()
        window = self._count(caller.subject, method, permission)
        if window is None:
            return
        details = {"method": method, "permission": permission, "reason": error.reason}
        if not self._write(caller, _record_of(request), details, _request_id_of(request)):
            self._owe(caller.subject, method, window, 1)

    def tell(self, *, everything: bool = False) -> None:
        """Write how many refusals had no entry of their own, for the windows that are over, or for all."""
        with self._lock:
            over = [key for key, window in self._windows.items() if everything or window.ends_at <= self._clock()]
            told = {key: self._windows.pop(key) for key in over}
        for (subject, method), window in told.items():
            if window.untold and not self._tell(subject, method, window):
                self._owe(subject, method, window, window.untold)

    def _count(self, subject: str, method: str, permission: str) -> _Window | None:
        """The window if the refusal is to have an entry."""
        now, at = system_clock(), self._clock()
        with self._lock:
            window = self._windows.setdefault(
                (subject, method), _Window(at + WINDOW_SECONDS, since=now, until=now, permission=permission)
            )
            window.count += 1
            window.until = now
            if window.count <= LIMIT:
                return window
            window.untold += 1
            return None

    def _tell(self, subject: str, method: str, window: _Window) -> bool:
        details = {
            "method": method,
            "permission": window.permission,
            "suppressed": window.untold,
            "since": window.since,
            "until": window.until,
        }
        return self._write(Caller(subject=subject), "", details, "")

    def _owe(self, subject: str, method: str, window: _Window, count: int) -> None:
        """Tell of refusals later that were counted in a window, which may be told of by now."""
        with self._lock:
            present = self._windows.get((subject, method))
            if present is None:
                ends_at = self._clock() + WINDOW_SECONDS
                self._windows[(subject, method)] = replace(window, untold=count, ends_at=ends_at)
            else:
                present.untold += count
                present.since = min(present.since, window.since)

    def _write(self, caller: Caller, resource: str, details: Mapping[str, Any], request_id: str) -> bool:
        def write() -> None:
            deadlines.set_limits(None)  # the refusal is recorded also for a client that waits no longer
            with self._database.write(caller, request_id=request_id) as session:
                record(session, ACTION, resource, None, details)

        try:
            copy_context().run(write)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being written, the caller was refused
            logger.warning(
                "a refusal could not be written to the audit log; it is counted and told later",
                extra={"subject": caller.subject, "resource": resource, "error": type(error).__name__, **details},
            )
            return False
        return True


class Refusals:
    """The refusals of all methods of a server, with a thread that tells in time how many had no entry."""

    def __init__(self, logs: Mapping[str, RefusalLog], other: RefusalLog) -> None:
        """`logs` by the full name of the gRPC service; `other` takes what belongs to none."""
        self._logs = logs
        self._other = other
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)

    def note(self, caller: Caller, method: str, error: DomainError, request: Any) -> None:
        """See `RefusalLog.note`; `method` is `package.Service/Method`."""
        self._logs.get(method.partition("/")[0], self._other).note(caller, method, error, request)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what is left, and no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for log in self._all():
            log.tell(everything=True)

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            for log in self._all():
                log.tell()

    def _all(self) -> Iterable[RefusalLog]:
        return {id(log): log for log in (*self._logs.values(), self._other)}.values()


def _record_of(request: Any) -> str:
    """The record that a request names, itself or in the record that it carries; the empty string for none."""
    if not isinstance(request, Message):
        return ""
    carried = [value for field, value in request.ListFields() if field.message_type and not field.is_repeated]
    for part in (request, *carried):
        name = getattr(part, "name", "")
        if isinstance(name, str) and _NAME.fullmatch(name):
            return name
    return ""


def _request_id_of(request: Any) -> str:
    try:
        return str(parse_request_id(getattr(request, "request_id", "")))
    except Invalid:
        return ""
