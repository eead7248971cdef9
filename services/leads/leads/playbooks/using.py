"""Make the tasks of templates, each once per occasion."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.names import new_id
from chassis.organisation import organisation
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from leads.heads import head_above
from leads.model import KnownUser, Lead, Task, TemplateUse
from leads.owners import Owner
from leads.playbooks.content import AssigneeRule, Template
from leads.subjects import Subject
from leads.tasks.making import keep_new, new_task


def use_templates(
    session: ServiceSession, lead: Lead, templates: Iterable[Template], occasion: str, stage_id: UUID | None
) -> list[Task]:
    """Make the tasks of those templates that have not been used on this occasion yet. The lead must be locked."""
    made = []
    for template in templates:
        task = _task(session, lead, template, stage_id)
        use = insert(TemplateUse).values(
            id=new_id(),
            lead_id=lead.id,
            template_id=template.id,
            occasion=occasion,
            task_id=task.id,
            create_time=session.now,
        )
        if session.execute(use.on_conflict_do_nothing().returning(TemplateUse.id)).first() is not None:
            made.append(task)
    if made:
        keep_new(session, made)
    return made


def _task(session: ServiceSession, lead: Lead, template: Template, stage_id: UUID | None) -> Task:
    assignee = _assignee(session, lead, template)
    values = {
        "title": template.title,
        "description": template.description,
        "due_time": _due_time(session, template),
        "priority": template.priority.value,
        "checklist": [{"text": text, "done": False} for text in template.checklist],
        "required": template.required,
        "stage_id": stage_id,
        "template_id": template.id,
        "follows_owner": template.assignee_rule is AssigneeRule.OWNER,
    }
    return new_task(session, Subject("leads", lead.id), assignee, values)


def _due_time(session: ServiceSession, template: Template) -> datetime | None:
    if template.due is None:
        return None
    try:
        return template.due.after(session.now, organisation(session).calendar)
    except Conflict:
        # The calendar has no working time: that must keep neither a lead from its playbook nor others from their tasks.
        return None


def _assignee(session: ServiceSession, lead: Lead, template: Template) -> Owner | None:
    """Who is to do it: by rule, or the lead's owner if nobody is found by it who can."""
    wanted = None
    if template.assignee_rule is AssigneeRule.NAMED:
        wanted = template.assignee_id
    elif template.assignee_rule is AssigneeRule.MANAGER:
        wanted = head_above(session, lead.owner_department_path, lead.owner_id)
    if wanted is not None:
        place = select(KnownUser.department_path).where(KnownUser.id == wanted, KnownUser.active)
        if (row := session.execute(place).first()) is not None:
            return Owner(wanted, row.department_path)
    return Owner(lead.owner_id, lead.owner_department_path) if lead.owner_id is not None else None
