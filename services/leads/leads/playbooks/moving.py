"""Start playbooks and move leads from stage to stage."""

from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.names import make_name
from sqlalchemy import select, update

from leads.events import LeadStageEntered
from leads.facts import snapshot
from leads.lead_queries import lock_lead
from leads.life.statuses import OPEN, TRANSITIONS, conversion_under_way, has_converted, move
from leads.model import Lead, LeadPlaybook, LeadStatus, Playbook, StageStay
from leads.playbooks.content import Content, Stage, Trigger
from leads.playbooks.gates import refuse_gate
from leads.playbooks.queries import Progress, content_of, no_playbook, progress_of
from leads.playbooks.using import use_templates
from leads.usecases.update_lead import announce


def move_lead_stage(session: ServiceSession, lead_id: UUID, stage_id: UUID) -> Progress:
    """Move a lead to a stage: back to any, or further on if nothing keeps it.

    Raises Conflict STAGE_GATE, naming the tasks, STAGE_SKIPPED, NO_PLAYBOOK, LEAD_CONVERTED; Invalid UNKNOWN_STAGE.
    """
    lead = lock_lead(session, lead_id, "lead.update")
    if lead.status == LeadStatus.CONVERTED:
        raise has_converted(lead)
    progress = progress_of(session, lead_id)
    row, content = progress.row, progress.content
    target = content.position(stage_id)
    if target < 0:
        raise Invalid("UNKNOWN_STAGE", "the lead's version of the playbook has no such stage", field="stage")
    if row.stage_id != stage_id:
        if target > content.position(row.stage_id):
            refuse_gate(session, row, content, target)
        enter(session, lead, row, content, content.stages[target])
    return progress_of(session, lead_id)


def start_playbook(session: ServiceSession, lead_id: UUID, playbook_id: UUID) -> Progress:
    """Let a lead start a playbook, or go on by its newest version. It stays in its stage if that is one of these."""
    lead = lock_lead(session, lead_id, "lead.update")
    if lead.status == LeadStatus.CONVERTED:
        raise has_converted(lead)
    playbook = session.get(Playbook, playbook_id)
    if playbook is None:
        raise no_playbook()
    if playbook.archived:
        raise Conflict("PLAYBOOK_ARCHIVED", "the playbook is archived; choose another one")
    start(session, lead, playbook)
    return progress_of(session, lead_id)


def start(session: ServiceSession, lead: Lead, playbook: Playbook) -> LeadPlaybook:
    """Let a lead, which must be locked, go by the newest version of a playbook."""
    content = content_of(session, playbook.id, playbook.content_version)
    row = session.get(LeadPlaybook, lead.id)
    before = _told(row) if row is not None else None
    if row is None:
        row = LeadPlaybook(lead_id=lead.id, stage_id=None, enter_time=session.now)
        session.add(row)
    row.playbook_id, row.playbook_version = playbook.id, playbook.content_version
    session.flush()
    if _told(row) != before:
        audit.record(session, "lead.start_playbook", lead.name, before, _told(row))
    stays = content.stage(row.stage_id) is not None
    if not stays and content.stages:
        enter(session, lead, row, content, _first(content, lead))
    elif not stays:
        _leave(session, row)
        row.stage_id = None
        session.flush()
    return row


def enter(session: ServiceSession, lead: Lead, row: LeadPlaybook, content: Content, stage: Stage) -> None:
    """Let a lead, which must be locked, enter a stage: note it, give it the stage's status, and make its tasks."""
    previous = row.stage_id
    _leave(session, row)
    row.stage_id, row.enter_time = stage.id, session.now
    stay = StageStay(
        lead_id=lead.id,
        playbook_id=row.playbook_id,
        playbook_version=row.playbook_version,
        stage_id=stage.id,
        stage_title=stage.title,
        actor=session.caller.subject,
        enter_time=session.now,
    )
    session.add(stay)
    session.flush()
    audit.record(session, "lead.move_stage", lead.name, {"stage": str(previous or "")}, {"stage": str(stage.id)})
    outbox.emit(
        session,
        LeadStageEntered(
            lead=lead.name,
            playbook=make_name("playbooks", row.playbook_id),
            version=row.playbook_version,
            stage=str(stage.id),
            stage_title=stage.title,
            previous_stage=str(previous or ""),
            enter_time=session.now,
        ),
    )
    _follow_status(session, lead, stage)
    made = [template for template in stage.templates if template.trigger is Trigger.STAGE_ENTERED]
    use_templates(session, lead, made, f"stage:{stay.id}", stage.id)


def _first(content: Content, lead: Lead) -> Stage:
    """The stage that a lead begins in: the first one of its status, else the first one."""
    return next((stage for stage in content.stages if stage.lead_status == lead.status), content.stages[0])


def _leave(session: ServiceSession, row: LeadPlaybook) -> None:
    session.execute(
        update(StageStay)
        .where(StageStay.lead_id == row.lead_id, StageStay.leave_time.is_(None))
        .values(leave_time=session.now)
    )


def _follow_status(session: ServiceSession, lead: Lead, stage: Stage) -> None:
    """Give a lead the status of its stage, if leads come from theirs to that one."""
    if stage.lead_status is None or lead.status not in OPEN or conversion_under_way(session, lead.id):
        return
    if LeadStatus(stage.lead_status) in TRANSITIONS[LeadStatus(lead.status)]:
        before = snapshot(lead)
        move(session, lead, stage.lead_status)
        announce(session, lead, before, "lead.move_stage")


def _told(row: LeadPlaybook) -> dict[str, object]:
    # Not `version`, which in what the audit log keeps of leads is that of the lead.
    return {"playbook": make_name("playbooks", row.playbook_id), "playbook_version": row.playbook_version}


def lock(session: ServiceSession, lead_id: UUID) -> Lead | None:
    """A lead, locked for what follows from an event; None if it is gone."""
    lead: Lead | None = session.scalars(select(Lead).where(Lead.id == lead_id).with_for_update()).first()
    return lead
