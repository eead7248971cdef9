"""Keep follow-ups that were logged elsewhere in the customers' timelines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.names import make_name
from sqlalchemy import or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from customers.derived import children_changed
from customers.model import Customer, CustomerTheatre, MergedCustomer, MergedRow, TimelineEntry, TimelineKind
from customers.queries import merged_into
from customers.theatres.visibility import THEATRE


@dataclass(frozen=True)
class FollowUp:
    """A follow-up as its event tells it."""

    event_id: UUID
    customer_id: UUID
    source: str
    resource: str
    actor: str
    method: str
    summary: str
    occur_time: datetime
    effective: bool
    """Whether it counts, or is only kept."""
    theatre_id: UUID | None = None
    """The theatre that it was logged for, if that follows the customer beside its owner."""
    next_contact_time: datetime | None = None


def record_follow_ups(session: ServiceSession, follow_ups: Sequence[FollowUp]) -> None:
    """Add follow-ups to their customers' timelines, each once, and note the latest as the last, and the latest that
    counts as the last that does. What another theatre does keeps no customer with its owner, so that it never counts as
    that.

    A customer that has been deleted meanwhile keeps no timeline.
    """
    follow_ups = _where_they_are(session, follow_ups)
    customers = select(Customer.id).where(Customer.id.in_({each.customer_id for each in follow_ups}))
    found = set(session.scalars(customers.order_by(Customer.id).with_for_update(key_share=True)))
    kept = [each for each in follow_ups if each.customer_id in found]
    if not kept:
        return
    session.execute(insert(TimelineEntry).on_conflict_do_nothing(), [_entry(each) for each in kept])
    _note(session, kept)
    for each in kept:
        if each.theatre_id is not None:
            _note_theatre(session, each)
    children_changed(session, sorted(found), "follow_ups")


def _entry(follow_up: FollowUp) -> dict[str, Any]:
    return {
        "id": follow_up.event_id,
        "customer_id": follow_up.customer_id,
        "kind": TimelineKind.FOLLOW_UP_LOGGED,
        "source": follow_up.source,
        "resource": follow_up.resource,
        "actor": follow_up.actor,
        "summary": follow_up.summary,
        "details": _details(follow_up),
        "occur_time": follow_up.occur_time,
    }


def _details(follow_up: FollowUp) -> dict[str, Any]:
    details = {"method": follow_up.method, "effective": follow_up.effective}
    theatre = make_name("departments", follow_up.theatre_id)
    return details | ({THEATRE: theatre} if theatre else {})


def _note_theatre(session: ServiceSession, follow_up: FollowUp) -> None:
    last = CustomerTheatre.last_touch_time
    session.execute(
        update(CustomerTheatre)
        .where(
            CustomerTheatre.customer_id == follow_up.customer_id,
            CustomerTheatre.department_id == follow_up.theatre_id,
            or_(last.is_(None), last < follow_up.occur_time),
        )
        .values(last_touch_time=follow_up.occur_time, next_contact_time=follow_up.next_contact_time)
        .execution_options(synchronize_session=False)
    )


_NOTE = text(
    """
    UPDATE customer SET last_follow_up_time = greatest(last_follow_up_time, latest.time),
      last_effective_follow_up_time = greatest(last_effective_follow_up_time, latest.effective_time)
    FROM (
      SELECT id, max(time) AS time, max(time) FILTER (WHERE effective) AS effective_time
      FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS timestamptz[]), CAST(:effective AS boolean[]))
        AS follow_up (id, time, effective)
      GROUP BY id
    ) AS latest
    WHERE customer.id = latest.id AND (
      last_follow_up_time IS NULL OR last_follow_up_time < latest.time
      OR latest.effective_time IS NOT NULL
        AND (last_effective_follow_up_time IS NULL OR last_effective_follow_up_time < latest.effective_time)
    )
    """
)


def _note(session: ServiceSession, follow_ups: Sequence[FollowUp]) -> None:
    session.execute(
        _NOTE,
        {
            "ids": [each.customer_id for each in follow_ups],
            "times": [each.occur_time for each in follow_ups],
            "effective": [each.effective and each.theatre_id is None for each in follow_ups],
        },
    )


def _where_they_are(session: ServiceSession, follow_ups: Sequence[FollowUp]) -> list[FollowUp]:
    """The follow-ups of the customers whose timelines tell of them: those that theirs were merged into, if they were.

    Such an entry is noted as moved, so that it goes back with the rest if the merge is taken back.
    """
    ids = {each.customer_id for each in follow_ups}
    merges = select(MergedCustomer.id, MergedCustomer.merge_id).where(MergedCustomer.id.in_(ids))
    merged = {row.id: row.merge_id for row in session.execute(merges)}
    moved = [each for each in follow_ups if each.customer_id in merged]
    if moved:
        rows = [
            {
                "merge_id": merged[each.customer_id],
                "source": TimelineEntry.__tablename__,
                "row_id": each.event_id,
                "customer_id": each.customer_id,
            }
            for each in moved
        ]
        session.execute(insert(MergedRow).on_conflict_do_nothing(), rows)
    into = {key: merged_into(session, key) or key for key in merged}
    return [replace(each, customer_id=into.get(each.customer_id, each.customer_id)) for each in follow_ups]
