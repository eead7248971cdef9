"""Chunks that are written at the same time end in their order, and get out of each other's way."""

import threading
from collections import deque
from datetime import UTC, datetime

import pytest
from chassis.names import new_id
from customers.model import Customer
from customers.transfer import importing, overlapping
from customers.transfer.overlapping import GaveWay, Overlapping
from sqlalchemy import text

from .test_import import HEADING, a_row, counts

PATIENCE = 30


class Steps:
    """Steps that note what they come to, and end when they are told to."""

    def __init__(self):
        self.notes = []
        self.may_end = [threading.Event() for _ in range(4)]
        self.begun = [threading.Event() for _ in range(4)]

    def step(self, number, *, fails=False, again=False):
        def run(turn):
            self.notes.append(f"begin {number}")
            self.begun[number].set()
            assert self.may_end[number].wait(PATIENCE)
            if fails:
                raise ValueError(number)
            try:
                turn.wait()
            except GaveWay:
                self.notes.append(f"give way {number}")
                turn.wait_alone()
            if again:
                turn.wait_alone()
            self.notes.append(f"end {number}")
            return number

        return run


def make_customer(**values):
    now = datetime.now(UTC)
    customer = Customer(
        id=new_id(), kind="COMPANY", display_name="甲", status="POTENTIAL", phones=[], emails=[], tags=[], custom={}
    )
    customer.creator, customer.version, customer.create_time, customer.update_time = "users/1", 1, now, now
    for column, value in values.items():
        setattr(customer, column, value)
    customer.refresh_keys()
    return customer


@pytest.fixture
def steps():
    return Steps()


def test_a_step_ends_after_the_one_before_though_it_was_ready_first(steps):
    with Overlapping() as writing:
        assert list(writing.start(steps.step(0), alone=True)) == []
        assert list(writing.start(steps.step(1), alone=False)) == []
        steps.may_end[1].set()
        assert steps.begun[1].wait(PATIENCE)
        assert "end 1" not in steps.notes
        steps.may_end[0].set()
        assert list(writing.finish()) == [0, 1]
    assert [note for note in steps.notes if note.startswith("end")] == ["end 0", "end 1"]


def test_a_step_alone_begins_when_the_others_have_ended(steps):
    with Overlapping() as writing:
        deque(writing.start(steps.step(0), alone=True), 0)
        steps.may_end[0].set()
        steps.may_end[1].set()
        assert list(writing.start(steps.step(1), alone=True)) == [0]
        assert list(writing.finish()) == [1]
    assert steps.notes == ["begin 0", "end 0", "begin 1", "end 1"]


def test_no_more_than_two_steps_are_under_way(steps):
    with Overlapping() as writing:
        deque(writing.start(steps.step(0), alone=True), 0)
        deque(writing.start(steps.step(1), alone=False), 0)
        steps.may_end[0].set()
        assert list(writing.start(steps.step(2), alone=False)) == [0]
        assert "end 0" in steps.notes
        for event in steps.may_end:
            event.set()
        assert list(writing.finish()) == [1, 2]


def test_a_step_gives_way_to_one_before_that_is_done_again_and_follows_it(steps):
    with Overlapping() as writing:
        deque(writing.start(steps.step(0, again=True), alone=True), 0)
        deque(writing.start(steps.step(1), alone=False), 0)
        steps.may_end[1].set()
        steps.may_end[0].set()
        assert list(writing.finish()) == [0, 1]
    assert [note for note in steps.notes if note.startswith("end")] == ["end 0", "end 1"]


def test_nothing_is_saved_after_a_step_that_failed(steps):
    with Overlapping() as writing:
        deque(writing.start(steps.step(0, fails=True), alone=True), 0)
        deque(writing.start(steps.step(1), alone=False), 0)
        steps.may_end[1].set()
        steps.may_end[0].set()
        with pytest.raises(ValueError, match="0"):
            list(writing.finish())
    assert not any(note.startswith("end") for note in steps.notes)


@pytest.mark.feature("X2")
def test_chunks_that_overlap_are_told_in_the_order_of_the_file(client, stored, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_ROWS", 20)
    alone, start = [], Overlapping.start

    def noted(writing, step, **options):
        alone.append(options["alone"])
        return start(writing, step, **options)

    monkeypatch.setattr(Overlapping, "start", noted)
    assert counts(client.bring_in([HEADING, *[a_row(number) for number in range(300)]])) == (300, 0, 0, 0)
    assert alone == [True] + [False] * 14
    events = stored("outbox", "position")
    told = [one["display_name"] for event in events for one in event.data.get("customers", ())]
    assert told == [a_row(number)[0] for number in range(300)]


def test_rows_that_mean_one_customer_are_not_written_at_once(client, stored, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_ROWS", 5)
    rows = [a_row(number % 8) for number in range(40)]
    assert counts(client.bring_in([HEADING, *rows])) == (8, 0, 32, 0)
    assert len(stored()) == 8


def test_a_chunk_that_waits_for_others_is_written_again(client, database, organisation, stored, monkeypatch):
    """A call creates a customer of the second chunk at the same time, and takes longer than the chunk waits."""
    monkeypatch.setattr(importing, "CHUNK_ROWS", 10)
    monkeypatch.setattr(importing, "_WAIT_BRIEFLY", text("SET LOCAL lock_timeout = '20ms'"))
    again = threading.Event()
    wait_alone = overlapping.Turn.wait_alone

    def noted(turn):
        again.set()
        wait_alone(turn)

    monkeypatch.setattr(overlapping.Turn, "wait_alone", noted)
    rows = [HEADING, *[a_row(number) for number in range(30)]]
    with database.write(organisation.li.caller()) as session:
        session.add(make_customer(external_id="K15"))
        session.flush()
        found = []
        importer = threading.Thread(target=lambda: found.append(client.bring_in(rows)))
        importer.start()
        assert again.wait(PATIENCE)
    importer.join(PATIENCE)
    assert counts(found[0]) == (29, 0, 1, 0)
    assert len(stored()) == 30
