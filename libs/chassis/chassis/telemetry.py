"""Traces: one trace id from the outer edge through calls, SQL, outbox and broker to the last handler.

Spans are made with the OpenTelemetry SDK. They go to a file per process in `TRACE_FOLDER`, and over OTLP/HTTP
if `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Trace ids exist, for logs and answers, also when neither is.
No span carries personal data: no parameters of statements, no messages of exceptions.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import orjson
import psycopg
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.settings import Settings

FLUSH_MILLISECONDS = 500
FILE_BYTES = 20_000_000
"""A span file is set aside at this size; the one set aside before is then dropped."""
_STATEMENT_CHARACTERS = 500

_LIMITS = SpanLimits(max_span_attributes=64, max_events=16, max_links=16)
_propagator = TraceContextTextMapPropagator()


class _State:
    """The provider of this process. Before `start`, one that only makes ids."""

    provider = TracerProvider(span_limits=_LIMITS, shutdown_on_exit=False)
    tracer = provider.get_tracer("chassis")


def start(settings: Settings, process_name: str) -> None:
    """Begin to trace this process. Starting again replaces what was started before."""
    stop()
    provider = TracerProvider(
        resource=Resource.create({"service.name": process_name}),
        sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
        span_limits=_LIMITS,
        shutdown_on_exit=False,
    )
    for exporter in _exporters(settings, process_name):
        provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=16384, schedule_delay_millis=FLUSH_MILLISECONDS)
        )
    _State.provider, _State.tracer = provider, provider.get_tracer("chassis")


def stop() -> None:
    """Write out what is left and stop. Call it last in a process."""
    _State.provider.shutdown()
    _State.provider = TracerProvider(span_limits=_LIMITS, shutdown_on_exit=False)
    _State.tracer = _State.provider.get_tracer("chassis")


def flush() -> None:
    """Write out the spans finished so far."""
    _State.provider.force_flush()


def tracer() -> Tracer:
    """The tracer of this process."""
    return _State.tracer


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
        tracer().start_span(name, context=parent_context(traceparent), kind=kind, attributes=attributes)
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
    with _working(tracer().start_span(name, kind=kind, attributes=attributes)) as started:
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
        with _StatementSpan(query):
            super().executemany(query, *args, **kwargs)

    @contextmanager
    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Iterator[psycopg.Copy]:
        """Like psycopg's. The span lasts for as long as rows are copied."""
        with _StatementSpan(statement), super().copy(statement, *args, **kwargs) as copy:
            yield copy


class _StatementSpan:
    """A span around a statement. It is not made current: nothing begins below it."""

    __slots__ = ("_query", "_span")

    def __init__(self, query: Any) -> None:
        self._query = query

    def __enter__(self) -> None:
        query = self._query if isinstance(self._query, str) else str(self._query)
        self._span = tracer().start_span(
            f"SQL {query[:12].split(None, 1)[0].upper()}" if query.strip() else "SQL",
            kind=SpanKind.CLIENT,
            attributes={"db.system": "postgresql", "db.statement": query[:_STATEMENT_CHARACTERS]},
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if kind is not None:
            self._span.set_status(StatusCode.ERROR, kind.__name__)
        self._span.end()


def _exporters(settings: Settings, process_name: str) -> Iterator[SpanExporter]:
    if settings.trace_folder:
        yield SpanFile(Path(settings.trace_folder), process_name)
    if settings.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or settings.environment.get(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    ):
        # Imported where it is needed: it loads an HTTP client that most processes never use.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        yield OTLPSpanExporter()


class SpanFile(SpanExporter):
    """Writes finished spans as lines of JSON, for `make trace`."""

    def __init__(self, folder: Path, process_name: str, *, limit: int = FILE_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._process = process_name
        self._path = folder / f"{process_name.replace('/', '-')}.jsonl"
        self._limit = limit

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append a batch. Processes of one name may write to one file: a batch is a single write."""
        lines = b"".join(orjson.dumps(self._line(finished)) + b"\n" for finished in spans)
        with self._path.open("ab", buffering=0) as file:
            file.write(lines)
            size = file.tell()
        if size > self._limit:
            self._path.replace(self._path.with_suffix(".1.jsonl"))
        return SpanExportResult.SUCCESS

    def _line(self, finished: ReadableSpan) -> dict[str, object]:
        context, parent = finished.get_span_context(), finished.parent
        assert context is not None
        return {
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "parent_span_id": f"{parent.span_id:016x}" if parent else "",
            "name": finished.name,
            "process": self._process,
            "start": finished.start_time,
            "end": finished.end_time,
            "status": finished.status.status_code.name,
            "attributes": dict(finished.attributes or {}),
        }
