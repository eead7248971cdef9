"""Have the telephone system call somebody."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chassis import audit, formats, locks
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, DomainError, Invalid
from chassis.field_rules import may_read
from chassis.names import new_id
from sqlalchemy import ColumnElement, false, select

from leads.calls.dialling import Dialling
from leads.calls.facts import snapshot
from leads.calls.matching import match_number
from leads.calls.receiving import unite
from leads.calls.rules import RULES, CallRules
from leads.company_rules import read_rules
from leads.lead_queries import ENTITY as LEAD
from leads.lead_queries import reach
from leads.model import Call, CallDirection, CallState, Lead
from leads.reachable import Customers
from leads.subjects import Subject, require

PERMISSION = "call.create"


class Numbers(Customers, Protocol):
    """Who knows the numbers of customers."""

    def phones_of(self, customer_id: UUID) -> list[str]:
        """The numbers of a customer that the caller may read."""
        ...


@dataclass(frozen=True)
class DialDraft:
    """Whom to call."""

    subject: Subject | None
    phone: str = ""


def request_call(session: ServiceSession, draft: DialDraft, provider: str, customers: Numbers) -> Call:
    """Note that the caller wants to call somebody. Raises Invalid, NotFound, Denied, and Conflict NO_PHONE."""
    if session.caller.user_id is None:
        raise Denied("USERS_ONLY", "people alone call: sign in as a user")
    if draft.subject is None and not draft.phone:
        raise Invalid("REQUIRED", "say whom to call, or which number", field="subject")
    if draft.subject is not None:
        require(session, draft.subject, PERMISSION, customers)
    call = Call(
        id=new_id(),
        **(draft.subject.columns if draft.subject is not None else {}),
        assignee_id=session.caller.user_id,
        assignee_department_path=session.caller.department_path or None,
        direction=CallDirection.OUTBOUND,
        phone=_number(session, draft, customers),
        provider=provider,
        provider_call_id=None,
        state=CallState.REQUESTED,
        request_time=session.now,
        start_time=session.now,
        duration_seconds=0,
        recording_url="",
        outcome="",
        note="",
        candidates=[],
        failure_reason="",
        version=1,
    )
    if draft.subject is None:
        match_number(session, call, _leads_by_number(session))
    session.add(call)
    session.flush()
    audit.record(session, "call.dial", call.name, None, snapshot(call))
    return call


def dialling(session: ServiceSession, call: Call) -> Dialling:
    """What the telephone system is asked for."""
    rules, _ = read_rules(session, RULES, CallRules)
    extension = next((each for each, user_id in rules.extensions if user_id == call.assignee_id), "")
    return Dialling(call.name, call.phone, extension or session.caller.subject)


def note_dialled(session: ServiceSession, call_id: UUID, provider: str, provider_call_id: str) -> Call:
    """Note what the telephone system calls a call. What it told of it before that belongs to it."""
    if provider_call_id:
        locks.hold(session, f"call {provider} {provider_call_id}")
    call = session.get_one(Call, call_id, with_for_update=True)
    if not provider_call_id or call.provider_call_id is not None:
        return call
    same = select(Call).where(Call.provider == provider, Call.provider_call_id == provider_call_id, Call.id != call_id)
    before = snapshot(call)
    for other in session.scalars(same.with_for_update()).all():
        unite(session, other, call)
    call.provider_call_id = provider_call_id
    call.version += 1
    session.flush()
    audit.record(session, "call.dialled", call.name, before, snapshot(call))
    return call


def note_failed(session: ServiceSession, call_id: UUID, refusal: DomainError) -> None:
    """Note that the telephone system does not make a call. One that does not answer may be asked again."""
    call = session.get_one(Call, call_id, with_for_update=True)
    if call.state != CallState.REQUESTED or not isinstance(refusal, Conflict):
        return
    before = snapshot(call)
    call.state, call.failure_reason = CallState.FAILED, refusal.reason
    call.version += 1
    session.flush()
    audit.record(session, "call.fail", call.name, before, snapshot(call))


def _leads_by_number(session: ServiceSession) -> ColumnElement[bool]:
    """The leads whose numbers the caller sees: one that they type must not tell them whose it is among others."""
    if not session.caller.granted("lead.read") or not may_read(session.caller, LEAD, "phones"):
        return false()
    return reach(session, "lead.read")


def _number(session: ServiceSession, draft: DialDraft, customers: Numbers) -> str:
    if draft.phone:
        return formats.phone(draft.phone, field="phone")
    assert draft.subject is not None
    # A number that the caller's roles keep from them is none to dial by: the log would show it.
    numbers: list[str] = []
    if draft.subject.collection == "customers":
        numbers = customers.phones_of(draft.subject.id)
    elif may_read(session.caller, LEAD, "phones"):
        numbers = session.scalar(select(Lead.phones).where(Lead.id == draft.subject.id)) or []
    number = next((each for each in numbers if "*" not in each), "")
    if not number:
        raise Conflict("NO_PHONE", "no number is known: give one", subject=draft.subject.name)
    return number
