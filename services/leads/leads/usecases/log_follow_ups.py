"""Log follow-ups on customers and leads: some that waited in a device without network, or a telephone system's log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.audit import Change
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid
from chassis.names import make_name, new_id
from sqlalchemy import text

from leads.contact_cap import refuse_beyond_cap
from leads.drafts import FollowUpDraft, refuse_faulty
from leads.effectiveness import Verdict
from leads.events import FollowUpLogged, LeadFollowUpLogged
from leads.history import History, read_history
from leads.judging import judge_follow_up
from leads.life.touches import touch_leads
from leads.mentions import refuse_unknown, tell_mentioned
from leads.model import FollowUp
from leads.premises import Premises, read_premises
from leads.reachable import Customers, followed_meanwhile, lock_leads, refusals

MAX_BATCH = 500
SUMMARY = 200

Outcome = FollowUp | DomainError


def log_follow_ups(
    session: ServiceSession, drafts: Sequence[FollowUpDraft | Invalid], customers: Customers
) -> list[Outcome]:
    """Log follow-ups and announce them, each judged by itself, as if they were logged one after the other, but that for
    the contact cap the plans of others count as they stood before the first of them.

    Returns for each the follow-up, or why it was refused: Invalid, also if it was given instead of what could not be
    read; NotFound if the caller cannot see the customer or lead; Denied NOT_YOURS if they may see it and no more;
    Conflict LEAD_CONVERTED; Exhausted CONTACT_CAP_REACHED. Raises Invalid TOO_MANY. It takes the same few statements
    for any number of them.
    """
    if not 1 <= len(drafts) <= MAX_BATCH:
        raise Invalid("TOO_MANY", f"give from 1 to {MAX_BATCH} follow-ups", field="follow_ups")
    stated = refuse_unknown(session, [_checked(session, draft) for draft in drafts])
    drawn = [draft for draft in stated if isinstance(draft, FollowUpDraft)]
    ids = {draft.customer_id for draft in drawn if draft.customer_id is not None}
    leads, refused = lock_leads(session, {draft.lead_id for draft in drawn if draft.lead_id is not None})
    premises = read_premises(session, ids, leads.values())
    refused |= refusals(session, ids, premises, customers)
    if followed_meanwhile(session, ids - refused.keys(), premises):
        premises = read_premises(session, ids, leads.values())
    made = [
        one if isinstance(one, Invalid) else refused.get(one.subject_id) or _follow_up(session, one, premises)
        for one in stated
    ]
    history = read_history(session, _follow_ups(made), premises)
    outcomes = [_judged(one, history) if isinstance(one, FollowUp) else one for one in made]
    _store(session, _follow_ups(outcomes), history)
    return outcomes


def _checked(session: ServiceSession, draft: FollowUpDraft | Invalid) -> FollowUpDraft | Invalid:
    if isinstance(draft, FollowUpDraft):
        try:
            refuse_faulty(session, draft)
        except Invalid as fault:
            return fault
    return draft


def _follow_ups(outcomes: Sequence[Outcome]) -> list[FollowUp]:
    return [one for one in outcomes if isinstance(one, FollowUp)]


def _follow_up(session: ServiceSession, draft: FollowUpDraft, premises: Premises) -> FollowUp:
    return FollowUp(
        id=new_id(),
        customer_id=draft.customer_id,
        lead_id=draft.lead_id,
        method=draft.method,
        content=draft.text,
        contact_id=draft.contact_id,
        occur_time=min(draft.occur_time or session.now, session.now),
        next_contact_time=draft.next_contact_time,
        author=session.caller.subject,
        theatre=premises.theatre,
        joint_theatre=premises.joint_theatre(draft.customer_id),
        # What was due before it was logged is history brought in late, and nobody waits for it.
        reminder_open=draft.next_contact_time is not None and draft.next_contact_time > session.now,
        follows_owner=False,
        duration_seconds=draft.duration_seconds,
        inbound=draft.inbound,
        check_in=draft.check_in.to_json() if draft.check_in is not None else None,
        mentions=list(dict.fromkeys(draft.mentions)),
        create_time=session.now,
    )


def _judged(follow_up: FollowUp, history: History) -> Outcome:
    """The follow-up with its verdict, and part of the history from then on, or why it is refused."""
    rules = history.premises.rules
    try:
        refuse_beyond_cap(follow_up, history, rules.contact_cap)
    except DomainError as refusal:
        return refusal
    judgement = judge_follow_up(follow_up, history, rules)
    follow_up.verdict, follow_up.verdict_reasons = judgement.verdict, list(judgement.reasons)
    history.add(follow_up)
    return follow_up


def _store(session: ServiceSession, follow_ups: Sequence[FollowUp], history: History) -> None:
    _close_reminders(session, follow_ups, history)
    session.add_all(follow_ups)
    session.flush()
    audit.record_all(session, [Change("follow_up.log", each.name, None, _snapshot(each)) for each in follow_ups])
    outbox.emit_all(session, [logged(each) for each in follow_ups])
    tell_mentioned(session, follow_ups)
    touch_leads(session, [each for each in follow_ups if each.customer_id is None], history.premises.leads)


_CLOSE = text(
    """
    UPDATE follow_up SET reminder_open = false, awaits_acknowledgement = false
    FROM unnest(CAST(:customers AS uuid[]), CAST(:times AS timestamptz[]), CAST(:sides AS text[]))
      AS later (customer_id, time, side)
    WHERE follow_up.customer_id = later.customer_id AND joint_theatre IS NOT DISTINCT FROM later.side
      AND (reminder_open OR awaits_acknowledgement) AND occur_time < later.time
    """
)
_CLOSE_OF_LEADS = text(
    """
    UPDATE follow_up SET reminder_open = false
    FROM unnest(CAST(:leads AS uuid[]), CAST(:times AS timestamptz[])) AS later (lead_id, time)
    WHERE follow_up.lead_id = later.lead_id AND customer_id IS NULL AND reminder_open AND occur_time < later.time
    """
)


def _close_reminders(session: ServiceSession, follow_ups: Sequence[FollowUp], history: History) -> None:
    """A later follow-up of one side with the customer, or with the lead, makes a reminder of an earlier one pointless,
    in either order of logging."""
    last: dict[UUID, datetime] = {}
    for follow_up in follow_ups:
        key = follow_up.subject_id
        subject = history.subjects[key]
        if subject.latest_time is not None and subject.latest_time > follow_up.occur_time:
            follow_up.reminder_open = False
        if subject.plan_time is not None and subject.plan_time < follow_up.occur_time:
            last[key] = max(follow_up.occur_time, last.get(key, follow_up.occur_time))
    leads = [key for key in last if key in history.premises.leads]
    if leads:
        session.execute(_CLOSE_OF_LEADS, {"leads": leads, "times": [last[key] for key in leads]})
    if customers := [key for key in last if key not in history.premises.leads]:
        sides = {each.customer_id: each.joint_theatre for each in follow_ups}
        times = [last[key] for key in customers]
        given = {"customers": customers, "times": times, "sides": [sides[key] for key in customers]}
        session.execute(_CLOSE, given)


def logged(follow_up: FollowUp) -> FollowUpLogged | LeadFollowUpLogged:
    """What is told of a follow-up: of the customer that it is about, else of the lead."""
    told: dict[str, Any] = {
        "follow_up": follow_up.name,
        "method": follow_up.method,
        "summary": follow_up.content[:SUMMARY],
        "author": follow_up.author,
        "occur_time": follow_up.occur_time,
        "effective": follow_up.verdict == Verdict.EFFECTIVE,
        "verdict_reasons": list(follow_up.verdict_reasons),
        "next_contact_time": follow_up.next_contact_time,
    }
    if follow_up.customer_id is None:
        return LeadFollowUpLogged(lead=make_name("leads", follow_up.lead_id), **told)
    customer, theatre = make_name("customers", follow_up.customer_id), follow_up.joint_theatre or ""
    return FollowUpLogged(customer=customer, theatre=theatre, **told)


def _snapshot(follow_up: FollowUp) -> dict[str, object]:
    values = {
        "customer": make_name("customers", follow_up.customer_id),
        "lead": make_name("leads", follow_up.lead_id),
        "method": follow_up.method,
        "content": follow_up.content,
        "contact": make_name("contacts", follow_up.contact_id),
        "occur_time": follow_up.occur_time.isoformat(),
        "next_contact_time": follow_up.next_contact_time.isoformat() if follow_up.next_contact_time else "",
        "duration_seconds": follow_up.duration_seconds,
        "inbound": follow_up.inbound,
        "joint_theatre": follow_up.joint_theatre,
        "check_in": follow_up.check_in,
        "mentions": [make_name("users", key) for key in follow_up.mentions],
        "verdict": follow_up.verdict,
        "verdict_reasons": follow_up.verdict_reasons,
    }
    return {key: value for key, value in values.items() if value}
