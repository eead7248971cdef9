"""Contacts of customers that become one: moved, or united where they share a phone number or an e-mail address."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import select

from customers.model import Contact

_SINGLE = ("job_title", "wechat", "decision_role", "influence", "stance", "birthday", "remark")


@dataclass
class ContactMoves:
    """What becomes of contacts."""

    moved: list[Contact] = field(default_factory=list)
    united: list[tuple[Contact, Contact]] = field(default_factory=list)
    """Each that goes, with the one that it becomes one with."""

    @property
    def touched(self) -> list[Contact]:
        """Those that stay and are changed, by id."""
        return sorted({one.id: one for one in (*self.moved, *(into for _, into in self.united))}.values(), key=_id)


def contacts_of(session: ServiceSession, customer_ids: Sequence[UUID]) -> list[Contact]:
    """The contacts of customers, locked, the primary ones first, in the order of the customers."""
    statement = select(Contact).where(Contact.customer_id.in_(customer_ids)).order_by(Contact.id).with_for_update()
    place = {key: number for number, key in enumerate(customer_ids)}
    return sorted(session.scalars(statement), key=lambda one: (place[one.customer_id], not one.is_primary, one.id))


def merge_contacts(session: ServiceSession, customer_id: UUID, contacts: Sequence[Contact]) -> ContactMoves:
    """Bring the contacts of others to a customer. The caller deletes those that were united."""
    kept = [one for one in contacts if one.customer_id == customer_id]
    has_primary = any(one.is_primary for one in kept)
    moves = ContactMoves()
    for contact in contacts:
        if contact.customer_id == customer_id:
            continue
        twin = next((one for one in kept if _same(one, contact)), None)
        if twin is not None:
            _unite(twin, contact)
            moves.united.append((contact, twin))
            continue
        contact.is_primary = contact.is_primary and not has_primary
        has_primary = has_primary or contact.is_primary
        contact.customer_id = customer_id
        kept.append(contact)
        moves.moved.append(contact)
    _follow_united(contacts, moves)
    for contact in moves.touched:
        contact.refresh_keys()
        contact.version += 1
        contact.update_time = session.now
    return moves


def _same(one: Contact, other: Contact) -> bool:
    mails = {mail.casefold() for mail in one.emails} & {mail.casefold() for mail in other.emails}
    return bool(mails or set(one.phones) & set(other.phones))


def _unite(into: Contact, other: Contact) -> None:
    into.phones = list(dict.fromkeys([*into.phones, *other.phones]))
    into.emails = list(dict.fromkeys([*into.emails, *other.emails]))
    into.custom = {**other.custom, **into.custom}
    for key in _SINGLE:
        if getattr(into, key) is None:
            setattr(into, key, getattr(other, key))


def _follow_united(contacts: Sequence[Contact], moves: ContactMoves) -> None:
    """Let whoever reported to somebody who became one with another report to that one. Nobody who was at the customer
    before reports to one who came, so that lines still lead upwards."""
    into = {gone.id: twin.id for gone, twin in moves.united}
    for contact in contacts:
        if contact.reports_to_id in into:
            contact.reports_to_id = into[contact.reports_to_id]


def _id(contact: Contact) -> UUID:
    return contact.id
