"""Running a rule for a record, on one occasion: once, all of it or nothing, with a line in the log.

Three things keep rules from going round in circles. Each event that a run brings about is noted with the steps that
led to it: a rule runs for a record once in such a chain, and a chain has so many steps at most. What goes on by way of
other handlers is no such chain; therefore a rule runs for one record, and for all together, only so often in a time.
Whatever rule is caught is suspended, and those who look after rules are told.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import audit, notifications, outbox
from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import Denied, DomainError, Unavailable
from chassis.field_rules import require_readable
from chassis.names import new_id
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from leads.assignment.deciding import alone
from leads.automation import vocabulary
from leads.automation.actions import Doing, foresee, perform
from leads.automation.authors import acting, caller_of, holders_of
from leads.automation.expressions import Condition, NoValue, compile_condition
from leads.automation.records import Occasion, Record, find
from leads.automation.vocabulary import variables_for
from leads.lead_queries import ENTITY
from leads.locking import stand_still
from leads.model import (
    AutomationCause,
    AutomationRule,
    AutomationRun,
    AutomationState,
    Lead,
    Outcome,
    TriggerKind,
)

MAX_DEPTH = 5
"""How many runs may follow from one another."""
MAX_PER_RECORD = 20
"""How often a rule may act on one record in an hour."""
MAX_PER_MINUTE = 5_000
"""How often a rule that events start may act in a minute, whatever on. What the clock starts is due for so many leads,
once each."""
_BY_CLOCK = frozenset({TriggerKind.SCHEDULE, TriggerKind.TIME_AFTER})

SUSPENDED = "AUTOMATION_SUSPENDED"
"""The kind of the notification that a rule was suspended."""
_CHANGING = frozenset({"SET_FIELD", "CHANGE_STATUS", "MOVE_STAGE", "ASSIGN", "CREATE_TASK"})
"""What locks leads, or people."""
_FOR_GOOD = frozenset({"AUTHOR_LEFT", "PERMISSION_DENIED", "FIELD_NOT_READABLE", "FIELD_NOT_WRITABLE"})
"""Refusals that no other record would change."""


@dataclass
class _Verdict:
    """What came of a run, as it goes."""

    outcome: Outcome = Outcome.DONE
    reason: str | None = None
    message: str | None = None
    values: dict[str, Any] | None = None
    results: Sequence[dict[str, Any]] = ()

    def failed(self, outcome: Outcome, error: DomainError) -> "_Verdict":
        return replace(self, outcome=outcome, reason=error.reason, message=error.message, results=())


def prepare(session: ServiceSession, rules: Sequence[AutomationRule], leads: Collection[UUID]) -> None:
    """Lock what some rules may come to for some leads, in the order of `leads.locking`. To be called before the first
    of several runs in one transaction: each of them by itself would lock its lead, and then people."""
    actions = [action for rule in rules for action in rule.actions if action["kind"] in _CHANGING]
    if not actions:
        return
    if any(action.get("by_assignment_rules") for action in actions):
        alone(session)
    else:
        stand_still(session)
    if len(leads) > 1:
        session.execute(select(Lead.id).where(Lead.id.in_(leads)).order_by(Lead.id).with_for_update())


def run(session: ServiceSession, rule: AutomationRule, occasion: Occasion) -> Outcome | None:
    """Run a published rule unless it has run on this occasion. Says what came of it; None if it had."""
    started = time.monotonic()
    run_id = _claim(session, rule, occasion)
    if run_id is None:
        return None
    verdict = _judge(session, rule, run_id, occasion)
    session.execute(
        update(AutomationRun)
        .where(AutomationRun.id == run_id)
        .values(
            outcome=verdict.outcome,
            reason=verdict.reason,
            message=verdict.message,
            read_values=verdict.values or {},
            results=list(verdict.results),
            duration_ms=round((time.monotonic() - started) * 1000),
        )
        .execution_options(synchronize_session=False)
    )
    if verdict.outcome is Outcome.LOOP or verdict.reason in _FOR_GOOD:
        suspend(session, rule, verdict.reason or "")
    return verdict.outcome


def suspend(session: ServiceSession, rule: AutomationRule, reason: str) -> None:
    """Stop a rule, and tell its author and those who look after rules. One that somebody else has stopped, changed or
    deleted meanwhile is left as it is."""
    version = rule.version
    if not lock_rule(session, rule) or rule.version != version or rule.state != AutomationState.PUBLISHED:
        return
    before = {"state": rule.state, "version": rule.version}
    rule.state, rule.suspension_reason, rule.next_run_time = AutomationState.SUSPENDED, reason, None
    rule.version += 1
    rule.update_time = session.now
    session.flush()
    after = {"state": rule.state, "suspension_reason": reason, "version": rule.version}
    audit.record(session, "automation_rule.suspend", rule.name, before, after)
    told = dict.fromkeys([*([] if reason == "AUTHOR_LEFT" else [rule.author_id]), *_lookers_after(session)])
    for user_id in told:
        params = {"rule_name": rule.display_name, "reason": reason}
        notifications.notify(session, user_id, SUSPENDED, rule.name, params)


def lock_rule(session: ServiceSession, rule: AutomationRule) -> bool:
    """Lock a rule, as far as those can bear who have begun to run it, and read it anew. Says whether there is still
    one."""
    wanted = select(AutomationRule).where(AutomationRule.id == rule.id)
    locked = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    return session.scalar(locked) is not None


def _lookers_after(session: ServiceSession) -> Sequence[UUID]:
    return holders_of(session, "automation.configure")


def rights_of(session: ServiceSession, rule: AutomationRule) -> Caller:
    """Whom a rule acts as: itself, with what its author may do now. Raises Denied AUTHOR_LEFT, PERMISSION_DENIED."""
    author = caller_of(session, rule.author_id)
    if not author.scope("automation.configure").everything:
        raise Denied("PERMISSION_DENIED", "the rule's author may not make rules any more")
    return replace(author, subject=rule.name)


def _claim(session: ServiceSession, rule: AutomationRule, occasion: Occasion) -> UUID | None:
    """The id of the run, whose line is begun; None if there is one already."""
    statement = insert(AutomationRun).values(
        id=new_id(),
        rule_id=rule.id,
        rule_name=rule.display_name,
        rule_version=rule.version,
        occasion=occasion.key,
        record=occasion.subject.name,
        event=occasion.event,
        outcome=Outcome.FAILED,
        read_values={},
        results=[],
        depth=len(occasion.steps),
        run_time=session.now,
        duration_ms=0,
    )
    return session.scalar(
        statement.on_conflict_do_nothing(index_elements=["rule_id", "occasion"]).returning(AutomationRun.id)
    )


def _judge(session: ServiceSession, rule: AutomationRule, run_id: UUID, occasion: Occasion) -> _Verdict:
    verdict = _Verdict()
    try:
        with acting(session, rights_of(session, rule)):
            record = find(session, occasion)
            if record is None:
                raise Denied("NOT_REACHED", "the rule's author does not reach this record")
            condition, verdict.values = _read(session, rule, record)
            if not condition.holds(record.values):
                return replace(verdict, outcome=Outcome.NOT_MATCHED)
            if reason := _circle(session, rule, run_id, occasion):
                return replace(verdict, outcome=Outcome.LOOP, reason=reason, message=_CIRCLES[reason])
            return replace(verdict, results=_act(session, rule, run_id, occasion, record))
    except NoValue as error:
        return verdict.failed(Outcome.NOT_MATCHED, error)
    except Denied as error:
        return verdict.failed(Outcome.REFUSED, error)
    except Unavailable:
        raise
    except DomainError as error:
        return verdict.failed(Outcome.FAILED, error)


def _read(session: ServiceSession, rule: AutomationRule, record: Record) -> tuple[Condition, dict[str, Any]]:
    """A rule's condition, and the values that it reads of a record. Raises Denied FIELD_NOT_READABLE."""
    if rule.trigger_kind == TriggerKind.FIELD_CHANGE:  # that it ran tells of the field
        require_readable(session.caller, ENTITY, rule.trigger["field"], path="trigger")
    variables = variables_for(rule.trigger_kind, rule.trigger.get("event", ""))
    condition = compile_condition(rule.condition, vocabulary.types(variables))
    vocabulary.require_readable_all(session.caller, variables, condition.reads, path="condition")
    return condition, vocabulary.told(variables, condition.reads, record.values)


def _act(
    session: ServiceSession, rule: AutomationRule, run_id: UUID, occasion: Occasion, record: Record
) -> list[dict[str, Any]]:
    """Do everything or nothing, and note which events came of it."""
    variables = variables_for(rule.trigger_kind, rule.trigger.get("event", ""))
    before, results = len(outbox.emitted(session)), []
    with session.begin_nested():
        for place, action in enumerate(rule.actions):
            results.append(perform(Doing(session, rule, run_id, place, action, record, variables)))
            session.flush()
            if place + 1 < len(rule.actions):  # what follows sees what was done, as a new owner who is to be told
                record = find(session, occasion) or record
    _note_causes(session, outbox.emitted(session)[before:], [*occasion.steps, _step(rule, occasion)])
    return results


def would(session: ServiceSession, rule: AutomationRule, record: Record) -> tuple[bool, dict[str, Any], list[Any]]:
    """Whether a rule's condition holds, what it read, and what would be done. Writes nothing."""
    condition, values = _read(session, rule, record)
    held = condition.holds(record.values)
    variables = variables_for(rule.trigger_kind, rule.trigger.get("event", ""))
    doings = [Doing(session, rule, rule.id, at, action, record, variables) for at, action in enumerate(rule.actions)]
    return held, values, [foresee(doing) for doing in doings] if held else []


def _note_causes(session: ServiceSession, events: Sequence[UUID], steps: list[str]) -> None:
    if events:
        rows = [{"event_id": event, "steps": steps, "create_time": session.now} for event in events]
        session.execute(insert(AutomationCause), rows)


def _step(rule: AutomationRule, occasion: Occasion) -> str:
    return f"{rule.id} {occasion.subject.name}"


_CIRCLES = {
    "RULE_LOOP": "what the rule did led to it again for the same record",
    "CHAIN_TOO_LONG": f"more than {MAX_DEPTH} runs of rules followed from one another",
    "TOO_MANY_RUNS": "the rule acted too often in a short time",
}


def _circle(session: ServiceSession, rule: AutomationRule, run_id: UUID, occasion: Occasion) -> str:
    """Why a rule that would act now is going round in circles; the empty string if it is not."""
    if _step(rule, occasion) in occasion.steps:
        return "RULE_LOOP"
    if len(occasion.steps) >= MAX_DEPTH:
        return "CHAIN_TOO_LONG"
    acted = select(func.count()).select_from(AutomationRun)
    acted = acted.where(
        AutomationRun.rule_id == rule.id, AutomationRun.outcome == Outcome.DONE, AutomationRun.id != run_id
    )
    lately = acted.where(AutomationRun.run_time > session.now - timedelta(minutes=1))
    same = acted.where(
        AutomationRun.run_time > session.now - timedelta(hours=1), AutomationRun.record == occasion.subject.name
    )
    if (session.scalar(same) or 0) >= MAX_PER_RECORD:
        return "TOO_MANY_RUNS"
    if rule.trigger_kind not in _BY_CLOCK and (session.scalar(lately) or 0) >= MAX_PER_MINUTE:
        return "TOO_MANY_RUNS"
    return ""
