"""Whole traces, put together from the spans that the processes wrote down, for people to read."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

SHOWN = ("db.statement", "rpc.method", "graphql.operation.name", "messaging.destination.name", "event.type")
"""The attributes that tell a reader most. Others are left out of the tree."""


@dataclass(frozen=True)
class Span:
    """A piece of work in one process."""

    id: str
    parent: str
    name: str
    process: str
    start: int
    """Nanoseconds since 1970."""
    end: int
    status: str
    attributes: dict[str, Any] = field(default_factory=dict)


def read(folder: Path, trace_id: str = "") -> dict[str, list[Span]]:
    """The spans of each trace, or of those whose id begins with `trace_id`, by their start."""
    traces: dict[str, list[Span]] = defaultdict(list)
    for line in _lines(sorted(folder.glob("*.jsonl"))):
        if trace_id and f'"{trace_id}' not in line:
            continue
        span = json.loads(line)
        if span["trace_id"].startswith(trace_id):
            traces[span["trace_id"]].append(
                Span(
                    span["span_id"],
                    span["parent_span_id"],
                    span["name"],
                    span["process"],
                    span["start"],
                    span["end"],
                    span["status"],
                    span["attributes"],
                )
            )
    for spans in traces.values():
        spans.sort(key=lambda span: span.start)
    return traces


def _lines(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        with path.open(encoding="utf-8") as file:
            # A process may be in the middle of its last line.
            yield from (line for line in file if line.endswith("\n"))


def latest(folder: Path, count: int) -> list[str]:
    """A line for each of the latest traces, the newest last."""
    newest = sorted(read(folder).items(), key=lambda item: item[1][0].start)[-count:]
    return [_summary(trace_id, spans) for trace_id, spans in newest]


def _summary(trace_id: str, spans: Sequence[Span]) -> str:
    first, end = spans[0], max(span.end for span in spans)
    when = datetime.fromtimestamp(first.start / 1e9).astimezone().strftime("%H:%M:%S")
    processes = len({span.process for span in spans})
    failed = "  ERROR" if any(span.status == "ERROR" for span in spans) else ""
    took = (end - first.start) / 1e6
    return f"{when}  {trace_id}  {took:9.1f} ms  {len(spans):3} spans in {processes}  {first.name}{failed}"


def tree(spans: Sequence[Span]) -> list[str]:
    """A trace as an indented tree: when each span began, after the first one, how long it took, where it ran."""
    known = {span.id for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        # The caller's own span is missing if it is not of the suite, or not finished.
        children[span.parent if span.parent in known else ""].append(span)
    width = max(len(span.process) for span in spans)
    began = spans[0].start

    def branch(parent: str, depth: int) -> Iterator[str]:
        for span in children[parent]:
            at, took = (span.start - began) / 1e6, (span.end - span.start) / 1e6
            notes = [str(span.attributes[name]) for name in SHOWN if name in span.attributes]
            text = " ".join(" ".join([span.name, *(note for note in notes if note not in span.name)]).split())[:160]
            failed = "  ERROR" if span.status == "ERROR" else ""
            yield f"{at:9.1f} {took:9.1f} ms  {span.process:<{width}}  {'  ' * depth}{text}{failed}"
            yield from branch(span.id, depth + 1)

    return list(branch("", 0))
