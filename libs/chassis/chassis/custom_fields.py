"""Fields that the company adds to an entity at run time.

A definition is a row of `custom_field`; the values are a JSONB column of the entity's own table, by key.
Definitions are read in the transaction that uses them, so that a change holds at once, everywhere.

Values as they are stored, and as clients see them:
- NUMBER: a JSON number if a double holds it exactly, else its decimal text. Either compares as a number.
- MONEY: `{amount: "1250.5", currency: "CNY"}`. USER, DEPARTMENT, REFERENCE: the resource name. SERIAL: its text.
- FORMULA, ROLLUP: as the type that they come to.
- DATE: `2026-01-31`. DATETIME: UTC, `2026-01-31T04:00:00Z`. PHONE: E.164. MULTI_CHOICE: a list in the options' order.
- No value: no key. Null, blank text and the empty list mean no value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Index, ScalarSelect, Text, bindparam, false, func, inspect, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Mapped, mapped_column

from chassis import audit, locks
from chassis.columns import AnyColumn
from chassis.custom_entities import Records
from chassis.custom_formulas import Formula, parse
from chassis.custom_shapes import check_kind, default_of, draft_violations, shape_violations
from chassis.custom_values import DEFAULT_LENGTH, FieldType, ValueRule
from chassis.db import ChassisTables, ServiceSession
from chassis.errors import Conflict, Duplicate, Exhausted, Invalid, NotFound
from chassis.etags import check_etag
from chassis.names import new_id
from chassis.paging import Page, SortKey, fetch_page, fingerprint, page_size
from chassis.prepared import Prepared
from chassis.snapshots import filled

MAX_FIELDS = 200


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
    unique: Mapped[bool] = mapped_column("is_unique", server_default=false())
    """True if no two records may have the same value."""
    help_text: Mapped[str] = mapped_column(Text, server_default="")
    default_value: Mapped[str] = mapped_column(Text, server_default="")
    """As people write it."""
    minimum: Mapped[str] = mapped_column(Text, server_default="")
    maximum: Mapped[str] = mapped_column(Text, server_default="")
    currency: Mapped[str] = mapped_column(Text, server_default="")
    collection: Mapped[str] = mapped_column(Text, server_default="")
    pattern: Mapped[str] = mapped_column(Text, server_default="")
    expression: Mapped[str] = mapped_column(Text, server_default="")
    result_type: Mapped[str] = mapped_column(Text, server_default="")
    """Of a FORMULA or ROLLUP, the name of the type that it comes to."""
    rollup: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    """Of a ROLLUP: `children`, `function` and `field`."""
    version: Mapped[int]
    create_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return f"customFields/{self.id}"

    @property
    def rule(self) -> ValueRule:
        """What its values must be."""
        return ValueRule(
            FieldType(self.type),
            tuple(self.options),
            self.max_length or DEFAULT_LENGTH,
            currency=self.currency,
            collection=self.collection,
            minimum=self.minimum,
            maximum=self.maximum,
        )

    @property
    def value_type(self) -> FieldType:
        """The type of the values themselves, which is another than the field's own if they are derived."""
        if self.type == FieldType.SERIAL:
            return FieldType.TEXT
        return FieldType(self.result_type if self.type in (FieldType.FORMULA, FieldType.ROLLUP) else self.type)

    @property
    def formula(self) -> Formula:
        """The expression of a FORMULA, read."""
        return parse(self.key, self.expression, FieldType(self.result_type))

    @property
    def default(self) -> Any:
        """The value of new records that state none; None for none."""
        return default_of(self.rule, self.default_value)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        fixed = {key: getattr(self, key) for key in ("entity", "key", "label", "type", *FIXED)}
        return filled(fixed | {key: getattr(self, key) for key in CHANGEABLE})


CHANGEABLE = (
    "label", "required", "options", "max_length", "archived", "unique", "help_text", "default_value", "minimum",
    "maximum", "expression", "rollup",
)  # fmt: skip
FIXED = ("currency", "collection", "pattern", "result_type")


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
    unique: bool = False
    help_text: str = ""
    default_value: str = ""
    minimum: str = ""
    maximum: str = ""
    currency: str = ""
    collection: str = ""
    pattern: str = ""
    expression: str = ""
    result_type: str = ""
    rollup: Mapping[str, str] | None = None


def list_fields(session: ServiceSession, entity: str) -> list[CustomField]:
    """All fields of an entity, archived ones too, in the order they were created."""
    statement = select(CustomField).where(CustomField.entity == entity).order_by(CustomField.id)
    return list(session.scalars(statement.execution_options(populate_existing=True)))


def fields_as_json(entity: str) -> ScalarSelect[Any]:
    """The same as one value, NULL for none, for statements that read other things, too. See `fields_from_json`."""
    row = CustomField.metadata.tables[CustomField.__tablename__].table_valued()
    every = select(func.json_agg(aggregate_order_by(row, CustomField.id)))
    return every.where(CustomField.entity == entity).scalar_subquery()


_MAPPER = inspect(CustomField)
_COLUMNS = [(column.key, column.columns[0].name) for column in _MAPPER.column_attrs]


def fields_from_json(rows: Iterable[Mapping[str, Any]] | None) -> list[CustomField]:
    """What `fields_as_json` has read. The fields are to be looked at, and belong to no session."""
    fields = []
    for row in rows or ():
        # As the ORM makes what it loads: the constructor notes each value as a change, at ten times the cost.
        field: CustomField = _MAPPER.class_manager.new_instance()
        field.__dict__.update({key: row[name] for key, name in _COLUMNS})
        field.__dict__.update(id=UUID(row["id"]), create_time=datetime.fromisoformat(row["create_time"]))
        fields.append(field)
    return fields


_ROWS = Prepared(
    select(*[getattr(CustomField, column.key).label(column.key) for column in _MAPPER.column_attrs])
    .where(CustomField.entity == bindparam("entity"))
    .order_by(CustomField.id)
)


def rows_of_fields(session: ServiceSession, entity: str) -> list[Any]:
    """All fields of an entity as plain rows, to be shown: what comes with records is read far more often than them."""
    return _ROWS.all(session, entity=entity)


def page_of_fields(session: ServiceSession, entity: str, *, size: int, token: str) -> Page[CustomField]:
    """A page of the same list."""
    statement = select(CustomField).where(CustomField.entity == entity)
    key = SortKey(CustomField.id, nullable=False)
    return fetch_page(session, statement, [key], page_size(size), token, fingerprint("custom_fields", entity))


def create_field(session: ServiceSession, draft: CustomFieldDraft, *, entities: Mapping[str, Records]) -> CustomField:
    """Define a field of one of the entities. Raises Invalid, Duplicate, Conflict FORMULA_CYCLE or Exhausted."""
    _lock_definitions(session, draft.entity)
    known = list_fields(session, draft.entity)
    violations = draft_violations(draft, entities)
    if violations:
        raise Invalid("INVALID_CUSTOM_FIELD", "the field cannot be defined like this", violations=violations)
    if any(other.key == draft.key for other in known):
        message = f"{draft.entity} has a field with the key {draft.key!r} already"
        raise Duplicate("DUPLICATE_KEY", message, field="custom_field.key")
    _check_label(draft.label.strip(), known)
    if len(known) >= MAX_FIELDS:
        raise Exhausted("TOO_MANY_CUSTOM_FIELDS", f"{draft.entity} may have at most {MAX_FIELDS} fields of its own")
    field = CustomField(
        **vars(draft)
        | {"id": new_id(), "label": draft.label.strip(), "options": list(draft.options)}
        | {"rollup": dict(draft.rollup) if draft.rollup else None, "help_text": draft.help_text.strip()},
        archived=False,
        version=1,
        create_time=session.now,
    )
    check_kind(session, field, entities[draft.entity], known)
    default_of(field.rule, field.default_value)
    session.add(field)
    session.flush()
    audit.record(session, "custom_field.create", field.name, None, field.snapshot())
    return field


def update_field(
    session: ServiceSession,
    field_id: UUID,
    changes: Mapping[str, Any],
    *,
    etag: str = "",
    entities: Mapping[str, Records],
) -> CustomField:
    """Change what is `CHANGEABLE` of a field.

    Raises NotFound, Stale, Invalid, Duplicate, Conflict FORMULA_CYCLE, OPTION_IN_USE if a removed option is some
    record's value, or VALUES_NOT_UNIQUE if records share a value that is to be unique.
    """
    entity = session.scalar(select(CustomField.entity).where(CustomField.id == field_id))
    if entity is None:
        raise NotFound("CUSTOM_FIELD_NOT_FOUND", "there is no such field")
    _lock_definitions(session, entity)
    field = session.get_one(CustomField, field_id, populate_existing=True)
    check_etag(etag, field.version)
    before, held = field.snapshot(), {key: getattr(field, key) for key in CHANGEABLE}
    after = held | {key: value for key, value in changes.items() if key in CHANGEABLE}
    after |= {"label": after["label"].strip(), "options": list(after["options"])}
    shape = {key: getattr(field, key) for key in FIXED} | after
    violations = shape_violations(FieldType(field.type), shape)
    if violations:
        raise Invalid("INVALID_CUSTOM_FIELD", "the field cannot be changed like this", violations=violations)
    if after == held:
        return field
    others = [other for other in list_fields(session, entity) if other.id != field_id]
    _check_label(after["label"], others)
    _check_removed_options(session, field, after["options"], entities[entity])
    if after["unique"] and not field.unique:
        _check_unique(session, field, entities[entity])
    with session.no_autoflush:
        for key, value in after.items():
            setattr(field, key, value)
        check_kind(session, field, entities[entity], others)
        default_of(field.rule, field.default_value)
    field.version += 1
    session.flush()
    audit.record(session, "custom_field.update", field.name, before, field.snapshot())
    return field


def _lock_definitions(session: ServiceSession, entity: str) -> None:
    # One change at a time per entity, so that limits and labels hold without a retry.
    locks.hold(session, f"custom_field {entity[:100]}")


def _check_label(label: str, others: Sequence[CustomField]) -> None:
    if any(other.label == label for other in others):
        raise Duplicate("DUPLICATE_LABEL", f"another field is called {label!r} already", field="custom_field.label")


def _check_removed_options(
    session: ServiceSession, field: CustomField, options: Sequence[str], records: Records
) -> None:
    for option in field.options:
        if option not in options and _in_use(session, records.values, field.key, option):
            message = f"the option {option!r} is some record's value; change those records first"
            raise Conflict("OPTION_IN_USE", message, field="custom_field.options", option=option)


def _in_use(session: ServiceSession, column: AnyColumn, key: str, option: str) -> bool:
    held = [column.bool_op("@>")(literal({key: value}, JSONB)) for value in (option, [option])]
    return bool(session.scalar(select(select(literal(1)).where(or_(*held)).exists())))


def _check_unique(session: ServiceSession, field: CustomField, records: Records) -> None:
    value = func.jsonb_extract_path_text(records.values, field.key, type_=Text)
    shared = select(value).where(value.is_not(None)).group_by(value).having(func.count() > 1).limit(1)
    if (found := session.scalar(shared)) is not None:
        message = f"several records have the value {found[:100]!r}; change those first"
        raise Conflict("VALUES_NOT_UNIQUE", message, field="custom_field.unique", value=found[:100])
