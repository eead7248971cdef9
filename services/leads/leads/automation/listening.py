"""From events to the rules that they start."""

from collections.abc import Sequence
from typing import Any

from chassis.bus.envelope import Received
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name
from sqlalchemy import select

from leads.automation import history
from leads.automation.records import Occasion
from leads.automation.running import prepare, run
from leads.automation.vocabulary import EVENTS, told_by
from leads.model import AutomationCause, AutomationRule, AutomationState, FollowUp, TriggerKind
from leads.subjects import parse_subject

_BY_EVENTS = (TriggerKind.EVENT, TriggerKind.FIELD_CHANGE)


def react(session: ServiceSession, received: Received) -> None:
    """Run the rules that an event starts."""
    react_to_all(session, [received])


def react_to_all(session: ServiceSession, events: Sequence[Received]) -> None:
    """Run the rules that some events start, event by event, those with the lower priority first."""
    names = {event.name for event in events}
    rules = published(session, _BY_EVENTS)
    rules = [rule for rule in rules if rule.trigger["event"] in names]
    if not rules:
        return
    events = _told_first(session, events)
    updates = [_version(event) for event in events if event.name == "LeadUpdated"]
    replaced = history.changes(session, updates)
    steps = _steps(session, events)
    started = []
    for event in events:
        old, new = replaced.get(_version(event), ({}, {})) if event.name == "LeadUpdated" else ({}, {})
        occasion = _occasion(event, old, tuple(steps.get(str(event.id), ())))
        heeding = (rule for rule in rules if _in_force(rule, event))
        started += [(rule, occasion) for rule in heeding if starts(rule, event.name, old, new)]
    subjects = {occasion.subject for _, occasion in started}
    prepare(session, [rule for rule, _ in started], [one.id for one in subjects if one.collection == "leads"])
    for rule, occasion in started:
        if rule.state == AutomationState.PUBLISHED:
            run(session, rule, occasion)


def _in_force(rule: AutomationRule, event: Received) -> bool:
    """Whether a rule had been published when an event happened, however late the event comes."""
    return rule.publish_time is None or rule.publish_time <= event.time


def _told_first(session: ServiceSession, events: Sequence[Received]) -> Sequence[Received]:
    """The events but for follow-ups that are told again because their lead has become a customer: rules ran for them
    when they were logged."""
    logged = {event.data["follow_up"] for event in events if event.name == "FollowUpLogged"}
    if not logged:
        return events
    ids = [parse_name("followUps", name) for name in logged]
    of_leads = session.scalars(select(FollowUp.id).where(FollowUp.id.in_(ids), FollowUp.lead_id.is_not(None)))
    again = {make_name("followUps", key) for key in of_leads}
    return [event for event in events if event.name != "FollowUpLogged" or event.data["follow_up"] not in again]


def published(session: ServiceSession, kinds: Sequence[TriggerKind]) -> list[AutomationRule]:
    """The rules that are in force, in the order in which they run."""
    return list(
        session.scalars(
            select(AutomationRule)
            .where(AutomationRule.state == AutomationState.PUBLISHED, AutomationRule.trigger_kind.in_(kinds))
            .order_by(AutomationRule.priority, AutomationRule.id)
        )
    )


def starts(rule: AutomationRule, event: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether an event starts a rule, by what it replaced and what by."""
    trigger = rule.trigger
    if trigger["event"] != event:
        return False
    if rule.trigger_kind == TriggerKind.EVENT:
        return True
    field = trigger["field"]
    return field in new and all(
        wanted is None or wanted == _text(held.get(field))
        for wanted, held in ((trigger.get("from_value"), old), (trigger.get("to_value"), new))
    )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return "" if value is None else str(value)


def _version(event: Received) -> history.Change:
    return str(event.data["lead"]), int(event.data["version"])


def _occasion(event: Received, old: dict[str, Any], steps: tuple[str, ...]) -> Occasion:
    subject = parse_subject(event.data[EVENTS[event.name].subject])
    return Occasion(str(event.id), subject, event.name, told_by(event.name, event.data), old, steps)


def _steps(session: ServiceSession, events: Sequence[Received]) -> dict[str, list[str]]:
    """The steps that led to each of some events, by its id."""
    ids = [event.id for event in events]
    rows = session.execute(
        select(AutomationCause.event_id, AutomationCause.steps).where(AutomationCause.event_id.in_(ids))
    )
    return {str(row.event_id): row.steps for row in rows}
