"""Set which fields people see of records of a kind, and which must be filled in."""

from collections.abc import Sequence

from chassis import audit
from chassis.custom_fields import list_fields
from chassis.custom_values import DERIVED
from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation
from chassis.etags import check_etag

from customers.fields import CONTACT_FIELDS, CUSTOMER_FIELDS
from customers.model import CustomerKind
from customers.model.tags import FieldTemplate
from customers.own_fields import CONTACT_ENTITY, ENTITY
from customers.rules import CONTACT_RULES, CUSTOMER_RULES

_KINDS = {ENTITY: tuple(CustomerKind), CONTACT_ENTITY: ("",)}
_KNOWN = {ENTITY: CUSTOMER_FIELDS, CONTACT_ENTITY: CONTACT_FIELDS}
_STATED = {ENTITY: CUSTOMER_RULES, CONTACT_ENTITY: CONTACT_RULES}


def set_field_template(
    session: ServiceSession, entity: str, kind: str, fields: Sequence[tuple[str, bool]], *, etag: str = ""
) -> FieldTemplate:
    """Set a template: the fields in order, each with whether it is required. Raises Invalid, naming what is wrong."""
    check_kind(entity, kind)
    _check(session, entity, fields)
    kept = [{"field": name, "required": required} for name, required in fields]
    stored = session.get(FieldTemplate, (entity, kind), with_for_update=True, populate_existing=True)
    check_etag(etag, stored.version if stored is not None else 0)
    before = {"fields": stored.fields} if stored is not None else None
    if stored is None:
        stored = FieldTemplate(entity=entity, kind=kind, fields=kept, version=1, update_time=session.now)
        session.add(stored)
    elif stored.fields != kept:
        stored.fields, stored.update_time = kept, session.now
        stored.version += 1
    session.flush()
    if before is None or before["fields"] != kept:
        resource = f"fieldTemplates/{entity}{'-' if kind else ''}{kind}"
        audit.record(session, "field_template.update", resource, before, {"fields": kept})
    return stored


def check_kind(entity: str, kind: str) -> None:
    """Raise Invalid unless there is such a kind of records."""
    if entity not in _KINDS:
        message = f"there are templates of {', '.join(_KINDS)}"
        raise Invalid("UNKNOWN_ENTITY", message, field="field_template.entity")
    if kind not in _KINDS[entity]:
        raise Invalid("INVALID_KIND", "say of which kind of customers", field="field_template.kind")


def _check(session: ServiceSession, entity: str, fields: Sequence[tuple[str, bool]]) -> None:
    own = {f"custom.{field.key}": field.type not in DERIVED for field in list_fields(session, entity)}
    known = {field.name for field in _KNOWN[entity]} | _STATED[entity].keys() | own.keys()
    faults, seen = list[Violation](), set[str]()
    for at, (name, required) in enumerate(fields):
        path = f"field_template.shown_fields[{at}]"
        if name not in known:
            faults.append(Violation(f"{path}.field", "UNKNOWN_FIELD", f"there is no field {name[:100]!r}"))
        elif name in seen:
            faults.append(Violation(f"{path}.field", "DUPLICATE_FIELD", f"{name[:100]!r} is given twice"))
        elif required and not own.get(name, name in _STATED[entity]):
            faults.append(Violation(f"{path}.required", "CANNOT_BE_REQUIRED", "nobody states this field"))
        seen.add(name)
    if faults:
        raise Invalid("INVALID_FIELD_TEMPLATE", "the template cannot be set like this", violations=faults)
