"""The rules by which leads are scored: what they are (fit) and what was done with them (behaviour).

A score is the sum of the points of all rules, from 0 to 100. Of behaviour, points fade: after each half-life half of
them are left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from chassis.callers import Caller, service_caller
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.filters import FieldRegistry, filter_from_json
from sqlalchemy import ColumnElement, select

from leads.lead_queries import ENTITY, LEAD_FIELDS
from leads.model import ScoringRules

MOST_RULES = 50
MOST_POINTS = 100
MOST_DAYS = 365
MAX_TITLE = 100

_CONDITIONS = FieldRegistry([field for field in LEAD_FIELDS if field.name not in ("score", "grade")], entity=ENTITY)
"""What rules may tell leads by: all but what they give themselves."""


class Signal(StrEnum):
    """What was done with a lead. The names are those of `crm.leads.v1.ScoringSignal`."""

    CREATED = "CREATED"
    CAPTURED_AGAIN = "CAPTURED_AGAIN"
    FOLLOW_UP = "FOLLOW_UP"
    EFFECTIVE_FOLLOW_UP = "EFFECTIVE_FOLLOW_UP"
    REPLY = "REPLY"
    VISIT = "VISIT"


@dataclass(frozen=True)
class FitRule:
    """Points for leads that fulfil a condition."""

    title: str
    condition: Mapping[str, Any]
    """A filter over the fields of leads, in its JSON form."""
    points: int

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the condition tells of."""
        return tuple(sorted(_fields_in(self.condition)))

    def predicate(self, caller: Caller | None = None) -> ColumnElement[bool]:
        """The condition. Raises Invalid for one that is none, and Denied for one over what a caller's roles hide."""
        given = filter_from_json(dict(self.condition))
        return _CONDITIONS.where(given, path="fit.filter", caller=caller or service_caller("leads"))


@dataclass(frozen=True)
class BehaviourRule:
    """Points for each time that something was done."""

    title: str
    signal: str
    points: int
    half_life_days: float = 0
    """After how many days half of the points are left; 0 if they stay."""
    most_points: int = MOST_POINTS
    """What all of them come to at most, in either direction."""


@dataclass(frozen=True)
class Rules:
    """All of them, and from which score on a lead is of which grade."""

    fit: tuple[FitRule, ...]
    behaviour: tuple[BehaviourRule, ...]
    grade_a: int = 70
    grade_b: int = 50
    grade_c: int = 30

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Rules":
        """The rules as they are kept."""
        rules = dict(kept)
        fit = tuple(FitRule(**each) for each in rules.pop("fit"))
        return cls(fit, tuple(BehaviourRule(**each) for each in rules.pop("behaviour")), **rules)

    def to_json(self) -> dict[str, Any]:
        """The rules as they are kept."""
        kept = asdict(self)
        return kept | {"fit": list(kept["fit"]), "behaviour": list(kept["behaviour"])}

    def checked(self) -> "Rules":
        """The same, once they are known to make sense. Raises Invalid, naming the field."""
        if len(self.fit) > MOST_RULES or len(self.behaviour) > MOST_RULES:
            raise Invalid("TOO_MANY", f"at most {MOST_RULES} rules of a kind fit", field="rules")
        for fit in self.fit:
            _check(fit.title, fit.points, "fit")
            fit.predicate()
        for each in self.behaviour:
            _check(each.title, each.points, "behaviour")
            if each.signal not in Signal.__members__:
                message = f"it must be one of {', '.join(Signal.__members__)}"
                raise Invalid("UNKNOWN_VALUE", message, field="behaviour.signal")
            if not 0 <= each.half_life_days <= MOST_DAYS:
                raise Invalid("OUT_OF_RANGE", f"from 0 to {MOST_DAYS} days", field="behaviour.half_life_days")
            if not 1 <= each.most_points <= MOST_POINTS:
                raise Invalid("OUT_OF_RANGE", f"from 1 to {MOST_POINTS} points", field="behaviour.most_points")
        if not MOST_POINTS >= self.grade_a > self.grade_b > self.grade_c > 0:
            raise Invalid("INVALID_GRADES", "A begins above B, B above C, all from 1 to 100", field="grade_a")
        return self


def _fields_in(tree: Any) -> set[str]:
    if isinstance(tree, Mapping):
        own = {tree["field"]} if isinstance(tree.get("field"), str) else set()
        return own.union(*(_fields_in(each) for each in tree.values()))
    return set().union(*(_fields_in(each) for each in tree)) if isinstance(tree, list | tuple) else set()


def _check(title: str, points: int, field: str) -> None:
    if not 0 < len(title.strip()) <= MAX_TITLE:
        raise Invalid("REQUIRED", f"say what it is for, in up to {MAX_TITLE} characters", field=f"{field}.title")
    if not 0 < abs(points) <= MOST_POINTS:
        raise Invalid("OUT_OF_RANGE", f"from 1 to {MOST_POINTS} points, or as many off", field=f"{field}.points")


def _there(field: str) -> dict[str, Any]:
    return {"condition": {"field": field, "operator": "OPERATOR_IS_NOT_EMPTY"}}


DEFAULT = Rules(
    fit=(
        FitRule("留有电话", _there("phones"), 15),
        FitRule("留有公司名称", _there("company_name"), 10),
        FitRule("说明了需求", _there("requirement"), 15),
        FitRule("留有邮箱或微信", {"any": {"filters": [_there("emails"), _there("wechat")]}}, 5),
        FitRule("已知行业", _there("industry"), 5),
    ),
    behaviour=(
        BehaviourRule("新进线索", Signal.CREATED, 10, half_life_days=7, most_points=10),
        BehaviourRule("再次留资", Signal.CAPTURED_AGAIN, 15, half_life_days=7, most_points=15),
        BehaviourRule("有效跟进", Signal.EFFECTIVE_FOLLOW_UP, 10, half_life_days=14, most_points=20),
        BehaviourRule("客户回应", Signal.REPLY, 15, half_life_days=14, most_points=30),
        BehaviourRule("上门拜访", Signal.VISIT, 10, half_life_days=30, most_points=20),
    ),
)
"""What holds until the company sets rules of its own."""


@dataclass(frozen=True)
class KeptRules:
    """The rules in force."""

    rules: Rules
    version: int
    update_time: datetime | None
    """None for the default."""


def rules_in_force(session: ServiceSession) -> KeptRules:
    """The company's rules, or the default."""
    row = session.execute(select(ScoringRules.version, ScoringRules.rules, ScoringRules.update_time)).one_or_none()
    return (
        KeptRules(DEFAULT, 0, None)
        if row is None
        else KeptRules(Rules.from_json(row.rules), row.version, row.update_time)
    )


def grade_names() -> Sequence[str]:
    """The grades, the best first."""
    return ("A", "B", "C", "D")
