"""The import of a file of customers, as a job."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import islice
from typing import NamedTuple
from uuid import UUID

import psycopg
from chassis import custom_fields
from chassis.custom_values import DERIVED
from chassis.db import ServiceSession
from chassis.errors import DomainError, Unavailable
from chassis.jobs import JobRun, RefusedRow
from chassis.organisation import organisation
from chassis.tabular import Row, open_table
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from customers.own_fields import ENTITY
from customers.transfer.headings import CUSTOM, Layout, read_heading, require_writable_columns
from customers.transfer.loading import Chunk, Outcome, Ready
from customers.transfer.new_customers import Basis, Maker, NewCustomer
from customers.transfer.own_values import reader
from customers.transfer.parsing import ParsedRow, RowParser
from customers.transfer.read_ahead import ReadAhead
from customers.transfer.seen import Seen, open_seen

CHUNK_ROWS = 2_500
"""Rows in one transaction: enough to share its cost, few enough for progress to be seen and little to be redone."""

ATTEMPTS = 10
_LOST_RACES = ("23505", "40001", "40P01")  # unique violation, serialization failure, deadlock
_COUNTERS = ("created", "updated", "unchanged", "failed")


MANY_ROWS = 5_000
"""From here on an import changes so much that lists would be planned by statistics of another table."""

_TIDY = text("SELECT gin_clean_pending_list('ix_customer_grams')")
_ANALYZE = text("ANALYZE customer")


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
        chunks = stack.enter_context(closing(ReadAhead(reading.chunks(table.rows()))))
        for chunk in chunks:
            outcome = _load(run, chunk, seen)
            reading.prepare = not check_only and 2 * outcome.created > len(chunk.rows)
    if run.processed >= MANY_ROWS and not check_only:
        with run.transaction() as session:
            session.execute(_TIDY)
            session.execute(_ANALYZE)
    with run.transaction() as session:
        run.succeed(session, total=run.processed)


def _parser(run: JobRun, heading: Sequence[str]) -> tuple[Layout, RowParser]:
    with run.reading() as session:
        fields = [
            field
            for field in custom_fields.list_fields(session, ENTITY)
            if not field.archived and field.type not in DERIVED
        ]
        zone = organisation(session).zone
    layout = read_heading(heading, run.options["columns"], fields)
    require_writable_columns(run.caller, layout)
    used = {field for _, field in layout.columns}
    readers = {field.key: reader(field.type, zone) for field in fields if CUSTOM + field.key in used}
    return layout, RowParser(layout, frozenset(run.options["empty_values"]), readers)


class ReadRows(NamedTuple):
    """Rows that are brought in together, and what is ready of the customers that they may be."""

    rows: list[ParsedRow | RefusedRow]
    ready: Ready | None


class Reading:
    """Reads a file in a thread of its own."""

    def __init__(self, run: JobRun, parser: RowParser) -> None:
        self._run, self._parser = run, parser
        self.prepare = not run.options["check_only"]
        """Whether most rows are new customers, so that it is worth while to make them ready ahead."""

    def chunks(self, rows: Iterator[Row]) -> Iterator[ReadRows]:
        """The rows after the checkpoint."""
        done = self._run.checkpoint.get("row", 0)
        left = (row for row in rows if row.number > done) if done else rows
        while read := [self._parser.parse(row) for row in islice(left, CHUNK_ROWS)]:
            yield ReadRows(read, self._make([row for row in read if isinstance(row, ParsedRow)]))

    def _make(self, rows: list[ParsedRow]) -> Ready | None:
        if not self.prepare:
            return None
        with self._run.reading() as session:
            maker = Maker(session, Basis.read(session, rows))
        if maker.basis.judge_own.needs_database:
            return None  # what they are given is only known in the transaction that writes them
        made: dict[UUID, NewCustomer] = {}
        for row in rows:
            with suppress(DomainError):  # raised again, and told, when the row's turn comes
                made[row.identity.id] = maker.make(row)
        return Ready(maker.basis, made)


def _load(run: JobRun, chunk: ReadRows, seen: Seen | None) -> Outcome:
    """Bring a chunk in, again if a concurrent call creates one of its customers at the same time."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311
        try:
            with run.transaction() as session:
                outcome = _load_once(session, run, chunk, seen)
        except (psycopg.Error, DBAPIError) as error:
            if _sqlstate(error) not in _LOST_RACES:
                raise
        else:
            if seen is not None:
                seen.add(outcome.new)
            return outcome
    raise Unavailable("TOO_MUCH_CONTENTION", "others keep changing the same customers; the import goes on shortly")


def _load_once(session: ServiceSession, run: JobRun, read: ReadRows, seen: Seen | None) -> Outcome:
    rows = read.rows
    chunk = Chunk(
        session=session,
        import_job=run.name,
        update=run.options["mode"] == "ADD_OR_UPDATE",
        write=not run.options["check_only"],
        seen=seen,
        ready=read.ready,
    )
    outcome = chunk.load([row for row in rows if isinstance(row, ParsedRow)])
    refused = sorted([*outcome.refused, *(row for row in rows if isinstance(row, RefusedRow))], key=_row_number)
    steps = (outcome.created, outcome.updated, outcome.unchanged, len(refused))
    run.advance(
        session,
        processed=run.processed + len(rows),
        counters={name: run.counters.get(name, 0) + step for name, step in zip(_COUNTERS, steps, strict=True)},
        checkpoint={"row": _number(rows[-1])},
        refused=refused,
    )
    return outcome


def _number(row: ParsedRow | RefusedRow) -> int:
    return row.number if isinstance(row, ParsedRow) else row.row


def _row_number(row: RefusedRow) -> int:
    return row.row


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", error), "sqlstate", None)
