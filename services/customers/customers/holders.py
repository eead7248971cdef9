"""Who holds customers, and what becomes of them when they change hands, as it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from chassis.copying import text_array
from chassis.names import make_name
from chassis.snapshots import filled

from customers.model.pools import ChangeKind
from customers.owners import Owner


@dataclass(frozen=True)
class Holder:
    """Who holds a customer from now on."""

    owner: Owner | None = None
    pool_id: UUID | None = None
    label: str = ""
    """What people call the pool."""
    closes_plans: bool = False
    """Whether the plans of the former owner end."""

    @property
    def name(self) -> str:
        """The resource name of the user or pool; empty for nobody."""
        return make_name("users", self.owner.id) if self.owner else make_name("pools", self.pool_id)

    @property
    def display_name(self) -> str:
        """What people call it."""
        return self.owner.display_name if self.owner else self.label or "-"


@dataclass(frozen=True)
class Occasion:
    """How and why customers change hands."""

    kind: ChangeKind
    reason: str = ""
    note: str = ""
    rule: str = ""


class Held(NamedTuple):
    """A customer, locked for a change of its holder."""

    id: UUID
    kind: str
    display_name: str
    credit_code: str | None
    status: str
    level: str | None
    owner_id: UUID | None
    owner_department_path: str | None
    pool_id: UUID | None
    pool_entry_time: datetime | None
    held_since: datetime | None
    locked: bool
    version: int
    create_time: datetime
    last_follow_up_time: datetime | None

    @classmethod
    def of(cls, row: Any) -> Self:
        """The same from any row of customers, which is not locked."""
        return cls(*[getattr(row, field) for field in cls._fields])

    @property
    def name(self) -> str:
        """The resource name."""
        return f"customers/{self.id}"

    @property
    def since(self) -> datetime:
        """Since when the holder has held it."""
        return self.held_since or self.create_time

    @property
    def holder_name(self) -> str:
        """The resource name of the user or pool that holds it; empty for nobody."""
        return make_name("users", self.owner_id) or make_name("pools", self.pool_id)


Move = tuple[Held, Holder]


class Way:
    """From one holder to another on an occasion: what is the same for many customers, made once."""

    def __init__(self, customer: Held, to: Holder, occasion: Occasion) -> None:
        self.to, owner = to, to.owner
        self.from_owner = make_name("users", customer.owner_id)
        self.from_pool = make_name("pools", customer.pool_id)
        self.to_owner = make_name("users", owner.id) if owner else ""
        self.to_path = (owner.department_path or "") if owner else ""
        self.to_pool = make_name("pools", to.pool_id)
        before = {"owner": self.from_owner, "pool": self.from_pool}
        after = {"owner": self.to_owner, "pool": self.to_pool}
        changed = [key for key in before if before[key] != after[key]]
        why = {"reason": occasion.reason, "note": occasion.note, "rule": occasion.rule}
        self.before = {key: before[key] for key in changed}
        self.after = filled({key: after[key] for key in changed} | why)
        # As elements of arrays in the database's text form.
        self.previous_user, self.previous_pool = _element(customer.owner_id), _element(customer.pool_id)
        self.user, self.pool = _element(owner.id if owner else None), _element(to.pool_id)
        self.department = _element(owner.department_id if owner else None)
        self.path = text_array([owner.department_path if owner else None])[1:-1]

    def details(self, occasion: Occasion) -> dict[str, str]:
        """What the timeline tells."""
        return {
            "previous_owner": self.from_owner,
            "previous_pool": self.from_pool,
            "owner": self.to_owner,
            "pool": self.to_pool,
            "change": occasion.kind,
            "reason": occasion.reason,
            "note": occasion.note,
        }


def _element(key: UUID | None) -> str:
    return "NULL" if key is None else str(key)


class Step(NamedTuple):
    """A customer that goes a way."""

    customer: Held
    key: str
    """The text of its id."""
    way: Way


def steps_of(moves: Sequence[Move], occasion: Occasion) -> list[Step]:
    """The steps that moves are, with one way for all that go from the same holder to the same."""
    ways: dict[tuple[UUID | None, UUID | None, int], Way] = {}
    steps = []
    for customer, to in moves:
        between = customer.owner_id, customer.pool_id, id(to)
        way = ways.get(between)
        if way is None:
            way = ways[between] = Way(customer, to, occasion)
        steps.append(Step(customer, str(customer.id), way))
    return steps
