"""What conditions, texts and webhooks can name, and the values of a record by these names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chassis.callers import Caller
from chassis.columns import stored
from chassis.field_rules import may_read, require_readable
from chassis.filters import Field, FieldKind
from chassis.names import make_name
from sqlalchemy import Integer

from leads.lead_queries import ENTITY as LEAD
from leads.lead_queries import LEAD_FIELDS
from leads.model import CUSTOMER, KnownCustomer, Lead, TriggerKind

_HAS = "has_"
_SIMPLE = {
    FieldKind.TEXT: "string",
    FieldKind.ENUM: "string",
    FieldKind.REFERENCE: "string",
    FieldKind.DATE: "string",
    FieldKind.BOOLEAN: "bool",
    FieldKind.TIME: "timestamp",
    FieldKind.TEXT_LIST: "list(string)",
}
_IMPERSONAL = frozenset({"source", "channel", "industry", "province", "city", "registrant", "status_reason"})
"""Texts that tell of no person: their values stand in the log."""


@dataclass(frozen=True)
class Variable:
    """Something that can be named."""

    name: str
    type: str
    """In CEL."""
    entity: str = ""
    """Whose field it shows, if it shows one; roles may keep that from its readers."""
    field: str = ""
    choices: tuple[str, ...] = ()
    loggable: bool = False
    """Whether its value may stand in the log."""


def _lead_variables(prefix: str) -> dict[str, Variable]:
    found = {}
    for each in _fields():
        kind = each.kind
        type_ = _SIMPLE.get(kind) or ("int" if isinstance(stored(each.column).type, Integer) else "double")
        loggable = kind not in (FieldKind.TEXT, FieldKind.TEXT_LIST) or each.name in _IMPERSONAL
        name = f"{prefix}.{each.name}"
        choices = tuple(map(str, each.choices))
        found[name] = Variable(name, type_, LEAD, each.name, choices, loggable)
        if _may_lack(each):
            has = f"{prefix}.{_HAS}{each.name}"
            found[has] = Variable(has, "bool", LEAD, each.name, (), loggable=True)
    return found


def _fields() -> list[Field]:
    """The fields of leads that are columns of theirs."""
    return [field for field in LEAD_FIELDS if getattr(stored(field.column), "table", None) is Lead.__table__]


def _may_lack(field: Field) -> bool:
    """Whether a record may have no value that CEL could stand for by an empty one."""
    return field.nullable and _SIMPLE.get(field.kind) not in ("string", "list(string)")


_COMMON = {
    "event": Variable("event", "string", loggable=True),
    "record": Variable("record", "string", loggable=True),
    "now": Variable("now", "timestamp", loggable=True),
}
_CHANGED = {"changed": Variable("changed", "list(string)", loggable=True)}
_CUSTOMER = {
    "customer.display_name": Variable("customer.display_name", "string", CUSTOMER, "display_name"),
    "customer.owner": Variable("customer.owner", "string", CUSTOMER, "owner", loggable=True),
}


def _told(entity: str, **types_: str) -> dict[str, Variable]:
    return {
        f"{entity}.{name}": Variable(f"{entity}.{name}", type_, entity, name, loggable=True)
        for name, type_ in types_.items()
    }


_FOLLOW_UP = _told("follow_up", method="string", author="string", effective="bool", occur_time="timestamp")


@dataclass(frozen=True)
class Event:
    """An event of this service that rules listen to."""

    subject: str
    """Which of its fields names the lead or customer."""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    """What it tells besides: variables whose last part is the name of its field."""
    customers: bool = False
    """Whether it may be about a customer."""


EVENTS: Mapping[str, Event] = {
    "LeadCreated": Event("lead"),
    "LeadUpdated": Event("lead"),
    "LeadFollowUpLogged": Event("lead", _FOLLOW_UP),
    "FollowUpLogged": Event("customer", _FOLLOW_UP, customers=True),
    "TaskEnded": Event("subject", _told("task", status="string", assignee="string", required="bool"), customers=True),
    "LeadStageEntered": Event("lead", _told("stage", stage="string", stage_title="string", previous_stage="string")),
    "VisitStarted": Event("subject", _told("visit", assignee="string", geofence="string"), customers=True),
    "CallEnded": Event(
        "subject",
        _told("call", assignee="string", direction="string", connected="bool", duration_seconds="int"),
        customers=True,
    ),
}


def told_by(event: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the variables of an event, from what it says."""
    found: dict[str, Any] = {}
    for name, variable in EVENTS[event].variables.items():
        value = data.get(variable.field)
        if value is not None:
            is_time = variable.type == "timestamp" and isinstance(value, str)
            found[name] = datetime.fromisoformat(value) if is_time else value
    return found


def variables_for(kind: str, event: str = "") -> Mapping[str, Variable]:
    """What a rule can name, by what starts it."""
    found = _COMMON | _lead_variables("lead")
    if kind == TriggerKind.FIELD_CHANGE or event == "LeadUpdated":
        found |= _CHANGED | _lead_variables("old")
    if known := EVENTS.get(event):
        found |= known.variables
        found |= _CUSTOMER if known.customers else {}
    return found


def types(variables: Mapping[str, Variable]) -> dict[str, str]:
    """Their types by name."""
    return {name: variable.type for name, variable in variables.items()}


def require_readable_all(caller: Caller, variables: Mapping[str, Variable], names: Any, *, path: str) -> None:
    """Raise Denied FIELD_NOT_READABLE if the caller's roles keep one of these from it."""
    for name in sorted(names):
        variable = variables[name]
        if variable.entity:
            require_readable(caller, variable.entity, variable.field, path=path)


def readable(caller: Caller, variable: Variable) -> bool:
    """Whether the caller sees the value of a variable as it is."""
    return not variable.entity or may_read(caller, variable.entity, variable.field)


def plain_lead(lead: Any) -> dict[str, Any]:
    """The values of a lead by each, from an entity or a row: references as resource names."""
    found = {}
    for each in _fields():
        value = getattr(lead, stored(each.column).key)  # type: ignore[arg-type]
        found[each.name] = make_name(each.collection, value) if each.kind is FieldKind.REFERENCE else value
    return found


def lead_values(plain: Mapping[str, Any], prefix: str = "lead") -> dict[str, Any]:
    """The values of variables, from those of a lead by each, as `plain_lead` or the audit log has them."""
    found: dict[str, Any] = {}
    for each in _fields():
        value, name = _value(each, plain.get(each.name)), f"{prefix}.{each.name}"
        if _may_lack(each):
            found[f"{prefix}.{_HAS}{each.name}"] = value is not None
        if value is not None:
            found[name] = value
    return found


def _value(field: Field, value: Any) -> Any:
    match _SIMPLE.get(field.kind):
        case "string":
            return "" if value is None else str(value)
        case "list(string)":
            return [str(each) for each in value or ()]
        case "timestamp":
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
            return moment.astimezone(UTC) if moment is not None else None
        case "bool":
            return value
    whole = isinstance(stored(field.column).type, Integer)
    return None if value is None else int(value) if whole else float(value)


def customer_values(customer: KnownCustomer) -> dict[str, Any]:
    """The values of the variables of a customer."""
    return {
        "customer.display_name": customer.display_name,
        "customer.owner": make_name("users", customer.owner_id),
    }


def told(variables: Mapping[str, Variable], names: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of some variables as they stand in the log: of what may tell of a person, only if there is any."""
    found: dict[str, Any] = {}
    for name in sorted(names):
        value = values.get(name)
        if name not in values:
            found[name] = None
        elif not variables[name].loggable:
            found[name] = bool(value)
        else:
            found[name] = value.isoformat() if isinstance(value, datetime) else value
    return found
