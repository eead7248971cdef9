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
from chassis.names import new_id
from chassis.search import grams
from chassis.tabular import Problem

from customers.events import CustomersImported
from customers.facts import contact_snapshot, snapshot, state
from customers.model import searched_text
from customers.transfer.matching import Directory, Identity, look_up
from customers.transfer.owners import Owners, find_owners
from customers.transfer.parsing import ParsedRow, new_values
from customers.transfer.seen import Seen
from customers.transfer.updating import Updates
from customers.transfer.writing import NewRecord, write_contacts, write_customers

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

    def load(self, rows: Sequence[ParsedRow]) -> Outcome:
        """Create and update what the rows say, as if they came one after the other."""
        self._outcome = Outcome()
        while rows:
            rows = rows[self._load(rows) :]
        return self._outcome

    def _load(self, rows: Sequence[ParsedRow]) -> int:
        """Load as many of the rows as go together. Returns how many."""
        self._owners: Owners = find_owners(self.session, {row.owner for row in rows})
        self._customers: dict[UUID, NewRecord] = {}
        self._contacts: list[NewRecord] = []
        wanted = [_identity(row) for row in rows]
        self._directory = Directory()
        for identity in self._find(wanted):
            self._directory.add(identity)
        self._updates = Updates(self.session, self._directory, self._owners, self.judge_own, write=self.write)
        if self.update:
            self._updates.lock(wanted, rows)
        done = 0
        for row, identity in zip(rows, wanted, strict=True):
            same = self._directory.same(identity)
            if self.update and self.write and same and same[0] in self._customers:
                break  # it changes a customer that an earlier row creates, which must be written first
            self._decide(row, identity, same)
            done += 1
        if self.write:
            self._write()
        else:
            self.session.expunge_all()  # what a check has tried on entities must not reach the database
        return done

    def _find(self, wanted: Sequence[Identity]) -> list[Identity]:
        seen = self.seen.look_up(wanted) if self.seen is not None else []
        self._seen_ids = {identity.id for identity in seen}
        return look_up(self.session, wanted) + seen

    def _decide(self, row: ParsedRow, wanted: Identity, same: Sequence[UUID]) -> None:
        outcome = self._outcome
        try:
            if not same:
                self._create(row, wanted)
                outcome.created += 1
            elif self.update and not self._met_in_check(same[0]) and self._updates.apply(row, wanted, same):
                outcome.updated += 1
            else:
                outcome.unchanged += 1
        except DomainError as error:
            outcome.refused.append(RefusedRow(row.number, problems(error), row.cells))

    def _met_in_check(self, customer_id: UUID) -> bool:
        """Whether the customer exists only in the file, of which a check keeps no values to compare with."""
        return not self.write and (customer_id in self._customers or customer_id in self._seen_ids)

    def _create(self, row: ParsedRow, identity: Identity) -> None:
        owner = self._owners[row.owner]
        if isinstance(owner, DomainError):
            raise owner
        values = new_values(row)
        custom = self.judge_own(row.custom, current=None)
        now = self.session.now
        searched = searched_text(values["display_name"], values.get("credit_code"), values["phones"], values["emails"])
        customer = NewRecord(
            "customers",
            **values,
            id=identity.id,
            name_key=row.name_key,
            custom=custom,
            search_text=searched,
            grams=grams(searched) if self.write else [],
            owner_id=owner.id if owner else None,
            owner_department_id=owner.department_id if owner else None,
            owner_department_path=owner.department_path if owner else None,
            creator=self.session.caller.subject,
            version=1,
            create_time=now,
            update_time=now,
        )
        self._customers[identity.id] = customer
        self._directory.add(identity)
        self._outcome.new.append(identity)
        if row.contact:
            self._contacts.append(new_contact(self.session, identity.id, row.contact, primary=True))

    def _write(self) -> None:
        session, new = self.session, self._customers.values()
        write_customers(session, new)
        write_contacts(session, self._contacts)
        changes = [Change("customer.import", customer.name, None, snapshot(customer)) for customer in new]  # type: ignore[arg-type]
        changes += [Change("contact.import", one.name, None, contact_snapshot(one)) for one in self._contacts]  # type: ignore[arg-type]
        changes += self._updates.finish()
        audit.record_all(session, changes)
        states = [state(customer) for customer in (*new, *self._updates.changed)]  # type: ignore[arg-type]
        outbox.emit_all(
            session,
            [
                CustomersImported(self.import_job, states[start : start + STATES_PER_EVENT])
                for start in range(0, len(states), STATES_PER_EVENT)
            ],
        )


def new_contact(session: ServiceSession, customer_id: UUID, values: Mapping[str, Any], *, primary: bool) -> NewRecord:
    """A contact to be written."""
    return NewRecord(
        "contacts",
        **({"phones": [], "emails": []} | dict(values)),
        id=new_id(),
        customer_id=customer_id,
        is_primary=primary,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )


def problems(error: DomainError) -> list[Problem]:
    """What an error says is wrong with a row."""
    if isinstance(error, Invalid) and error.violations:
        return [Problem(one.field, one.reason, one.message, "") for one in error.violations]
    return [Problem(error.field, error.reason, error.message, "")]


def _identity(row: ParsedRow) -> Identity:
    values = row.values
    return Identity(new_id(), row.kind, row.name_key, values.get("credit_code"), values.get("external_id"), row.phone)
