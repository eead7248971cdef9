"""Make several customers one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import audit, outbox, sharing
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.etags import check_etag
from chassis.field_rules import require_writable
from chassis.names import make_name, new_id
from chassis.sharing import RecordShare, ShareLevel
from sqlalchemy import delete, exists, select, update

from customers.derived import refresh
from customers.duplicates import refuse_duplicate, refusing_duplicates
from customers.events import CustomersMerged, MergedCustomerFacts, UnitedContact
from customers.facts import difference, snapshot, state
from customers.findings import set_aside_unless_held
from customers.holding import forget_holder, lock_held
from customers.merging import rows
from customers.merging.contacts import ContactMoves, contacts_of, merge_contacts
from customers.merging.fields import Choice, merged_values
from customers.merging.relations import move_relations, relations_of
from customers.model import ChangeKind, Contact, Customer, Origin, TimelineEntry, TimelineKind
from customers.model.duplicates import CustomerMerge, DuplicateGroup, DuplicateMember, GroupState, MergedCustomer
from customers.own_fields import ENTITY
from customers.purchases import totals
from customers.queries import lock_customer
from customers.theatres.assignments import unite
from customers.tiers.changes import Move, note_tiers
from customers.tiers.evaluating import Evaluation
from customers.usecases.share_customer import share_changed

MERGE = "customer.merge"
MOST = 10
UNDO_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class MergeDraft:
    """A merge as somebody asks for it."""

    customer_id: UUID
    """The customer that stays."""
    other_ids: Sequence[UUID]
    """Those that become one with it, in the order in which they fill gaps."""
    choices: Sequence[Choice] = ()
    etag: str = ""


@dataclass
class Merged:
    """What came of a merge, or of taking it back."""

    merge: CustomerMerge
    customer: Customer
    contacts: list[Contact] = field(default_factory=list)


def merge_customers(session: ServiceSession, draft: MergeDraft) -> Merged:
    """Merge customers, and keep what it takes to undo that. Raises NotFound or Denied for those out of reach, Invalid
    INVALID_MERGE, Conflict DIFFERENT_KINDS, DIFFERENT_CREDIT_CODES, or LEGAL_HOLD if what would go must be kept."""
    winner, others = _lock(session, draft)
    check_etag(draft.etag, winner.version)
    _judge(session, winner, others, draft.choices)
    values = merged_values([winner, *others], draft.choices)
    merge = CustomerMerge(
        id=new_id(),
        customer_id=winner.id,
        other_ids=[one.id for one in others],
        counts={},
        creator=session.caller.subject,
        create_time=session.now,
    )
    before = snapshot(winner)
    kept = _snapshot(session, winner, others)
    facts = [MergedCustomerFacts(one.name, one.version) for one in others]
    moves = _move(session, merge, winner, others, kept)
    _drop(session, merge, winner, others)
    for column, value in values.items():
        setattr(winner, column, value)
    winner.version += 1
    winner.update_time = session.now
    winner.refresh_keys()
    refuse_duplicate(session, winner)
    with refusing_duplicates():
        session.flush()
    derive_again(session, winner, [winner.id, *merge.other_ids])
    note_tiers(session, [Move(winner.id, before.get("level"), winner.level)], Origin.MERGE)
    kept["after"] = rows.read_rows(session, "customer", "id", [winner.id])[0]
    kept["contacts_after"] = {str(one.id): one.version for one in moves.touched}
    merge.snapshot = kept
    session.add(merge)
    session.flush()
    old, new = difference(before, snapshot(winner))
    audit.record(session, "customer.merge", winner.name, old, {**new, "merge": merge.name})
    united = [UnitedContact(make_name("contacts", gone.id), into.name) for gone, into in moves.united]
    outbox.emit(session, CustomersMerged(winner.name, winner.version, state(winner), merge.name, facts, united))
    return Merged(merge, winner, moves.touched)


def derive_again(session: ServiceSession, winner: Customer, ids: Sequence[UUID]) -> None:
    """Bring all that follows from the children of customers up to date at once: totals, roll-ups, formulas, tags of
    rules and stages."""
    totals.recount(session, ids)
    refresh(session, ids)
    Evaluation(session).stage_again(ids)
    session.refresh(winner, ["lifecycle_stage"])


def _lock(session: ServiceSession, draft: MergeDraft) -> tuple[Customer, list[Customer]]:
    ids = [draft.customer_id, *draft.other_ids]
    if not 1 <= len(draft.other_ids) <= MOST or len(set(ids)) < len(ids):
        raise Invalid("INVALID_MERGE", f"name the customer that stays and from 1 to {MOST} others, each once")
    # In one order, so that two merges of the same customers never wait for each other.
    found = {key: lock_customer(session, key, MERGE) for key in sorted(ids)}
    return found[draft.customer_id], [found[key] for key in draft.other_ids]


def _judge(session: ServiceSession, winner: Customer, others: Sequence[Customer], choices: Sequence[Choice]) -> None:
    for number, choice in enumerate(choices):
        require_writable(session.caller, ENTITY, choice.field, path=f"choices.{number}.field")
    if len({one.kind for one in (winner, *others)}) > 1:
        raise Conflict("DIFFERENT_KINDS", "a company and a person are not one", field="others")
    codes = {one.credit_code for one in (winner, *others) if one.credit_code}
    if len(codes) > 1 and "credit_code" not in [choice.field for choice in choices]:
        raise Conflict(
            "DIFFERENT_CREDIT_CODES",
            "firms of different credit codes are different firms: if one code is wrong, choose whose to keep",
            field="choices",
        )


def _snapshot(session: ServiceSession, winner: Customer, others: Sequence[Customer]) -> dict[str, Any]:
    """All rows that the merge touches, as they are."""
    session.flush()
    ids = [one.id for one in others]
    return {
        "before": rows.read_rows(session, "customer", "id", [winner.id])[0],
        "customers": rows.read_rows(session, "customer", "id", ids),
        "contacts": rows.read_rows(session, "contact", "customer_id", [winner.id, *ids]),
        "shares": rows.read_rows(session, "record_share", "record_id", ids),
        "relations": relations_of(session, ids),
        "children": {table: rows.read_rows(session, table, "customer_id", ids) for table in rows.dropped_tables()},
    }


def _move(
    session: ServiceSession, merge: CustomerMerge, winner: Customer, others: Sequence[Customer], kept: dict[str, Any]
) -> ContactMoves:
    ids = [one.id for one in others]
    moves = merge_contacts(session, winner.id, contacts_of(session, [winner.id, *ids]))
    set_aside_unless_held(session, [gone for gone, _ in moves.united])
    for gone, _ in moves.united:
        session.delete(gone)
    session.flush()
    moved = rows.move_rows(session, merge.id, winner.id, ids)
    relations = move_relations(session, winner.id, ids)
    granted = _move_shares(session, winner, ids)
    kept["granted_shares"] = {str(one.id): one.version for one in granted}
    kept["begun_theatres"] = {str(one.id): one.version for one in unite(session, winner, ids)}
    merge.counts = {
        "moved_contacts": len(moves.moved),
        "united_contacts": len(moves.united),
        "moved_timeline_entries": moved["timeline_entry"],
        "moved_shares": len(granted),
        "moved_relations": relations,
    }
    entry = TimelineEntry(
        id=merge.id,
        customer_id=winner.id,
        kind=TimelineKind.CUSTOMERS_MERGED,
        source=session.service,
        resource=merge.name,
        actor=session.caller.subject,
        summary="、".join(one.display_name for one in others),
        details={"customers": [one.name for one in others]},
        occur_time=session.now,
    )
    session.add(entry)
    return moves


def _move_shares(session: ServiceSession, winner: Customer, others: Sequence[UUID]) -> list[RecordShare]:
    """Share the customer that stays with whom the others are shared with. The wider share wins."""
    live = sharing.live_shares(session, ENTITY)
    held = {share.grantee for share in session.scalars(live.where(RecordShare.record_id == winner.id))}
    best: dict[str, RecordShare] = {}
    for share in session.scalars(live.where(RecordShare.record_id.in_(others)).order_by(RecordShare.id)):
        known = best.get(share.grantee)
        if known is None or (known.level, share.level) == (ShareLevel.READ_ONLY, ShareLevel.COLLABORATE):
            best[share.grantee] = share
    given = []
    for share in [share for grantee, share in sorted(best.items()) if grantee not in held]:
        level = ShareLevel(share.level)
        granted, _ = sharing.grant(session, ENTITY, winner.id, share.grantee, level, share.expire_time)
        audit.record(session, "customer.share", winner.name, None, granted.snapshot())
        outbox.emit(session, share_changed(granted))
        given.append(granted)
    return given


def _drop(session: ServiceSession, merge: CustomerMerge, winner: Customer, others: Sequence[Customer]) -> None:
    """Remove the others: what is asked of them is answered by the one that stays."""
    ids = [one.id for one in others]
    set_aside_unless_held(session, others)
    for held in lock_held(session, Customer.id.in_(ids)):
        forget_holder(session, held, ChangeKind.MERGED)
    into = {"merged_into": winner.name, "merge": merge.name}
    audit.record_all(session, [audit.Change("customer.merge", one.name, snapshot(one), into) for one in others])
    for one in others:
        sharing.forget_record(session, ENTITY, one.id)
        session.expunge(one)
    session.execute(delete(Customer).where(Customer.id.in_(ids)))
    session.add_all([MergedCustomer(id=key, merge_id=merge.id, customer_id=winner.id) for key in ids])
    settle_groups(session, [winner.id, *ids], GroupState.OPEN, GroupState.MERGED)


def settle_groups(session: ServiceSession, ids: Sequence[UUID], before: GroupState, after: GroupState) -> None:
    """Note of the groups of likely duplicates all of whose customers these are what has become of them."""
    others = exists().where(DuplicateMember.group_id == DuplicateGroup.id, DuplicateMember.customer_id.not_in(ids))
    mine = select(DuplicateMember.group_id).where(DuplicateMember.customer_id.in_(ids))
    session.execute(
        update(DuplicateGroup)
        .where(DuplicateGroup.state == before, DuplicateGroup.id.in_(mine), ~others)
        .values(state=after, update_time=session.now)
        .execution_options(synchronize_session=False)
    )
