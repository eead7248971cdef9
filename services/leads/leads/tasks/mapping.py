"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.errors import DomainError
from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import make_name, parse_optional_name
from crm.leads.v1 import task_pb2, task_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from leads.subjects import Subject, of, parse_subject
from leads.tasks.changing import TaskPatch
from leads.tasks.due import DueRule, DueUnit
from leads.tasks.making import TaskDraft
from leads.tasks.queries import NOBODY, Bucket, parse_task

_PRIORITIES = {name.removeprefix("TASK_PRIORITY_"): number for name, number in task_pb2.TaskPriority.items()}
_PRIORITY_NAMES: dict[int, str] = {number: name for name, number in _PRIORITIES.items()}
_STATUSES = {name.removeprefix("TASK_STATUS_"): number for name, number in task_pb2.TaskStatus.items()}
_STATUS_NAMES: dict[int, str] = {number: name for name, number in _STATUSES.items()}
_UNITS: dict[int, str] = {number: name.removeprefix("DUE_UNIT_") for name, number in task_pb2.DueUnit.items()}
_BUCKETS: dict[int, str] = {number: name.removeprefix("TASK_BUCKET_") for name, number in task_pb2.TaskBucket.items()}
_STATED = ("title", "description", "priority", "status", "checklist", "recurrence", "required", "remind_minutes")
_NEW = tuple(field for field in _STATED if field != "status")
FIELDS = frozenset({*_STATED, "due_time", "due_rule", "dependencies"})
"""The fields that an update changes."""


def task_to_proto(row: Any, titles: Mapping[Subject, str]) -> task_pb2.Task:
    """A task, from a row of its columns."""
    subject = of(row)
    return task_pb2.Task(
        name=make_name("tasks", row.id),
        subject=subject.name,
        subject_title=titles.get(subject, ""),
        assignee=make_name("users", row.assignee_id),
        creator=row.creator,
        title=row.title,
        description=row.description or "",
        due_time=row.due_time,
        priority=_PRIORITIES[row.priority],
        status=_STATUSES[row.status],
        cancel_reason=row.cancel_reason or "",
        checklist=[task_pb2.ChecklistItem(text=item["text"], done=item["done"]) for item in row.checklist],
        dependencies=[make_name("tasks", key) for key in row.dependencies or ()],
        blocked=row.blocked,
        recurrence=row.recurrence or "",
        required=row.required,
        remind_minutes=row.remind_minutes,
        stage=str(row.stage_id or ""),
        template=str(row.template_id or ""),
        follows_owner=row.follows_owner,
        ender=row.ender or "",
        end_time=row.end_time,
        etag=etag(row.version),
        create_time=row.create_time,
        update_time=row.update_time,
    )


def draft_from_proto(task: task_pb2.Task) -> TaskDraft:
    """What is stated about a new task."""
    return TaskDraft(
        subject=parse_subject(task.subject),
        values={field: _value(task, field) for field in _NEW if _stated(task, field)},
        assignee_id=parse_optional_name("users", task.assignee, field="assignee"),
        due_time=_due_time(task),
        due_rule=rule_from_proto(task.due_rule) if task.HasField("due_rule") else None,
        dependencies=_dependencies(task),
    )


def patch_from_proto(task: task_pb2.Task, mask: FieldMask) -> TaskPatch:
    """What an update of a task changes."""
    paths = changed_paths(task, mask, FIELDS)
    values = {field: _value(task, field) for field in _STATED if field in paths}
    if "due_time" in paths:
        values["due_time"] = _due_time(task)
    return TaskPatch(
        values,
        rule_from_proto(task.due_rule) if "due_rule" in paths and task.HasField("due_rule") else None,
        _dependencies(task) if "dependencies" in paths else None,
    )


def rule_from_proto(rule: task_pb2.DueRule) -> DueRule:
    """When something is due. Raises Invalid."""
    name = _UNITS.get(rule.unit, "UNSPECIFIED")
    return DueRule(rule.amount, DueUnit.WORKING_HOURS if name == "UNSPECIFIED" else DueUnit(name))


def rule_to_proto(rule: DueRule) -> task_pb2.DueRule:
    """When something is due."""
    return task_pb2.DueRule(amount=rule.amount, unit=task_pb2.DueUnit.Value(f"DUE_UNIT_{rule.unit}"))


def priority_from_proto(number: int) -> str:
    """The name of a priority; NORMAL if none is stated."""
    return _PRIORITY_NAMES.get(number, str(number)) if number else "NORMAL"


def priority_to_proto(name: str) -> int:
    """The number of a priority."""
    return _PRIORITIES[name]


def bucket_from_proto(number: int) -> Bucket | None:
    """A part of the tasks; None for all."""
    name = _BUCKETS.get(number, "UNSPECIFIED")
    return Bucket(name) if name != "UNSPECIFIED" else None


def board_row_to_proto(row: Any) -> task_pb2.TaskBoardRow:
    """How much somebody has to do."""
    return task_pb2.TaskBoardRow(
        assignee="" if row.assignee_id == NOBODY else make_name("users", row.assignee_id),
        open_count=row.open,
        overdue_count=row.overdue,
        due_today_count=row.due_today,
        done_this_week_count=row.done_this_week,
    )


def outcome_to_proto(task: task_pb2.Task | DomainError) -> task_service_pb2.TaskOutcome:
    """What became of one of several tasks."""
    if isinstance(task, DomainError):
        return task_service_pb2.TaskOutcome(reason=task.reason, message=task.message)
    return task_service_pb2.TaskOutcome(task=task)


def _stated(task: task_pb2.Task, field: str) -> bool:
    return task.HasField("remind_minutes") if field == "remind_minutes" else bool(getattr(task, field))


def _value(task: task_pb2.Task, field: str) -> Any:
    match field:
        case "priority":
            return priority_from_proto(task.priority)
        case "status":
            return _STATUS_NAMES.get(task.status, str(task.status))
        case "checklist":
            return [(item.text, item.done) for item in task.checklist]
        case "remind_minutes":
            return task.remind_minutes if task.HasField("remind_minutes") else None
    return getattr(task, field)


def _due_time(task: task_pb2.Task) -> datetime | None:
    return task.due_time.ToDatetime(UTC) if task.HasField("due_time") else None


def _dependencies(task: task_pb2.Task) -> tuple[UUID, ...]:
    return tuple(parse_task(name, field="dependencies") for name in task.dependencies)
