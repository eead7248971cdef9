"""What a rule may say, judged when it is written: names, types, permissions and addresses."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from chassis import rules
from chassis.calendars import Window
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid
from chassis.field_rules import require_writable
from chassis.filters import FieldKind, filter_from_json
from chassis.names import parse_name

from leads.automation import templates, vocabulary
from leads.automation.expressions import compile_condition
from leads.automation.vocabulary import EVENTS, Variable, variables_for
from leads.automation.webhooks import WebhookPolicy
from leads.lead_queries import ENTITY, LEAD_FIELDS, REGISTRY
from leads.life.statuses import checked_reason
from leads.model import LeadStatus, TriggerKind
from leads.owners import find_owner
from leads.playbooks.queries import is_offered
from leads.rules import LEAD_RULES

UNITS = ("HOURS", "WORKING_HOURS", "WORKING_DAYS")
MAX_ACTIONS = 10
MAX_USERS = 20
MAX_PRIORITY = 1_000
MAX_AMOUNT = 1_000
MAX_MESSAGE = 500
MAX_TITLE = 200

_NAMES: Mapping[str, rules.Rule] = {"display_name": partial(rules.required_text, maximum=100)}
_LISTS = frozenset(field.name for field in LEAD_FIELDS if field.kind is FieldKind.TEXT_LIST)
_TIMES = frozenset(field.name for field in LEAD_FIELDS if field.kind is FieldKind.TIME)
_SET = LEAD_RULES.keys() - {"status", "status_reason", "status_note"}
_NEEDED = {
    "SET_FIELD": "lead.update",
    "CHANGE_STATUS": "lead.update",
    "MOVE_STAGE": "lead.update",
    "CREATE_TASK": "task.create",
}
"""The permission that an action needs."""


class Judge:
    """Judges what a caller states of a rule. Raises Invalid or Denied, naming the field at fault."""

    def __init__(self, session: ServiceSession, webhooks: WebhookPolicy) -> None:
        self._session = session
        self._webhooks = webhooks

    def name(self, stated: str) -> str:
        """What people call it."""
        stored, faults = rules.apply(_NAMES, {"display_name": stated})
        rules.refuse(faults)
        return str(stored["display_name"])

    def priority(self, stated: int) -> int:
        """Its place among the rules."""
        number = stated or 100
        if not 1 <= number <= MAX_PRIORITY:
            raise Invalid("OUT_OF_RANGE", f"a priority is from 1 to {MAX_PRIORITY:,}", field="priority")
        return number

    def trigger(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        """What starts it, without what does not matter to its kind."""
        kind = stated.get("kind", "")
        if kind not in TriggerKind.__members__:
            raise Invalid("INVALID_TRIGGER", "say what starts the rule", field="trigger.kind")
        judge = {
            TriggerKind.EVENT: self._event,
            TriggerKind.FIELD_CHANGE: self._field_change,
            TriggerKind.SCHEDULE: self._scheduled,
            TriggerKind.TIME_AFTER: self._time_after,
        }[TriggerKind(kind)]
        return {"kind": kind, **judge(stated)}

    def body(self, trigger: Mapping[str, Any], condition: str, actions: Sequence[Mapping[str, Any]]) -> None:
        """Its condition and actions, which depend on what starts it."""
        variables = variables_for(trigger["kind"], trigger.get("event", ""))
        self._session.caller.scope("lead.read")
        found = compile_condition(condition, vocabulary.types(variables))
        vocabulary.require_readable_all(self._session.caller, variables, found.reads, path="condition")
        if not 1 <= len(actions) <= MAX_ACTIONS:
            raise Invalid("INVALID_ACTION", f"a rule does 1 to {MAX_ACTIONS} things", field="actions")
        for at, action in enumerate(actions):
            self._action(action, variables, f"actions[{at}]")

    def _event(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        if stated.get("event") not in EVENTS:
            raise Invalid("INVALID_TRIGGER", f"the event is one of {', '.join(EVENTS)}", field="trigger.event")
        return {"event": stated["event"]}

    def _field_change(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        field = stated.get("field", "")
        found = REGISTRY.find(field, path="trigger.field", caller=self._session.caller)
        if found.name in ("name", "create_time", "update_time"):
            raise Invalid("INVALID_TRIGGER", f"{found.name} never changes by itself", field="trigger.field")
        bounds = {key: stated[key] for key in ("from_value", "to_value") if stated.get(key) is not None}
        for key, value in bounds.items():
            known = set(map(str, found.choices))
            if known and value and value not in known:
                message = f"{found.name} is one of {', '.join(sorted(known))}"
                raise Invalid("INVALID_VALUE", message, field=f"trigger.{key}")
        return {"event": "LeadUpdated", "field": field, **bounds}

    def _scheduled(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        given = stated.get("schedule") or {}
        time = given.get("time", "")
        try:
            Window.parse(time, "24:00")
        except Invalid as error:
            raise Invalid("INVALID_TIME_OF_DAY", error.message, field="trigger.schedule.time") from None
        lists = {"weekdays": 7, "month_days": 31}
        for key, last in lists.items():
            if any(not 1 <= day <= last for day in given.get(key, ())):
                raise Invalid("OUT_OF_RANGE", f"days are from 1 to {last}", field=f"trigger.schedule.{key}")
        days = {key: sorted(set(given.get(key, ()))) for key in lists}
        schedule = {"time": time, **days, "working_days_only": bool(given.get("working_days_only"))}
        return {"schedule": schedule, "filter": self._filter(stated)}

    def _time_after(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        field, amount, unit = stated.get("field", ""), stated.get("amount", 0), stated.get("unit", "")
        REGISTRY.find(field, path="trigger.field", caller=self._session.caller)
        if field not in _TIMES:
            message = f"name a field that holds a time: {', '.join(sorted(_TIMES))}"
            raise Invalid("INVALID_TRIGGER", message, field="trigger.field")
        if not 1 <= amount <= MAX_AMOUNT:
            raise Invalid("OUT_OF_RANGE", f"from 1 to {MAX_AMOUNT:,} fit", field="trigger.amount")
        if unit not in UNITS:
            raise Invalid("INVALID_TRIGGER", "say what the time is counted in", field="trigger.unit")
        return {"field": field, "amount": amount, "unit": unit, "filter": self._filter(stated)}

    def _filter(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        conditions = dict(stated.get("filter") or {})
        REGISTRY.where(filter_from_json(conditions), path="trigger.filter", caller=self._session.caller)
        return conditions

    def _action(self, action: Mapping[str, Any], variables: Mapping[str, Variable], path: str) -> None:
        kind = action.get("kind", "")
        judges: dict[str, Callable[..., None]] = {
            "SET_FIELD": self._set_field,
            "CHANGE_STATUS": self._change_status,
            "MOVE_STAGE": self._move_stage,
            "ASSIGN": self._assign,
            "NOTIFY": partial(self._notify, variables=variables),
            "CREATE_TASK": partial(self._create_task, variables=variables),
            "CALL_WEBHOOK": partial(self._call, variables=variables),
        }
        if kind not in judges:
            raise Invalid("INVALID_ACTION", "say what is to be done", field=f"{path}.kind")
        if kind in _NEEDED:
            self._session.caller.scope(_NEEDED[kind])
        judges[kind](action, path=path)

    def _set_field(self, action: Mapping[str, Any], path: str) -> None:
        field = action.get("field", "")
        if field not in _SET:
            message = f"it is one of {', '.join(sorted(_SET))}"
            raise Invalid("INVALID_ACTION", message, field=f"{path}.field")
        require_writable(self._session.caller, ENTITY, field, path=f"{path}.field")
        try:
            LEAD_RULES[field](field_value(field, action.get("value", "")))
        except Invalid as error:
            raise Invalid(error.reason, error.message, field=f"{path}.value") from None

    def _change_status(self, action: Mapping[str, Any], path: str) -> None:
        allowed = [status for status in LeadStatus if status is not LeadStatus.CONVERTED]
        if action.get("value") not in allowed:
            message = f"the status is one of {', '.join(allowed)}"
            raise Invalid("INVALID_STATUS", message, field=f"{path}.value")
        require_writable(self._session.caller, ENTITY, "status", path=path)
        try:
            checked_reason(self._session, action["value"], action.get("reason", ""))
        except Invalid as error:
            raise Invalid(error.reason, error.message, field=f"{path}.reason") from None

    def _move_stage(self, action: Mapping[str, Any], path: str) -> None:
        try:
            stage_id = UUID(action.get("stage", ""))
        except ValueError:
            stage_id = None
        if stage_id is None or not is_offered(self._session, stage_id):
            message = "name a stage that a playbook has now, by its id"
            raise Invalid("UNKNOWN_STAGE", message, field=f"{path}.stage")

    def _assign(self, action: Mapping[str, Any], path: str) -> None:
        user, by_rules = action.get("user", ""), bool(action.get("by_assignment_rules"))
        if by_rules is bool(user):
            message = "name the new owner, or let the assignment rules choose"
            raise Invalid("INVALID_ACTION", message, field=f"{path}.user")
        self._session.caller.scope("lead.assign" if by_rules else "lead.transfer")
        if user:
            _active(self._session, user, f"{path}.user")

    def _notify(self, action: Mapping[str, Any], path: str, variables: Mapping[str, Variable]) -> None:
        self._text(action, variables, path, MAX_MESSAGE)
        users = action.get("users", ())
        if len(users) > MAX_USERS:
            raise Invalid("TOO_MANY", f"at most {MAX_USERS} fit", field=f"{path}.users", maximum=MAX_USERS)
        if not (users or action.get("to_owner") or action.get("to_manager")):
            raise Invalid("INVALID_ACTION", "say whom to tell", field=f"{path}.users")
        for at, user in enumerate(users):
            _active(self._session, user, f"{path}.users[{at}]")

    def _create_task(self, action: Mapping[str, Any], path: str, variables: Mapping[str, Variable]) -> None:
        self._text(action, variables, path, MAX_TITLE)
        whose = [action.get("user"), action.get("to_owner"), action.get("to_manager")]
        if sum(map(bool, whose)) != 1:
            raise Invalid("INVALID_ACTION", "say whose task it is: one of three", field=f"{path}.user")
        if action.get("user"):
            _active(self._session, action["user"], f"{path}.user")
        self._session.caller.scope("task.assign")
        if not 1 <= action.get("due_hours", 0) <= MAX_AMOUNT:
            raise Invalid("OUT_OF_RANGE", f"it is due in 1 to {MAX_AMOUNT:,} hours", field=f"{path}.due_hours")

    def _text(self, action: Mapping[str, Any], variables: Mapping[str, Variable], path: str, maximum: int) -> None:
        text = action.get("text", "").strip()
        if not text or len(text) > maximum:
            reason, message = ("TOO_LONG", f"at most {maximum} characters fit") if text else ("REQUIRED", "say what")
            raise Invalid(reason, message, field=f"{path}.text", maximum=maximum)
        names = templates.named(templates.parse(text, variables, path=f"{path}.text"))
        vocabulary.require_readable_all(self._session.caller, variables, names, path=f"{path}.text")

    def _call(self, action: Mapping[str, Any], path: str, variables: Mapping[str, Variable]) -> None:
        self._webhooks.check(action.get("url", ""), path=f"{path}.url")
        fields = action.get("payload", ())
        for at, name in enumerate(fields):
            if name not in variables:
                raise Invalid("UNKNOWN_VARIABLE", f"there is no {name[:100]!r}", field=f"{path}.payload[{at}]")
        vocabulary.require_readable_all(self._session.caller, variables, fields, path=f"{path}.payload")


def field_value(field: str, value: str) -> Any:
    """The value of a field from the text in an action."""
    return value.splitlines() if field in _LISTS else value


def _active(session: ServiceSession, user: str, path: str) -> UUID:
    user_id = parse_name("users", user, field=path)
    try:
        return find_owner(session, user_id).id
    except DomainError as error:
        raise Invalid(error.reason, error.message, field=path) from None
