"""Fields that the company adds to an entity at run time.

A definition is a row of `custom_field`; the values are a JSONB column of the entity's own table, by key.
Definitions are read in the transaction that uses them, so that a change holds at once, everywhere.

Values as they are stored, and as clients see them:
- NUMBER: a JSON number if a double holds it exactly, else its decimal text. Either compares as a number.
- DATE: `2026-01-31`. DATETIME: UTC, `2026-01-31T04:00:00Z`. PHONE: E.164. MULTI_CHOICE: a list in the options' order.
- No value: no key. Null, blank text and the empty list mean no value.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Date, Index, Numeric, Text, cast, false, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Boolean

from chassis import audit
from chassis.columns import AnyColumn
from chassis.custom_values import DEFAULT_LENGTH, MAX_LENGTH, FieldType, ValueRule, normalise
from chassis.db import ChassisTables, ServiceSession, UtcDateTime
from chassis.errors import Conflict, Duplicate, Exhausted, Invalid, NotFound, Violation
from chassis.etags import check_etag
from chassis.filters import Field, FieldKind
from chassis.names import new_id
from chassis.paging import Page, SortKey, fetch_page, fingerprint, page_size

MAX_FIELDS = 200
MAX_OPTIONS = 200
MAX_LABEL = 100
PREFIX = "custom."
"""What the name of a custom field begins with in filters."""

Values = Mapping[str, Any]
InUse = Callable[[str, str], bool]
"""Says whether any record has an option: `in_use(key, option)`."""


class CustomField(ChassisTables):
    """The definition of a field."""

    __tablename__ = "custom_field"
    __table_args__ = (
        Index("uq_custom_field_key", "entity", "key", unique=True),
        Index("uq_custom_field_label", "entity", "label", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    entity: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    """The name of a `FieldType`."""
    required: Mapped[bool]
    options: Mapped[list[str]] = mapped_column(ARRAY(Text))
    max_length: Mapped[int]
    archived: Mapped[bool]
    version: Mapped[int]
    create_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return f"customFields/{self.id}"

    @property
    def rule(self) -> ValueRule:
        """What its values must be."""
        return ValueRule(FieldType(self.type), tuple(self.options), self.max_length or DEFAULT_LENGTH)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {key: getattr(self, key) for key in ("entity", "key", "label", "type", *CHANGEABLE)}


CHANGEABLE = ("label", "required", "options", "max_length", "archived")


@dataclass(frozen=True)
class CustomFieldDraft:
    """What is stated about a new field."""

    entity: str
    key: str
    label: str
    type: str
    required: bool = False
    options: Sequence[str] = ()
    max_length: int = 0


def list_fields(session: ServiceSession, entity: str) -> list[CustomField]:
    """All fields of an entity, archived ones too, in the order they were created."""
    statement = select(CustomField).where(CustomField.entity == entity).order_by(CustomField.id)
    return list(session.scalars(statement.execution_options(populate_existing=True)))


def page_of_fields(session: ServiceSession, entity: str, *, size: int, token: str) -> Page[CustomField]:
    """A page of the same list."""
    statement = select(CustomField).where(CustomField.entity == entity)
    key = SortKey(CustomField.id, nullable=False)
    return fetch_page(session, statement, [key], page_size(size), token, fingerprint("custom_fields", entity))


def create_field(session: ServiceSession, draft: CustomFieldDraft, *, entities: Collection[str]) -> CustomField:
    """Define a field of one of the entities. Raises Invalid, Duplicate or Exhausted."""
    _lock_definitions(session, draft.entity)
    known = list_fields(session, draft.entity)
    violations = _violations(draft, entities)
    if violations:
        raise Invalid("INVALID_CUSTOM_FIELD", "the field cannot be defined like this", violations=violations)
    if any(other.key == draft.key for other in known):
        message = f"{draft.entity} has a field with the key {draft.key!r} already"
        raise Duplicate("DUPLICATE_KEY", message, field="custom_field.key")
    _check_label(draft.label.strip(), known)
    if len(known) >= MAX_FIELDS:
        raise Exhausted("TOO_MANY_CUSTOM_FIELDS", f"{draft.entity} may have at most {MAX_FIELDS} fields of its own")
    field = CustomField(
        id=new_id(),
        entity=draft.entity,
        key=draft.key,
        label=draft.label.strip(),
        type=draft.type,
        required=draft.required,
        options=list(draft.options),
        max_length=draft.max_length,
        archived=False,
        version=1,
        create_time=session.now,
    )
    session.add(field)
    session.flush()
    audit.record(session, "custom_field.create", field.name, None, field.snapshot())
    return field


def update_field(
    session: ServiceSession, field_id: UUID, changes: Mapping[str, Any], *, etag: str = "", in_use: InUse
) -> CustomField:
    """Change a field's label, required, options, max_length or archived.

    Raises NotFound, Stale, Invalid, Duplicate, or Conflict OPTION_IN_USE if a removed option is some record's value.
    """
    entity = session.scalar(select(CustomField.entity).where(CustomField.id == field_id))
    if entity is None:
        raise NotFound("CUSTOM_FIELD_NOT_FOUND", "there is no such field")
    _lock_definitions(session, entity)
    field = session.get_one(CustomField, field_id, populate_existing=True)
    check_etag(etag, field.version)
    before = field.snapshot()
    after = {key: changes.get(key, before[key]) for key in CHANGEABLE}
    after |= {"label": after["label"].strip(), "options": list(after["options"])}
    violations = _shape_violations(FieldType(field.type), after["label"], after["options"], after["max_length"])
    if violations:
        raise Invalid("INVALID_CUSTOM_FIELD", "the field cannot be changed like this", violations=violations)
    _check_label(after["label"], [other for other in list_fields(session, entity) if other.id != field_id])
    _check_removed_options(field, after["options"], in_use)
    if after != {key: before[key] for key in CHANGEABLE}:
        for key, value in after.items():
            setattr(field, key, value)
        field.version += 1
        session.flush()
        audit.record(session, "custom_field.update", field.name, before, field.snapshot())
    return field


def option_in_use(session: ServiceSession, column: AnyColumn) -> InUse:
    """`in_use` for a JSONB column of values. A GIN index on it with `jsonb_path_ops` serves it."""

    def in_use(key: str, option: str) -> bool:
        found = _json_holds(column, {key: option}) | _json_holds(column, {key: [option]})
        return bool(session.scalar(select(select(literal(1)).where(found).exists())))

    return in_use


def validator(session: ServiceSession, entity: str) -> Callable[..., dict[str, Any]]:
    """`validate` for many records: the definitions are read once, so use it within one transaction only."""
    fields = list_fields(session, entity)

    def judge(values: Values, *, current: Values | None = None) -> dict[str, Any]:
        return _validated(fields, values, current)

    return judge


def validate(session: ServiceSession, entity: str, values: Values, *, current: Values | None) -> dict[str, Any]:
    """The values that a record has from now on: the current ones, changed by the values given, as they are stored.

    `current` is None for a new record. A key whose value is None loses its value.
    Raises Invalid INVALID_CUSTOM_FIELDS with a violation for each key at fault, `custom_fields.{key}`.
    """
    if current is None or values:
        return _validated(list_fields(session, entity), values, current)
    return dict(current)


def dynamic_field(session: ServiceSession, entity: str, name: str, column: AnyColumn) -> Field | None:
    """The field for filters on `custom.{key}`, over the JSONB column of the values.

    Equality, the IN operators and, for lists, CONTAINS are served by a GIN index with `jsonb_path_ops`.
    """
    key = name.removeprefix(PREFIX)
    if key == name:
        return None
    statement = select(CustomField).where(CustomField.entity == entity, CustomField.key == key)
    found = session.scalar(statement.execution_options(populate_existing=True))
    if found is None:
        return None
    kind, as_type = _FILTERED[FieldType(found.type)]
    value = func.jsonb_extract_path_text(column, key, type_=Text)
    listed, rule = kind is FieldKind.TEXT_LIST, found.rule

    def holds(wanted: Any) -> Any:
        try:
            as_stored = wanted if rule.type in _LOOSE else normalise(rule, wanted)
        except Invalid:  # a number that is too long to be stored
            return false()
        return _json_holds(column, {key: [as_stored] if listed else as_stored})

    typed = cast(value, as_type) if as_type is not None else value
    return Field(name, kind, typed, choices=found.options, holds=holds, index="the GIN index of the values")


_LOOSE = frozenset(
    {FieldType.TEXT, FieldType.CHOICE, FieldType.MULTI_CHOICE, FieldType.PHONE, FieldType.EMAIL, FieldType.URL}
)
"""The types whose filter values are the stored text itself, also when it is none that could be stored now."""

_FILTERED: Mapping[FieldType, tuple[FieldKind, Any]] = {
    FieldType.TEXT: (FieldKind.TEXT, None),
    FieldType.NUMBER: (FieldKind.NUMBER, Numeric()),
    FieldType.BOOLEAN: (FieldKind.BOOLEAN, Boolean()),
    FieldType.DATE: (FieldKind.DATE, Date()),
    FieldType.DATETIME: (FieldKind.TIME, UtcDateTime()),
    FieldType.CHOICE: (FieldKind.ENUM, None),
    FieldType.MULTI_CHOICE: (FieldKind.TEXT_LIST, None),
    FieldType.PHONE: (FieldKind.TEXT, None),
    FieldType.EMAIL: (FieldKind.TEXT, None),
    FieldType.URL: (FieldKind.TEXT, None),
}


def _json_holds(column: AnyColumn, part: dict[str, Any]) -> Any:
    return column.bool_op("@>")(literal(part, JSONB))


def _validated(fields: Sequence[CustomField], values: Values, current: Values | None) -> dict[str, Any]:
    by_key = {field.key: field for field in fields}
    stored = dict(current or {})
    violations: list[Violation] = []
    for key, value in values.items():
        field = by_key.get(key)
        if field is None:
            violations.append(Violation(_path(key), "UNKNOWN_FIELD", f"there is no field {key[:100]!r} here"))
        elif key not in stored or stored[key] != value:
            violations += _take(field, value, stored)
    if current is None:
        violations += [_missing(field) for field in fields if _lacks(field, stored, values)]
    if violations:
        raise Invalid("INVALID_CUSTOM_FIELDS", "some values do not suit their fields", violations=violations)
    return stored


def _take(field: CustomField, value: Any, stored: dict[str, Any]) -> list[Violation]:
    """Put a changed value in its place, or say what is wrong with it."""
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        had = stored.pop(field.key, None) is not None
        return [_missing(field)] if had and field.required and not field.archived else []
    try:
        kept = normalise(field.rule, value)
    except Invalid as error:
        return [Violation(_path(field.key), error.reason, f"{field.label}: {error.message}")]
    if field.archived and stored.get(field.key) != kept:
        return [Violation(_path(field.key), "ARCHIVED_FIELD", f"{field.label} takes no new values")]
    stored[field.key] = kept
    return []


def _lacks(field: CustomField, stored: Values, values: Values) -> bool:
    blank = field.key not in stored and values.get(field.key) in (None, "", [])
    return field.required and not field.archived and blank


def _missing(field: CustomField) -> Violation:
    return Violation(_path(field.key), "REQUIRED", f"{field.label} must have a value")


def _path(key: str) -> str:
    return f"custom_fields.{key[:100]}"


def _lock_definitions(session: ServiceSession, entity: str) -> None:
    # One change at a time per entity, so that limits and labels hold without a retry.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"custom_field {entity[:100]}", 0))))


def _violations(draft: CustomFieldDraft, entities: Collection[str]) -> list[Violation]:
    found = []
    if draft.entity not in entities:
        message = f"fields can be added to {', '.join(sorted(entities))}"
        found.append(Violation("custom_field.entity", "UNKNOWN_ENTITY", message))
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", draft.key, re.ASCII):
        message = "a key is a lower-case letter, then letters, digits or _, at most 63 in all"
        found.append(Violation("custom_field.key", "INVALID_KEY", message))
    if draft.type not in FieldType.__members__:
        return [*found, Violation("custom_field.type", "INVALID_TYPE", "state the type of the values")]
    return found + _shape_violations(FieldType(draft.type), draft.label.strip(), draft.options, draft.max_length)


def _shape_violations(kind: FieldType, label: str, options: Sequence[str], max_length: int) -> list[Violation]:
    found = []
    if not 1 <= len(label) <= MAX_LABEL or not label.isprintable():
        found.append(Violation("custom_field.label", "INVALID_LABEL", f"a label has 1 to {MAX_LABEL} characters"))
    if not 0 <= max_length <= MAX_LENGTH or (max_length and kind is not FieldType.TEXT):
        message = f"only a text has a greatest length, from 1 to {MAX_LENGTH}"
        found.append(Violation("custom_field.max_length", "INVALID_MAX_LENGTH", message))
    fitting = all(option.strip() == option and 1 <= len(option) <= MAX_LABEL for option in options)
    count_fits = 1 <= len(options) <= MAX_OPTIONS if kind in _CHOICES else not options
    if not fitting or not count_fits or len(set(options)) < len(options):
        message = f"a choice has 1 to {MAX_OPTIONS} different options of 1 to {MAX_LABEL} characters, other types none"
        found.append(Violation("custom_field.options", "INVALID_OPTIONS", message))
    return found


_CHOICES = (FieldType.CHOICE, FieldType.MULTI_CHOICE)


def _check_label(label: str, others: Sequence[CustomField]) -> None:
    if any(other.label == label for other in others):
        raise Duplicate("DUPLICATE_LABEL", f"another field is called {label!r} already", field="custom_field.label")


def _check_removed_options(field: CustomField, options: Sequence[str], in_use: InUse) -> None:
    for option in field.options:
        if option not in options and in_use(field.key, option):
            message = f"the option {option!r} is some record's value; change those records first"
            raise Conflict("OPTION_IN_USE", message, field="custom_field.options", option=option)
