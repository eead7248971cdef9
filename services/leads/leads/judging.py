"""Judges follow-ups beside what the author and others logged of late, by the company's rules."""

from datetime import timedelta

from chassis.db import ServiceSession
from sqlalchemy import ColumnElement, func, select

from leads.effectiveness import CheckIn, EffectivenessRules, Judgement, Touch, judge
from leads.model import FollowUp, FollowUpRules


def rules_row(session: ServiceSession, *, lock: bool = False) -> FollowUpRules:
    """The rules that the company has set; with version 0, and not stored, if it has set none."""
    statement = select(FollowUpRules)
    kept = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    return kept or FollowUpRules(id=1, version=0, rules=EffectivenessRules().to_json(), update_time=session.now)


def rules_now(session: ServiceSession) -> EffectivenessRules:
    """The rules that hold."""
    return EffectivenessRules.from_json(rules_row(session).rules)


def judge_follow_up(session: ServiceSession, follow_up: FollowUp) -> Judgement:
    """Judge a follow-up that is about to be stored. Those of one author are judged one after another, so that of two
    equal ones at once the second is seen to be a copy."""
    rules = rules_now(session)
    key = f"follow_up author {follow_up.author}"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    return judge(rules, _touch(session, follow_up, rules), _earlier(session, follow_up, rules))


def _touch(session: ServiceSession, follow_up: FollowUp, rules: EffectivenessRules) -> Touch:
    check_in = follow_up.check_in
    used = check_in is not None and session.scalar(
        select(FollowUp.id)
        .where(FollowUp.author == follow_up.author, _lately(follow_up, rules), FollowUp.check_in == check_in)
        .limit(1)
    )
    return Touch(
        method=follow_up.method,
        content=follow_up.content,
        occur_time=follow_up.occur_time,
        has_contact=follow_up.contact_id is not None,
        duration_seconds=follow_up.duration_seconds,
        inbound=follow_up.inbound,
        check_in=CheckIn.from_json(check_in) if check_in is not None else None,
        check_in_used=bool(used),
    )


def _earlier(session: ServiceSession, follow_up: FollowUp, rules: EffectivenessRules) -> list[str]:
    """What the author wrote of late of anybody, and anybody of the customer."""
    found: list[str] = []
    for whose in (FollowUp.author == follow_up.author, FollowUp.customer_id == follow_up.customer_id):
        newest = select(FollowUp.content).where(whose, _lately(follow_up, rules))
        newest = newest.order_by(FollowUp.occur_time.desc(), FollowUp.id.desc()).limit(rules.compare_count)
        found += session.scalars(newest)
    return found


def _lately(follow_up: FollowUp, rules: EffectivenessRules) -> ColumnElement[bool]:
    return FollowUp.occur_time >= follow_up.occur_time - timedelta(days=rules.compare_days)
