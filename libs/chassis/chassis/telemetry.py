"""Traces: one trace id from the outer edge through calls, SQL, outbox and broker to the last handler.

Spans are OpenTelemetry's (`chassis.spans`). They go to a file per process in `TRACE_FOLDER`, and over OTLP/HTTP
if `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Trace ids exist, for logs and answers, also when neither is.
No span carries personal data: no parameters of statements, no messages of exceptions.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Self

import orjson
import psycopg
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.settings import Settings
from chassis.spans import RecordedSpan, Recorder

FLUSH_MILLISECONDS = 500
MOST_WAITING = 16_384
"""Spans that wait to be written out at most; beyond them the oldest are lost."""
FILE_BYTES = 20_000_000
"""A span file is set aside at this size; the one set aside before is then dropped."""
_STATEMENT_CHARACTERS = 500

log = logging.getLogger(__name__)
_propagator = TraceContextTextMapPropagator()


class _State:
    """The recorder of this process. Before `start`, one that only makes ids."""

    recorder = Recorder(Resource.get_empty())


def start(settings: Settings, process_name: str) -> None:
    """Begin to trace this process. Starting again replaces what was started before."""
    stop()
    resource = Resource.create({"service.name": process_name})
    _State.recorder = Recorder(resource, list(_processors(settings, process_name)), settings.trace_ratio)


def stop() -> None:
    """Write out what is left and stop. Call it last in a process."""
    _State.recorder.shutdown()
    _State.recorder = Recorder(Resource.get_empty())


def flush() -> None:
    """Write out the spans finished so far."""
    _State.recorder.flush()


def recorder() -> Recorder:
    """What starts the spans of this process."""
    return _State.recorder


def traceparent(span: Span) -> str:
    """A span's W3C trace context, to hand on; the empty string if it has none."""
    context = span.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def current_traceparent() -> str:
    """The W3C trace context of the work under way; the empty string if there is none."""
    return traceparent(trace.get_current_span())


def current_trace_id() -> str:
    """The trace id of the work under way, 32 hexadecimal digits; the empty string if there is none."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


def parent_context(parent: str) -> Any:
    """The OpenTelemetry context that a `traceparent` names: that of a new trace if it is empty or malformed."""
    if len(parent) == 55 and parent.startswith("00-"):
        try:
            trace_id, span_id, flags = int(parent[3:35], 16), int(parent[36:52], 16), int(parent[53:], 16)
        except ValueError:
            return None
        span_context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
        return set_span_in_context(NonRecordingSpan(span_context)) if span_context.is_valid else None
    return _propagator.extract({"traceparent": parent}) if parent else None


@contextmanager
def span_from(
    traceparent: str,
    name: str,
    *,
    kind: SpanKind = SpanKind.CONSUMER,
    attributes: Mapping[str, str | int | float | bool] | None = None,
) -> Iterator[Span]:
    """Do work in a span that goes on the trace of a `traceparent` from elsewhere, or begins a trace."""
    with _working(
        recorder().start_span(name, context=parent_context(traceparent), kind=kind, attributes=attributes)
    ) as s:
        yield s


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int | float | bool] | None = None,
) -> Iterator[Span]:
    """Do work in a span below the one under way."""
    with _working(recorder().start_span(name, kind=kind, attributes=attributes)) as started:
        yield started


@contextmanager
def _working(started: Span) -> Iterator[Span]:
    try:
        with use_span(started, record_exception=False, set_status_on_exception=False):
            yield started
    except BaseException as error:
        started.set_status(StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        started.end()


class TracedCursor(psycopg.Cursor[Any]):
    """A database cursor that records each statement as a span, where a trace is under way."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
        """Like psycopg's."""
        if not trace.get_current_span().is_recording():
            return super().execute(query, *args, **kwargs)
        with _StatementSpan(query):
            return super().execute(query, *args, **kwargs)

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        """Like psycopg's."""
        with _span_of(query):
            super().executemany(query, *args, **kwargs)

    @contextmanager
    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Iterator[psycopg.Copy]:
        """Like psycopg's. The span lasts for as long as rows are copied."""
        with _span_of(statement), super().copy(statement, *args, **kwargs) as copy:
            yield copy


def _span_of(query: Any) -> AbstractContextManager[None]:
    return _StatementSpan(query) if trace.get_current_span().is_recording() else nullcontext()


class _StatementSpan:
    """A span around a statement. It is not made current: nothing begins below it."""

    __slots__ = ("_query", "_span")

    def __init__(self, query: Any) -> None:
        self._query = query

    def __enter__(self) -> None:
        name, attributes = _described(self._query if isinstance(self._query, str) else str(self._query))
        self._span = recorder().start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if kind is not None:
            self._span.set_status(StatusCode.ERROR, kind.__name__)
        self._span.end()


@lru_cache(1024)
def _described(query: str) -> tuple[str, Mapping[str, str]]:
    """The name and the attributes of a statement's span. Statements come again and again, as they are prepared."""
    word = query[:100].split(None, 1)
    name = f"SQL {word[0][:12].upper()}" if word else "SQL"
    return name, {"db.system": "postgresql", "db.statement": query[:_STATEMENT_CHARACTERS]}


def _processors(settings: Settings, process_name: str) -> Iterator[SpanProcessor]:
    if settings.trace_folder:
        yield SpanFile(Path(settings.trace_folder), process_name)
    if settings.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or settings.environment.get(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    ):
        # Imported where it is needed: it loads an HTTP client that most processes never use.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        yield BatchSpanProcessor(
            _Readable(OTLPSpanExporter()), max_queue_size=MOST_WAITING, schedule_delay_millis=FLUSH_MILLISECONDS
        )


class _Readable(SpanExporter):
    """Gives spans to an exporter of the SDK in the form that it takes."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        """Pass a batch on."""
        return self._exporter.export([each.readable() for each in spans])

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have it send what it holds."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Have it send what it holds for the last time."""
        self._exporter.shutdown()


class SpanFile(SpanProcessor):
    """Writes finished spans as lines of JSON, for `make trace`. To hand one over costs next to nothing."""

    def __init__(self, folder: Path, process_name: str, *, limit: int = FILE_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._process = process_name
        self._path = folder / f"{process_name.replace('/', '-')}.jsonl"
        self._limit = limit
        self._ended: deque[RecordedSpan] = deque(maxlen=MOST_WAITING)
        self._writing = Lock()
        self._stopping = Event()
        self._thread = Thread(target=self._follow, name="spans", daemon=True)
        self._thread.start()

    def on_end(self, span: Any) -> None:
        """Take a span in."""
        self._ended.append(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Append what has come so far. Processes of one name may write to one file: each time it is a single write."""
        with self._writing:
            lines = []
            while self._ended:
                lines.append(self._line(self._ended.popleft()))
            if lines:
                with self._path.open("ab", buffering=0) as file:
                    file.write(b"".join(lines))
                    size = file.tell()
                if size > self._limit:
                    self._path.replace(self._path.with_suffix(".1.jsonl"))
        return True

    def shutdown(self) -> None:
        """The same for the last time."""
        self._stopping.set()
        self._thread.join(FLUSH_MILLISECONDS / 1000)
        self.force_flush()

    def _follow(self) -> None:
        while not self._stopping.wait(FLUSH_MILLISECONDS / 1000):
            try:
                self.force_flush()
            except Exception as error:
                log.warning("spans cannot be written", extra={"file": str(self._path)}, exc_info=error)

    def _line(self, finished: RecordedSpan) -> bytes:
        context, parent = finished.context, finished.parent
        line = {
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "parent_span_id": f"{parent.span_id:016x}" if parent else "",
            "name": finished.name,
            "process": self._process,
            "start": finished.start_time,
            "end": finished.end_time,
            "status": finished.status.status_code.name,
            "attributes": finished.attributes,
        }
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
