"""Change a contact."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.custom_records import Judge
from chassis.db import ServiceSession
from chassis.etags import check_etag

from customers import rules
from customers.decisions.lines import judge_contact
from customers.derived import children_changed
from customers.facts import contact_snapshot, difference
from customers.model import Contact
from customers.own_records import CONTACTS, judged, plain_values
from customers.queries import lock_contact
from customers.usecases.create_contact import demote_others


def update_contact(
    session: ServiceSession,
    contact_id: UUID,
    values: Mapping[str, Any],
    *,
    custom_fields: Mapping[str, Any] = MappingProxyType({}),
    replace_custom_fields: bool = False,
    etag: str = "",
) -> Contact:
    """Change a contact by raw values by field, see `rules.CONTACT_RECORD_RULES`. No change leaves no trace.

    Raises Conflict REPORTING_CYCLE if the person would report to themselves, through others or not.
    """
    contact = lock_contact(session, contact_id, "contact.update")
    check_etag(etag, contact.version)
    stated = rules.without_mask(values, contact.identity_number_shown)
    stored, faults = rules.apply(rules.CONTACT_RECORD_RULES, stated)
    judge = Judge(session, CONTACTS)
    stated_own = (dict.fromkeys(contact.custom) if replace_custom_fields else {}) | dict(custom_fields)
    custom, custom_faults = judged(judge, stated_own, current=contact.custom, record_id=contact.id)
    rules.refuse([*faults, *custom_faults])
    given = "identity_number" in stored
    number = stored.pop("identity_number", None)
    before = contact_snapshot(contact)
    with session.no_autoflush:  # the primary one before gives way first
        for column, value in stored.items():
            setattr(contact, column, value)
        contact.custom = judge.derive(custom, plain_values(CONTACTS, contact))
        other_number = given and contact.keep_identity_number(session.data_keys, number)
        old, new = difference(before, contact_snapshot(contact))
        if other_number:  # which may look the same where it is masked
            new["identity_number"] = contact.identity_number_shown
        if not new:
            return contact
        judge_contact(session, contact)
        if contact.is_primary:
            demote_others(session, contact)
    _keep(session, contact, old, new)
    return contact


def _keep(session: ServiceSession, contact: Contact, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    contact.refresh_keys()
    contact.version += 1
    contact.update_time = session.now
    session.flush()
    audit.record(session, "contact.update", contact.name, old, new)
    children_changed(session, [contact.customer_id], "contacts")
