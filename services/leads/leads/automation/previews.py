"""What a rule would have done in the last days. Nothing is written.

A lead is taken back in time by the audit log: from how it is now, each change is undone, the newest first, so that the
rule sees each occasion with the values of then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chassis.audit.model import AuditEntry
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid
from chassis.filters import filter_from_json
from chassis.organisation import organisation
from sqlalchemy import Uuid, and_, case, cast, func, literal, select, tuple_

from leads import subjects
from leads.automation import history, vocabulary
from leads.automation.listening import starts
from leads.automation.records import Occasion, Record, find, lead_record
from leads.automation.running import would
from leads.automation.times import latest_start
from leads.effectiveness import Verdict
from leads.lead_queries import REGISTRY, reach
from leads.model import AutomationRule, FollowUp, Lead, Outcome, TriggerKind
from leads.subjects import Subject

MOST_DAYS = 90
MOST_TRIED = 2_000
MOST_LOOKED = 20_000
"""How many changes are gone through at most, be they such as start the rule or others."""
MOST_SHOWN = 100

_PAGE = 500

_CHANGED = AuditEntry.after.has_key("version")
"""Whether an entry is of a change of the record itself: it tells the version that came of it."""

_LEAD_ID = case(
    (AuditEntry.resource.regexp_match("^leads/[0-9a-f-]{36}$"), cast(func.substr(AuditEntry.resource, 7), Uuid))
)
"""The lead of an entry, which its primary key finds; NULL for an entry of something else."""

APPROXIMATIONS = ("RIGHTS_OF_TODAY", "OWNERS_OF_TODAY")
"""Who reaches a lead, and whom a rule would tell, is judged by how things are now."""


@dataclass(frozen=True)
class Match:
    """What would have been done on one occasion."""

    occasion: Occasion
    time: Any
    outcome: Outcome
    reason: str
    message: str
    values: Mapping[str, Any]
    results: list[Any]


@dataclass
class Preview:
    """What would have been done."""

    tried: int = 0
    matched: int = 0
    matches: list[Match] = field(default_factory=list)
    incomplete: bool = False


def preview(session: ServiceSession, rule: AutomationRule, days: int) -> Preview:
    """Try a rule, which need not be stored, on what happened in the last days, or on the leads of today."""
    session.caller.require_everything("automation.configure")
    if not 1 <= days <= MOST_DAYS:
        raise Invalid("OUT_OF_RANGE", f"from 1 to {MOST_DAYS} days can be looked back", field="days")
    found = Preview()
    for occasion, time, record in _occasions(session, rule, days, found):
        if found.tried >= MOST_TRIED:
            found.incomplete = True
            break
        found.tried += 1
        _try(session, rule, occasion, time, record, found)
    return found


def _try(
    session: ServiceSession, rule: AutomationRule, occasion: Occasion, time: Any, record: Record, found: Preview
) -> None:
    try:
        held, values, results = would(session, rule, record)
        match = Match(occasion, time, Outcome.DONE, "", "", values, results)
    except DomainError as error:
        held = error.reason != "NO_VALUE"
        match = Match(occasion, time, Outcome.FAILED, error.reason, error.message, {}, [])
    if held:
        found.matched += match.outcome is Outcome.DONE
        if len(found.matches) < MOST_SHOWN:
            found.matches.append(match)


def _occasions(
    session: ServiceSession, rule: AutomationRule, days: int, found: Preview
) -> Iterator[tuple[Occasion, Any, Record]]:
    event = rule.trigger.get("event")
    if event in ("FollowUpLogged", "LeadFollowUpLogged"):
        yield from _follow_ups(session, event, days)
    elif event not in (None, "LeadCreated", "LeadUpdated"):
        raise Invalid("NO_HISTORY", f"of {event} nothing is kept that a rule could be tried on", field="rule.trigger")
    elif rule.trigger_kind in (TriggerKind.EVENT, TriggerKind.FIELD_CHANGE):
        yield from _events(session, rule, days, found)
    else:
        yield from _leads(session, rule, days)


def _follow_ups(session: ServiceSession, event: str, days: int) -> Iterator[tuple[Occasion, Any, Record]]:
    """What was logged in the last days, the newest first, with the leads or customers as they are now."""
    # What was logged on a lead is that, also if it has become a customer since.
    of_leads = FollowUp.lead_id.is_not(None) if event == "LeadFollowUpLogged" else FollowUp.lead_id.is_(None)
    statement = (
        select(FollowUp)
        .where(FollowUp.create_time >= session.now - timedelta(days=days), of_leads)
        .order_by(FollowUp.create_time.desc(), FollowUp.id.desc())
        .limit(MOST_TRIED + 1)
    )
    for follow_up in session.scalars(statement):
        told = {
            "method": follow_up.method,
            "author": follow_up.author,
            "effective": follow_up.verdict == Verdict.EFFECTIVE,
            "occur_time": follow_up.occur_time,
        }
        lead = subjects.Subject("leads", follow_up.lead_id) if follow_up.lead_id is not None else None
        occasion = Occasion(follow_up.name, lead or subjects.of(follow_up), event, vocabulary.told_by(event, told))
        if (record := find(session, occasion)) is not None:
            yield occasion, follow_up.create_time, record


def _leads(session: ServiceSession, rule: AutomationRule, days: int) -> Iterator[tuple[Occasion, Any, Record]]:
    """The leads that a schedule would find now, or for which a delay passed in the last days."""
    trigger = rule.trigger
    conditions = filter_from_json(trigger.get("filter") or {})
    statement = select(Lead).where(reach(session, "lead.read"), REGISTRY.where(conditions, caller=session.caller))
    if rule.trigger_kind == TriggerKind.TIME_AFTER:
        column, company = (
            REGISTRY.find(trigger["field"], path="field", caller=session.caller).column,
            organisation(session),
        )
        bounds = (session.now - timedelta(days=days), session.now)
        since, until = (latest_start(one, trigger["amount"], trigger["unit"], company) for one in bounds)
        statement = statement.where(column > since, column <= until)
    for lead in session.scalars(statement.order_by(Lead.id.desc()).limit(MOST_TRIED + 1)):
        occasion = Occasion(lead.name, Subject("leads", lead.id), rule.trigger_kind)
        yield occasion, session.now, lead_record(lead, occasion, session.now)


def _events(
    session: ServiceSession, rule: AutomationRule, days: int, found: Preview
) -> Iterator[tuple[Occasion, Any, Record]]:
    """The changes of the last days that would have started the rule, the newest first, with the leads as they were."""
    event, held = rule.trigger["event"], dict[Any, dict[str, Any]]()
    for looked, (entry, lead) in enumerate(_entries(session, days)):
        if looked == MOST_LOOKED:
            found.incomplete = True
            return
        plain = held.setdefault(lead.id, vocabulary.plain_lead(lead))
        old, new = history.fields(entry.before), history.fields(entry.after)
        created = entry.before is None and entry.after is not None and entry.after["version"] == 1
        if created == (event == "LeadCreated") and starts(rule, event, old, new):
            occasion = Occasion(f"{entry.id}", Subject("leads", lead.id), event, old=old)
            then = {**plain, "update_time": entry.time}
            yield occasion, entry.time, lead_record(lead, occasion, entry.time, then)
        plain.update(old)


def _entries(session: ServiceSession, days: int) -> Iterator[tuple[AuditEntry, Lead]]:
    """What was changed of leads in the last days, the newest first, some hundred in memory at a time."""
    since = session.now - timedelta(days=days)
    statement = (
        select(AuditEntry, Lead)
        .join(Lead, Lead.id == _LEAD_ID)
        .where(and_(AuditEntry.time >= since, _CHANGED, reach(session, "lead.read")))
        .order_by(AuditEntry.time.desc(), AuditEntry.id.desc())
        .limit(_PAGE)
    )
    page = session.execute(statement).all()
    while page:
        yield from ((entry, lead) for entry, lead in page)
        last = page[-1][0]
        older = tuple_(AuditEntry.time, AuditEntry.id) < tuple_(literal(last.time), literal(last.id))
        page = session.execute(statement.where(older)).all() if len(page) == _PAGE else []
