"""Changing customers that rows of a file match."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from chassis.audit import Change
from chassis.db import ServiceSession
from chassis.errors import Denied, DomainError, Duplicate, Invalid
from sqlalchemy import select
from sqlalchemy.orm import defer

from customers import rules
from customers.derived import complete
from customers.facts import difference, snapshot
from customers.model import Customer, CustomerKind
from customers.owners import Owner
from customers.queries import reach
from customers.tiers.changes import Move
from customers.transfer.contact_updates import ContactUpdates
from customers.transfer.matching import Directory, Identity, look_up
from customers.transfer.new_customers import Basis
from customers.transfer.parsing import ParsedRow
from customers.usecases.transfer_customer import transfer_customer

_MATCHED = {"display_name", "credit_code", "phones", "emails"}
_COLUMNS = [column for column in Customer.__table__.columns if column.key not in ("grams", "search_text")]
_ADDRESS = frozenset({"country", "province", "city", "district", "street", "postal_code"})


class Updates:
    """The updates of one transaction."""

    def __init__(self, session: ServiceSession, directory: Directory, basis: Basis, *, write: bool) -> None:
        self._session, self._directory, self._write = session, directory, write
        self._owners, self._judge_own, self._scorer = basis.owners, basis.judge_own, basis.scorer
        self._entities: dict[UUID, Customer] = {}
        self._stored: dict[UUID, Any] = {}
        self._contacts = ContactUpdates(session, write=write)
        self._changes: list[Change] = []
        self._changed: dict[UUID, Customer] = {}
        self._touched: set[UUID] = set()
        self.moves: list[Move] = []
        """The customers that were given other tiers."""

    @property
    def changed(self) -> Iterable[Customer]:
        """The customers that were changed."""
        return self._changed.values()

    @property
    def touched(self) -> Iterable[UUID]:
        """The customers that, or whose contacts, were changed."""
        return self._changed.keys() | self._touched

    def lock(self, rows: Sequence[ParsedRow]) -> None:
        """Lock the customers that the rows may change, as far as the importer may change them."""
        ids = sorted({key for row in rows for key in self._directory.same(row.identity)})
        statement = select(*_COLUMNS).where(Customer.id.in_(ids), reach(self._session, "customer.update"))
        if self._write:
            statement = statement.order_by(Customer.id).with_for_update()
        self._session.autoflush = False
        self._stored = {customer.id: customer for customer in self._session.execute(statement)}
        self._contacts.load([row for row in rows if row.contact], self._stored.keys())
        self._load_entities(rows)
        for identity in look_up(self._session, self._renamed_persons(rows)):
            if identity.id not in self._stored:
                self._directory.add(identity)

    def _load_entities(self, rows: Sequence[ParsedRow]) -> None:
        """Load the customers that will change. Most mostly do not, and to compare rows costs a fraction."""
        changing = {
            target
            for row in rows
            for target in self._directory.same(row.identity)[:1]
            if (stored := self._stored.get(target)) is not None and self._differs(row, stored)
        }
        statement = select(Customer).where(Customer.id.in_(changing))
        statement = statement.options(defer(Customer.grams), defer(Customer.search_text))  # long, and never read
        self._entities = {customer.id: customer for customer in self._session.scalars(statement)}

    def _differs(self, row: ParsedRow, stored: Any) -> bool:
        return (
            bool(row.owner or row.custom)
            or any(getattr(stored, column) != value for column, value in row.values.items())
            or (bool(row.contact) and self._contacts.differs(stored.id, row.contact))
        )

    def apply(self, row: ParsedRow, same: Sequence[UUID]) -> bool:
        """Change the customer that the row matches; `same` are all that it may mean. Returns whether it changed.

        Raises a DomainError, and changes nothing, if the row cannot be applied.
        """
        target = same[0]
        if len(same) > 1 and not self._directory.matched_by_key(row.identity, target):
            raise Invalid(
                "AMBIGUOUS_MATCH", "several customers bear this name: give the credit code", field="display_name"
            )
        customer = self._entities.get(target)
        if customer is None and target in self._stored:
            return False
        if customer is None:
            raise Duplicate(
                "DUPLICATE_CUSTOMER", "the customer exists already, and you may not change it", field="display_name"
            )
        values = self._changed_values(row, customer)
        owner = self._new_owner(row, customer)
        if values:
            self._refuse_conflict(row, customer, values)
            before = snapshot(customer)
            for column, value in values.items():
                setattr(customer, column, value)
            complete(self._judge_own, self._scorer, customer)
            self._note_change(customer, *difference(before, snapshot(customer)))
        changed_contact = bool(row.contact) and self._contacts.apply(customer.id, row.contact)
        if changed_contact:
            self._touched.add(customer.id)
        if owner is not None and self._write:
            self._session.flush()
            transfer_customer(self._session, customer.id, owner.id)
        return bool(values) or changed_contact or owner is not None

    def finish(self) -> list[Change]:
        """Write what is pending. Returns what to record of it."""
        self._session.flush()
        return self._changes + self._contacts.changes

    def _changed_values(self, row: ParsedRow, customer: Customer) -> dict[str, Any]:
        """The columns that the row changes. Cells that are empty leave what is there."""
        if "kind" in row.values and row.values["kind"] != customer.kind:
            raise Invalid("IMMUTABLE_FIELD", "a company cannot become a person, nor the reverse", field="kind")
        if faults := rules.contradictions({"kind": customer.kind} | row.values):
            rules.refuse(faults)
        values = dict(row.values)
        if not _ADDRESS.isdisjoint(values):
            whole = rules.with_country({part: getattr(customer, part) for part in _ADDRESS} | values)
            values |= {"country": whole["country"]}
        if row.custom:
            values["custom"] = self._judge_own(row.custom, current=customer.custom, record_id=customer.id)
        return {column: value for column, value in values.items() if getattr(customer, column) != value}

    def _refuse_conflict(self, row: ParsedRow, customer: Customer, values: dict[str, Any]) -> None:
        phones = values.get("phones") or customer.phones
        becomes = Identity(
            customer.id,
            customer.kind,
            row.identity.name_key,
            values.get("credit_code") or customer.credit_code,
            values.get("external_id") or customer.external_id,
            phones[0] if phones else "",
        )
        if self._directory.same(becomes):
            raise Duplicate(
                "DUPLICATE_CUSTOMER", "another customer has this name, code or number already", field="display_name"
            )
        self._directory.add(becomes)

    def _new_owner(self, row: ParsedRow, customer: Customer) -> Owner | None:
        """The owner that the customer is to be given to, or None if that is no change."""
        if not row.owner:
            return None
        owner = self._owners[row.owner]
        if isinstance(owner, DomainError):
            raise owner
        if owner is None or owner.id == customer.owner_id:
            return None
        scope = self._session.caller.scope("customer.transfer")
        if not scope.reaches(customer.owner_id, customer.owner_department_path):
            raise Denied("PERMISSION_DENIED", "you may not give this customer to another owner", field="owner")
        return owner

    def _note_change(self, customer: Customer, old: dict[str, Any], new: dict[str, Any]) -> None:
        customer.version += 1
        customer.update_time = self._session.now
        if _MATCHED & new.keys():
            customer.refresh_keys()
        self._changes.append(Change("customer.import", customer.name, old, new))
        self.moves.append(Move(customer.id, old.get("level"), new.get("level")))
        self._changed[customer.id] = customer

    def _renamed_persons(self, rows: Sequence[ParsedRow]) -> list[Identity]:
        """What persons found by their external id become, whose phone number the row does not tell."""
        return [
            row.identity._replace(phone=customer.phones[0])
            for row in rows
            if row.identity.kind == CustomerKind.PERSON and not row.identity.phone
            for customer in map(self._stored.get, self._directory.same(row.identity))
            if customer is not None and customer.phones
        ]
