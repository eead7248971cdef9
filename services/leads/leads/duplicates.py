"""Which leads and customers are about one company, and how a second registration of it is refused.

Two records are about one company if they bear the same credit code or, unless both bear one, names with the same core
(`chassis.formats.company_key`). Leads are so, too, if they share a phone number.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Duplicate
from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, exists, false, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from leads.model import KnownCustomer, Lead, LeadStatus, RegistrationState

_PROTECTED = (RegistrationState.PENDING_APPROVAL, RegistrationState.APPROVED)
_KEYS = func.unnest(bindparam("keys", type_=ARRAY(BigInteger))).column_valued("key")
_LOCK = select(func.pg_advisory_xact_lock(_KEYS))


def refuse_registered(session: ServiceSession, lead: Lead) -> None:
    """Raise Duplicate if anybody holds the lead's company: by a registration, a lead or a customer.

    Until the transaction ends, nobody else passes this for the same company.
    """
    one_at_a_time(session, [lead])
    _refuse(session, or_(*_held_by_lead(session, lead, everybody=True), *_held_by_customer(lead)))


def refuse_protected(session: ServiceSession, lead: Lead) -> None:
    """Raise Duplicate if a partner's registration protects the lead's company. Locks as `refuse_registered` does."""
    one_at_a_time(session, [lead])
    _refuse(session, or_(false(), *_held_by_lead(session, lead, everybody=False)))


def captured_as(lead: Lead) -> str:
    """What is locked of a lead that bears an external id."""
    return f"captured {lead.capture_source_id} {lead.external_id}"


def refuse_taken(session: ServiceSession, lead: Lead) -> None:
    """Raise Duplicate if another lead of the same source bears the lead's external id.

    Until the transaction ends, nobody else gives it to a lead.
    """
    if lead.external_id is None:
        return
    one_at_a_time(session, [], [captured_as(lead)])
    same = (
        Lead.external_id == lead.external_id,
        Lead.capture_source_id.is_not_distinct_from(lead.capture_source_id),
        Lead.id != lead.id,
    )
    with session.no_autoflush:
        if session.scalar(select(exists().where(*same))):
            raise Duplicate("DUPLICATE_EXTERNAL_ID", "another lead bears this external id", field="external_id")


def protected_among(session: ServiceSession, leads: Sequence[Lead]) -> set[UUID]:
    """Those of some new leads whose companies partners' registrations protect. Lock them by `one_at_a_time` before."""
    protecting = and_(
        Lead.registration_state.in_(_PROTECTED),
        Lead.protection_expire_time > session.now,
        Lead.status != LeadStatus.DISQUALIFIED,
    )
    keys = sorted({lead.company_key for lead in leads if lead.company_key})
    codes = sorted({lead.credit_code for lead in leads if lead.credit_code})
    phones = sorted({phone for lead in leads for phone in lead.phones})
    same = or_(
        and_(Lead.company_key != "", Lead.company_key.in_(keys)),
        Lead.credit_code.in_(codes),
        Lead.phones.overlap(phones),
    )
    found = session.execute(select(Lead.company_key, Lead.credit_code, Lead.phones).where(protecting, same)).all()
    return {lead.id for lead in leads if any(_same_as(lead, one) for one in found)}


def _same_as(lead: Lead, other: Any) -> bool:
    if lead.credit_code and other.credit_code:
        same = lead.credit_code == other.credit_code
    else:
        same = bool(lead.company_key) and lead.company_key == other.company_key
    return same or not set(other.phones).isdisjoint(lead.phones)


def _refuse(session: ServiceSession, held: ColumnElement[bool]) -> None:
    with session.no_autoflush:
        if session.scalar(select(held)):
            raise protected()


def protected() -> Duplicate:
    """The refusal of a company that somebody holds: partners must not learn of each other, nor whom the company deals
    with."""
    return Duplicate("DUPLICATE", "this company has been registered already; talk to your contact with us")


def one_at_a_time(session: ServiceSession, leads: Iterable[Lead], also: Iterable[str] = ()) -> None:
    """Lock all that the companies of some leads are known by, and other names, in one order. Two leads of one company
    have a key in common."""
    known_by = set(also)
    for lead in leads:
        known_by.update(f"phone {phone}" for phone in lead.phones)
        known_by.update([f"name {lead.company_key}"] if lead.company_key else [])
        known_by.update([f"code {lead.credit_code}"] if lead.credit_code else [])
    keys = sorted(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True) for text in known_by)
    session.execute(_LOCK, {"keys": keys})


def _held_by_lead(session: ServiceSession, lead: Lead, *, everybody: bool) -> Iterator[ColumnElement[bool]]:
    protects = and_(
        Lead.registration_state.in_(_PROTECTED),
        Lead.protection_expire_time > session.now,
        Lead.status != LeadStatus.DISQUALIFIED,
    )
    alive = and_(Lead.registration_state.is_(None), Lead.status != LeadStatus.DISQUALIFIED)
    holds = or_(protects, alive, Lead.status == LeadStatus.CONVERTED) if everybody else protects
    for same in _same_company(lead, Lead):
        yield exists().where(Lead.id != lead.id, same, holds)
    if lead.phones:
        yield exists().where(Lead.id != lead.id, Lead.phones.overlap(lead.phones), holds)


def _held_by_customer(lead: Lead) -> Iterator[ColumnElement[bool]]:
    for same in _same_company(lead, KnownCustomer):
        yield exists().where(same, ~KnownCustomer.deleted)


def _same_company(lead: Lead, entity: type[Lead] | type[KnownCustomer]) -> Iterator[ColumnElement[bool]]:
    if lead.credit_code is not None:
        yield entity.credit_code == lead.credit_code
    if lead.company_key:
        named = and_(entity.company_key != "", entity.company_key == lead.company_key)
        yield and_(named, entity.credit_code.is_(None)) if lead.credit_code is not None else named
