"""Who gets what somebody who leaves was responsible for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import make_name
from sqlalchemy import select

from identity.model import Department, User, UserState

SERVICES: Mapping[str, str] = {
    "customer": "customers",
    "customer_theatre": "customers",
    "follow_up": "leads",
    "lead": "leads",
    "plan": "leads",
    "task": "leads",
}
"""The kinds of records that are handed over, with the service that owns each."""
MOST_RULES = 100
MOST_SUCCESSORS = 50


@dataclass(frozen=True)
class Rule:
    """A rule as its author states it."""

    entity: str = ""
    filter: Mapping[str, Any] = field(default_factory=dict)
    """The JSON form of a `Filter`; the service that owns the entity judges it."""
    successors: Sequence[UUID] = ()
    department_head: bool = False


@dataclass(frozen=True)
class Plan:
    """Who gets what, as its author states it."""

    rules: Sequence[Rule] = ()
    default_successor_id: UUID | None = None


@dataclass(frozen=True)
class Succession:
    """Who gets what, each successor named."""

    rules: list[dict[str, Any]]
    """`HandoverRule`s in their JSON form."""
    default_successor_id: UUID

    def filtered_services(self) -> set[str]:
        """The services that must judge a filter."""
        return {SERVICES[rule["entity"]] for rule in self.rules if rule.get("filter")}


def settle(session: ServiceSession, user: User, plan: Plan) -> Succession:
    """Name the successors, who stay share-locked. Raises Invalid, naming the field, for what cannot be right."""
    if len(plan.rules) > MOST_RULES:
        raise Invalid("TOO_MANY_RULES", f"at most {MOST_RULES} rules fit", field="rules")
    head_id = department_head(session, user)
    successors = [_successors(rule, f"rules[{at}]", head_id) for at, rule in enumerate(plan.rules)]
    default_id = plan.default_successor_id or head_id
    if default_id is None:
        message = "nobody heads the department or one above it: name who gets what no rule fits"
        raise Invalid("REQUIRED", message, field="default_successor")
    named = {f"rules[{at}].successors": ids for at, ids in enumerate(successors)}
    require_successors(session, user, named | {"default_successor": [default_id]})
    rules = [_stored(rule, ids) for rule, ids in zip(plan.rules, successors, strict=True)]
    return Succession(rules, default_id)


def department_head(session: ServiceSession, user: User) -> UUID | None:
    """The head of the user's department, or of the next one above that has another head who may sign in."""
    above = [UUID(part) for part in user.department_path.rstrip("/").split("/")]
    heads = (
        select(Department.path, Department.head_id)
        .join(User, User.id == Department.head_id)
        .where(
            Department.id.in_(above),
            Department.head_id != user.id,
            User.partner_id.is_(None),
            User.state == UserState.ACTIVE,
        )
    )
    found = sorted(session.execute(heads), key=lambda row: len(row.path))
    return found[-1].head_id if found else None


def require_successors(session: ServiceSession, user: User, named: Mapping[str, Sequence[UUID]]) -> None:
    """Raise Invalid for a successor who cannot take over, by the field that names them."""
    ids = {key for keys in named.values() for key in keys}
    kept = select(User).where(User.id.in_(ids)).order_by(User.id).with_for_update(read=True, key_share=True)
    found = {one.id: one for one in session.scalars(kept)}
    for at, keys in named.items():
        for key in keys:
            successor, name = found.get(key), make_name("users", key)
            if key == user.id:
                raise Invalid("LEAVER_AS_SUCCESSOR", "whoever leaves cannot take over", field=at)
            if successor is None or successor.partner_id is not None:
                raise Invalid("UNKNOWN_SUCCESSOR", f"there is no colleague {name}", field=at)
            if not successor.active:
                raise Invalid("INACTIVE_SUCCESSOR", f"{name} may not sign in; name somebody else", field=at)


def _successors(rule: Rule, at: str, head_id: UUID | None) -> list[UUID]:
    if rule.entity and rule.entity not in SERVICES:
        message = f"there are no records called {rule.entity[:50]!r}; there are {', '.join(SERVICES)}"
        raise Invalid("UNKNOWN_ENTITY", message, field=f"{at}.entity")
    if rule.filter and not rule.entity:
        raise Invalid("REQUIRED", "say what kind of records the filter is for", field=f"{at}.entity")
    if rule.department_head and not rule.successors:
        if head_id is None:
            message = "nobody heads the department or one above it: name the successors"
            raise Invalid("NO_DEPARTMENT_HEAD", message, field=f"{at}.department_head")
        return [head_id]
    if rule.department_head or not 1 <= len(rule.successors) <= MOST_SUCCESSORS:
        message = f"name from 1 to {MOST_SUCCESSORS} successors, or the head of the department"
        raise Invalid("INVALID_SUCCESSORS", message, field=f"{at}.successors")
    return list(dict.fromkeys(rule.successors))


def _stored(rule: Rule, successors: Sequence[UUID]) -> dict[str, Any]:
    stored: dict[str, Any] = {"successors": [make_name("users", key) for key in successors]}
    if rule.entity:
        stored["entity"] = rule.entity
    if rule.filter:
        stored["filter"] = dict(rule.filter)
    return stored
