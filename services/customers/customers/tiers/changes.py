"""Notes that customers were given other tiers or are at other stages: history, timeline and events."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from chassis import outbox
from chassis.copying import copy_cells, write_lines
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.prepared import Prepared
from sqlalchemy import Select, select, text

from customers.events import CustomerLifecycleChanged, CustomerMove, CustomerTierChanged
from customers.model import Aspect, ClassificationChange, Origin, TimelineKind

MOVES_PER_EVENT = 500
COPY_FROM = 10
"""The number of moves from which on COPY is the faster way to write them."""
NOTHING = "–"
"""How the timeline calls the absence of a tier."""

_HISTORY = ("customer_id", "aspect", "before", "after", "origin", "reason", "actor", "time")
_TIMELINE = ("id", "customer_id", "kind", "source", "resource", "actor", "summary", "details", "occur_time")


class Move(NamedTuple):
    """A customer that went from one class to another."""

    customer_id: UUID
    before: str | None
    after: str | None


def note_tiers(
    session: ServiceSession, moves: Iterable[Move], origin: Origin, reason: str = "", *, new: bool = False
) -> None:
    """Note that customers were given other tiers. Moves to where a customer was are left out.

    What `new` customers begin with enters the history alone: their state tells it. Of a merge the timeline tells
    anyway.
    """
    moved = [move for move in moves if move.before != move.after]
    if not moved:
        return
    session.flush()
    _keep_history(session, moved, origin, reason)
    if new:
        return
    if origin is not Origin.MERGE:
        entries = (_entry(session, one, origin, reason) for one in moved)
        write_lines(session, "timeline_entry", _TIMELINE, entries)
    tell(session, Aspect.TIER, moved, origin, reason)


_INSERT = Prepared(
    text(
        """
    INSERT INTO classification_change (customer_id, aspect, before, after, origin, reason, actor, time)
    SELECT customer_id, :aspect, before, after, :origin, :reason, :actor, CAST(:time AS timestamptz)
    FROM unnest(CAST(:customers AS uuid[]), CAST(:before AS text[]), CAST(:after AS text[]))
      AS move (customer_id, before, after)
        """
    )
)


def _keep_history(session: ServiceSession, moved: Sequence[Move], origin: Origin, reason: str) -> None:
    actor = session.caller.subject
    if len(moved) < COPY_FROM:
        _INSERT.write(
            session,
            aspect=Aspect.TIER.value,
            origin=str(origin),
            reason=reason,
            actor=actor,
            time=session.now,
            customers=[one.customer_id for one in moved],
            before=[one.before for one in moved],
            after=[one.after for one in moved],
        )
        return
    rest = copy_cells([str(origin), reason, actor, session.now.isoformat()])
    classes = {both: copy_cells(both) for both in {(one.before, one.after) for one in moved}}
    lines = (f"{one.customer_id.hex}\t{Aspect.TIER.value}\t{classes[one.before, one.after]}\t{rest}" for one in moved)
    write_history(session, lines)


def first_tiers(session: ServiceSession, customers: Sequence[str], tiers: Sequence[str | None]) -> list[str]:
    """What `write_history` writes of the tiers that new customers of an import begin with, by the customers' ids: for
    each a line, empty if it has no tier."""
    rest = copy_cells([str(Origin.IMPORT), "", session.caller.subject, session.now.isoformat()])
    ends = {tier: f"\t{copy_cells([Aspect.TIER.value, None, tier])}\t{rest}" for tier in set(tiers) if tier is not None}
    return [f"{key}{ends[tier]}" if tier is not None else "" for key, tier in zip(customers, tiers, strict=True)]


def write_history(session: ServiceSession, lines: Iterable[str]) -> None:
    """Keep what customers were, as lines for COPY."""
    write_lines(session, "classification_change", _HISTORY, lines)


def given_by_rule(session: ServiceSession, customer_id: UUID) -> bool:
    """Whether the tier that a customer has now was given by a rule."""
    origin: str | None = session.scalar(newest_origin(customer_id))
    return origin == Origin.RULE


def newest_origin(customer: Any) -> Select[Any]:
    """Why a customer has the tier that it has; nothing if it never had another. Give its id, or a column of ids."""
    mine = ClassificationChange.customer_id == customer, ClassificationChange.aspect == Aspect.TIER.value
    changes = select(ClassificationChange.origin).where(*mine)
    return changes.order_by(ClassificationChange.position.desc()).limit(1)


def tell(session: ServiceSession, aspect: Aspect, moves: Sequence[Move], origin: Origin, reason: str = "") -> None:
    """Announce moves, those of several customers together."""
    changes = [
        CustomerMove(make_name("customers", one.customer_id), one.before or "", one.after or "") for one in moves
    ]
    actor, events = session.caller.subject, list[CustomerTierChanged | CustomerLifecycleChanged]()
    for at in range(0, len(changes), MOVES_PER_EVENT):
        part = changes[at : at + MOVES_PER_EVENT]
        customer = part[0].customer if len(changes) == 1 else ""
        if aspect is Aspect.TIER:
            events.append(CustomerTierChanged(customer, part, str(origin), reason, actor))
        else:
            events.append(CustomerLifecycleChanged(customer, part, actor))
    outbox.emit_all(session, events)


def _entry(session: ServiceSession, move: Move, origin: Origin, reason: str) -> str:
    details = {"before": move.before or "", "after": move.after or "", "origin": str(origin), "reason": reason}
    name = make_name("customers", move.customer_id)
    return copy_cells(
        [
            str(new_id()),
            str(move.customer_id),
            TimelineKind.TIER_CHANGED.value,
            session.service,
            name,
            session.caller.subject,
            f"{move.before or NOTHING} → {move.after or NOTHING}",
            orjson.dumps(details).decode(),
            session.now.isoformat(),
        ]
    )
