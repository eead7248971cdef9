"""Logs: one line of JSON per record on standard error, with the trace it belongs to.

Put values in `extra`, not in the message: `logger.info("job ended", extra={"job": name, "rows": rows})`.
Never log personal data, secrets or the content of records; resource names are fine.
"""

import logging
import sys
import traceback
from collections import deque
from datetime import UTC, datetime
from threading import Event, RLock, Thread
from typing import Any, TextIO

import orjson
import psycopg
from opentelemetry import trace
from sqlalchemy.exc import StatementError

from chassis.settings import Settings

HELD_SECONDS = 0.2
MOST_HELD = 1_000

_HELD = "span_context"
"""The attribute of a record that may be held back for a moment: the span that it belongs to."""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", _HELD}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def start(settings: Settings, process_name: str) -> None:
    """Send the log of this process to standard error, in the format and from the level of the settings."""
    handler = LogWriter(sys.stderr)
    handler.setFormatter(TextFormatter() if settings.log_format == "text" else JsonFormatter(process_name))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        if isinstance(old, LogWriter):
            old.close()
    root.addHandler(handler)
    level = settings.log_level.upper()
    root.setLevel(level if level in _LEVELS else "INFO")
    for chatty in ("amqp", "kombu", "nameko", "alembic.runtime.plugins"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def note_routine(logger: logging.Logger, message: str, **fields: object) -> None:
    """Log at INFO what happens all the time and went well: it may be held back until `LogWriter` writes next.

    The record is made by hand: to look for the calling line costs more than all the rest.
    """
    if logger.isEnabledFor(logging.INFO):
        record = logging.LogRecord(logger.name, logging.INFO, "", 0, message, None, None)
        record.__dict__.update(fields)
        setattr(record, _HELD, trace.get_current_span().get_span_context())
        logger.handle(record)


class LogWriter(logging.StreamHandler[TextIO]):
    """Writes the log. What is routine is held back for up to `HELD_SECONDS` and written together: a line alone takes
    a fourteenth of what it takes to answer a call that reads one record.

    All else is written at once, after what was held back, so that lines stay in order. What a process holds back when
    it is killed is lost.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held: deque[logging.LogRecord] = deque()
        self._writing = RLock()
        self._ended = Event()
        self._thread: Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or hold it back."""
        if hasattr(record, _HELD) and not self._ended.is_set():
            self._hold(record)
            return
        with self._writing:
            self._write_held()
            super().emit(record)

    def flush(self) -> None:
        """Write what is held back."""
        self._write_held()
        super().flush()

    def close(self) -> None:
        """The same for the last time. What comes later is written at once."""
        self._ended.set()
        self._write_held()
        super().close()

    def _hold(self, record: logging.LogRecord) -> None:
        self._held.append(record)
        if len(self._held) >= MOST_HELD:
            self._write_held()
        if self._thread is None:  # of those who emit, one at a time comes here
            self._thread = Thread(target=self._follow, name="log", daemon=True)
            self._thread.start()

    def _write_held(self) -> None:
        with self._writing:
            records = [self._held.popleft() for _ in range(len(self._held))]
            if records:
                try:
                    self.stream.write("".join([self.format(record) + self.terminator for record in records]))
                    self.stream.flush()
                except Exception:  # noqa: BLE001 - as the handlers of the standard library have it
                    self.handleError(records[0])

    def _follow(self) -> None:
        while not self._ended.wait(HELD_SECONDS):
            self._write_held()


def extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`."""
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


def describe(error: BaseException) -> str:
    """An exception with its causes and where they were raised, oldest first. What the database says of an error is
    left out but for its kind: it quotes the values of rows."""
    parts = [_one(error)]
    seen = {id(error)}
    while (earlier := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        if id(earlier) in seen:
            break
        seen.add(id(earlier))
        parts.append(_one(earlier))
        error = earlier
    return "".join(reversed(parts)).rstrip()


def _one(error: BaseException) -> str:
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if isinstance(error, psycopg.Error | StatementError):
        original = error.orig if isinstance(error, StatementError) else error
        message = getattr(original, "sqlstate", None) or type(original).__name__
    else:
        message = str(error)
    return f"{''.join(traceback.format_tb(error.__traceback__))}{kind}: {message}\n"


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, process, logger, message, trace_id, span_id, and `extra`."""

    def __init__(self, process_name: str = "") -> None:
        super().__init__()
        self._process = process_name

    def format(self, record: logging.LogRecord) -> str:
        context = getattr(record, _HELD, None) or trace.get_current_span().get_span_context()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
            line["span_id"] = f"{context.span_id:016x}"
        line.update(extra_fields(record))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = describe(record.exc_info[1])
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextFormatter(logging.Formatter):
    """For people at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in extra_fields(record).items())
        text = f"{self.formatTime(record)} {record.levelname:7} {record.name}: {record.getMessage()} {fields}".rstrip()
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + describe(record.exc_info[1])
        return text
