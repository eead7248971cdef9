"""Check in: note that somebody is at a lead or customer, and judge how far that is to be trusted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis import audit, locks, notifications, outbox
from chassis.db import ServiceSession
from chassis.errors import Denied, Invalid
from chassis.names import new_id
from sqlalchemy import exists, func, select

from leads.company_rules import read_rules
from leads.events import VisitStarted
from leads.geo import Position, distance
from leads.heads import head_above
from leads.model import ReviewState, Visit, VisitEnd
from leads.reachable import Customers
from leads.subjects import Subject, of, require
from leads.told import titles_for
from leads.visits.facts import snapshot
from leads.visits.positions import position_of
from leads.visits.trust import RULES, Evidence, Seen, VisitRules, fence, judge, score

PERMISSION = "visit.create"
MAX_NOTE, MAX_DEVICE = 2_000, 200
OLDEST = timedelta(days=30)
"""What was done without a connection is taken in as long as devices can catch up, see `leads.offline.feed`."""


@dataclass(frozen=True)
class CheckInDraft:
    """A check-in as a device states it."""

    subject: Subject
    position: Position
    device_time: datetime | None = None
    device: str = ""
    mock_location: bool = False
    note: str = ""
    reported_time: datetime | None = None
    """When it was, for what was done without a connection; else it is now."""


def check_in(session: ServiceSession, draft: CheckInDraft, customers: Customers) -> Visit:
    """Check the caller in, now or when they say that they were there without a connection, and end a visit that they
    had left open then. Raises Invalid, NotFound and Denied, but never for where somebody is."""
    user_id = session.caller.user_id
    if user_id is None:
        raise Denied("USERS_ONLY", "people alone check in: sign in as a user")
    _refuse_faulty(draft)
    require(session, draft.subject, PERMISSION, customers)
    # Of two check-ins at once one comes after the other, and ends it.
    locks.hold(session, f"visits of {user_id}")
    time = reported(session, draft.reported_time) if draft.reported_time is not None else session.now
    _end_open(session, user_id, time)
    visit = _visit(session, draft, user_id, time)
    _end_by_next(session, visit)
    session.add(visit)
    session.flush()
    audit.record(session, "visit.check_in", visit.name, None, snapshot(visit))
    outbox.emit(session, VisitStarted(visit.name, visit.subject, session.caller.subject, visit.geofence, time))
    if visit.review_state == ReviewState.PENDING:
        ask_for_review(session, visit)
    return visit


def reported(session: ServiceSession, time: datetime) -> datetime:
    """When something was done without a connection, as far as that can be: what a device says to come is now.

    Raises Invalid OUT_OF_RANGE for what was too long ago."""
    if time < session.now - OLDEST:
        message = f"what was done more than {OLDEST.days} days ago is not taken in; log a follow-up"
        raise Invalid("OUT_OF_RANGE", message, field="occur_time")
    return min(time, session.now)


def _visit(session: ServiceSession, draft: CheckInDraft, user_id: UUID, time: datetime) -> Visit:
    rules, _ = read_rules(session, RULES, VisitRules)
    here, located = Seen(draft.position, time), position_of(session, draft.subject)
    metres = distance(draft.position, located.position) if located is not None else None
    before = _seen_before(session, user_id, time)
    evidence = Evidence(
        here,
        fence(rules, metres, draft.position.accuracy_metres),
        mock_location=draft.mock_location,
        device_time=draft.device_time,
        before=before,
        shared_device=_is_shared(session, draft.device, user_id, rules),
        time_reported=draft.reported_time is not None,
    )
    reasons = judge(rules, evidence)
    trust = score(rules, reasons)
    return Visit(
        id=new_id(),
        **draft.subject.columns,
        assignee_id=user_id,
        assignee_department_path=session.caller.department_path or None,
        check_in_time=time,
        device_time=draft.device_time,
        report_time=session.now if draft.reported_time is not None else None,
        latitude=draft.position.latitude,
        longitude=draft.position.longitude,
        accuracy_metres=draft.position.accuracy_metres,
        mock_location=draft.mock_location,
        device=draft.device.strip(),
        note=draft.note.strip(),
        geofence=evidence.geofence,
        distance_metres=metres,
        radius_metres=rules.radius_metres,
        leg_metres=distance(before.position, draft.position) if before is not None else None,
        trust_score=trust,
        trust_reasons=list(reasons),
        review_state=ReviewState.PENDING if trust < rules.review_threshold else ReviewState.NOT_NEEDED,
        reviewer="",
        review_note="",
        version=1,
    )


def ask_for_review(session: ServiceSession, visit: Visit) -> None:
    """Tell the head above that a visit has too low a score. It waits in the list if there is none."""
    head = head_above(session, visit.assignee_department_path, visit.assignee_id)
    if head is None:
        return
    subject = of(visit)
    params = {
        "assignee": f"users/{visit.assignee_id}",
        "subject": subject.name,
        "subject_title": titles_for(session, [(head, subject)])[head, subject],
        "trust_score": visit.trust_score,
        "reasons": list(visit.trust_reasons),
    }
    notifications.notify(session, head, "VISIT_NEEDS_REVIEW", visit.name, params)


def _refuse_faulty(draft: CheckInDraft) -> None:
    for field, value, most in (("note", draft.note, MAX_NOTE), ("device", draft.device, MAX_DEVICE)):
        if len(value) > most:
            raise Invalid("TOO_LONG", f"at most {most:,} characters fit", field=field)
        if "\0" in value:
            raise Invalid("INVALID_TEXT", "the text holds control characters", field=field)


def _end_open(session: ServiceSession, user_id: UUID, time: datetime) -> None:
    """End the visit that was open at a time."""
    statement = select(Visit).where(Visit.assignee_id == user_id, Visit.check_out_time.is_(None)).with_for_update()
    left = session.scalars(statement).one_or_none()
    if left is not None and left.check_in_time <= time:
        end_visit(session, left, time, VisitEnd.NEXT_CHECK_IN)
        session.flush()


def _end_by_next(session: ServiceSession, visit: Visit) -> None:
    """End a visit that is told of late when the person checked in somewhere else."""
    later = select(func.min(Visit.check_in_time)).where(
        Visit.assignee_id == visit.assignee_id, Visit.check_in_time > visit.check_in_time
    )
    if (next_time := session.scalar(later)) is not None:
        visit.check_out_time, visit.ended_by = next_time, VisitEnd.NEXT_CHECK_IN


def end_visit(session: ServiceSession, visit: Visit, time: datetime, by: VisitEnd) -> None:
    """Note that a visit is over."""
    before = snapshot(visit)
    visit.check_out_time, visit.ended_by = time, by
    visit.version += 1
    audit.record(session, "visit.end", visit.name, before, snapshot(visit))


def _seen_before(session: ServiceSession, user_id: UUID, time: datetime) -> Seen | None:
    """The person's check-in before. One whose position is kept no more tells nothing."""
    last = session.execute(
        select(Visit.latitude, Visit.longitude, Visit.accuracy_metres, Visit.check_in_time)
        .where(Visit.assignee_id == user_id, Visit.check_in_time <= time)
        .order_by(Visit.check_in_time.desc(), Visit.id.desc())
        .limit(1)
    ).first()
    if last is None or last.latitude is None:
        return None
    return Seen(Position(last.latitude, last.longitude, last.accuracy_metres), last.check_in_time)


def _is_shared(session: ServiceSession, device: str, user_id: UUID, rules: VisitRules) -> bool:
    since = session.now - timedelta(days=rules.shared_device_days)
    used = exists().where(
        Visit.device == device.strip(), Visit.check_in_time > since, Visit.assignee_id.is_distinct_from(user_id)
    )
    return bool(device.strip()) and bool(session.scalar(select(used)))
