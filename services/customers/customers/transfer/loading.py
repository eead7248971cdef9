"""Bringing a chunk of rows into the database, in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.audit import Change
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid
from chassis.jobs import RefusedRow
from chassis.tabular import Problem

from customers.events import CustomersImported
from customers.facts import state
from customers.owners import Owner
from customers.transfer.matching import Directory, Identity, look_up
from customers.transfer.new_customers import (
    CONTACT_COLUMNS,
    CUSTOMER_COLUMNS,
    NewCustomer,
    Stamp,
    contact_facts,
    new_customer,
)
from customers.transfer.owners import Owners, find_owners
from customers.transfer.parsing import ParsedRow
from customers.transfer.seen import Seen
from customers.transfer.updating import Updates
from customers.transfer.writing import write_lines

STATES_PER_EVENT = 500

JudgeOwn = Callable[..., dict[str, Any]]
"""`judge(values, current=…)`: the company's own fields in stored form. Raises Invalid."""


@dataclass
class Outcome:
    """What came of a chunk of rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    new: list[Identity] = field(default_factory=list)


@dataclass
class Chunk:
    """One transaction's work on some rows."""

    session: ServiceSession
    import_job: str
    update: bool
    """Whether rows that match a customer change it."""
    write: bool
    """False to find out only what would be done."""
    judge_own: JudgeOwn
    seen: Seen | None = None
    ready: Mapping[UUID, NewCustomer] = field(default_factory=dict)
    """What new customers some of the rows would be, by their ids."""

    def load(self, rows: Sequence[ParsedRow]) -> Outcome:
        """Create and update what the rows say, as if they came one after the other."""
        self._outcome = Outcome()
        while rows:
            rows = rows[self._load(rows) :]
        return self._outcome

    def _load(self, rows: Sequence[ParsedRow]) -> int:
        """Load as many of the rows as go together. Returns how many."""
        self._stamp = Stamp(self.session)
        self._owners: Owners = find_owners(self.session, {row.owner for row in rows})
        self._customers: dict[UUID, tuple[NewCustomer, dict[str, Any], Owner | None]] = {}
        wanted = [row.identity for row in rows]
        self._directory = Directory()
        for identity in self._find(wanted):
            self._directory.add(identity)
        self._updates = Updates(self.session, self._directory, self._owners, self.judge_own, write=self.write)
        if self.update:
            self._updates.lock(rows)
        done = 0
        for row in rows:
            same = self._directory.same(row.identity)
            if self.update and self.write and same and same[0] in self._customers:
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
        owner = self._owners[row.owner]
        if isinstance(owner, DomainError):
            raise owner
        custom = self.judge_own(row.custom, current=None)
        key = row.identity.id
        if self.write:
            self._customers[key] = self.ready.get(key) or new_customer(row), custom, owner
        else:
            self._met.add(key)
        self._directory.add(row.identity)
        self._outcome.new.append(row.identity)

    def _write(self) -> None:
        session, stamp, new = self.session, self._stamp, self._customers.values()
        contacts = [customer for customer, _, _ in new if customer.contact]
        lines = [stamp.customer_line(*one) for one in new]
        write_lines(session, "customer", CUSTOMER_COLUMNS, lines)
        write_lines(session, "contact", CONTACT_COLUMNS, map(stamp.contact_line, contacts))
        changes = [Change("customer.import", f"customers/{one[0].id}", None, stamp.facts(*one)) for one in new]
        changes += [
            Change("contact.import", f"contacts/{one.contact_id}", None, contact_facts(one)) for one in contacts
        ]
        audit.record_all(session, changes + self._updates.finish())
        states = [stamp.state(customer, owner) for customer, _, owner in new]
        states += map(state, self._updates.changed)
        outbox.emit_all(
            session,
            [
                CustomersImported(self.import_job, states[start : start + STATES_PER_EVENT])
                for start in range(0, len(states), STATES_PER_EVENT)
            ],
        )


def problems(error: DomainError) -> list[Problem]:
    """What an error says is wrong with a row."""
    if isinstance(error, Invalid) and error.violations:
        return [Problem(one.field, one.reason, one.message, "") for one in error.violations]
    return [Problem(error.field, error.reason, error.message, "")]
