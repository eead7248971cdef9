"""What rules do, each in the name of the rule and with the rights of its author."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import notifications
from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied
from chassis.field_rules import require_writable
from chassis.filters import filter_from_json
from chassis.names import new_id, parse_name, parse_optional_name
from chassis.organisation import organisation
from sqlalchemy import exists, select

from leads.assignment.assign_leads import assign_leads
from leads.automation import templates, vocabulary
from leads.automation.authors import acting, callers_of
from leads.automation.drafts import MAX_TITLE, field_value
from leads.automation.records import Record
from leads.automation.vocabulary import Variable
from leads.heads import head_above
from leads.lead_queries import ENTITY
from leads.model import AutomationDelivery, AutomationRule, DeliveryState, KnownCustomer
from leads.playbooks.moving import move_lead_stage
from leads.subjects import reach_customers
from leads.tasks.making import TaskDraft, create_task
from leads.usecases.transfer_lead import transfer_lead
from leads.usecases.update_lead import update_lead

MESSAGE = "AUTOMATION_MESSAGE"
"""The kind of the notifications that rules send."""


@dataclass(frozen=True)
class Doing:
    """What an action works with."""

    session: ServiceSession
    rule: AutomationRule
    run_id: UUID
    place: int
    """Of the action among those of the rule."""
    action: Mapping[str, Any]
    record: Record
    variables: Mapping[str, Variable]

    def result(self, state: str, detail: str = "") -> dict[str, Any]:
        """What came of it."""
        return {"kind": self.action["kind"], "state": state, "detail": detail}

    @property
    def lead_id(self) -> UUID:
        """The lead. Raises Conflict NOT_A_LEAD for a customer, which has no such fields."""
        if self.record.subject.collection != "leads":
            raise Conflict("NOT_A_LEAD", "this is done to leads only; the rule ran for a customer")
        return self.record.subject.id


def perform(doing: Doing) -> dict[str, Any]:
    """Do it. Raises what the use case refuses."""
    return _PERFORM[doing.action["kind"]](doing)


def foresee(doing: Doing) -> dict[str, Any]:
    """What would be done. Writes nothing."""
    action = doing.action
    match action["kind"]:
        case "NOTIFY" | "CREATE_TASK" if not action.get("user"):
            return doing.result("WOULD", ", ".join(f"users/{key}" for key in _recipients(doing)))
        case "SET_FIELD":
            return doing.result("WOULD", action["field"])
        case "CHANGE_STATUS":
            return doing.result("WOULD", action["value"])
        case "MOVE_STAGE":
            return doing.result("WOULD", action["stage"])
        case "CALL_WEBHOOK":
            return doing.result("WOULD", action["url"])
    return doing.result("WOULD", action.get("user", ""))


def _set_field(doing: Doing) -> dict[str, Any]:
    field = doing.action["field"]
    require_writable(doing.session.caller, ENTITY, field, path="actions")
    update_lead(doing.session, doing.lead_id, {field: field_value(field, doing.action.get("value", ""))})
    return doing.result("DONE", field)


def _change_status(doing: Doing) -> dict[str, Any]:
    require_writable(doing.session.caller, ENTITY, "status", path="actions")
    reason = {"status_reason": doing.action["reason"]} if doing.action.get("reason") else {}
    update_lead(doing.session, doing.lead_id, {"status": doing.action["value"], **reason})
    return doing.result("DONE", doing.action["value"])


def _move_stage(doing: Doing) -> dict[str, Any]:
    progress = move_lead_stage(doing.session, doing.lead_id, UUID(doing.action["stage"]))
    stage = progress.content.stage(progress.row.stage_id)
    return doing.result("DONE", stage.title if stage is not None else "")


def _assign(doing: Doing) -> dict[str, Any]:
    if doing.action.get("by_assignment_rules"):
        outcome = assign_leads(doing.session, [doing.lead_id], filter_from_json({}), dry_run=False)
        given = [f"users/{one.assignee.user_id}" for one in outcome.decisions if one.assignee is not None]
        return doing.result("DONE" if outcome.decisions else "SKIPPED", ", ".join(given))
    user = doing.action["user"]
    transfer_lead(doing.session, doing.lead_id, parse_name("users", user, field="user"))
    return doing.result("DONE", user)


class _KnownHere:
    """Asks nobody for customers that are not known here: a rule runs for those that are."""

    def owners_of(self, customer_ids: Collection[UUID]) -> Mapping[UUID, UUID | None]:
        """See `leads.reachable.Customers`."""
        return {}


def _create_task(doing: Doing) -> dict[str, Any]:
    session, action = doing.session, doing.action
    assignee = parse_optional_name("users", action.get("user", ""), field="user") or next(
        iter(_recipients(doing)), None
    )
    if assignee is None:
        return doing.result("SKIPPED")
    parts = templates.parse(action["text"], doing.variables, path="actions")
    shown = _readable(doing, callers_of(session, [assignee]).get(assignee), templates.named(parts))
    company = organisation(session)
    title = templates.render(parts, shown, company.zone)[:MAX_TITLE]
    due = company.calendar.add_working_time(session.now, timedelta(hours=action["due_hours"]))
    draft = TaskDraft(doing.record.subject, {"title": title}, assignee, due)
    return doing.result("DONE", create_task(session, draft, _KnownHere()).name)


def _readable(doing: Doing, reader: Caller | None, names: Collection[str]) -> dict[str, Any]:
    """The values of some names that the reader of a text may read. Raises Denied if its author may not."""
    vocabulary.require_readable_all(doing.session.caller, doing.variables, names, path="actions")
    return {
        name: doing.record.values.get(name)
        for name in names
        if reader is not None and vocabulary.readable(reader, doing.variables[name])
    }


def _notify(doing: Doing) -> dict[str, Any]:
    """Tell people. Each is told what their own roles let them read, and nobody of a record that they do not reach."""
    session = doing.session
    parts = templates.parse(doing.action["text"], doing.variables, path="actions")
    zone = organisation(session).zone
    told = []
    recipients = _recipients(doing)
    callers = callers_of(session, recipients)
    for user_id in recipients:
        caller = callers.get(user_id)
        if caller is None or not _reaches(session, caller, doing.record):
            continue
        shown = _readable(doing, caller, templates.named(parts))
        params = {
            "text": templates.render(parts, shown, zone),
            "rule": doing.rule.name,
            "rule_name": doing.rule.display_name,
        }
        notifications.notify(session, user_id, MESSAGE, doing.record.subject.name, params)
        told.append(f"users/{user_id}")
    return doing.result("DONE" if told else "SKIPPED", ", ".join(told))


def _recipients(doing: Doing) -> Sequence[UUID]:
    action, record = doing.action, doing.record
    found: list[UUID | None] = [parse_name("users", user, field="users") for user in action.get("users", ())]
    if action.get("to_owner"):
        found.append(record.owner_id)
    if action.get("to_manager"):
        found.append(head_above(doing.session, record.department_path, record.owner_id))
    return list(dict.fromkeys(key for key in found if key is not None))


def _reaches(session: ServiceSession, caller: Caller, record: Record) -> bool:
    leads = record.subject.collection == "leads"
    try:
        scope = caller.scope("lead.read" if leads else "customer.read")
    except Denied:
        return False
    if leads:
        return scope.reaches(record.owner_id, record.department_path)
    with acting(session, caller):
        mine = exists().where(KnownCustomer.id == record.subject.id, reach_customers(session, "customer.read"))
        return bool(session.scalar(select(mine)))


def _call(doing: Doing) -> dict[str, Any]:
    """Note a call, which is made when the run is committed: see `leads.automation.delivering`."""
    fields = doing.action.get("payload", ())
    vocabulary.require_readable_all(doing.session.caller, doing.variables, fields, path="actions")
    now = doing.session.now
    delivery = AutomationDelivery(
        id=new_id(),
        run_id=doing.run_id,
        rule_id=doing.rule.id,
        author_id=doing.rule.author_id,
        action=doing.place,
        record=doing.record.subject.name,
        event=str(doing.record.values["event"]),
        url=doing.action["url"],
        fields=list(fields),
        state=DeliveryState.PENDING,
        attempts=0,
        next_attempt_time=now,
        create_time=now,
    )
    doing.session.add(delivery)
    doing.session.flush()
    return doing.result("QUEUED", doing.action["url"])


_PERFORM: Mapping[str, Callable[[Doing], dict[str, Any]]] = {
    "SET_FIELD": _set_field,
    "CHANGE_STATUS": _change_status,
    "MOVE_STAGE": _move_stage,
    "ASSIGN": _assign,
    "NOTIFY": _notify,
    "CREATE_TASK": _create_task,
    "CALL_WEBHOOK": _call,
}
