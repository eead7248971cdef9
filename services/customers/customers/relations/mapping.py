"""From relations to messages and back. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import make_name, parse_name
from crm.customers.v1 import customer_relation_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from customers.model.relations import COLLECTION

_KINDS = {
    name.removeprefix("CUSTOMER_RELATION_KIND_"): number
    for name, number in customer_relation_pb2.CustomerRelationKind.items()
}
_NAMES = {number: name for name, number in _KINDS.items()}
_CHANGEABLE = frozenset({"valid_from", "valid_until", "remark"})


@dataclass(frozen=True)
class RelationDraft:
    """A relation as somebody states it: raw values by field."""

    customer_id: UUID
    related_id: UUID
    values: Mapping[str, Any]


def relation_to_proto(relation: Any) -> customer_relation_pb2.CustomerRelation:
    """A relation, from an entity or a row of its columns."""
    return customer_relation_pb2.CustomerRelation(
        name=make_name(COLLECTION, relation.id),
        customer=make_name("customers", relation.from_id),
        related=make_name("customers", relation.to_id),
        kind=_KINDS[relation.kind],
        valid_from=relation.valid_from.isoformat() if relation.valid_from else "",
        valid_until=relation.valid_until.isoformat() if relation.valid_until else "",
        remark=relation.remark,
        creator=relation.creator,
        etag=etag(relation.version),
        create_time=relation.create_time,
        update_time=relation.update_time,
    )


def relation_draft(message: customer_relation_pb2.CustomerRelation) -> RelationDraft:
    """What the creator of a relation states."""
    return RelationDraft(
        parse_name("customers", message.customer, field="customer"),
        parse_name("customers", message.related, field="related"),
        {"kind": kind_of(message.kind), **{path: getattr(message, path) for path in _CHANGEABLE}},
    )


def relation_patch(message: customer_relation_pb2.CustomerRelation, mask: FieldMask) -> Mapping[str, Any]:
    """What an update changes: raw values by field."""
    return {path: getattr(message, path) for path in changed_paths(message, mask, _CHANGEABLE)}


def kind_of(number: Any) -> str:
    """The name of a kind; of an unknown one, its number."""
    name: str = _NAMES.get(number, str(number))
    return name


def kinds_of(numbers: Iterable[int]) -> list[str]:
    """The same for several."""
    return [kind_of(number) for number in numbers]
