"""Lines come in order and belong to their traces, also those that are held back for a moment."""

import io
import json
import logging

import pytest
from chassis import logs, telemetry
from chassis.logs import JsonFormatter, LogWriter, note_routine
from chassis.testing import eventually

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def logger(stream):
    writer = LogWriter(stream)
    writer.setFormatter(JsonFormatter("probe"))
    logger = logging.getLogger("probe.logs")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(writer)
    yield logger
    logger.removeHandler(writer)
    writer.close()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_what_is_routine_is_written_soon_and_with_its_trace(logger, stream):
    with telemetry.span_from(PARENT, "work"):
        note_routine(logger, "done", thing="things/1", ms=1.5)
    [line] = eventually(lambda: lines(stream))
    assert (line["message"], line["thing"], line["ms"], line["level"]) == ("done", "things/1", 1.5, "INFO")
    assert line["trace_id"] == PARENT[3:35]
    assert logs._HELD not in line


def test_other_lines_stay_behind_what_came_before_them(logger, stream, monkeypatch):
    monkeypatch.setattr(logs, "HELD_SECONDS", 60)
    for number in range(3):
        note_routine(logger, f"routine {number}")
    assert stream.getvalue() == ""
    logger.warning("trouble")
    note_routine(logger, "routine 3")
    assert [line["message"] for line in lines(stream)] == ["routine 0", "routine 1", "routine 2", "trouble"]
    logger.handlers[0].flush()
    assert lines(stream)[-1]["message"] == "routine 3"


def test_no_more_than_so_much_is_held_back(logger, stream, monkeypatch):
    monkeypatch.setattr(logs, "HELD_SECONDS", 60)
    monkeypatch.setattr(logs, "MOST_HELD", 10)
    for number in range(25):
        note_routine(logger, f"routine {number}")
    assert len(lines(stream)) == 20


def test_at_the_end_nothing_is_held_back(logger, stream, monkeypatch):
    monkeypatch.setattr(logs, "HELD_SECONDS", 60)
    note_routine(logger, "one")
    logger.handlers[0].close()
    note_routine(logger, "two")
    assert [line["message"] for line in lines(stream)] == ["one", "two"]


def test_what_is_not_wanted_is_not_logged(logger, stream):
    logger.setLevel(logging.WARNING)
    note_routine(logger, "routine")
    logger.handlers[0].flush()
    assert stream.getvalue() == ""
