"""The values of records that have custom fields: judged when they are stated, derived when they are not.

Definitions are read in the transaction that uses them, so that a change holds at once, everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Numeric, cast, func, literal, select

from chassis import locks
from chassis.custom_entities import Children, Records, RollupFunction
from chassis.custom_fields import CustomField, list_fields
from chassis.custom_filters import json_holds
from chassis.custom_formulas import at_home, evaluate, in_order, seen
from chassis.custom_serials import SerialBook
from chassis.custom_values import COLLECTIONS, DERIVED, FieldType, ValueRule, normalise
from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation
from chassis.names import parse_name
from chassis.organisation import organisation

Values = Mapping[str, Any]


def validate(session: ServiceSession, records: Records, values: Values, *, current: Values | None) -> dict[str, Any]:
    """The values of one record, see `Judge`."""
    return Judge(session, records)(values, current=current) if current is None or values else dict(current)


class Judge:
    """Judges and derives the values of many records. Use it within one transaction only."""

    def __init__(self, session: ServiceSession, records: Records, fields: Sequence[CustomField] | None = None) -> None:
        """`fields` are all of the entity, as `list_fields` has them, if the transaction has read them already."""
        self._session, self._records = session, records
        self.fields = list_fields(session, records.entity) if fields is None else fields
        self._by_key = {field.key: field for field in self.fields}
        live = [field for field in self.fields if not field.archived]
        self._formulas = in_order(field.formula for field in live if field.type == FieldType.FORMULA)
        self._serials = {field.id: field for field in live if field.type == FieldType.SERIAL}
        self._defaults = {field.key: field.default for field in live if field.default is not None}
        self._required = [field for field in live if field.required]
        self._unique = [field for field in live if field.unique]
        self._referring = {
            field.key: COLLECTIONS.get(FieldType(field.type), field.collection)
            for field in live
            if field.type in (FieldType.USER, FieldType.DEPARTMENT, FieldType.REFERENCE)
        }
        self._rollups = [field for field in live if field.type == FieldType.ROLLUP]
        self._counts = {
            field.key: 0 for field in self._rollups if (field.rollup or {})["function"] == RollupFunction.COUNT
        }
        self._claimed: dict[tuple[str, str], UUID | None] = {}
        self._locked: set[UUID] = set()
        self._book = SerialBook(session)

    @property
    def derives(self) -> bool:
        """Whether new records are given anything."""
        return bool(self._formulas or self._serials or self._counts)

    @property
    def needs_database(self) -> bool:
        """Whether values are judged or derived by more than themselves and the definitions."""
        return bool(self._unique or self._referring or self._serials)

    def __call__(
        self, values: Values, *, current: Values | None = None, record_id: UUID | None = None
    ) -> dict[str, Any]:
        """The values that a record has from now on: the current ones, changed by the values given, as they are stored.

        `current` is None for a new record. A key whose value is None loses its value.
        Raises Invalid INVALID_CUSTOM_FIELDS with a violation for each key at fault, `custom_fields.{key}`.
        """
        stored = dict(current or {})
        violations: list[Violation] = []
        for key, value in values.items():
            field = self._by_key.get(key)
            if field is None:
                violations.append(Violation(_path(key), "UNKNOWN_FIELD", f"there is no field {key[:100]!r} here"))
            elif key not in stored or stored[key] != value:
                violations += _take(field, value, stored)
        if current is None:
            stored |= {key: value for key, value in self._defaults.items() if key not in values}
            violations += [_missing(field) for field in self._required if _lacks(field, stored, values)]
        if not violations and (self._unique or self._referring):
            changed = {key for key, value in stored.items() if current is None or current.get(key) != value}
            violations = [*self._unknown_records(stored, changed), *self._taken(stored, changed, record_id)]
        if violations:
            raise Invalid("INVALID_CUSTOM_FIELDS", "some values do not suit their fields", violations=violations)
        return stored

    def derive(self, stored: dict[str, Any], plain: Values) -> dict[str, Any]:
        """The values with those of the formulas. `plain` are the record's other fields that formulas take."""
        if not self._formulas:
            return stored
        values, zone = dict(stored), organisation(self._session).zone
        names = {name: at_home(value, zone) for name, value in plain.items()}
        names |= {field.key: seen(field.value_type, values.get(field.key), zone) for field in self.fields}
        for formula in self._formulas:
            value = evaluate(formula, names)
            names[formula.key] = seen(formula.result, value, zone)
            if value is None:
                values.pop(formula.key, None)
            else:
                values[formula.key] = value
        return values

    def number(self, stored: dict[str, Any]) -> dict[str, Any]:
        """The values of a new record with its serial numbers. Call `close` when all records have theirs."""
        if not self._serials:
            return stored | self._counts
        taken = self._book.take({key: field.pattern for key, field in self._serials.items()})
        return stored | self._counts | {self._serials[key].key: text for key, text in taken.items()}

    def close(self) -> None:
        """Write how far the serial numbers have come."""
        self._book.close()

    def rolls_up(self, children: str = "") -> bool:
        """Whether any field rolls up children, or those of a kind."""
        return any(not children or (field.rollup or {})["children"] == children for field in self._rollups)

    def roll_up(self, ids: Sequence[UUID], *children: str) -> dict[UUID, dict[str, Any]]:
        """The roll-ups of some records over all their children, or those of some kinds; None for no value."""
        rolled: dict[UUID, dict[str, Any]] = {key: {} for key in ids}
        for kind, source in self._records.children.items():
            fields = [field for field in self._rollups if (field.rollup or {})["children"] == kind]
            if fields and kind in (children or (kind,)):
                self._roll_up(source, fields, rolled)
        return rolled

    def _roll_up(self, source: Children, fields: Sequence[CustomField], rolled: dict[UUID, dict[str, Any]]) -> None:
        columns = [self._aggregate(source, field) for field in fields]
        statement = select(source.parent_id.label("parent"), *columns).select_from(source.source)
        statement = statement.where(source.parent_id.in_(rolled)).group_by(source.parent_id)
        if source.where is not None:
            statement = statement.where(source.where)
        found = {row[0]: row[1:] for row in self._session.execute(statement)}
        for key, values in rolled.items():
            for field, value in zip(fields, found.get(key, [None] * len(fields)), strict=True):
                counted = value is None and (field.rollup or {})["function"] == RollupFunction.COUNT
                kept = 0 if counted else value
                values[field.key] = None if kept is None else normalise(ValueRule(field.value_type), kept)

    def _aggregate(self, source: Children, field: CustomField) -> Any:
        given = field.rollup or {}
        if given["function"] == RollupFunction.COUNT:
            return func.count().label(field.key)
        found = source.find(self._session, given["field"])
        column: Any = literal(None) if found is None else found.column
        if field.value_type is FieldType.NUMBER:
            column = cast(column, Numeric())
        elif field.value_type is FieldType.DATE:
            column = cast(column, Date())
        return getattr(func, given["function"].lower())(column).label(field.key)

    def _unknown_records(self, stored: Values, changed: set[str]) -> list[Violation]:
        found = []
        for key in changed & self._referring.keys():
            collection = self._referring[key]
            record = parse_name(collection, stored[key])
            if record not in self._records.referable[collection](self._session, [record]):
                message = "there is no such record, or you may not see it"
                found.append(Violation(_path(key), "REFERENCE_NOT_FOUND", message))
        return found

    def _taken(self, stored: Values, changed: set[str], record_id: UUID | None) -> list[Violation]:
        found = []
        for field in self._unique:
            if field.key not in changed:
                continue
            self._lock(field)
            value = stored[field.key]
            claim = field.key, repr(value)
            others = select(literal(1)).where(json_holds(self._records.values, {field.key: value}))
            if record_id is not None:
                others = others.where(self._records.id != record_id)
            if claim in self._claimed or self._session.scalar(select(others.exists())):
                message = f"{field.label}: another record has this value already"
                found.append(Violation(_path(field.key), "VALUE_TAKEN", message))
            self._claimed[claim] = record_id
        return found

    def _lock(self, field: CustomField) -> None:
        # One writer of a unique field at a time, until it commits: the values are no rows of their own.
        if field.id not in self._locked:
            locks.hold(self._session, f"custom_value {field.id}")
            self._locked.add(field.id)


def _take(field: CustomField, value: Any, stored: dict[str, Any]) -> list[Violation]:
    """Put a changed value in its place, or say what is wrong with it."""
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        if field.type in DERIVED:
            return []
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
    return field.key not in stored and values.get(field.key) in (None, "", [])


def _missing(field: CustomField) -> Violation:
    return Violation(_path(field.key), "REQUIRED", f"{field.label} must have a value")


def _path(key: str) -> str:
    return f"custom_fields.{key[:100]}"
