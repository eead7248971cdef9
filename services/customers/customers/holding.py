"""Who holds a customer: an owner, a pool, or nobody. Every change of the holder goes through `hand_over`.

A change is set-based: one statement per table for any number of customers, since pools take and give them by the
thousand. The caller has locked the rows (`lock_held`), which makes the changes of a customer one sequence: each begins
where the one before ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

import orjson
from chassis import audit, notifications, outbox
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.snapshots import filled
from sqlalchemy import ColumnElement, Select, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from customers.days import today
from customers.events import CustomersHandedOver, CustomerState, HandedOver
from customers.model import Customer, TimelineKind
from customers.model.pools import ChangeKind
from customers.owners import Owner

CHANGES_PER_EVENT = 500

ACTIONS = {
    ChangeKind.TRANSFERRED: "transfer",
    ChangeKind.CLAIMED: "claim",
    ChangeKind.ASSIGNED: "assign",
    ChangeKind.RELEASED: "release",
    ChangeKind.RECALLED: "recall",
    ChangeKind.RECYCLED: "recycle",
    ChangeKind.MOVED: "move",
    ChangeKind.HANDED_OVER: "hand_over",
    ChangeKind.DELETED: "delete",
    ChangeKind.MERGED: "merge",
    ChangeKind.RESTORED: "restore",
}
"""What the audit log calls each change."""


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


HELD: Select[Any] = select(*[Customer.__table__.c[column] for column in Held._fields])


def lock_held(session: ServiceSession, *conditions: ColumnElement[bool], skip_locked: bool = False) -> list[Held]:
    """The customers that fulfil the conditions, locked, by id: always in this order, so that no two wait for each
    other. Those that others have locked can be passed over instead."""
    statement = HELD.where(*conditions).order_by(Customer.__table__.c.id).with_for_update(skip_locked=skip_locked)
    return [Held._make(row) for row in session.connection().execute(statement)]


Move = tuple[Held, Holder]


def hand_over(session: ServiceSession, customers: Sequence[Held], to: Holder, occasion: Occasion) -> None:
    """Give customers to a holder: ledger, timeline, audit, events and notifications included."""
    hand_over_each(session, [(customer, to) for customer in customers], occasion)


def hand_over_each(
    session: ServiceSession,
    moves: Sequence[Move],
    occasion: Occasion,
    *,
    events: Sequence[Any] | None = None,
    notify: bool = True,
) -> None:
    """Give each customer to its holder, all on one occasion. `events` tell of it instead of CustomersHandedOver.

    Without `notify` the caller tells the new owners itself, e.g. once for many parts.
    """
    if not moves:
        return
    _update(session, moves)
    _keep_ledger(session, moves, occasion, today(session))
    _tell_timeline(session, moves, occasion)
    audit.record_all(session, [_audited(customer, to, occasion) for customer, to in moves])
    outbox.emit_all(session, list(_events(session, moves, occasion)) if events is None else events)
    if notify:
        _notify(session, moves, occasion)


def forget_holder(session: ServiceSession, customer: Held, kind: ChangeKind) -> None:
    """Close the ledger of a customer that goes away."""
    forget_holders(session, [customer], kind)


def forget_holders(session: ServiceSession, customers: Sequence[Held], kind: ChangeKind) -> None:
    """Close the ledger of customers that go away."""
    _keep_ledger(session, [(customer, Holder()) for customer in customers], Occasion(kind), today(session))


def restore_holders(session: ServiceSession, restored: Sequence[tuple[Held, Customer]]) -> None:
    """Go on with the ledger of customers that are there again: each as it went, and as it is."""
    moves = [
        (gone, Holder(Owner(now.owner_id, "", None, None) if now.owner_id else None, now.pool_id))
        for gone, now in restored
    ]
    _keep_ledger(session, moves, Occasion(ChangeKind.RESTORED), today(session))


_UPDATE = text(
    """
    UPDATE customer SET owner_id = new.owner_id, owner_department_id = new.department_id,
      owner_department_path = new.path, pool_id = new.pool_id,
      pool_entry_time = CASE WHEN new.pool_id IS NULL THEN NULL ELSE :now END,
      held_since = :now, locked = false, version = customer.version + 1, update_time = :now
    FROM unnest(:ids, :owners, :departments, CAST(:paths AS text[]), :pools)
      AS new (id, owner_id, department_id, path, pool_id)
    WHERE customer.id = new.id
    """
).bindparams(*[bindparam(name, type_=ARRAY(Customer.id.type)) for name in ("ids", "owners", "departments", "pools")])


def _update(session: ServiceSession, moves: Sequence[Move]) -> None:
    owners = [to.owner for _, to in moves]
    session.execute(
        _UPDATE,
        {
            "now": session.now,
            "ids": [customer.id for customer, _ in moves],
            "owners": [owner and owner.id for owner in owners],
            "departments": [owner and owner.department_id for owner in owners],
            "paths": [owner and owner.department_path for owner in owners],
            "pools": [to.pool_id for _, to in moves],
        },
    )


_LEDGER = text(
    """
    INSERT INTO holding_change (customer_id, kind, previous_user_id, previous_pool_id, previous_since, user_id,
      pool_id, time, day, actor, reason, note, rule)
    SELECT customer_id, :kind, previous_user_id, previous_pool_id, previous_since, user_id, pool_id, :now, :day,
      :actor, :reason, :note, :rule
    FROM unnest(:customers, :previous_users, :previous_pools, CAST(:since AS timestamptz[]), :users, :pools)
      AS change (customer_id, previous_user_id, previous_pool_id, previous_since, user_id, pool_id)
    """
).bindparams(
    *[
        bindparam(name, type_=ARRAY(Customer.id.type))
        for name in ("customers", "previous_users", "previous_pools", "users", "pools")
    ]
)


def _keep_ledger(session: ServiceSession, moves: Sequence[Move], occasion: Occasion, day: date) -> None:
    session.execute(
        _LEDGER,
        {
            "kind": occasion.kind,
            "now": session.now,
            "day": day,
            "actor": session.caller.subject,
            "reason": occasion.reason,
            "note": occasion.note,
            "rule": occasion.rule,
            "customers": [customer.id for customer, _ in moves],
            "previous_users": [customer.owner_id for customer, _ in moves],
            "previous_pools": [customer.pool_id for customer, _ in moves],
            "since": [customer.since for customer, _ in moves],
            "users": [to.owner and to.owner.id for _, to in moves],
            "pools": [to.pool_id for _, to in moves],
        },
    )


_TIMELINE = text(
    """
    INSERT INTO timeline_entry (id, customer_id, kind, source, resource, actor, summary, details, occur_time)
    SELECT id, customer_id, :kind, :source, 'customers/' || customer_id, :actor, summary, details, :now
    FROM ROWS FROM (
      unnest(:ids), unnest(:customers), unnest(CAST(:summaries AS text[])),
      jsonb_array_elements(CAST(:details AS jsonb))
    ) AS entry (id, customer_id, summary, details)
    """
).bindparams(bindparam("ids", type_=ARRAY(Customer.id.type)), bindparam("customers", type_=ARRAY(Customer.id.type)))


def _tell_timeline(session: ServiceSession, moves: Sequence[Move], occasion: Occasion) -> None:
    labels = _labels(session, moves)
    session.execute(
        _TIMELINE,
        {
            "kind": TimelineKind.OWNER_CHANGED,
            "source": session.service,
            "actor": session.caller.subject,
            "now": session.now,
            "ids": [new_id() for _ in moves],
            "customers": [customer.id for customer, _ in moves],
            "summaries": [f"{labels.get(customer.holder_name, '-')} → {to.display_name}" for customer, to in moves],
            "details": orjson.dumps([_details(customer, to, occasion) for customer, to in moves]).decode(),
        },
    )


def _details(customer: Held, to: Holder, occasion: Occasion) -> dict[str, str]:
    return {
        "previous_owner": make_name("users", customer.owner_id),
        "previous_pool": make_name("pools", customer.pool_id),
        "owner": make_name("users", to.owner.id) if to.owner else "",
        "pool": make_name("pools", to.pool_id),
        "change": occasion.kind,
        "reason": occasion.reason,
        "note": occasion.note,
    }


_LABELS = text(
    """
    SELECT 'users/' || id, display_name FROM known_user WHERE id = ANY(:ids)
    UNION ALL SELECT 'pools/' || id, display_name FROM pool WHERE id = ANY(:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(Customer.id.type)))


def _labels(session: ServiceSession, moves: Sequence[Move]) -> Mapping[str, str]:
    """What people call the former holders."""
    ids = {key for customer, _ in moves for key in (customer.owner_id, customer.pool_id) if key is not None}
    return {row[0]: row[1] for row in session.execute(_LABELS, {"ids": list(ids)})} if ids else {}


def _audited(customer: Held, to: Holder, occasion: Occasion) -> audit.Change:
    before = {"owner": make_name("users", customer.owner_id), "pool": make_name("pools", customer.pool_id)}
    after = {"owner": make_name("users", to.owner.id) if to.owner else "", "pool": make_name("pools", to.pool_id)}
    changed = [key for key in before if before[key] != after[key]]
    why = {"reason": occasion.reason, "note": occasion.note, "rule": occasion.rule}
    return audit.Change(
        f"customer.{ACTIONS[occasion.kind]}",
        customer.name,
        {key: before[key] for key in changed} | {"version": customer.version},
        filled({key: after[key] for key in changed} | {"version": customer.version + 1} | why),
    )


def _events(session: ServiceSession, moves: Sequence[Move], occasion: Occasion) -> Iterator[CustomersHandedOver]:
    subject = moves[0][0].name if len(moves) == 1 else ""
    for start in range(0, len(moves), CHANGES_PER_EVENT):
        changes = [_handed_over(customer, to) for customer, to in moves[start : start + CHANGES_PER_EVENT]]
        yield CustomersHandedOver(
            subject, occasion.kind, occasion.reason, occasion.rule, session.caller.subject, changes
        )


def _handed_over(customer: Held, to: Holder) -> HandedOver:
    return HandedOver(
        state=state_after(customer, to),
        previous_owner=make_name("users", customer.owner_id),
        previous_pool=make_name("pools", customer.pool_id),
        pool=make_name("pools", to.pool_id),
        closes_plans=to.closes_plans,
    )


def state_after(customer: Held, to: Holder) -> CustomerState:
    """What other services keep of a customer once it has changed hands."""
    return CustomerState(
        customer=customer.name,
        version=customer.version + 1,
        kind=customer.kind,
        display_name=customer.display_name,
        status=customer.status,
        owner=make_name("users", to.owner.id) if to.owner else "",
        owner_department_path=(to.owner.department_path or "") if to.owner else "",
        credit_code=customer.credit_code or "",
    )


def _notify(session: ServiceSession, moves: Sequence[Move], occasion: Occasion) -> None:
    """Tell those who got customers that they did not take themselves, one by one for a few, else by the number."""
    by_owner: dict[UUID, list[Held]] = {}
    for customer, to in moves:
        if to.owner is not None and to.owner.id != session.caller.user_id:
            by_owner.setdefault(to.owner.id, []).append(customer)
    for owner_id, customers in by_owner.items():
        actor = session.caller.subject
        if len(customers) > 1:
            params = {"count": str(len(customers)), "actor": actor}
            notifications.notify(session, owner_id, "CUSTOMERS_ASSIGNED", "", params)
        else:
            params = {"customer_name": customers[0].display_name, "actor": actor}
            notifications.notify(session, owner_id, "CUSTOMER_ASSIGNED", customers[0].name, params)
