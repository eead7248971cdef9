"""Take in what the telephone system tells of calls: one log of each, whatever the order and however often."""

from uuid import UUID

from chassis import audit, formats, locks, outbox
from chassis.db import ServiceSession
from chassis.errors import Exhausted, Invalid
from chassis.names import new_id, parse_name
from sqlalchemy import ColumnElement, delete, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from leads.calls.events import Course, Told, fold
from leads.calls.facts import announce_end, snapshot
from leads.calls.matching import match_number
from leads.calls.rules import RULES, CallRules
from leads.company_rules import read_rules
from leads.events import CallerUnknown
from leads.model import Call, CallEvent, KnownUser

PROVIDER = "http"
MAX_EVENTS = 100


def receive_call_event(session: ServiceSession, told: Told) -> None:
    """Note what was told. Told again, it changes nothing.

    Raises Invalid INVALID_CALL_EVENT for a reference to no call, and Exhausted TOO_MANY_CALL_EVENTS.
    """
    locks.hold(session, f"call {PROVIDER} {told.call_id}")
    call = _call(session, told)
    if call.version and not call.phone:
        return  # whoever it was with was erased, and what is told again must not bring them back
    before = snapshot(call) if call.version else None
    if not _keep(session, call, told):
        return
    # What was dialled here is said to be with whom somebody chose.
    had_number = bool(call.phone)
    _follow(session, call, fold(_all_told(session, call.id)))
    call.version += 1
    session.flush()
    if call.customer_id is None and call.lead_id is None and call.phone and not had_number:
        _look_up(session, call)
    audit.record(session, "call.event", call.name, before, snapshot(call))
    announce_end(session, call)


def _call(session: ServiceSession, told: Told) -> Call:
    """The one call that is meant, locked; a new one if it is not known."""
    meant: list[ColumnElement[bool]] = [(Call.provider == PROVIDER) & (Call.provider_call_id == told.call_id)]
    reference = _reference(told)
    if reference is not None:
        meant.append(Call.id == reference)
    found = session.scalars(select(Call).where(or_(*meant)).order_by(Call.id).with_for_update()).all()
    if reference is None:
        return found[0] if found else _new_call(session, told)
    dialled = next((each for each in found if each.id == reference), None)
    if dialled is None:
        raise Invalid("INVALID_CALL_EVENT", "reference: there is no such call", field="reference")
    for other in found:
        if other.id != dialled.id:
            unite(session, other, dialled)
    if dialled.provider_call_id is None:
        dialled.provider, dialled.provider_call_id = PROVIDER, told.call_id
    return dialled


def unite(session: ServiceSession, other: Call, dialled: Call) -> None:
    """Let a call that was told of before it was known to be one dialled from here be that one."""
    known = select(CallEvent.digest).where(CallEvent.call_id == dialled.id)
    theirs = CallEvent.call_id == other.id
    session.execute(update(CallEvent).where(theirs, CallEvent.digest.not_in(known)).values(call_id=dialled.id))
    audit.record(session, "call.unite", other.name, snapshot(other), {"into": dialled.name})
    session.execute(delete(CallEvent).where(theirs))
    session.delete(other)
    session.flush()


def _reference(told: Told) -> UUID | None:
    try:
        return parse_name("calls", told.reference, field="reference") if told.reference else None
    except Invalid as fault:
        raise Invalid("INVALID_CALL_EVENT", f"reference: {fault.message}", field="reference") from None


def _new_call(session: ServiceSession, told: Told) -> Call:
    call = Call(
        id=new_id(),
        direction=told.direction,
        phone="",
        provider=PROVIDER,
        provider_call_id=told.call_id,
        state="RINGING",
        start_time=told.time,
        duration_seconds=0,
        recording_url="",
        outcome="",
        note="",
        candidates=[],
        failure_reason="",
        version=0,
    )
    session.add(call)
    session.flush()
    return call


def _keep(session: ServiceSession, call: Call, told: Told) -> bool:
    """Keep what was told. Says whether it is new."""
    values = {"call_id": call.id, "digest": told.digest, "details": told.to_json(), "receive_time": session.now}
    kept = insert(CallEvent).values(values).on_conflict_do_nothing().returning(CallEvent.digest)
    if session.scalar(kept) is None:
        return False
    count = session.scalar(select(func.count()).select_from(CallEvent).where(CallEvent.call_id == call.id)) or 0
    if count > MAX_EVENTS:
        raise Exhausted("TOO_MANY_CALL_EVENTS", f"of a call, {MAX_EVENTS} events are kept", limit=MAX_EVENTS)
    return True


def _all_told(session: ServiceSession, call_id: UUID) -> list[Told]:
    return [
        Told.from_json(each) for each in session.scalars(select(CallEvent.details).where(CallEvent.call_id == call_id))
    ]


def _follow(session: ServiceSession, call: Call, course: Course) -> None:
    """Let a call be as it was told."""
    call.state = course.state
    call.start_time = min(call.request_time, course.start_time) if call.request_time else course.start_time
    call.answer_time, call.end_time = course.answer_time, course.end_time
    call.duration_seconds, call.recording_url = course.duration_seconds, course.recording_url
    call.failure_reason = ""
    if call.request_time is None:
        call.direction = course.direction or call.direction
        call.phone = _number(course.phone) or call.phone
        _give_to(session, call, course.agent)


def _give_to(session: ServiceSession, call: Call, agent: str) -> None:
    """Find out who of the company spoke: by name, or by the telephone."""
    rules, _ = read_rules(session, RULES, CallRules)
    user_id = dict(rules.extensions).get(agent)
    if user_id is None and agent.startswith("users/"):
        try:
            user_id = parse_name("users", agent)
        except Invalid:
            user_id = None  # a telephone that is called so
    user = session.get(KnownUser, user_id) if user_id is not None else None
    if user is not None:
        call.assignee_id, call.assignee_department_path = user.id, user.department_path


def _number(phone: str) -> str:
    """A number in the form that leads and customers have it in; as it is told if it is none, such as `anonymous`."""
    try:
        return formats.phone(phone) if phone else ""
    except Invalid:
        return phone


def _look_up(session: ServiceSession, call: Call) -> None:
    """Find out whose the number is: a lead's, else those are asked who keep customers."""
    if not match_number(session, call, true()) and call.phone.startswith("+"):
        outbox.emit(session, CallerUnknown(call.name, call.phone))
