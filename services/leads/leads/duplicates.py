"""Which leads and customers are about one company, and how a second registration of it is refused.

Two records are about one company if they bear the same credit code or, unless both bear one, names with the same core
(`chassis.formats.company_key`). Leads are so, too, if they share a phone number.
"""

import hashlib
from collections.abc import Iterator

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
    _one_at_a_time(session, lead)
    _refuse(session, or_(*_held_by_lead(session, lead, everybody=True), *_held_by_customer(lead)))


def refuse_protected(session: ServiceSession, lead: Lead) -> None:
    """Raise Duplicate if a partner's registration protects the lead's company. Locks as `refuse_registered` does."""
    _one_at_a_time(session, lead)
    _refuse(session, or_(false(), *_held_by_lead(session, lead, everybody=False)))


def _refuse(session: ServiceSession, held: ColumnElement[bool]) -> None:
    with session.no_autoflush:
        if session.scalar(select(held)):
            # Whoever holds it: partners must not learn of each other, nor whom the company deals with.
            raise Duplicate("DUPLICATE", "this company has been registered already; talk to your contact with us")


def _one_at_a_time(session: ServiceSession, lead: Lead) -> None:
    """Lock all that the company is known by, in one order. Two leads of one company have a key in common."""
    known_by = [f"phone {phone}" for phone in lead.phones]
    known_by += [f"name {lead.company_key}"] if lead.company_key else []
    known_by += [f"code {lead.credit_code}"] if lead.credit_code else []
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
