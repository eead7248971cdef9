"""Which record goes to whom."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from crm.common.v1.filter_pb2 import Filter
from google.protobuf.json_format import ParseDict
from sqlalchemy import ColumnElement, case, literal, true

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.handover.entities import HandoverEntity
from chassis.names import parse_name

DEFAULT = 0
"""The number of the rule for what no other one fits."""


@dataclass(frozen=True)
class Rule:
    """A rule as a hand-over keeps it: its successors are named."""

    number: int
    """Its place in the list, the first being 1."""
    entity: str
    filter: Mapping[str, Any]
    """The JSON form of a `Filter`; empty for all."""
    successors: Sequence[UUID]

    @classmethod
    def read(cls, number: int, stored: Mapping[str, Any]) -> "Rule":
        """A rule from the JSON form of a `HandoverRule`."""
        successors = [parse_name("users", name, field="successors") for name in stored.get("successors", ())]
        return cls(number, stored.get("entity", ""), stored.get("filter") or {}, successors)


class Planned(NamedTuple):
    """A record, the number of the rule that fits it, and who gets it."""

    record_id: UUID
    rule: int
    successor_id: UUID


def read_rules(stored: Iterable[Mapping[str, Any]], default_successor: UUID) -> list[Rule]:
    """The rules in their order, followed by the one for all the rest."""
    rules = [Rule.read(number, rule) for number, rule in enumerate(stored, 1)]
    return [*rules, Rule(DEFAULT, "", {}, [default_successor])]


def rule_of_record(session: ServiceSession, entity: HandoverEntity, rules: Sequence[Rule]) -> ColumnElement[int]:
    """The number of the first rule that fits a record. Raises Invalid for a filter that makes no sense."""
    branches = [
        (_condition(session, entity, rule), rule.number)
        for rule in rules
        if rule.number != DEFAULT and rule.entity in ("", entity.name)
    ]
    return case(*branches, else_=DEFAULT) if branches else literal(DEFAULT)


def _condition(session: ServiceSession, entity: HandoverEntity, rule: Rule) -> ColumnElement[bool]:
    if not rule.filter:
        return true()
    try:
        return entity.matches(session, ParseDict(dict(rule.filter), Filter()))
    except Invalid as error:
        field = f"rules[{rule.number - 1}].{error.field or 'filter'}"
        raise Invalid(error.reason, error.message, field=field) from None


def deal(found: Iterable[tuple[UUID, int]], rules: Sequence[Rule], given: Counter[int]) -> list[Planned]:
    """Who gets each record, given with the number of its rule. The successors of a rule take turns.

    `given` says how many records each rule has dealt before, and counts on.
    """
    successors = {rule.number: rule.successors for rule in rules}
    planned = []
    for record_id, number in found:
        turns = successors[number]
        planned.append(Planned(record_id, number, turns[given[number] % len(turns)]))
        given[number] += 1
    return planned
