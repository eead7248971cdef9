"""What a version of a playbook says: its stages, and the tasks that it makes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from chassis.errors import Invalid
from chassis.names import new_id
from chassis.rules import Rule, apply, choice, optional_text, refuse, required_text

from leads.model import LeadStatus, TaskPriority
from leads.tasks.due import DueRule
from leads.tasks.rules import MAX_ITEMS, MAX_TITLE

MAX_STAGES = 20
MAX_TEMPLATES = 50
MAX_QUIET_DAYS = 365
_STATUSES = (LeadStatus.NEW, LeadStatus.CONTACTED, LeadStatus.QUALIFIED)


class Trigger(StrEnum):
    """When a task is made. The names are those of `crm.leads.v1.PlaybookTrigger`."""

    LEAD_CREATED = "LEAD_CREATED"
    LEAD_ASSIGNED = "LEAD_ASSIGNED"
    STAGE_ENTERED = "STAGE_ENTERED"
    NO_CALL_FOR = "NO_CALL_FOR"


class AssigneeRule(StrEnum):
    """Who is to do it. The names are those of `crm.leads.v1.AssigneeRule`."""

    OWNER = "OWNER"
    MANAGER = "MANAGER"
    NAMED = "NAMED"


_IN_STAGE = (Trigger.STAGE_ENTERED, Trigger.NO_CALL_FOR)
_ANYWHERE = (Trigger.LEAD_CREATED, Trigger.LEAD_ASSIGNED, Trigger.NO_CALL_FOR)


@dataclass(frozen=True)
class Template:
    """A task that is made by rule."""

    id: UUID
    trigger: Trigger
    title: str
    description: str | None = None
    quiet_days: int = 0
    """For NO_CALL_FOR: after how many days without a follow-up."""
    due: DueRule | None = None
    assignee_rule: AssigneeRule = AssigneeRule.OWNER
    assignee_id: UUID | None = None
    priority: TaskPriority = TaskPriority.NORMAL
    checklist: tuple[str, ...] = ()
    required: bool = False

    def to_json(self) -> dict[str, Any]:
        """The form it is kept in."""
        return {
            **vars(self),
            "id": str(self.id),
            "due": self.due.to_json() if self.due else None,
            "assignee_id": str(self.assignee_id) if self.assignee_id else None,
            "checklist": list(self.checklist),
        }

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> "Template":
        """From the form it is kept in."""
        due, assignee = kept["due"], kept["assignee_id"]
        return Template(
            **{
                **kept,
                "id": UUID(kept["id"]),
                "trigger": Trigger(kept["trigger"]),
                "due": DueRule.from_json(due) if due else None,
                "assignee_rule": AssigneeRule(kept["assignee_rule"]),
                "assignee_id": UUID(assignee) if assignee else None,
                "priority": TaskPriority(kept["priority"]),
                "checklist": tuple(kept["checklist"]),
            }
        )


@dataclass(frozen=True)
class Stage:
    """A stage that a lead is in until its required tasks have been done."""

    id: UUID
    title: str
    lead_status: str | None = None
    goals: tuple[str, ...] = ()
    guidance: str | None = None
    auto_advance: bool = False
    templates: tuple[Template, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form it is kept in."""
        templates = [template.to_json() for template in self.templates]
        return {**vars(self), "id": str(self.id), "goals": list(self.goals), "templates": templates}

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> "Stage":
        """From the form it is kept in."""
        templates = tuple(map(Template.from_json, kept["templates"]))
        return Stage(**{**kept, "id": UUID(kept["id"]), "goals": tuple(kept["goals"]), "templates": templates})


@dataclass(frozen=True)
class Content:
    """What a version says. Raises Invalid for what cannot be followed."""

    stages: tuple[Stage, ...] = ()
    templates: tuple[Template, ...] = field(default=())
    """Those that are used whatever the stage."""

    def __post_init__(self) -> None:
        _limit(self.stages, MAX_STAGES, "stages")
        _limit(self.templates, MAX_TEMPLATES, "templates")
        for at, stage in enumerate(self.stages):
            _limit(stage.templates, MAX_TEMPLATES, f"stages[{at}].templates")
        for ids, place in (([one.id for one in self.stages], "stages"), ([one.id for one in self.all()], "templates")):
            if len(set(ids)) < len(ids):
                raise Invalid("DUPLICATE_ID", "an id comes twice; leave it out for what is new", field=place)

    def all(self) -> Iterator[Template]:
        """All templates, those of stages included."""
        yield from self.templates
        for stage in self.stages:
            yield from stage.templates

    def position(self, stage_id: UUID | None) -> int:
        """At which place a stage comes; -1 for none of these."""
        return next((at for at, stage in enumerate(self.stages) if stage.id == stage_id), -1)

    def stage(self, stage_id: UUID | None) -> Stage | None:
        """A stage by its id."""
        at = self.position(stage_id)
        return self.stages[at] if at >= 0 else None

    def to_json(self) -> dict[str, Any]:
        """The form it is kept in."""
        return {
            "stages": [stage.to_json() for stage in self.stages],
            "templates": [template.to_json() for template in self.templates],
        }

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> "Content":
        """From the form it is kept in."""
        return Content(tuple(map(Stage.from_json, kept["stages"])), tuple(map(Template.from_json, kept["templates"])))


def stated_stage(values: Mapping[str, Any], templates: Sequence[Template]) -> Stage:
    """A stage from what a client says of it. Raises Invalid, naming every field at fault."""
    stored, faults = apply(_STAGE_RULES, values)
    refuse(faults)
    return Stage(**stored, templates=tuple(templates))


def stated_template(values: Mapping[str, Any], *, in_stage: bool) -> Template:
    """A template from what a client says of it. Raises Invalid, naming every field at fault."""
    stored, faults = apply(_TEMPLATE_RULES, values)
    refuse(faults)
    template = Template(**stored)
    if template.trigger not in (_IN_STAGE if in_stage else _ANYWHERE):
        allowed = ", ".join(_IN_STAGE if in_stage else _ANYWHERE)
        raise Invalid("INVALID_TRIGGER", f"here a task is made on one of {allowed}", field="trigger")
    if template.trigger is Trigger.NO_CALL_FOR and not 1 <= template.quiet_days <= MAX_QUIET_DAYS:
        raise Invalid("OUT_OF_RANGE", f"say after how many days, from 1 to {MAX_QUIET_DAYS}", field="quiet_days")
    if template.assignee_rule is AssigneeRule.NAMED and template.assignee_id is None:
        raise Invalid("ASSIGNEE_REQUIRED", "name who is to do it", field="assignee")
    return template


def _limit(given: Sequence[object], maximum: int, place: str) -> None:
    if len(given) > maximum:
        raise Invalid("TOO_MANY", f"at most {maximum} fit", field=place, maximum=maximum)


def _id(value: str) -> UUID:
    if not value:
        return new_id()
    try:
        return UUID(value)
    except ValueError:
        raise Invalid("INVALID_VALUE", "an id is a UUID; leave it out for what is new") from None


def _texts(values: Sequence[str], *, most: int, maximum: int) -> tuple[str, ...]:
    _limit(values, most, "")
    return tuple(required_text(value, maximum=maximum) for value in values)


def _status(value: str) -> str | None:
    if value and value not in _STATUSES:
        raise Invalid("INVALID_STATUS", f"it must be one of {', '.join(_STATUSES)}")
    return value or None


def _same(value: Any) -> Any:
    return value


_STAGE_RULES: Mapping[str, Rule] = {
    "id": _id,
    "title": partial(required_text, maximum=100),
    "lead_status": _status,
    "goals": partial(_texts, most=20, maximum=500),
    "guidance": partial(optional_text, maximum=5_000, lines=True),
    "auto_advance": _same,
}
_TEMPLATE_RULES: Mapping[str, Rule] = {
    "id": _id,
    "trigger": lambda value: Trigger(choice(value, values=Trigger, reason="INVALID_TRIGGER")),
    "title": partial(required_text, maximum=MAX_TITLE),
    "description": partial(optional_text, maximum=5_000, lines=True),
    "quiet_days": _same,
    "due": _same,
    "assignee_rule": AssigneeRule,
    "assignee_id": _same,
    "priority": lambda value: TaskPriority(choice(value, values=TaskPriority, reason="INVALID_PRIORITY")),
    "checklist": partial(_texts, most=MAX_ITEMS, maximum=MAX_TITLE),
    "required": _same,
}
