"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from chassis.errors import Invalid
from chassis.etags import etag
from chassis.names import make_name, parse_optional_name
from crm.leads.v1 import escalation_pb2

from leads.escalation.policies import Step
from leads.model import EscalationAction, EscalationPolicy
from leads.subjects import Subject, of

_SUBJECTS: dict[int, str] = {
    number: name.removeprefix("ESCALATION_SUBJECT_") for name, number in escalation_pb2.EscalationSubject.items()
}
_ACTIONS: dict[int, str] = {
    number: name.removeprefix("ESCALATION_ACTION_") for name, number in escalation_pb2.EscalationAction.items()
}


def policy_to_proto(policy: EscalationPolicy) -> escalation_pb2.EscalationPolicy:
    """A policy."""
    times: Any = policy
    return escalation_pb2.EscalationPolicy(
        name=policy.name,
        display_name=policy.display_name,
        department=make_name("departments", policy.department_id),
        subject=escalation_pb2.EscalationSubject.Value(f"ESCALATION_SUBJECT_{policy.subject}"),
        steps=[_step_to_proto(Step.from_json(step)) for step in policy.steps],
        disabled=policy.disabled,
        etag=etag(policy.version),
        create_time=times.create_time,
        update_time=times.update_time,
    )


def _step_to_proto(step: Step) -> escalation_pb2.EscalationStep:
    return escalation_pb2.EscalationStep(
        days=step.days,
        notify_owner=step.notify_owner,
        notify_manager=step.notify_manager,
        action=_action(step.action),
        assignee=make_name("users", step.assignee_id),
    )


def _action(action: str) -> escalation_pb2.EscalationAction.ValueType:
    name = "UNSPECIFIED" if action == EscalationAction.NONE else action
    return escalation_pb2.EscalationAction.Value(f"ESCALATION_ACTION_{name}")


def values_from_proto(policy: escalation_pb2.EscalationPolicy, paths: Set[str]) -> dict[str, Any]:
    """What is stated of a policy beside its steps, by field."""
    values: dict[str, Any] = {path: getattr(policy, path) for path in ("display_name", "disabled") if path in paths}
    if "subject" in paths:
        values["subject"] = _SUBJECTS.get(policy.subject, "?") if policy.subject else ""
    return values


def steps_from_proto(steps: Sequence[escalation_pb2.EscalationStep]) -> list[Step]:
    """What happens after how many days. Raises Invalid."""
    return [
        Step(
            step.days,
            notify_owner=step.notify_owner,
            notify_manager=step.notify_manager,
            action=_stated_action(step.action, f"steps[{at}].action"),
            assignee_id=parse_optional_name("users", step.assignee, field=f"steps[{at}].assignee"),
        )
        for at, step in enumerate(steps)
    ]


def _stated_action(number: int, place: str) -> EscalationAction:
    if not number:
        return EscalationAction.NONE
    if number not in _ACTIONS:
        raise Invalid("INVALID_VALUE", "this is no action", field=place)
    return EscalationAction(_ACTIONS[number])


def escalation_to_proto(row: Any, titles: Mapping[Subject, str]) -> escalation_pb2.Escalation:
    """A step that was taken."""
    subject = of(row)
    return escalation_pb2.Escalation(
        name=make_name("escalations", row.id),
        subject=subject.name,
        subject_title=titles.get(subject, ""),
        owner=make_name("users", row.assignee_id),
        manager=make_name("users", row.manager_id),
        policy=make_name("escalationPolicies", row.policy_id),
        days=row.days,
        action=_action(row.action),
        quiet_since=row.quiet_since,
        time=row.time,
        standing=row.standing,
    )
