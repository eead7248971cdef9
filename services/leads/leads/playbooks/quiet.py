"""Make the tasks of leads that nobody has followed up for days: once for each such time."""

from datetime import datetime, timedelta
from uuid import UUID

from chassis.db import ServiceSession
from chassis.timers import has_rows
from sqlalchemy import BigInteger, Select, cast, exists, func, select
from sqlalchemy.types import Text

from leads.life.statuses import OPEN
from leads.model import Lead, LeadPlaybook, TemplateUse
from leads.playbooks.content import Template, Trigger
from leads.playbooks.queries import content_of
from leads.playbooks.using import use_templates
from leads.quiet import LEAD_QUIET_SINCE

BATCH = 200
_OCCASION = func.concat("quiet:", cast(func.floor(func.extract("epoch", LEAD_QUIET_SINCE)), BigInteger), type_=Text)


def watch_quiet_leads(session: ServiceSession, due: datetime) -> bool:
    """Make the tasks of the templates that wait for days without a follow-up.

    Returns whether leads are left that others hold.
    """
    left = False
    in_use = select(LeadPlaybook.playbook_id, LeadPlaybook.playbook_version).distinct()
    for playbook_id, number in session.execute(in_use).all():
        content = content_of(session, playbook_id, number)
        for stage_id, template in [
            *((None, template) for template in content.templates),
            *((stage.id, template) for stage in content.stages for template in stage.templates),
        ]:
            if template.trigger is Trigger.NO_CALL_FOR:
                wanted = _wanted((playbook_id, number, stage_id), template, due)
                after: UUID | None = UUID(int=0)
                while after is not None:
                    after = _make_some(session, wanted, template, after)
                left = has_rows(session, wanted) or left
    return left


def _wanted(where: tuple[UUID, int, UUID | None], template: Template, due: datetime) -> Select[Lead, UUID | None, str]:
    """The leads that wait for the task of a template, where they stand, and the occasion."""
    playbook_id, number, stage_id = where
    used = exists().where(
        TemplateUse.lead_id == Lead.id, TemplateUse.template_id == template.id, TemplateUse.occasion == _OCCASION
    )
    wanted = (
        select(Lead, LeadPlaybook.stage_id, _OCCASION)
        .join(LeadPlaybook, LeadPlaybook.lead_id == Lead.id)
        .where(
            LeadPlaybook.playbook_id == playbook_id,
            LeadPlaybook.playbook_version == number,
            Lead.owner_id.is_not(None),
            Lead.status.in_([status.value for status in OPEN]),
            due - timedelta(days=template.quiet_days) >= LEAD_QUIET_SINCE,
            ~used,
        )
        .order_by(Lead.id)
    )
    return wanted.where(LeadPlaybook.stage_id == stage_id) if stage_id is not None else wanted


def _make_some(
    session: ServiceSession, wanted: Select[Lead, UUID | None, str], template: Template, after: UUID
) -> UUID | None:
    """Deal with the next leads after one. Returns the last of them if there may be more."""
    some = wanted.where(Lead.id > after).limit(BATCH).with_for_update(of=Lead, skip_locked=True)
    found = session.execute(some).all()
    for lead, at_stage, occasion in found:
        use_templates(session, lead, [template], occasion, at_stage)
    return found[-1][0].id if len(found) == BATCH else None
