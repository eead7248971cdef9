"""Who holds a customer: an owner, a pool, or nobody. Every change of the holder goes through `hand_over`.

A change is set-based: one statement per table for any number of customers, since pools take and give them by the
thousand. The caller has locked the rows (`lock_held`), which makes the changes of a customer one sequence: each begins
where the one before ended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from chassis import audit, notifications, outbox
from chassis.copying import array_of, text_array, uuid_array
from chassis.db import ServiceSession
from chassis.names import make_name, new_key
from chassis.prepared import Prepared, Sent, pipelined
from sqlalchemy import ColumnElement, Select, select, text

from customers.days import today
from customers.events import CustomersHandedOver, CustomerState, HandedOver
from customers.holders import Held, Holder, Move, Occasion, Step, steps_of
from customers.model import Customer, TimelineKind
from customers.model.pools import ChangeKind
from customers.owners import Owner
from customers.queries import CUSTOMERS
from customers.theatres.assignments import end_where_held

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


FROM_OWNER_TO_OWNER = {ChangeKind.TRANSFERRED, ChangeKind.HANDED_OVER}
"""The changes that a lock outlasts: whoever takes the owner's place gets what the owner had."""


HELD: Select[Any] = select(*[Customer.__table__.c[column] for column in Held._fields])


def lock_held(session: ServiceSession, *conditions: ColumnElement[bool], skip_locked: bool = False) -> list[Held]:
    """The customers that fulfil the conditions, locked, by id: always in this order, so that no two wait for each
    other. Those that others have locked can be passed over instead."""
    statement = HELD.where(*conditions).order_by(Customer.__table__.c.id).with_for_update(skip_locked=skip_locked)
    return [Held._make(row) for row in session.connection().execute(statement).all()]


_LOCK_NAMED = Prepared(
    HELD.where(text("customer.id = ANY(CAST(:ids AS uuid[]))")).order_by(Customer.__table__.c.id).with_for_update()
)


def lock_named(session: ServiceSession, ids: Iterable[UUID]) -> list[Held]:
    """The same for customers that are named, in half the time: for thousands. Changes must be flushed before."""
    return [Held._make(row) for row in _LOCK_NAMED.all(session, ids=uuid_array(ids))]


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
    returning: bool = False,
) -> list[Any]:
    """Give each customer to its holder, all on one occasion. `events` tell of it instead of CustomersHandedOver.

    Without `notify` the caller tells the new owners itself, e.g. once for many parts. If `returning`, the customers
    come back as rows like those of `customers.queries`, in the order of the moves.
    """
    if not moves:
        return []
    end_where_held(session, {customer.id: to.owner for customer, to in moves if to.owner is not None})
    session.flush()
    day, few = today(session), len(moves) < audit.COPY_FROM
    steps = steps_of(moves, occasion)
    with pipelined(session):
        changed = _change(session, steps, occasion, day, returning=returning)
        outbox.emit_all(session, list(_events(session, steps, occasion)) if events is None else events)
        audited = audit.ReadyChanges(session, (_audited(step, occasion) for step in steps))
        if few:
            audited.write(session)
    if not few:
        audited.write(session)
    if notify:
        _notify(session, moves, occasion)
    rows = {row.id: row for row in changed.all()}
    return [rows[customer.id] for customer, _ in moves] if returning else []


def forget_holder(session: ServiceSession, customer: Held, kind: ChangeKind) -> None:
    """Close the ledger of a customer that goes away."""
    forget_holders(session, [customer], kind)


def forget_holders(session: ServiceSession, customers: Sequence[Held], kind: ChangeKind) -> None:
    """Close the ledger of customers that go away."""
    nobody, occasion = Holder(), Occasion(kind)
    steps = steps_of([(customer, nobody) for customer in customers], occasion)
    _keep_ledger(session, steps, occasion, today(session))


def restore_holders(session: ServiceSession, restored: Sequence[tuple[Held, Customer]]) -> None:
    """Go on with the ledger of customers that are there again: each as it went, and as it is."""
    moves = [
        (gone, Holder(Owner(now.owner_id, "", None, None) if now.owner_id else None, now.pool_id))
        for gone, now in restored
    ]
    occasion = Occasion(ChangeKind.RESTORED)
    _keep_ledger(session, steps_of(moves, occasion), occasion, today(session))


# One statement for the three tables that every change writes, since a claim of one customer pays for each statement.
# Arrays from sub-selects keep their lengths from the planner, which would otherwise think a plan for a few customers
# better than one for any number, and plan anew each time: for one customer that takes longer than all the rest.
_CHANGE = Prepared(
    text(
        f"""
    WITH move AS MATERIALIZED (
      SELECT customer_id, entry_id, since, way.*
      FROM unnest((SELECT CAST(:customers AS uuid[])), (SELECT CAST(:entries AS uuid[])),
                  (SELECT CAST(:since AS timestamptz[])), (SELECT CAST(:ways AS integer[])))
        AS step (customer_id, entry_id, since, way)
      JOIN ROWS FROM (
        unnest((SELECT CAST(:previous_users AS uuid[]))), unnest((SELECT CAST(:previous_pools AS uuid[]))),
        unnest((SELECT CAST(:users AS uuid[]))), unnest((SELECT CAST(:departments AS uuid[]))),
        unnest((SELECT CAST(:paths AS text[]))), unnest((SELECT CAST(:pools AS uuid[]))),
        unnest((SELECT CAST(:holders AS text[]))), jsonb_array_elements(CAST(:details AS jsonb))
      ) WITH ORDINALITY AS way (previous_user_id, previous_pool_id, user_id, department_id, path, pool_id, holder,
                                details, number) ON way.number = step.way
    ), held AS (
      UPDATE customer SET owner_id = move.user_id, owner_department_id = move.department_id,
        owner_department_path = move.path, pool_id = move.pool_id,
        pool_entry_time = CASE WHEN move.pool_id IS NULL THEN NULL ELSE CAST(:now AS timestamptz) END,
        held_since = :now, locked = customer.locked AND :keeps_lock, version = customer.version + 1, update_time = :now
      FROM move WHERE customer.id = move.customer_id
      RETURNING {", ".join(f"customer.{column.key}" for column in CUSTOMERS.selected_columns)}
    ), kept AS (
      INSERT INTO holding_change (customer_id, kind, previous_user_id, previous_pool_id, previous_since, user_id,
        pool_id, time, day, actor, reason, note, rule)
      SELECT customer_id, :kind, previous_user_id, previous_pool_id, since, user_id, pool_id,
        :now, :day, :actor, :reason, :note, :rule
      FROM move
    ), told AS (
      INSERT INTO timeline_entry (id, customer_id, kind, source, resource, actor, summary, details, occur_time)
      SELECT entry_id, customer_id, :told_as, :source, 'customers/' || customer_id, :actor,
        coalesce(known_user.display_name, pool.display_name, '-') || ' → ' || holder, details, :now
      FROM move
      LEFT JOIN known_user ON known_user.id = previous_user_id
      LEFT JOIN pool ON pool.id = previous_pool_id
    )
    SELECT * FROM held WHERE :returning
        """  # noqa: S608 - names of columns
    )
)


def _change(session: ServiceSession, steps: Sequence[Step], occasion: Occasion, day: date, *, returning: bool) -> Sent:
    """Write who holds customers: in their rows, the ledger and the timeline."""
    ways = {id(step.way): step.way for step in steps}
    places = {key: str(place) for place, key in enumerate(ways, 1)}
    return _CHANGE.send(
        session,
        returning=returning,
        **_why(session, occasion, day),
        keeps_lock=occasion.kind in FROM_OWNER_TO_OWNER,
        told_as=TimelineKind.OWNER_CHANGED,
        source=session.service,
        customers=array_of(step.key for step in steps),
        entries=array_of(new_key() for _ in steps),
        since=_since(steps),
        ways=array_of(places[id(step.way)] for step in steps),
        previous_users=array_of(way.previous_user for way in ways.values()),
        previous_pools=array_of(way.previous_pool for way in ways.values()),
        users=array_of(way.user for way in ways.values()),
        departments=array_of(way.department for way in ways.values()),
        paths=array_of(way.path for way in ways.values()),
        pools=array_of(way.pool for way in ways.values()),
        holders=text_array(way.to.display_name for way in ways.values()),
        details=orjson.dumps([way.details(occasion) for way in ways.values()]).decode(),
    )


_LEDGER = Prepared(
    text(
        """
    INSERT INTO holding_change (customer_id, kind, previous_user_id, previous_pool_id, previous_since, user_id,
      pool_id, time, day, actor, reason, note, rule)
    SELECT customer_id, :kind, previous_user_id, previous_pool_id, previous_since, user_id, pool_id, :now,
      :day, :actor, :reason, :note, :rule
    FROM unnest(CAST(:customers AS uuid[]), CAST(:previous_users AS uuid[]), CAST(:previous_pools AS uuid[]),
                CAST(:since AS timestamptz[]), CAST(:users AS uuid[]), CAST(:pools AS uuid[]))
      AS change (customer_id, previous_user_id, previous_pool_id, previous_since, user_id, pool_id)
        """
    )
)


def _keep_ledger(session: ServiceSession, steps: Sequence[Step], occasion: Occasion, day: date) -> None:
    """Write the ledger alone, of customers that go or come back."""
    _LEDGER.write(
        session,
        **_why(session, occasion, day),
        customers=array_of(step.key for step in steps),
        previous_users=array_of(step.way.previous_user for step in steps),
        previous_pools=array_of(step.way.previous_pool for step in steps),
        since=_since(steps),
        users=array_of(step.way.user for step in steps),
        pools=array_of(step.way.pool for step in steps),
    )


def _since(steps: Sequence[Step]) -> str:
    return array_of(f'"{step.customer.since.isoformat()}"' for step in steps)


def _why(session: ServiceSession, occasion: Occasion, day: date) -> dict[str, object]:
    return {
        "kind": occasion.kind,
        "now": session.now,
        "day": day,
        "actor": session.caller.subject,
        "reason": occasion.reason,
        "note": occasion.note,
        "rule": occasion.rule,
    }


def _audited(step: Step, occasion: Occasion) -> audit.Change:
    customer, way = step.customer, step.way
    return audit.Change(
        f"customer.{ACTIONS[occasion.kind]}",
        f"customers/{step.key}",
        {**way.before, "version": customer.version},
        {**way.after, "version": customer.version + 1},
    )


def _events(session: ServiceSession, steps: Sequence[Step], occasion: Occasion) -> Iterator[CustomersHandedOver]:
    subject = steps[0].customer.name if len(steps) == 1 else ""
    for start in range(0, len(steps), CHANGES_PER_EVENT):
        changes = [_handed_over(step) for step in steps[start : start + CHANGES_PER_EVENT]]
        yield CustomersHandedOver(
            subject, occasion.kind, occasion.reason, occasion.rule, session.caller.subject, changes
        )


def _handed_over(step: Step) -> HandedOver:
    way = step.way
    return HandedOver(
        state=_state(step.customer, f"customers/{step.key}", way.to_owner, way.to_path),
        previous_owner=way.from_owner,
        previous_pool=way.from_pool,
        pool=way.to_pool,
        closes_plans=way.to.closes_plans,
    )


def state_after(customer: Held, to: Holder) -> CustomerState:
    """What other services keep of a customer once it has changed hands."""
    return _state(
        customer,
        customer.name,
        make_name("users", to.owner.id) if to.owner else "",
        (to.owner.department_path or "") if to.owner else "",
    )


def _state(customer: Held, name: str, owner: str, owner_path: str) -> CustomerState:
    return CustomerState(
        customer=name,
        version=customer.version + 1,
        kind=customer.kind,
        display_name=customer.display_name,
        status=customer.status,
        owner=owner,
        owner_department_path=owner_path,
        credit_code=customer.credit_code or "",
        level=customer.level or "",
    )


def _notify(session: ServiceSession, moves: Sequence[Move], occasion: Occasion) -> None:
    """Tell those who got or lost customers by what others did."""
    got: dict[UUID, list[Held]] = {}
    for customer, to in moves:
        if to.owner is not None:
            got.setdefault(to.owner.id, []).append(customer)
    _tell_each(session, got, "CUSTOMER_ASSIGNED", "CUSTOMERS_ASSIGNED")
    lost: dict[UUID, list[Held]] = {}
    for customer, _ in moves:
        if customer.owner_id is not None and occasion.kind is not ChangeKind.HANDED_OVER:  # by then they have left
            lost.setdefault(customer.owner_id, []).append(customer)
    _tell_each(session, lost, "CUSTOMER_TAKEN", "CUSTOMERS_TAKEN", change=occasion.kind, reason=occasion.reason)


def _tell_each(
    session: ServiceSession, customers: Mapping[UUID, Sequence[Held]], of_one: str, of_several: str, **params: str
) -> None:
    """Tell each user of their customers: of one by its name, of several by the number."""
    for user_id, theirs in customers.items():
        if user_id == session.caller.user_id:
            continue
        told = params | {"actor": session.caller.subject}
        if len(theirs) > 1:
            notifications.notify(session, user_id, of_several, "", told | {"count": str(len(theirs))})
        else:
            named = told | {"customer_name": theirs[0].display_name}
            notifications.notify(session, user_id, of_one, theirs[0].name, named)
