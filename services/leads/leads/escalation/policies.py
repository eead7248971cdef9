"""Policies: what happens after how many days without a follow-up, to whose records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Duplicate, Invalid, NotFound
from chassis.etags import check_etag
from chassis.rules import Rule, apply, choice, refuse, required_text
from chassis.snapshots import difference, filled
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from leads.model import EscalationAction, EscalationPolicy, EscalationSubject, KnownDepartment, KnownUser

PERMISSION = "escalation.configure"
MAX_STEPS = 10
MAX_DAYS = 365
FIELDS = frozenset({"display_name", "steps", "disabled"})
"""The fields that an update changes."""


@dataclass(frozen=True)
class Step:
    """What happens after some days without a follow-up."""

    days: int
    notify_owner: bool = False
    notify_manager: bool = False
    action: EscalationAction = EscalationAction.NONE
    assignee_id: UUID | None = None
    """For REASSIGN: whom the record goes to; the manager if not given."""

    def to_json(self) -> dict[str, Any]:
        """The form it is kept in."""
        assignee = str(self.assignee_id) if self.assignee_id else None
        return {**vars(self), "action": self.action.value, "assignee_id": assignee}

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> "Step":
        """From the form it is kept in."""
        assignee = kept["assignee_id"]
        changed = {"action": EscalationAction(kept["action"]), "assignee_id": UUID(assignee) if assignee else None}
        return Step(**{**kept, **changed})


DEFAULT_STEPS = (
    Step(3, notify_owner=True),
    Step(5, notify_owner=True, notify_manager=True),
    Step(7, notify_owner=True, notify_manager=True, action=EscalationAction.HIGH_RISK),
)
"""The steps of a policy that states none."""

_RULES: Mapping[str, Rule] = {
    "display_name": partial(required_text, maximum=100),
    "subject": partial(choice, values=EscalationSubject, reason="INVALID_VALUE"),
    "disabled": bool,
}


def create_policy(
    session: ServiceSession, values: Mapping[str, Any], department_id: UUID | None, steps: Sequence[Step]
) -> EscalationPolicy:
    """Make a policy. Raises Duplicate ESCALATION_POLICY_EXISTS if the department has one, Invalid."""
    session.caller.require_everything(PERMISSION)
    stored, faults = apply(_RULES, {"display_name": "", "subject": ""} | dict(values))
    refuse(faults)
    if department_id is not None and session.get(KnownDepartment, department_id) is None:
        raise Invalid("UNKNOWN_DEPARTMENT", "there is no such department", field="department")
    checked = _checked(session, steps or DEFAULT_STEPS, stored["subject"])
    statement = insert(EscalationPolicy).values(
        **({"disabled": False} | stored),
        department_id=department_id,
        steps=checked,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    made = session.scalars(statement.on_conflict_do_nothing().returning(EscalationPolicy)).first()
    if made is None:
        raise Duplicate("ESCALATION_POLICY_EXISTS", "the department has such a policy already: change that one")
    audit.record(session, "escalation_policy.create", made.name, None, snapshot(made))
    return made


def update_policy(
    session: ServiceSession, policy_id: UUID, values: Mapping[str, Any], steps: Sequence[Step] | None, *, etag: str = ""
) -> EscalationPolicy:
    """Change a policy. Steps that were taken stay taken. Raises NotFound, Stale, Invalid."""
    session.caller.require_everything(PERMISSION)
    policy = session.scalars(select(EscalationPolicy).where(EscalationPolicy.id == policy_id).with_for_update()).first()
    if policy is None:
        raise NotFound("ESCALATION_POLICY_NOT_FOUND", "there is no such policy")
    check_etag(etag, policy.version)
    stored, faults = apply(_RULES, values)
    refuse(faults)
    before = snapshot(policy)
    for column, value in stored.items():
        setattr(policy, column, value)
    if steps is not None:
        policy.steps = _checked(session, steps or DEFAULT_STEPS, policy.subject)
    if snapshot(policy) != before:
        policy.version += 1
        policy.update_time = session.now
        session.flush()
        audit.record(session, "escalation_policy.update", policy.name, *difference(before, snapshot(policy)))
    return policy


def snapshot(policy: EscalationPolicy) -> dict[str, Any]:
    """What a policy holds, for the audit log."""
    keys = ("display_name", "subject", "steps", "disabled", "version")
    department = str(policy.department_id) if policy.department_id else None
    return filled({key: getattr(policy, key) for key in keys} | {"department": department})


def _checked(session: ServiceSession, steps: Sequence[Step], subject: str) -> list[dict[str, Any]]:
    """Steps as they are kept, by days. Raises Invalid, naming the step."""
    if len(steps) > MAX_STEPS:
        raise Invalid("TOO_MANY", f"a policy has at most {MAX_STEPS} steps", field="steps", maximum=MAX_STEPS)
    seen: set[int] = set()
    for at, step in enumerate(steps):
        _check(session, step, subject, f"steps[{at}]")
        if step.days in seen:
            raise Invalid("DUPLICATE_STEP", f"there are two steps for day {step.days}", field=f"steps[{at}].days")
        seen.add(step.days)
    return [step.to_json() for step in sorted(steps, key=lambda step: step.days)]


def _check(session: ServiceSession, step: Step, subject: str, place: str) -> None:
    if not 1 <= step.days <= MAX_DAYS:
        raise Invalid("OUT_OF_RANGE", f"the days go from 1 to {MAX_DAYS}", field=f"{place}.days")
    if step.action is EscalationAction.NONE and not (step.notify_owner or step.notify_manager):
        raise Invalid("EMPTY_STEP", "say who is told, or what becomes of the record", field=place)
    if step.action is EscalationAction.REASSIGN and subject != EscalationSubject.LEADS:
        message = "customers get no other owner by this; mark them, or let a pool take them back"
        raise Invalid("REASSIGN_LEADS_ONLY", message, field=f"{place}.action")
    if step.assignee_id is not None:
        able = select(KnownUser.id).where(
            KnownUser.id == step.assignee_id, KnownUser.active, KnownUser.partner_id.is_(None)
        )
        if session.scalar(able) is None:
            raise Invalid("UNKNOWN_OWNER", "this is no active employee", field=f"{place}.assignee")
