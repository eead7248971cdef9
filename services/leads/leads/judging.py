"""Judges follow-ups beside what the author and others logged of late, by the company's rules."""

from chassis.db import ServiceSession
from sqlalchemy import select

from leads.effectiveness import CheckIn, EffectivenessRules, Judgement, Touch, judge
from leads.history import History
from leads.model import FollowUp, FollowUpRules


def rules_row(session: ServiceSession, *, lock: bool = False) -> FollowUpRules:
    """The rules that the company has set; with version 0, and not stored, if it has set none."""
    statement = select(FollowUpRules)
    kept = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    return kept or FollowUpRules(id=1, version=0, rules=EffectivenessRules().to_json(), update_time=session.now)


def judge_follow_up(follow_up: FollowUp, history: History, rules: EffectivenessRules) -> Judgement:
    """Judge a follow-up that is about to be stored."""
    check_in = follow_up.check_in
    touch = Touch(
        method=follow_up.method,
        content=follow_up.content,
        occur_time=follow_up.occur_time,
        has_contact=follow_up.contact_id is not None,
        duration_seconds=follow_up.duration_seconds,
        inbound=follow_up.inbound,
        check_in=CheckIn.from_json(check_in) if check_in is not None else None,
        check_in_used=check_in is not None and history.shows(follow_up),
    )
    return judge(rules, touch, history.compared(follow_up))
