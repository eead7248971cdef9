"""What follows by playbook from what happens to leads and their tasks."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit
from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.filters import filter_from_json
from chassis.names import make_name, parse_name
from crm.leads.v1 import events_pb2
from sqlalchemy import select, update

from leads.lead_queries import REGISTRY
from leads.life.statuses import OPEN
from leads.model import Lead, LeadPlaybook, Playbook, RegistrationState, Task, TaskStatus
from leads.plans.cancel import cancel_plans_of_lead
from leads.playbooks.content import Content, Template, Trigger
from leads.playbooks.gates import open_required, skipped
from leads.playbooks.moving import enter, lock, start
from leads.playbooks.queries import content_of
from leads.playbooks.using import use_templates
from leads.tasks.facts import tell_assignee
from leads.tasks.queries import unended


def follow_leads(session: ServiceSession, received: Received) -> None:
    """Do what playbooks say of an event."""
    match received.name:
        case "LeadCreated":
            created = received.message(events_pb2.LeadCreated)
            offered = _offered(session)
            lead = lock(session, _lead_id(created.lead)) if offered else None
            if lead is not None and _worked_on(lead):
                _begin(session, lead, offered)
                _assigned(session, lead, created.state.owner, created.version)
        case "LeadUpdated":
            _follow_change(session, received.message(events_pb2.LeadUpdated))
        case "LeadDeleted":
            gone = _lead_id(received.message(events_pb2.LeadDeleted).lead)
            _cancel_tasks(session, gone)
            cancel_plans_of_lead(session, gone)
        case "TaskEnded":
            ended = received.message(events_pb2.TaskEnded)
            if ended.required and ended.subject.startswith("leads/"):
                _advance(session, _lead_id(ended.subject))


def _follow_change(session: ServiceSession, updated: events_pb2.LeadUpdated) -> None:
    concerns = {"owner", "status", "registration_state"} & {*updated.changed_fields}
    lead = lock(session, _lead_id(updated.lead)) if concerns else None
    if lead is None or not _worked_on(lead):
        return
    if "registration_state" in concerns:
        _begin(session, lead, _offered(session))
    if "owner" in concerns:
        _assigned(session, lead, updated.state.owner, updated.version)
    if "status" in concerns:
        _follow_status(session, lead)


def _worked_on(lead: Lead) -> bool:
    """Whether somebody is to work on a lead: it is open, and no registration that waits for approval or was refused."""
    return lead.status in OPEN and lead.registration_state in (None, RegistrationState.APPROVED)


def _offered(session: ServiceSession) -> Sequence[Playbook]:
    """The playbooks that leads start, in order."""
    return session.scalars(select(Playbook).where(~Playbook.archived).order_by(Playbook.position, Playbook.id)).all()


def _begin(session: ServiceSession, lead: Lead, offered: Sequence[Playbook]) -> None:
    """Let a new lead start the first playbook that suits it."""
    if session.get(LeadPlaybook, lead.id) is not None:
        return
    for playbook in offered:
        wanted = REGISTRY.where(filter_from_json(playbook.filter), caller=session.caller)
        if session.scalar(select(Lead.id).where(Lead.id == lead.id, wanted)) is not None:
            row = start(session, lead, playbook)
            content = content_of(session, row.playbook_id, row.playbook_version)
            use_templates(session, lead, _of(content, Trigger.LEAD_CREATED), "created", row.stage_id)
            return


def _assigned(session: ServiceSession, lead: Lead, owner: str, version: int) -> None:
    """Give a lead's new owner the tasks that are the owner's, and make those that come with a new one.

    An event that tells of an owner who has been followed by another one is passed over: the next one tells of that.
    """
    row = session.get(LeadPlaybook, lead.id)
    if row is None or lead.owner_id is None or owner != make_name("users", lead.owner_id):
        return
    _give_tasks(session, lead)
    content = content_of(session, row.playbook_id, row.playbook_version)
    use_templates(session, lead, _of(content, Trigger.LEAD_ASSIGNED), f"assigned:{version}", row.stage_id)


def _give_tasks(session: ServiceSession, lead: Lead) -> None:
    others = Task.assignee_id.is_distinct_from(lead.owner_id)
    wanted = select(Task).where(Task.lead_id == lead.id, Task.follows_owner, unended(), others).order_by(Task.id)
    tasks = session.scalars(wanted.with_for_update()).all()
    changes = []
    for task in tasks:
        before = {"assignee": make_name("users", task.assignee_id)}
        task.assignee_id, task.assignee_department_path = lead.owner_id, lead.owner_department_path
        task.version += 1
        task.update_time = session.now
        changes.append(audit.Change("task.assign", task.name, before, {"assignee": make_name("users", lead.owner_id)}))
    session.flush()
    audit.record_all(session, changes)
    for task in tasks:
        tell_assignee(session, task)


def _follow_status(session: ServiceSession, lead: Lead) -> None:
    """Let a lead whose status was changed by hand go on to the stage of that status, unless required tasks keep it."""
    row = session.get(LeadPlaybook, lead.id)
    if row is None:
        return
    content = content_of(session, row.playbook_id, row.playbook_version)
    here = content.position(row.stage_id)
    further = (at for at, stage in enumerate(content.stages) if at > here and stage.lead_status == lead.status)
    target = next(further, None)
    stays = here >= 0 and content.stages[here].lead_status == lead.status
    if target is not None and not stays and not _kept(session, row, content, target):
        enter(session, lead, row, content, content.stages[target])


def _advance(session: ServiceSession, lead_id: UUID) -> None:
    """Let a lead go on whose required tasks have been done, if its stage says so."""
    lead = lock(session, lead_id)
    row = session.get(LeadPlaybook, lead_id)
    if lead is None or row is None or lead.status not in OPEN:
        return
    content = content_of(session, row.playbook_id, row.playbook_version)
    here = content.position(row.stage_id)
    if here < 0 or here + 1 >= len(content.stages) or not content.stages[here].auto_advance:
        return
    if _was_required(session, row) and not _kept(session, row, content, here + 1):
        enter(session, lead, row, content, content.stages[here + 1])


def _was_required(session: ServiceSession, row: LeadPlaybook) -> bool:
    """Whether a required task has been done since the lead entered its stage."""
    done = select(Task.id).where(
        Task.lead_id == row.lead_id,
        Task.required,
        Task.stage_id == row.stage_id,
        Task.status == TaskStatus.DONE.value,
        Task.end_time >= row.enter_time,
    )
    return session.scalar(done.limit(1)) is not None


def _kept(session: ServiceSession, row: LeadPlaybook, content: Content, target: int) -> bool:
    return bool(skipped(content, row, target) or open_required(session, row, content, target))


def _cancel_tasks(session: ServiceSession, lead_id: UUID) -> None:
    """Nothing is left to be done about a lead that is gone."""
    values = {
        "status": TaskStatus.CANCELLED.value,
        "cancel_reason": "LEAD_DELETED",
        "ender": session.caller.subject,
        "end_time": session.now,
        "update_time": session.now,
        "version": Task.version + 1,
        "remind_at": None,
        "overdue_at": None,
        "repeat_at": None,
    }
    theirs = update(Task).where(Task.lead_id == lead_id, Task.customer_id.is_(None), unended())
    ended = session.scalars(theirs.values(values).returning(Task.id).execution_options(synchronize_session=False)).all()
    cancelled = {"status": TaskStatus.CANCELLED.value, "cancel_reason": "LEAD_DELETED"}
    audit.record_all(session, [audit.Change("task.cancel", make_name("tasks", key), {}, cancelled) for key in ended])


def _of(content: Content, trigger: Trigger) -> Sequence[Template]:
    return [template for template in content.templates if template.trigger is trigger]


def _lead_id(name: str) -> UUID:
    return parse_name("leads", name, field="lead")


SUBSCRIPTIONS = (
    Subscription("leads", ("LeadCreated", "LeadUpdated", "LeadDeleted", "TaskEnded"), "leads.playbooks", follow_leads),
)
