"""What keeps a lead in its stage."""

from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.names import make_name
from sqlalchemy import or_, select

from leads.model import LeadPlaybook, Task
from leads.playbooks.content import Content, Stage
from leads.tasks.queries import unended


def open_required(session: ServiceSession, row: LeadPlaybook, content: Content, target: int) -> list[str]:
    """The names of the required tasks of a lead that have not ended, save those of the stages from a place on."""
    later = [stage.id for stage in content.stages[target:]]
    before = or_(Task.stage_id.is_(None), Task.stage_id.not_in(later))
    wanted = select(Task.id).where(
        Task.lead_id == row.lead_id, Task.customer_id.is_(None), Task.required, unended(), before
    )
    return [make_name("tasks", key) for key in session.scalars(wanted.order_by(Task.id))]


def refuse_gate(session: ServiceSession, row: LeadPlaybook, content: Content, target: int) -> None:
    """Raise Conflict STAGE_GATE if required tasks keep a lead from a stage further on, STAGE_SKIPPED if it would leave
    out a stage with some."""
    if left_out := skipped(content, row, target):
        message = f"the stage {left_out.title} has required tasks: go through it first"
        raise Conflict("STAGE_SKIPPED", message, stage=left_out.id, stage_title=left_out.title)
    if names := open_required(session, row, content, target):
        message = f"{len(names)} required tasks have to be done before: {', '.join(names)}"
        raise Conflict("STAGE_GATE", message, tasks=",".join(names), count=len(names))


def skipped(content: Content, row: LeadPlaybook, target: int) -> Stage | None:
    """The first stage with required tasks between where a lead is and where it would go."""
    between = content.stages[content.position(row.stage_id) + 1 : target]
    return next((stage for stage in between if any(template.required for template in stage.templates)), None)
