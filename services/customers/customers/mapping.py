"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import make_name, parse_name, parse_optional_name
from crm.customers.v1 import contact_pb2, custom_field_service_pb2, customer_pb2, customer_service_pb2, timeline_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct, Value

from customers.customer_messages import ADDRESS, KINDS, STATUSES, WHOLE
from customers.model.tags import FieldTemplate
from customers.rules import UNSPECIFIED
from customers.usecases.create_customer import CustomerDraft
from customers.usecases.transfer_customers import TransferResult
from customers.usecases.update_customer import CustomerPatch

_NAMES: Mapping[str, Mapping[int, str]] = {
    "kind": {number: name for name, number in KINDS.items()},
    "status": {number: name for name, number in STATUSES.items()},
}

_LISTS = ("phones", "emails", "tags")
_TEXTS = (
    "display_name",
    "credit_code",
    "identity_number",
    "level",
    "industry",
    "source",
    "website",
    "remark",
    "external_id",
)
CHANGEABLE = {*_TEXTS, *_LISTS, "status", "address", "custom_fields"}
"""The fields that an update may change."""
_ROLES = {name.removeprefix("DECISION_ROLE_"): number for name, number in contact_pb2.DecisionRole.items()}
_STANCES = {name.removeprefix("STANCE_"): number for name, number in contact_pb2.Stance.items()}
_CONTACT_NAMES: Mapping[str, Mapping[int, str]] = {
    "decision_role": {number: name for name, number in _ROLES.items()},
    "stance": {number: name for name, number in _STANCES.items()},
}
_CONTACT_TEXTS = ("display_name", "job_title", "wechat", "identity_number", "reports_to", "birthday", "remark")
_CONTACT_CHANGEABLE = {*_CONTACT_TEXTS, *_CONTACT_NAMES, "phones", "emails", "primary", "influence"}


def customer_to_proto(row: Any) -> customer_pb2.Customer:
    """A customer, from an entity or a row of its columns."""
    return WHOLE.message(row)


def draft_from_proto(customer: customer_pb2.Customer) -> CustomerDraft:
    """What the creator of a customer states."""
    paths = {path for path in (*_TEXTS, *_LISTS) if getattr(customer, path)}
    paths |= {f"address.{part}" for part in ADDRESS if getattr(customer.address, part)}
    paths |= {path for path in ("kind", "status") if getattr(customer, path)}
    return CustomerDraft(
        values=_values(customer, paths),
        custom_fields=struct_to_dict(customer.custom_fields),
        owner_id=parse_optional_name("users", customer.owner, field="owner"),
    )


def patch_from_proto(customer: customer_pb2.Customer, mask: FieldMask) -> CustomerPatch:
    """What an update changes. Without a mask, that is each part of the address and each own field that is given."""
    paths = changed_paths(customer, mask, CHANGEABLE)
    given = struct_to_dict(customer.custom_fields)
    keys = {path.removeprefix("custom_fields.") for path in paths if path.startswith("custom_fields.")}
    whole = "custom_fields" in paths
    parts: Iterable[str] = ()
    if "address" in paths:
        parts = ADDRESS if mask.paths else [part for part in ADDRESS if getattr(customer.address, part)]
    plain = {path for path in paths if path != "address" and path.partition(".")[0] != "custom_fields"}
    return CustomerPatch(
        values=_values(customer, plain | {f"address.{part}" for part in parts}),
        custom_fields=given if whole else {key: given.get(key) for key in keys},
        replace_custom_fields=whole and bool(mask.paths),
        etag=customer.etag,
    )


def result_to_proto(result: TransferResult) -> customer_service_pb2.CustomerTransferResult:
    """What came of giving a customer to another owner."""
    if result.customer is not None:
        return customer_service_pb2.CustomerTransferResult(customer=customer_to_proto(result.customer))
    assert result.refusal is not None
    return customer_service_pb2.CustomerTransferResult(reason=result.refusal.reason, message=result.refusal.message)


def contact_to_proto(row: Any) -> contact_pb2.Contact:
    """A contact, from an entity or a row of its columns."""
    message = contact_pb2.Contact(
        name=f"contacts/{row.id}",
        customer=f"customers/{row.customer_id}",
        display_name=row.display_name,
        job_title=row.job_title,
        phones=row.phones,
        emails=row.emails,
        wechat=row.wechat,
        identity_number=row.identity_number_shown,
        primary=row.is_primary,
        decision_role=_ROLES[row.decision_role or UNSPECIFIED],
        influence=row.influence,
        stance=_STANCES[row.stance or UNSPECIFIED],
        reports_to=make_name("contacts", row.reports_to_id),
        birthday=row.birthday.isoformat() if row.birthday is not None else "",
        remark=row.remark,
        etag=etag(row.version),
        create_time=row.create_time,
        update_time=row.update_time,
    )
    if row.custom:
        message.custom_fields.update(row.custom)
    return message


@dataclass(frozen=True)
class ContactValues:
    """What a caller states about a contact: raw values by field, the company's own by key."""

    values: dict[str, Any]
    custom_fields: dict[str, Any]
    replace_custom_fields: bool = False


def contact_draft(contact: contact_pb2.Contact) -> tuple[UUID, ContactValues]:
    """The customer of a new contact and what is stated about it."""
    given = new_contact(contact)
    return parse_name("customers", contact.customer, field="customer"), given


def new_contact(contact: contact_pb2.Contact) -> ContactValues:
    """What is stated about a new contact."""
    paths = {path for path in _CONTACT_CHANGEABLE if getattr(contact, path)}
    return ContactValues(_contact_values(contact, paths), struct_to_dict(contact.custom_fields))


def contact_patch(contact: contact_pb2.Contact, mask: FieldMask) -> ContactValues:
    """What an update of a contact changes."""
    paths = changed_paths(contact, mask, {*_CONTACT_CHANGEABLE, "custom_fields"})
    given = struct_to_dict(contact.custom_fields)
    keys = {path.removeprefix("custom_fields.") for path in paths if path.startswith("custom_fields.")}
    whole = "custom_fields" in paths
    plain = {path for path in paths if path.partition(".")[0] != "custom_fields"}
    return ContactValues(
        _contact_values(contact, plain),
        given if whole else {key: given.get(key) for key in keys},
        replace_custom_fields=whole and bool(mask.paths),
    )


def template_to_proto(template: FieldTemplate) -> custom_field_service_pb2.FieldTemplate:
    """A template of fields as a message."""
    return custom_field_service_pb2.FieldTemplate(
        entity=template.entity,
        kind=template.kind,
        shown_fields=[custom_field_service_pb2.TemplateField(**field) for field in template.fields],
        etag=etag(template.version),
    )


def entry_to_proto(row: Any) -> timeline_pb2.TimelineEntry:
    """A timeline entry, from an entity or a row of its columns."""
    return timeline_pb2.TimelineEntry(
        name=f"timelineEntries/{row.id}",
        customer=f"customers/{row.customer_id}",
        kind=row.kind,
        source=row.source,
        resource=row.resource,
        actor=row.actor,
        summary=row.summary,
        details=row.details,
        occur_time=row.occur_time,
    )


def struct_to_dict(struct: Struct) -> dict[str, Any]:
    """A Struct as plain values."""
    return {key: _plain(value) for key, value in struct.fields.items()}


def parse_names(collection: str, names: Sequence[str], *, field: str) -> list[UUID]:
    """The ids in several resource names."""
    return [parse_name(collection, name, field=field) for name in names]


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct_to_dict(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def _values(customer: customer_pb2.Customer, paths: Iterable[str]) -> Mapping[str, Any]:
    return {path: _value(customer, path) for path in sorted(paths)}


def _value(customer: customer_pb2.Customer, path: str) -> Any:
    if path in _NAMES:
        number = getattr(customer, path)
        return _NAMES[path].get(number, str(number))
    head, _, part = path.partition(".")
    value = getattr(customer, head)
    if part:
        return getattr(value, part)
    return list(value) if head in _LISTS else value


def _contact_values(contact: contact_pb2.Contact, paths: Iterable[str]) -> dict[str, Any]:
    return {path: _contact_value(contact, path) for path in sorted(paths)}


def _contact_value(contact: contact_pb2.Contact, path: str) -> Any:
    value = getattr(contact, path)
    if path in _CONTACT_NAMES:
        return _CONTACT_NAMES[path].get(value, str(value))
    return list(value) if path in _LISTS else value
