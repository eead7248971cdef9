"""Spans that cost little: each call and each of its statements has one.

They are OpenTelemetry's as to interface, sampling and export. What the spans of its SDK can besides (events, links,
limits on attributes from outside, locks for writing from several threads) is not used here, and makes them cost
several times what one does that only notes its name, times, status and attributes.
"""

import random
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

_SAMPLED, _LEFT_OUT = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
_SCOPE = InstrumentationScope("chassis")
_UNSET = Status()


class Recorder:
    """Starts spans and hands them to processors when they end."""

    def __init__(self, resource: Resource, processors: Sequence[SpanProcessor] = (), ratio: float = 1.0) -> None:
        """`ratio` is the share of new traces that are recorded; the others have an id only. What comes with a trace
        from elsewhere is recorded if that is."""
        self.resource = resource
        self._processors = processors
        self._bound = TraceIdRatioBased.get_bound_for_rate(ratio)

    def start_span(
        self,
        name: str,
        *,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
    ) -> Span:
        """A span below the one of a context, by default the current one; it begins a trace if there is none."""
        parent: SpanContext | None = trace.get_current_span(context).get_span_context()
        if parent is not None and parent.is_valid:
            trace_id, recorded = parent.trace_id, bool(parent.trace_flags & TraceFlags.SAMPLED)
        else:
            trace_id, parent = random.getrandbits(128) or 1, None
            recorded = trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound
        own = SpanContext(
            trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=_SAMPLED if recorded else _LEFT_OUT
        )
        return RecordedSpan(self, name, own, parent, kind, attributes) if recorded else NonRecordingSpan(own)

    def finish(self, span: "RecordedSpan") -> None:
        """Hand over a span that has ended, as it is: not all exporters need it in the form of the SDK, which costs."""
        for processor in self._processors:
            processor.on_end(cast(ReadableSpan, span))

    def flush(self) -> None:
        """Have the processors write out what they hold."""
        for processor in self._processors:
            processor.force_flush()

    def shutdown(self) -> None:
        """The same for the last time."""
        for processor in self._processors:
            processor.shutdown()


class RecordedSpan(Span):
    """A span that is written out when it ends."""

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
    ) -> None:
        self._recorder = recorder
        self.name = name
        self.context = context
        self.parent = parent
        self._kind = kind
        self.attributes = attributes or {}
        self.status = _UNSET
        self.start_time = time_ns()
        """In nanoseconds since 1970."""
        self.end_time: int | None = None

    def get_span_context(self) -> SpanContext:
        """See `opentelemetry.trace.Span`, here and below."""
        return self.context

    def is_recording(self) -> bool:
        """True until it ends."""
        return self.end_time is None

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Note attributes."""
        self.attributes = {**self.attributes, **attributes}

    def set_attribute(self, key: str, value: Any) -> None:
        """Note an attribute."""
        self.set_attributes({key: value})

    def update_name(self, name: str) -> None:
        """Call it otherwise."""
        self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Note what came of it. As OpenTelemetry has it, OK is final and UNSET changes nothing."""
        told = status if isinstance(status, Status) else Status(status, description)
        if not told.is_unset and self.status.status_code is not StatusCode.OK:
            self.status = told

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Events are not kept: what happens within a span is in the log, by the span's id."""

    def record_exception(
        self, exception: BaseException, attributes: Any = None, timestamp: int | None = None, escaped: bool = False
    ) -> None:
        """Nor are exceptions, which may quote personal data."""

    def end(self, end_time: int | None = None) -> None:
        """End it. A second time has no effect."""
        if self.end_time is None:
            self.end_time = end_time or time_ns()
            self._recorder.finish(self)

    def readable(self) -> ReadableSpan:
        """The span as the exporters of the SDK take it."""
        return ReadableSpan(
            self.name,
            self.context,
            self.parent,
            self._recorder.resource,
            self.attributes,
            kind=self._kind,
            status=self.status,
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=_SCOPE,
        )
