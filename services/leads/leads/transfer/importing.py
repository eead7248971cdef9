"""The import of a file of leads, as a job."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import DomainError, Duplicate
from chassis.jobs import JobKind, JobRun, RefusedRow
from chassis.names import new_id
from chassis.rules import apply, refuse
from chassis.snapshots import difference
from chassis.tabular import Row, open_table, unguard
from chassis.transfers import problems, split_list, split_phones
from sqlalchemy import select

from leads.capture.reading import LISTS
from leads.duplicates import captured_as, one_at_a_time, protected, protected_among, refuse_protected
from leads.facts import snapshot
from leads.lead_queries import reach
from leads.model import Lead, LeadStatus
from leads.owners import find_owner, set_owner
from leads.rules import LEAD_RULES, nameless
from leads.transfer.headings import Layout, read_heading, require_writable_columns
from leads.usecases.create_lead import keep_all
from leads.usecases.update_lead import announce

IMPORTS = "leadImportJobs"
PERMISSION = "lead.import"
CHUNK_ROWS = 500
"""Rows in one transaction: enough to share its cost, few enough for progress to be seen and little to be redone."""

_COUNTERS = ("created", "updated", "unchanged", "failed")
_MATCHED = {"company_name", "credit_code", "phones"}
_SEARCHED = _MATCHED | {"contact_name", "emails"}


@dataclass
class Outcome:
    """What came of some rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


def run_import(run: JobRun) -> None:
    """Import the job's file from its checkpoint on, or only check it."""
    check_only = bool(run.options["check_only"])
    if check_only and run.processed:
        with run.transaction() as session:
            run.restart(session)  # what the file holds up to the checkpoint is known no more
    with run.input_path() as path, open_table(path, run.options["file_name"]) as table:
        layout = read_heading(table.heading, run.options["columns"])
        require_writable_columns(run.caller, layout)
        result = {"heading": list(table.heading), "ignored_columns": list(layout.ignored)}
        run.announce(total=table.total_rows, result=result)
        seen: set[str] = set()
        for rows in _chunks(table.rows(), run.checkpoint.get("row", 0)):
            _load(run, layout, rows, seen)
    with run.transaction() as session:
        run.succeed(session, total=run.processed)


JOB_KIND = JobKind(IMPORTS, run_import)


def _chunks(rows: Iterator[Row], done: int) -> Iterator[list[Row]]:
    left = (row for row in rows if row.number > done)
    while chunk := list(islice(left, CHUNK_ROWS)):
        yield chunk


def _load(run: JobRun, layout: Layout, rows: Sequence[Row], seen: set[str]) -> None:
    with run.transaction() as session:
        chunk = Chunk(session, run.options, layout, seen)
        outcome = chunk.load(rows)
        steps = (outcome.created, outcome.updated, outcome.unchanged, len(outcome.refused))
        run.advance(
            session,
            processed=run.processed + len(rows),
            counters={name: run.counters.get(name, 0) + step for name, step in zip(_COUNTERS, steps, strict=True)},
            checkpoint={"row": rows[-1].number},
            refused=sorted(outcome.refused, key=lambda one: one.row),
        )


class Chunk:
    """Bringing some rows in, in one transaction, as if they came one after the other."""

    def __init__(self, session: ServiceSession, options: Mapping[str, Any], layout: Layout, seen: set[str]) -> None:
        """`seen` are the external ids that a check has met in the file, of which it keeps nothing else."""
        self._session, self._layout, self._seen = session, layout, seen
        self._update, self._write = options["mode"] == "ADD_OR_UPDATE", not options["check_only"]
        self._empty = frozenset(options["empty_values"]) | {""}
        self._outcome = Outcome()
        session.autoflush = self._write
        caller = session.caller
        assigned = caller.user_id is None or caller.scope(PERMISSION).everything
        self._owner = None if assigned or caller.user_id is None else find_owner(session, caller.user_id)

    def load(self, rows: Sequence[Row]) -> Outcome:
        """Create and update what the rows say."""
        judged = [(row, stored) for row in rows if (stored := self._judged(row)) is not None]
        drafts = [(row, stored, self._draft(stored)) for row, stored in judged]
        bearing = [draft for _, _, draft in drafts if draft.external_id is not None]
        one_at_a_time(self._session, [draft for _, _, draft in drafts], map(captured_as, bearing))
        with self._session.no_autoflush:
            known = self._known(draft.external_id for draft in bearing if draft.external_id is not None)
            closed = protected_among(self._session, [draft for _, _, draft in drafts])
        made: list[Lead] = []
        for row, stored, draft in drafts:
            same = known.get(draft.external_id or "")
            if same is not None or draft.external_id in self._seen:
                self._again(row, same, stored, isnew=same in made)
            elif draft.id in closed:
                self._refuse(row, protected())
            else:
                made.append(draft)
                self._outcome.created += 1
                if draft.external_id is not None:
                    known[draft.external_id] = draft
        if self._write:
            keep_all(self._session, made, "lead.import")
        else:
            self._seen.update(draft.external_id for draft in made if draft.external_id is not None)
            self._session.expunge_all()  # what a check has tried must not reach the database
        return self._outcome

    def _judged(self, row: Row) -> dict[str, Any] | None:
        """The columns of a lead that a row states; None if it cannot be used."""
        if row.problem is not None:
            self._outcome.refused.append(RefusedRow(row.number, [row.problem], row.cells))
            return None
        stored, faults = apply(LEAD_RULES, _values(row.cells, self._layout, self._empty))
        try:
            refuse([*faults, *([] if faults else nameless(stored))])
        except DomainError as error:
            self._refuse(row, error)
            return None
        return stored

    def _draft(self, stored: Mapping[str, Any]) -> Lead:
        session = self._session
        empty: dict[str, Any] = {"phones": [], "emails": [], "status": LeadStatus.NEW}
        lead = Lead(
            id=new_id(),
            **(empty | dict(stored)),
            registrant=session.caller.subject,
            registrant_id=session.caller.user_id,
            repeat_count=0,
            version=1,
            create_time=session.now,
            update_time=session.now,
        )
        lead.refresh_keys()
        if self._owner is not None:
            set_owner(lead, self._owner)
        return lead

    def _known(self, external_ids: Iterable[str]) -> dict[str, Lead]:
        """The leads that bear these ids, locked if they may be changed."""
        wanted = sorted(set(external_ids))
        statement = select(Lead).where(Lead.capture_source_id.is_(None), Lead.external_id.in_(wanted))
        if self._update and self._write:
            statement = statement.order_by(Lead.id).with_for_update()
        found = self._session.scalars(statement).all() if wanted else ()
        return {lead.external_id: lead for lead in found if lead.external_id is not None}

    def _again(self, row: Row, same: Lead | None, stored: Mapping[str, Any], *, isnew: bool) -> None:
        """A row of a lead that is known, or that an earlier row has brought."""
        if not self._update or same is None:
            self._outcome.unchanged += 1
            return
        try:
            changed = self._changed(same, stored, isnew=isnew)
        except DomainError as error:
            self._refuse(row, error)
            return
        self._outcome.updated += changed
        self._outcome.unchanged += not changed

    def _changed(self, lead: Lead, stored: Mapping[str, Any], *, isnew: bool) -> bool:
        """Change a lead to what a row states; empty cells leave what is there. Returns whether that was a change."""
        session = self._session
        if not isnew and not self._reached(lead):
            raise Duplicate("DUPLICATE_EXTERNAL_ID", "another lead bears this external id", field="external_id")
        before = snapshot(lead)
        kept = {column: getattr(lead, column) for column in stored}
        for column, value in stored.items():
            setattr(lead, column, value)
        changed = difference(before, snapshot(lead))[1].keys()
        if changed & _SEARCHED:
            lead.refresh_keys()
        if changed & _MATCHED:
            try:
                refuse_protected(session, lead)
            except DomainError:
                for column, value in kept.items():
                    setattr(lead, column, value)
                lead.refresh_keys()
                raise
        if changed and self._write and not isnew:
            announce(session, lead, before, "lead.import")
        return bool(changed)

    def _reached(self, lead: Lead) -> bool:
        with self._session.no_autoflush:
            return bool(
                self._session.scalar(select(Lead.id).where(Lead.id == lead.id, reach(self._session, "lead.update")))
            )

    def _refuse(self, row: Row, error: DomainError) -> None:
        self._outcome.refused.append(RefusedRow(row.number, problems(error), row.cells))


def _values(cells: Sequence[str], layout: Layout, empty: frozenset[str]) -> dict[str, Any]:
    """What a row says, raw, by field. An empty cell says nothing."""
    values: dict[str, Any] = {}
    for index, name in layout.columns:
        text = cells[index].strip()
        if text in empty:
            continue
        text = unguard(text)
        if name in LISTS:
            values.setdefault(name, []).extend(split_phones(text) if name == "phones" else split_list(text))
        else:
            values[name] = text
    return values
