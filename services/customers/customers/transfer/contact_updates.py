"""Changing the contacts of customers that rows of a file match. A contact is known by its name."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.audit import Change
from chassis.db import ServiceSession
from chassis.names import new_id
from sqlalchemy import select

from customers.facts import contact_snapshot, difference
from customers.model import Contact
from customers.transfer.parsing import ParsedRow


class ContactUpdates:
    """The changes to contacts of one transaction."""

    def __init__(self, session: ServiceSession, *, write: bool) -> None:
        self._session, self._write = session, write
        self._stored: dict[UUID, dict[str, Any]] = {}
        self.changes: list[Change] = []
        """What to record."""

    def load(self, rows: Sequence[ParsedRow], customer_ids: Collection[UUID]) -> None:
        """Read the contacts of the customers, if the rows say anything about any."""
        if not rows:
            return
        statement = select(*Contact.__table__.columns).where(Contact.customer_id.in_(customer_ids))
        for contact in self._session.execute(statement):
            self._stored.setdefault(contact.customer_id, {})[contact.display_name] = contact

    def differs(self, customer_id: UUID, values: Mapping[str, Any]) -> bool:
        """Whether a contact is new or changed."""
        contact = self._stored.get(customer_id, {}).get(values["display_name"])
        return contact is None or any(getattr(contact, column) != value for column, value in values.items())

    def apply(self, customer_id: UUID, values: Mapping[str, Any]) -> bool:
        """Change or add a contact. Returns whether anything changed."""
        if not self.differs(customer_id, values):
            return False
        contacts = self._stored.setdefault(customer_id, {})
        stored = contacts.get(values["display_name"])
        contact = self._add(customer_id, values) if stored is None else self._change(stored, values)
        contacts[contact.display_name] = contact
        return True

    def _add(self, customer_id: UUID, values: Mapping[str, Any]) -> Contact:
        contacts = self._stored[customer_id].values()
        contact = Contact(
            **({"phones": [], "emails": []} | dict(values)),
            id=new_id(),
            customer_id=customer_id,
            is_primary=not any(one.is_primary for one in contacts),
            version=1,
            create_time=self._session.now,
            update_time=self._session.now,
        )
        contact.refresh_keys()
        if self._write:
            self._session.add(contact)
        self.changes.append(Change("contact.import", contact.name, None, contact_snapshot(contact)))
        return contact

    def _change(self, stored: Any, values: Mapping[str, Any]) -> Contact:
        contact = self._session.get_one(Contact, stored.id)
        before = contact_snapshot(contact)
        for column, value in values.items():
            setattr(contact, column, value)
        contact.refresh_keys()
        self.changes.append(Change("contact.import", contact.name, *difference(before, contact_snapshot(contact))))
        contact.version += 1
        contact.update_time = self._session.now
        return contact
