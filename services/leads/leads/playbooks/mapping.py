"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Callable, Set
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from chassis.errors import Invalid, Violation
from chassis.etags import etag
from chassis.filters import filter_from_json, filter_to_json
from chassis.names import make_name, parse_optional_name
from crm.leads.v1 import lead_pb2, playbook_pb2

from leads.model import Playbook, PlaybookVersion, StageStay
from leads.playbooks.content import Content, Stage, Template, stated_stage, stated_template
from leads.playbooks.queries import Progress
from leads.tasks.mapping import priority_from_proto, priority_to_proto, rule_from_proto, rule_to_proto

Part = TypeVar("Part", Stage, Template)

_TRIGGERS: dict[int, str] = {
    number: name.removeprefix("PLAYBOOK_TRIGGER_") for name, number in playbook_pb2.PlaybookTrigger.items()
}
_ASSIGNEES: dict[int, str] = {
    number: name.removeprefix("ASSIGNEE_RULE_") for name, number in playbook_pb2.AssigneeRule.items()
}
_STATUSES: dict[int, str] = {number: name.removeprefix("LEAD_STATUS_") for name, number in lead_pb2.LeadStatus.items()}
_PLAIN = ("display_name", "description", "position", "archived")


def playbook_to_proto(playbook: Playbook, version: PlaybookVersion) -> playbook_pb2.Playbook:
    """A playbook with one of its versions."""
    content, times = Content.from_json(version.content), _times(playbook)
    return playbook_pb2.Playbook(
        name=playbook.name,
        **{field: getattr(playbook, field) for field in _PLAIN},
        filter=filter_from_json(playbook.filter),
        stages=map(stage_to_proto, content.stages),
        templates=map(template_to_proto, content.templates),
        version=version.number,
        creator=playbook.creator,
        etag=etag(playbook.version),
        **times,
    )


def _times(row: Any) -> dict[str, Any]:
    return {"create_time": row.create_time, "update_time": row.update_time}


def stage_to_proto(stage: Stage) -> playbook_pb2.PlaybookStage:
    """A stage."""
    return playbook_pb2.PlaybookStage(
        id=str(stage.id),
        title=stage.title,
        lead_status=lead_pb2.LeadStatus.Value(f"LEAD_STATUS_{stage.lead_status or 'UNSPECIFIED'}"),
        goals=stage.goals,
        guidance=stage.guidance or "",
        auto_advance=stage.auto_advance,
        templates=map(template_to_proto, stage.templates),
    )


def template_to_proto(template: Template) -> playbook_pb2.TaskTemplate:
    """A task that is made by rule."""
    priority: Any = priority_to_proto(template.priority)
    return playbook_pb2.TaskTemplate(
        id=str(template.id),
        trigger=playbook_pb2.PlaybookTrigger.Value(f"PLAYBOOK_TRIGGER_{template.trigger}"),
        quiet_days=template.quiet_days,
        title=template.title,
        description=template.description or "",
        due=rule_to_proto(template.due) if template.due else None,
        assignee_rule=playbook_pb2.AssigneeRule.Value(f"ASSIGNEE_RULE_{template.assignee_rule}"),
        assignee=make_name("users", template.assignee_id),
        priority=priority,
        checklist=template.checklist,
        required=template.required,
    )


def values_from_proto(playbook: playbook_pb2.Playbook, paths: Set[str]) -> dict[str, Any]:
    """What is stated of a playbook beside its content, by field."""
    values = {path: getattr(playbook, path) for path in _PLAIN if path in paths}
    if "filter" in paths:
        values["filter"] = filter_to_json(playbook.filter)
    return values


def content_from_proto(playbook: playbook_pb2.Playbook, paths: Set[str]) -> dict[str, Any]:
    """The parts of the content that are stated. Raises Invalid, naming the field."""
    content: dict[str, Any] = {}
    if "stages" in paths:
        content["stages"] = tuple(_stage(stage, f"stages[{at}]") for at, stage in enumerate(playbook.stages))
    if "templates" in paths:
        content["templates"] = _templates(playbook.templates, "templates", in_stage=False)
    return content


def _stage(stage: playbook_pb2.PlaybookStage, place: str) -> Stage:
    templates = _templates(stage.templates, f"{place}.templates", in_stage=True)
    values = {
        "id": stage.id,
        "title": stage.title,
        "lead_status": _STATUSES.get(stage.lead_status, "?") if stage.lead_status else "",
        "goals": list(stage.goals),
        "guidance": stage.guidance,
        "auto_advance": stage.auto_advance,
    }
    return _placed(place, lambda: stated_stage(values, templates))


def _templates(given: Any, place: str, *, in_stage: bool) -> tuple[Template, ...]:
    return tuple(_placed(f"{place}[{at}]", partial(_template, one, in_stage=in_stage)) for at, one in enumerate(given))


def _template(template: playbook_pb2.TaskTemplate, *, in_stage: bool) -> Template:
    values = {
        "id": template.id,
        "trigger": _TRIGGERS.get(template.trigger, "?") if template.trigger else "STAGE_ENTERED",
        "quiet_days": template.quiet_days,
        "title": template.title,
        "description": template.description,
        "due": rule_from_proto(template.due) if template.HasField("due") else None,
        "assignee_rule": _ASSIGNEES.get(template.assignee_rule, "OWNER") if template.assignee_rule else "OWNER",
        "assignee_id": parse_optional_name("users", template.assignee, field="assignee"),
        "priority": priority_from_proto(template.priority),
        "checklist": list(template.checklist),
        "required": template.required,
    }
    return stated_template(values, in_stage=in_stage)


def _placed(place: str, read: Callable[[], Part]) -> Part:
    """What a part of a message says; a fault in it names the whole path."""
    try:
        return read()
    except Invalid as error:
        violations = [Violation(f"{place}.{one.field}", one.reason, one.message) for one in error.violations]
        details: dict[str, Any] = {**error.details}
        path = f"{place}.{error.field}" if error.field else place
        raise Invalid(error.reason, error.message, field=path, violations=violations, **details) from error


def progress_to_proto(progress: Progress) -> playbook_pb2.LeadProgress:
    """Where a lead is."""
    row = progress.row
    return playbook_pb2.LeadProgress(
        lead=make_name("leads", row.lead_id),
        playbook=progress.playbook.name,
        playbook_title=progress.playbook.display_name,
        version=row.playbook_version,
        outdated=row.playbook_version < progress.playbook.content_version,
        stages=map(stage_to_proto, progress.content.stages),
        stage=str(row.stage_id or ""),
        enter_time=row.enter_time if row.stage_id else None,  # type: ignore[arg-type]
        open_required_tasks=progress.open_required,
    )


def stay_to_proto(stay: StageStay, now: datetime) -> playbook_pb2.StageStay:
    """How long a lead was in a stage."""
    times: Any = stay
    return playbook_pb2.StageStay(
        lead=make_name("leads", stay.lead_id),
        playbook=make_name("playbooks", stay.playbook_id),
        version=stay.playbook_version,
        stage=str(stay.stage_id),
        stage_title=stay.stage_title,
        actor=stay.actor,
        enter_time=times.enter_time,
        leave_time=times.leave_time,
        seconds=int(((stay.leave_time or now) - stay.enter_time).total_seconds()),
    )
