"""Customers as messages: whole, or as far as a mask asks for their fields."""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from chassis.errors import Invalid
from chassis.etags import etag
from chassis.names import make_name
from chassis.structs import time_of
from crm.customers.v1 import customer_pb2

from customers.rules import UNSPECIFIED

KINDS = {name.removeprefix("CUSTOMER_KIND_"): number for name, number in customer_pb2.CustomerKind.items()}
STATUSES = {name.removeprefix("CUSTOMER_STATUS_"): number for name, number in customer_pb2.CustomerStatus.items()}
STAGES = {name.removeprefix("LIFECYCLE_STAGE_"): number for name, number in customer_pb2.LifecycleStage.items()}
ADDRESS = tuple(field.name for field in customer_pb2.Address.DESCRIPTOR.fields)

_AS_STORED = (
    "display_name",
    "credit_code",
    "level",
    "industry",
    "source",
    "phones",
    "emails",
    "website",
    "tags",
    "quality_score",
    "remark",
    "external_id",
    "locked",
    "creator",
)
"""Fields whose values are those of the columns of the same name."""
_ALWAYS = frozenset({"name", "hidden_fields"})


def _address(row: Any) -> Any:
    return None if row.country is None else {part: getattr(row, part) for part in ADDRESS}  # all have a country


def _tags(row: Any) -> list[customer_pb2.CustomerTag]:
    by_rule = set(row.rule_tags)
    return [
        customer_pb2.CustomerTag(
            display_name=tag,
            origin=customer_pb2.TAG_ORIGIN_RULE if tag in by_rule else customer_pb2.TAG_ORIGIN_MANUAL,
        )
        for tag in row.tags
    ]


_MADE: Mapping[str, tuple[tuple[str, ...], Callable[[Any], Any]]] = {
    "kind": (("kind",), lambda row: KINDS[row.kind]),
    "identity_number": (("identity_number_shown",), lambda row: row.identity_number_shown),
    "owner": (("owner_id",), lambda row: make_name("users", row.owner_id)),
    "owner_department": (("owner_department_id",), lambda row: make_name("departments", row.owner_department_id)),
    "status": (("status",), lambda row: STATUSES[row.status]),
    "tag_details": (("tags", "rule_tags"), _tags),
    "lifecycle_stage": (("lifecycle_stage",), lambda row: STAGES[row.lifecycle_stage or UNSPECIFIED]),
    "last_follow_up_time": (("last_follow_up_time",), lambda row: time_of(row.last_follow_up_time)),
    "last_effective_follow_up_time": (
        ("last_effective_follow_up_time",),
        lambda row: time_of(row.last_effective_follow_up_time),
    ),
    "pool": (("pool_id",), lambda row: make_name("pools", row.pool_id)),
    "held_since": (("held_since", "create_time"), lambda row: time_of(row.held_since or row.create_time)),
    "etag": (("version",), lambda row: etag(row.version)),
    "create_time": (("create_time",), lambda row: time_of(row.create_time)),
    "update_time": (("update_time",), lambda row: time_of(row.update_time)),
    "address": (ADDRESS, _address),
}
"""The other fields: the columns that each takes, and how it is made of them."""
_CUSTOM = "custom_fields"
_FIELDS = frozenset({*_AS_STORED, *_MADE, _CUSTOM})


class CustomerReader:
    """Makes messages of rows, or of entities, with some of a customer's fields."""

    def __init__(self, fields: Iterable[str]) -> None:
        wanted = frozenset(fields)
        # More than one, so that what is got is a tuple always.
        self._stored = [name for name in _AS_STORED if name in wanted]
        self._get: Callable[[Any], tuple[Any, ...]] = attrgetter("id", "id", *self._stored)
        self._made = [(name, make) for name, (_, make) in _MADE.items() if name in wanted]
        self._custom = _CUSTOM in wanted
        taken = [column for name, (columns, _) in _MADE.items() if name in wanted for column in columns]
        self.columns = frozenset({"id", "version", *self._stored, *taken, *(("custom",) if self._custom else ())})
        """The columns that rows must have; two at least, since the rows of a single one are its values."""

    def message(self, row: Any) -> customer_pb2.Customer:
        """The customer of a row."""
        key, _, *stored = self._get(row)
        values = dict(zip(self._stored, stored, strict=True))
        for name, make in self._made:
            values[name] = make(row)
        message = customer_pb2.Customer(name=f"customers/{key}", **values)
        if self._custom and row.custom:
            message.custom_fields.update(row.custom)
        return message

    def messages(self, rows: Sequence[Any]) -> list[customer_pb2.Customer]:
        """The customers of SQLAlchemy's rows, whose values are found by name in half the time once they are plain."""
        if not rows:
            return []
        plain = _plain(tuple(rows[0]._fields))
        return [self.message(plain._make(row)) for row in rows]


@lru_cache(1000)
def _plain(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names)


WHOLE = CustomerReader(_FIELDS)


def reader_for(paths: Iterable[str]) -> CustomerReader:
    """What makes messages with the fields of a read mask (AIP-157), or whole ones for the empty mask.

    Raises Invalid INVALID_FIELD_MASK for what is no field of a customer.
    """
    wanted = frozenset(paths)
    if not wanted or wanted == {"*"}:
        return WHOLE
    if unknown := wanted - _FIELDS - _ALWAYS:
        message = f"customers have no field {min(unknown)[:100]!r} to answer"
        raise Invalid("INVALID_FIELD_MASK", message, field="read_mask")
    return _reader(wanted)


@lru_cache(1000)
def _reader(fields: frozenset[str]) -> CustomerReader:
    return CustomerReader(fields)
