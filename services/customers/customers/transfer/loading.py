"""Bringing a chunk of rows into the database, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from chassis import audit, outbox
from chassis.copying import write_lines
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid
from chassis.jobs import RefusedRow
from chassis.tabular import Problem

from customers.derived import refresh, write_tags
from customers.events import CustomersImported, CustomerState
from customers.facts import state
from customers.tag_rules import TagRules
from customers.transfer.matching import Directory, Identity, look_up
from customers.transfer.new_customers import CONTACT_COLUMNS, CUSTOMER_COLUMNS, Basis, Maker, NewCustomer
from customers.transfer.parsing import ParsedRow
from customers.transfer.seen import Seen
from customers.transfer.updating import Updates

STATES_PER_EVENT = 500


@dataclass
class Outcome:
    """What came of a chunk of rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    new: list[Identity] = field(default_factory=list)


@dataclass(frozen=True)
class Ready:
    """The new customers that some rows would be, by their ids, and what they were made on."""

    basis: Basis
    customers: Mapping[UUID, NewCustomer]


@dataclass
class Chunk:
    """One transaction's work on some rows."""

    session: ServiceSession
    import_job: str
    update: bool
    """Whether rows that match a customer change it."""
    write: bool
    """False to find out only what would be done."""
    seen: Seen | None = None
    ready: Ready | None = None

    def load(self, rows: Sequence[ParsedRow]) -> Outcome:
        """Create and update what the rows say, as if they came one after the other."""
        self._outcome = Outcome()
        self._maker = Maker(self.session, Basis.read(self.session, rows))
        usable = self.ready is not None and self._maker.basis.holds(self.ready.basis)
        self._made: Mapping[UUID, NewCustomer] = self.ready.customers if usable and self.ready else {}
        while rows:
            rows = rows[self._load(rows) :]
        return self._outcome

    def _load(self, rows: Sequence[ParsedRow]) -> int:
        """Load as many of the rows as go together. Returns how many."""
        self._new: dict[UUID, NewCustomer] = {}
        self._directory = Directory()
        for identity in self._find([row.identity for row in rows]):
            self._directory.add(identity)
        self._updates = Updates(self.session, self._directory, self._maker.basis, write=self.write)
        if self.update:
            self._updates.lock(rows)
        done = 0
        for row in rows:
            same = self._directory.same(row.identity)
            if self.update and self.write and same and same[0] in self._new:
                break  # it changes a customer that an earlier row creates, which must be written first
            self._decide(row, same)
            done += 1
        if self.write:
            self._write()
        else:
            self.session.expunge_all()  # what a check has tried on entities must not reach the database
        return done

    def _find(self, wanted: Sequence[Identity]) -> list[Identity]:
        seen = self.seen.look_up(wanted) if self.seen is not None else []
        self._met = {identity.id for identity in seen}
        return look_up(self.session, wanted) + seen

    def _decide(self, row: ParsedRow, same: Sequence[UUID]) -> None:
        outcome = self._outcome
        try:
            if not same:
                self._create(row)
                outcome.created += 1
            elif self.update and not self._met_in_check(same[0]) and self._updates.apply(row, same):
                outcome.updated += 1
            else:
                outcome.unchanged += 1
        except DomainError as error:
            outcome.refused.append(RefusedRow(row.number, problems(error), row.cells))

    def _met_in_check(self, customer_id: UUID) -> bool:
        """Whether the customer exists only in the file, of which a check keeps no values to compare with."""
        return customer_id in self._met

    def _create(self, row: ParsedRow) -> None:
        key = row.identity.id
        if self.write:
            self._new[key] = self._made.get(key) or self._maker.make(row)
        else:
            self._maker.judge(row)
            self._met.add(key)
        self._directory.add(row.identity)
        self._outcome.new.append(row.identity)

    def _write(self) -> None:
        session, new = self.session, self._new.values()
        write_lines(session, "customer", CUSTOMER_COLUMNS, (one.line for one in new))
        self._maker.basis.judge_own.close()
        write_lines(session, "contact", CONTACT_COLUMNS, (one.contact_line for one in new if one.contact_line))
        audit.write_prepared(session, (line for one in new for line in one.audit_lines))
        audit.record_all(session, self._updates.finish())
        self._derive()
        self._announce([*(one.state for one in new), *map(state, self._updates.changed)])

    def _derive(self) -> None:
        """Bring what follows from the children, and the tags of rules, up to date: the rest is written as it is."""
        judge = self._maker.basis.judge_own
        ids = [*self._new, *self._updates.touched]
        if judge.rolls_up():
            refresh(self.session, ids)
        else:
            write_tags(self.session, TagRules.read(self.session).changes(self.session, ids))

    def _announce(self, states: Sequence[CustomerState]) -> None:
        parts: Iterable[int] = range(0, len(states), STATES_PER_EVENT)
        events = [CustomersImported(self.import_job, list(states[at : at + STATES_PER_EVENT])) for at in parts]
        outbox.emit_all(self.session, events)


def problems(error: DomainError) -> list[Problem]:
    """What an error says is wrong with a row."""
    if isinstance(error, Invalid) and error.violations:
        return [Problem(one.field, one.reason, one.message, "") for one in error.violations]
    return [Problem(error.field, error.reason, error.message, "")]
