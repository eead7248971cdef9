"""Bringing a chunk of rows into the database, in one transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from chassis import audit, outbox
from chassis.copying import write_lines
from chassis.db import ServiceSession
from chassis.errors import DomainError
from chassis.jobs import RefusedRow
from chassis.transfers import problems

from customers.derived import refresh, write_tags
from customers.events import CustomersImported
from customers.facts import state
from customers.model import Origin
from customers.tag_rules import TagRules
from customers.tiers.changes import note_tiers, write_history
from customers.transfer.matching import Directory, Identity, Keys, look_up
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

    @property
    def mostly_created(self) -> bool:
        """Whether most rows were new customers."""
        return self.created > self.updated + self.unchanged + len(self.refused)


@dataclass(frozen=True)
class Ready:
    """The new customers that some rows would be, by the numbers of the rows, and what they were made on."""

    basis: Basis
    customers: Mapping[int, NewCustomer]


@dataclass
class Chunk:
    """One transaction's work on some rows."""

    session: ServiceSession
    import_job: str
    update: bool
    """Whether rows that match a customer change it."""
    write: bool
    """False to find out only what would be done."""
    wait: Callable[[], None]
    """Called before anything is announced: events of one import are told in its order."""
    seen: Seen | None = None
    ready: Ready | None = None
    keys: Keys | None = None
    """Those of all rows, if they are known already."""

    def load(self, rows: Sequence[ParsedRow]) -> Outcome:
        """Create and update what the rows say, as if they came one after the other."""
        self._outcome = Outcome()
        self._maker = Maker(self.session, Basis.read(self.session, rows))
        usable = self.ready is not None and self._maker.basis.holds(self.ready.basis)
        self._made: Mapping[int, NewCustomer] = self.ready.customers if usable and self.ready else {}
        while rows:
            rows = rows[self._load(rows) :]
        return self._outcome

    def _load(self, rows: Sequence[ParsedRow]) -> int:
        """Load as many of the rows as go together. Returns how many."""
        self._new: list[NewCustomer] = []
        self._created: set[UUID] = set()
        self._directory = Directory()
        self._updates = Updates(self.session, self._directory, self._maker.basis, write=self.write)
        wanted = [row.identity for row in rows]
        found = self._find(wanted)
        if self.write and not found and (self.keys or Keys.of(wanted)).unlike:
            return self._create_all(rows)
        for identity in found:
            self._directory.add(identity)
        if self.update:
            self._updates.lock(rows)
        done = 0
        for row in rows:
            same = self._directory.same(row.identity)
            if self.update and self.write and same and same[0] in self._created:
                break  # it changes a customer that an earlier row creates, which must be written first
            self._decide(row, same)
            done += 1
        if self.write:
            self._write()
        else:
            self.session.expunge_all()  # what a check has tried on entities must not reach the database
        return done

    def _create_all(self, rows: Sequence[ParsedRow]) -> int:
        """Load rows that are new customers, each of them another one."""
        for row in rows:
            if (made := self._made.get(row.number)) is None:
                self._decide(row, ())
                continue
            self._new.append(made)
            self._outcome.created += 1
        self._write()
        return len(rows)

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
            self._new.append(self._made.get(row.number) or self._maker.make(row))
            self._created.add(key)
        else:
            self._maker.judge(row)
            self._met.add(key)
        self._directory.add(row.identity)
        self._outcome.new.append(row.identity)

    def _write(self) -> None:
        session, new = self.session, self._new
        write_lines(session, "customer", CUSTOMER_COLUMNS, (one.line for one in new))
        self._maker.basis.judge_own.close()
        contacts = [one.contact for one in new if one.contact is not None]
        write_lines(session, "contact", CONTACT_COLUMNS, (one.line for one in contacts))
        # Those of one collection after the other: so the index of the records is filled at two places, not by turns.
        entries = [*(one.audit_line for one in new), *(one.audit_line for one in contacts)]
        audit.write_prepared(session, entries)
        audit.record_all(session, self._updates.finish())
        write_history(session, [one.history_line for one in new if one.history_line])
        note_tiers(session, self._updates.moves, Origin.IMPORT)
        self._derive()
        self._announce([*(one.state for one in new), *map(state, self._updates.changed)])

    def _derive(self) -> None:
        """Bring what follows from the children, and the tags of rules, up to date: the rest is written as it is."""
        judge = self._maker.basis.judge_own
        ids = [*(one.id for one in self._new), *self._updates.touched]
        if judge.rolls_up():
            refresh(self.session, ids)
        else:
            write_tags(self.session, TagRules.read(self.session).changes(self.session, ids))

    def _announce(self, states: Sequence[object]) -> None:
        self.wait()
        parts: Iterable[int] = range(0, len(states), STATES_PER_EVENT)
        events = [CustomersImported(self.import_job, list(states[at : at + STATES_PER_EVENT])) for at in parts]
        outbox.emit_all(self.session, events)
