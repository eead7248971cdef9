"""Logs: one line of JSON per record on standard error, with the trace it belongs to.

Put values in `extra`, not in the message: `logger.info("job ended", extra={"job": name, "rows": rows})`.
Never log personal data, secrets or the content of records; resource names are fine.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
from opentelemetry import trace
from sqlalchemy.exc import StatementError

from chassis.settings import Settings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def start(settings: Settings, process_name: str) -> None:
    """Send the log of this process to standard error, in the format and from the level of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if settings.log_format == "text" else JsonFormatter(process_name))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    level = settings.log_level.upper()
    root.setLevel(level if level in _LEVELS else "INFO")
    for chatty in ("amqp", "kombu", "nameko", "alembic.runtime.plugins"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


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
        context = trace.get_current_span().get_span_context()
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
