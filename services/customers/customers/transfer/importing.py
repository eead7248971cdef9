"""The import of a file of customers, as a job."""

import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

import psycopg
from chassis import custom_fields
from chassis.custom_values import DERIVED
from chassis.db import ServiceSession
from chassis.errors import Unavailable
from chassis.jobs import JobRun, RefusedRow
from chassis.organisation import organisation
from chassis.tabular import Row, open_table
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from customers.duplicate_finding.starting import require_scan
from customers.own_fields import ENTITY
from customers.tiers.vocabulary import open_codes
from customers.transfer.column_parsing import ColumnParser
from customers.transfer.headings import CUSTOM, Layout, read_heading, require_writable_columns
from customers.transfer.loading import Chunk, Outcome, Ready
from customers.transfer.matching import Keys
from customers.transfer.new_customers import Basis, Maker
from customers.transfer.overlapping import GaveWay, Overlapping, Turn
from customers.transfer.own_values import reader
from customers.transfer.parsing import ParsedRow, RowParser
from customers.transfer.read_ahead import ReadAhead
from customers.transfer.seen import Seen, open_seen
from customers.transfer.tidying import tidy

CHUNK_ROWS = 2_500
"""Rows in one transaction: enough to share its cost, few enough for progress to be seen and little to be redone."""

READ_AHEAD = 1
"""Chunks that lie ready, besides those that are written and the one that is being read."""

ATTEMPTS = 10
# Unique violation, serialization failure, deadlock, lock timeout.
_LOST_RACES = ("23505", "40001", "40P01", "55P03")
# While the chunk behind holds locks, too: whoever waits for those may be the one that this one waits for.
_WAIT_BRIEFLY = text("SET LOCAL lock_timeout = '1s'")
_COUNTERS = ("created", "updated", "unchanged", "failed")


def run_import(run: JobRun) -> None:
    """Import the job's file from its checkpoint on, or only check it."""
    options = run.options
    check_only = bool(options["check_only"])
    if check_only and run.processed:
        with run.transaction() as session:
            run.restart(session)  # what the file holds up to the checkpoint is known no more
    with ExitStack() as stack:
        path = stack.enter_context(run.input_path())
        table = stack.enter_context(open_table(path, options["file_name"]))
        layout, parser = _parser(run, table.heading)
        result = {"heading": list(table.heading), "ignored_columns": list(layout.ignored)}
        run.announce(total=table.total_rows, result=result)
        seen = stack.enter_context(open_seen(run.runtime.database)) if check_only else None
        reading = Reading(run, parser)
        chunks = stack.enter_context(closing(ReadAhead(reading.chunks(table.rows()), READ_AHEAD)))
        writing: Overlapping[Outcome] = stack.enter_context(Overlapping())
        before = None
        for chunk in chunks:
            alone = before is None or not chunk.may_overlap(before)
            for outcome in writing.start(partial(_load, run, chunk, seen), alone=alone):
                reading.prepare = not check_only and outcome.mostly_created
            before = chunk
        deque(writing.finish(), 0)
    _finish(run, 0 if check_only else run.counters.get("created", 0) + run.counters.get("updated", 0))


def _finish(run: JobRun, written: int) -> None:
    """End the job, and have likely duplicates looked for if they are to be flagged and rows were written.

    That is another job: to compare a customer with those like it takes longer than to bring it in.
    """
    with run.transaction() as session:
        tidy(session, written)
    with run.transaction() as session:
        run.succeed(session, total=run.processed)
        if run.options.get("flag_likely_duplicates") and written:
            require_scan(session)


def _parser(run: JobRun, heading: Sequence[str]) -> tuple[Layout, ColumnParser]:
    with run.reading() as session:
        fields = [
            field
            for field in custom_fields.list_fields(session, ENTITY)
            if not field.archived and field.type not in DERIVED
        ]
        zone, levels = organisation(session).zone, open_codes(session)
    layout = read_heading(heading, run.options["columns"], fields)
    require_writable_columns(run.caller, layout)
    used = {field for _, field in layout.columns}
    readers = {field.key: reader(field.type, zone) for field in fields if CUSTOM + field.key in used}
    empty = frozenset(run.options["empty_values"])
    return layout, ColumnParser(layout, empty, levels, RowParser(layout, empty, readers, levels))


class ReadRows(NamedTuple):
    """Rows that are brought in together, and what is ready of the customers that they may be."""

    rows: Sequence[ParsedRow]
    refused: Sequence[RefusedRow]
    last: int
    """The number of the last row, refused or not."""
    ready: Ready | None
    keys: Keys | None
    """What tells these customers from others, if the rows only add such as wait for nobody else."""

    def may_overlap(self, before: "ReadRows") -> bool:
        """Whether these rows may be written while those before are."""
        return self.keys is not None and before.keys is not None and self.keys.differ_from(before.keys)


class Reading:
    """Reads a file in a thread of its own."""

    def __init__(self, run: JobRun, parser: ColumnParser) -> None:
        self._run, self._parser = run, parser
        self.prepare = not run.options["check_only"]
        """Whether most rows are new customers, so that it is worth while to make them ready ahead."""

    def chunks(self, rows: Iterator[Row]) -> Iterator[ReadRows]:
        """The rows after the checkpoint."""
        done = self._run.checkpoint.get("row", 0)
        left = (row for row in rows if row.number > done) if done else rows
        while part := list(islice(left, CHUNK_ROWS)):
            read = self._parser.parse_all(part)
            parsed = [row for row in read if isinstance(row, ParsedRow)]
            refused = [row for row in read if isinstance(row, RefusedRow)] if len(parsed) < len(read) else []
            ready = self._make(parsed)
            # What changes customers locks them, and what is numbered or unique by the company's fields is locked, too.
            adds = ready is not None and self._run.options["mode"] == "ADD"
            keys = Keys.of([row.identity for row in parsed]) if adds else None
            yield ReadRows(parsed, refused, part[-1].number, ready, keys)

    def _make(self, rows: list[ParsedRow]) -> Ready | None:
        if not self.prepare:
            return None
        with self._run.reading() as session:
            maker = Maker(session, Basis.read(session, rows))
        if maker.basis.judge_own.needs_database:
            return None  # what they are given is only known in the transaction that writes them
        return Ready(maker.basis, maker.make_all(rows))  # what is left out is refused, and told, when its turn comes


def _load(run: JobRun, chunk: ReadRows, seen: Seen | None, turn: Turn) -> Outcome:
    """Bring a chunk in, again if a concurrent call creates one of its customers at the same time."""
    for attempt in range(ATTEMPTS):
        if attempt:
            turn.wait_alone()
            time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311
        try:
            with run.transaction() as session:
                if not attempt:
                    session.execute(_WAIT_BRIEFLY)
                outcome = _load_once(session, run, chunk, seen, turn)
        except GaveWay:
            continue
        except (psycopg.Error, DBAPIError) as error:
            if _sqlstate(error) not in _LOST_RACES:
                raise
        else:
            if seen is not None:
                seen.add(outcome.new)
            return outcome
    raise Unavailable("TOO_MUCH_CONTENTION", "others keep changing the same customers; the import goes on shortly")


def _load_once(session: ServiceSession, run: JobRun, read: ReadRows, seen: Seen | None, turn: Turn) -> Outcome:
    chunk = Chunk(
        session=session,
        import_job=run.name,
        update=run.options["mode"] == "ADD_OR_UPDATE",
        write=not run.options["check_only"],
        wait=turn.wait,
        seen=seen,
        ready=read.ready,
        keys=read.keys,
    )
    outcome = chunk.load(read.rows)
    refused = sorted([*outcome.refused, *read.refused], key=attrgetter("row"))
    steps = (outcome.created, outcome.updated, outcome.unchanged, len(refused))
    turn.wait()
    run.advance(
        session,
        processed=run.processed + len(read.rows) + len(read.refused),
        counters={name: run.counters.get(name, 0) + step for name, step in zip(_COUNTERS, steps, strict=True)},
        checkpoint={"row": read.last},
        refused=refused,
    )
    return outcome


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", error), "sqlstate", None)
