"""What has changed since a device last asked, among what its user may see.

No change is missed, though transactions commit in another order than they begin. Every row that changes is noted by a
trigger, in the transaction of the change and with that transaction's number. A token holds a snapshot of the database
(`pg_snapshot`: which transactions had ended), not a time or a number. So:

1. What is told is the difference of two snapshots: the notes whose transactions had not ended in the token's one, and
   have in that of the statement that reads them. A transaction that ends later, whatever its number, is in none of the
   snapshots until it has ended, and in each from then on: it falls into exactly one difference.
2. While a difference is told page by page, in the order of (transaction, position), both snapshots stand in the token:
   what is between them no longer changes.
3. The record is read after its note. It may be newer than the note tells; then the transaction that made it newer is
   told of by a later difference, too.
4. A device that begins takes down its snapshot first, then walks over all records, then goes on from there: what
   changed during the walk is told again.

What left the caller's reach is told by where it was before: the note keeps the place that a record left, and whoever
reached that place and does not reach the record now is told that it is gone. Follow-ups lie where their customer
does: if that moves, is shared or no longer, or is followed by other theatres, the device is told to fetch anew what
it holds about the customer. Of tasks, plans and visits the caller's own are told, by whose work they are alone. If the
caller's own roles, department or field rules change, it begins anew.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.columns import AnyColumn
from chassis.db import ServiceSession, UtcDateTime
from chassis.errors import Invalid
from chassis.paging import page_size
from chassis.sharing import RecordShare, grantees_of
from sqlalchemy import Select, Uuid, select, text
from sqlalchemy.exc import DataError

from leads import lead_queries, queries
from leads.model import CUSTOMER, FollowUp, KnownCustomer, Lead, Plan, Task, Visit
from leads.offline import work
from leads.offline.tokens import Mark, bad_token, decode, encode, view_of
from leads.purging import MOST, ROWS

KEPT = timedelta(days=30)
"""How long changes are kept: a device that was away for longer begins anew."""
WINDOW = 1_000
"""How many notes are looked through for a page."""

LEADS, FOLLOW_UPS, CUSTOMERS = "leads", "followUps", "customers"
TASKS, PLANS, VISITS = "tasks", "plans", "visits"


@dataclass(frozen=True)
class Synced:
    """A collection that devices keep a copy of."""

    permission: str
    """What its records are read with."""
    id: AnyColumn
    visible: Callable[[ServiceSession], Select[Any]]
    """The records that the caller may see, as rows with an `id`."""
    own: bool = False
    """True if devices keep the caller's own records alone, whatever else they may see."""


SYNCED: Mapping[str, Synced] = {
    LEADS: Synced("lead.read", Lead.id, lead_queries.select_visible),
    FOLLOW_UPS: Synced(queries.READ, FollowUp.id, queries.select_visible),
    TASKS: Synced("task.read", Task.id, work.own_tasks, own=True),
    PLANS: Synced("plan.read", Plan.id, work.own_plans, own=True),
    VISITS: Synced("visit.read", Visit.id, work.own_visits, own=True),
}
"""By collection. Its table has triggers that note what changes: see `note_record_changes` and `note_work_changes` in
the revisions."""


@dataclass(frozen=True)
class Change:
    """A record that was made or changed, or that the caller may see no more."""

    collection: str
    id: UUID
    gone: bool = False
    moved: bool = False
    """True if what is about it may have come into the caller's reach, or left it."""
    row: Any = None
    """The record as it is now, if devices keep it."""


@dataclass(frozen=True)
class Feed:
    """A page of changes."""

    changes: Sequence[Change]
    token: str
    more: bool
    """True if there is more to ask for at once."""
    reset: bool
    """True if the device has to forget what it holds, because it is told of everything from the beginning."""


def read_changes(session: ServiceSession, since: str, collections: Iterable[str], size: int) -> Feed:
    """A page of what has changed since a token was issued; of everything there is for the empty token.

    Raises Invalid INVALID_SYNC_TOKEN, or UNKNOWN_COLLECTION.
    """
    wanted = _wanted(session, collections)
    size = page_size(size)
    moment = session.execute(_MOMENT).one()
    permissions = ("customer.read", *(SYNCED[key].permission for key in wanted))
    view = view_of(session, wanted, permissions, moment.database)
    mark = decode(since) if since else None
    known = mark is not None and mark.view == view and mark.issue_time > moment.now - KEPT + timedelta(days=1)
    if mark is None or not known:
        reset = mark is not None
        mark = Mark(view, session.now, moment.now, moment.snapshot, walk=wanted[0])
    else:
        reset = False
    feed = _walk(session, mark, wanted, size) if mark.walk else _follow(session, mark, wanted, size)
    return replace(feed, reset=reset)


def _wanted(session: ServiceSession, collections: Iterable[str]) -> tuple[str, ...]:
    """The collections asked for, in one order; all that the caller may read if none is named."""
    asked = set(collections)
    if unknown := asked - SYNCED.keys():
        known = ", ".join(SYNCED)
        raise Invalid("UNKNOWN_COLLECTION", f"{min(unknown)[:50]!r} is none of {known}", field="entities")
    for collection in asked:
        session.caller.scope(SYNCED[collection].permission)
    return tuple(
        key for key in SYNCED if key in asked or (not asked and session.caller.granted(SYNCED[key].permission))
    )


_MOMENT = text(
    """
    SELECT pg_current_snapshot()::text AS snapshot, now() AS now,
      (SELECT system_identifier FROM pg_control_system()) AS database
    """
).columns(now=UtcDateTime)


def _walk(session: ServiceSession, mark: Mark, wanted: Sequence[str], size: int) -> Feed:
    """A page of the records of one collection, in the order of their ids."""
    if mark.walk not in wanted:
        raise bad_token()
    synced = SYNCED[mark.walk]
    statement = synced.visible(session).order_by(synced.id).limit(size + 1)
    if mark.last is not None:
        statement = statement.where(synced.id > mark.last)
    rows = session.execute(statement).all()
    changes = [Change(mark.walk, row.id, row=row) for row in rows[:size]]
    if len(rows) > size:
        mark = replace(mark, last=changes[-1].id)
    else:
        later = wanted[wanted.index(mark.walk) + 1 :]
        mark = replace(mark, walk=later[0] if later else "", last=None)
    return Feed(changes, encode(mark), more=True, reset=False)


_NOTES = text(
    """
    SELECT moment.until::text AS until, moment.now, note.*
    FROM (
      SELECT coalesce(CAST(nullif(:until, '') AS pg_snapshot), pg_current_snapshot()) AS until,
        CAST(:since AS pg_snapshot) AS since, now() AS now
    ) AS moment
    LEFT JOIN LATERAL (
      SELECT transaction_id::text::bigint AS transaction, position, kind, record_id, moved, owner_id, department_path,
        grantee
      FROM record_change
      WHERE transaction_id >= pg_snapshot_xmin(moment.since)
        AND (transaction_id, position) > (CAST(CAST(:transaction AS text) AS xid8), CAST(:position AS bigint))
        AND NOT pg_visible_in_snapshot(transaction_id, moment.since)
        AND pg_visible_in_snapshot(transaction_id, moment.until)
        AND kind = ANY(:kinds)
      ORDER BY transaction_id, position
      LIMIT :window
    ) AS note ON true
    ORDER BY note.transaction, note.position
    """
).columns(record_id=Uuid, owner_id=Uuid, now=UtcDateTime)


def _follow(session: ServiceSession, mark: Mark, wanted: Sequence[str], size: int) -> Feed:
    """A page of what has changed since the mark."""
    kinds = [*wanted, *([CUSTOMERS] if FOLLOW_UPS in wanted else [])]
    given = {"since": mark.since, "until": mark.until, "transaction": mark.transaction, "position": mark.position}
    try:
        found = session.execute(_NOTES, given | {"kinds": kinds, "window": WINDOW}).all()
    except DataError:
        raise bad_token() from None  # well-formed, but no snapshot
    until, issued = found[0].until, found[0].now
    notes = [note for note in found if note.position is not None]
    told, seen = _told(session, notes, size)
    if seen == len(notes) < WINDOW:
        mark, more = replace(mark, since=until, until="", transaction=0, position=0), False
    else:
        last = notes[seen - 1]
        mark, more = replace(mark, until=until, transaction=last.transaction, position=last.position), True
    if FOLLOW_UPS in wanted:
        ended = _ended_shares(session, mark.time)
        reached = _reached_customers(session, ended)
        told |= {(CUSTOMERS, key): _customer(key, reached=key in reached) for key in ended}
    mark = replace(mark, time=session.now, issue_time=issued)
    return Feed(_with_rows(session, told.values()), encode(mark), more, reset=False)


def _told(session: ServiceSession, notes: Sequence[Any], size: int) -> tuple[dict[tuple[str, UUID], Change], int]:
    """What of the notes concerns the caller, at most so many records, and how many notes were looked at for it."""
    visible = _visible(session, notes)
    told: dict[tuple[str, UUID], Change] = {}
    for seen, note in enumerate(notes):
        key = (note.kind, note.record_id)
        change = _judge(session, note, reached=note.record_id in visible[note.kind])
        if change is None:
            continue
        if key not in told and len(told) == size:
            return told, seen
        before = told.get(key)
        told[key] = replace(change, moved=change.moved or (before is not None and before.moved))
    return told, len(notes)


def _judge(session: ServiceSession, note: Any, *, reached: bool) -> Change | None:
    """What the caller is told of a note, if anything."""
    if note.kind == CUSTOMERS:
        scope = session.caller.scope(queries.READ)
        if scope.everything:
            return None
        held = note.grantee in grantees_of(session.caller) or scope.reaches(note.owner_id, note.department_path)
        return _customer(note.record_id, reached=reached) if reached or held else None
    if reached:
        return Change(note.kind, note.record_id, moved=note.moved)
    left = note.moved and _held(session, note)
    return Change(note.kind, note.record_id, gone=True, moved=True) if left else None


def _held(session: ServiceSession, note: Any) -> bool:
    """Whether the caller had in reach what was where a note says."""
    synced = SYNCED[note.kind]
    if synced.own:
        return note.owner_id is not None and note.owner_id == session.caller.user_id
    return session.caller.scope(synced.permission).reaches(note.owner_id, note.department_path)


def _customer(customer_id: UUID, *, reached: bool) -> Change:
    return Change(CUSTOMERS, customer_id, gone=not reached, moved=True)


def _visible(session: ServiceSession, notes: Sequence[Any]) -> dict[str, set[UUID]]:
    """The ids of those records that the caller may see now, by collection."""
    ids: dict[str, set[UUID]] = {}
    for note in notes:
        ids.setdefault(note.kind, set()).add(note.record_id)
    found: dict[str, set[UUID]] = {}
    for kind, keys in ids.items():
        if kind == CUSTOMERS:
            found[kind] = _reached_customers(session, keys)
        else:
            synced = SYNCED[kind]
            statement = synced.visible(session).where(synced.id.in_(keys)).with_only_columns(synced.id)
            found[kind] = set(session.scalars(statement))
    return found


def _reached_customers(session: ServiceSession, ids: Collection[UUID]) -> set[UUID]:
    """Those of the customers whose follow-ups the caller may see, of whatever side."""
    places = select(KnownCustomer.id, KnownCustomer.owner_id, KnownCustomer.owner_department_path).where(
        KnownCustomer.id.in_(ids), ~KnownCustomer.deleted
    )
    return queries.REACHABLE.reached(
        session, queries.READ, [(row.id, row.owner_id, row.owner_department_path) for row in session.execute(places)]
    )


def _ended_shares(session: ServiceSession, since: datetime) -> set[UUID]:
    """The customers whose shares with the caller have ended by themselves since a time, of which no note tells."""
    if session.caller.scope(queries.READ).everything:
        return set()
    statement = select(RecordShare.record_id).where(
        RecordShare.grantee.in_(grantees_of(session.caller)),
        RecordShare.entity == CUSTOMER,
        RecordShare.revoke_time.is_(None),
        RecordShare.expire_time > since,
        RecordShare.expire_time <= session.now,
    )
    return set(session.scalars(statement))


def _with_rows(session: ServiceSession, changes: Iterable[Change]) -> list[Change]:
    """The changes with the records as they are now. One that has gone since is left out: a later note tells of it."""
    told = list(changes)
    rows: dict[tuple[str, UUID], Any] = {}
    for kind, synced in SYNCED.items():
        if keys := [one.id for one in told if one.collection == kind and not one.gone]:
            found = session.execute(synced.visible(session).where(synced.id.in_(keys)))
            rows |= {(kind, row.id): row for row in found}
    complete = [replace(one, row=rows.get((one.collection, one.id))) for one in told]
    return [one for one in complete if one.gone or one.row is not None or one.collection == CUSTOMERS]


def purge_changes(session: ServiceSession, due: datetime) -> None:
    """Forget changes that no device will ask for any more."""
    for _ in range(MOST // ROWS):
        gone = session.execute(_FORGET, {"kept": KEPT, "rows": ROWS}).all()
        if len(gone) < ROWS:
            return


_FORGET = text(
    """
    DELETE FROM record_change WHERE position IN (
      SELECT position FROM record_change WHERE note_time < now() - CAST(:kept AS interval) LIMIT :rows
    )
    RETURNING position
    """
)
