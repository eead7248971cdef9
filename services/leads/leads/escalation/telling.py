"""Telling people of the steps that were taken: each of all that concerns them, at once.

What is to be told is kept with the step, so that it is told whatever dies, and once.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from uuid import UUID

from chassis import outbox
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.notifications import NotificationRaised
from sqlalchemy import delete, insert, select

from leads.model import Escalation, EscalationNotice, KnownUser
from leads.subjects import of
from leads.told import titles_for

PEOPLE = 200
"""How many are told in one transaction."""

Concern = tuple[UUID, UUID, str]
"""A step, whom it concerns, and the kind of the notification."""

_SEVERAL = {
    "FOLLOW_UP_OVERDUE": "FOLLOW_UPS_OVERDUE",
    "FOLLOW_UP_ESCALATED": "FOLLOW_UPS_ESCALATED",
    "HIGH_RISK_MARKED": "HIGH_RISKS_MARKED",
    "LEAD_ASSIGNED": "LEADS_ASSIGNED",
    "LEAD_REASSIGNED": "LEADS_REASSIGNED",
}
"""The kind that tells how many there are, where there is more than one."""


def note(session: ServiceSession, concerned: Iterable[Concern]) -> None:
    """Keep whom steps concern until they are told."""
    rows = [
        {"id": new_id(), "escalation_id": step, "recipient_id": recipient, "kind": kind}
        for step, recipient, kind in concerned
    ]
    if rows:
        session.execute(insert(EscalationNotice), rows)


def tell_some(session: ServiceSession) -> bool:
    """Tell the next people of all that concerns them: of one record by itself, of several how many there are. Says
    whether there may be more to be told. Who may not sign in any more is not told."""
    next_ones = select(EscalationNotice.recipient_id).distinct().order_by(EscalationNotice.recipient_id).limit(PEOPLE)
    people = session.scalars(next_ones).all()
    columns = (EscalationNotice.recipient_id, EscalationNotice.kind, EscalationNotice.escalation_id)
    waiting = delete(EscalationNotice).where(EscalationNotice.recipient_id.in_(people)).returning(*columns)
    told: dict[tuple[UUID, str], list[UUID]] = defaultdict(list)
    for recipient, kind, step in session.execute(waiting):
        told[recipient, kind].append(step)
    gone = set(session.scalars(select(KnownUser.id).where(KnownUser.id.in_(people), ~KnownUser.active)))
    kept = {key: steps for key, steps in sorted(told.items()) if key[0] not in gone}
    single = _told_singly(session, {(key[0], steps[0]) for key, steps in kept.items() if len(steps) == 1})
    notices = []
    for (recipient, kind), steps in kept.items():
        if len(steps) > 1:
            notices.append(_notice(session, recipient, _SEVERAL[kind], "", {"count": str(len(steps))}))
        elif (of_one := single.get((recipient, steps[0]))) is not None:
            notices.append(_notice(session, recipient, kind, *of_one))
    outbox.emit_all(session, notices)
    return len(people) == PEOPLE


def _told_singly(
    session: ServiceSession, wanted: Collection[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], tuple[str, dict[str, str]]]:
    """The record of each of some steps, and what its recipient is told of it, by recipient and step."""
    ids = {step_id for _, step_id in wanted}
    steps = {step.id: step for step in session.scalars(select(Escalation).where(Escalation.id.in_(ids)))}
    told = {key: (key[0], of(steps[key[1]])) for key in wanted if key[1] in steps}
    names = titles_for(session, told.values())
    found = {}
    for key, whom in told.items():
        step, subject, title = steps[key[1]], whom[1], names[whom]
        params = {
            "subject": subject.name,
            "subject_title": title,
            "lead_name": title,
            "owner": make_name("users", step.assignee_id),
            "days": str(step.days),
            "actor": session.caller.subject,
        }
        found[key] = subject.name, params
    return found


def _notice(
    session: ServiceSession, recipient: UUID, kind: str, resource: str, params: dict[str, str]
) -> NotificationRaised:
    return NotificationRaised(str(new_id()), make_name("users", recipient), kind, resource, params, session.now)
