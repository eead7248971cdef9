"""Take a merge back."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.custom_fields import list_fields
from chassis.custom_values import FieldType
from chassis.db import ServiceSession
from chassis.errors import Conflict, DomainError, NotFound
from chassis.names import make_name
from chassis.personal_data import deleted
from chassis.sharing import RecordShare, not_yours
from sqlalchemy import delete, select

from customers.duplicates import refusing_duplicates
from customers.events import CustomersUnmerged
from customers.facts import difference, snapshot, state
from customers.holders import Held
from customers.holding import restore_holders
from customers.merging import rows
from customers.merging.fields import LATEST
from customers.merging.relations import restore_relations
from customers.model import Contact, Customer, KnownUser, Origin, Pool, TimelineEntry
from customers.model.duplicates import CustomerMerge, GroupState, MergedCustomer
from customers.own_fields import ENTITY
from customers.queries import lock_customer
from customers.theatres.assignments import restore_theatres
from customers.tiers.changes import Move, given_by_rule, note_tiers
from customers.usecases.end_shares import end_shares
from customers.usecases.merge_customers import MERGE, UNDO_WITHIN, Merged, derive_again, settle_groups
from customers.usecases.share_customer import share_changed

_DERIVED = {
    "version", "update_time", "name_key", "search_text", "grams", "rule_tags", "quality_score", "lifecycle_stage",
}  # fmt: skip
_RUNNING_ON = set(LATEST)
"""What goes on by itself: a follow-up since is no reason to refuse."""
_BY_PART = {"tags", "custom"}
"""What is put back part by part, since rules change other parts of it at any time."""
_CONTACT_KEPT = {"id", "version", "update_time"}


def undo_merge(session: ServiceSession, merge_id: UUID) -> Merged:
    """Bring back the customers that a merge made one, each with what was its own.

    What nobody changed since is as it was, but for versions and times of change. Raises NotFound MERGE_NOT_FOUND,
    Denied NOT_YOURS, and Conflict MERGE_UNDONE, MERGE_TOO_OLD, MERGE_ERASED or MERGE_CHANGED_SINCE.
    """
    merge = session.scalars(select(CustomerMerge).where(CustomerMerge.id == merge_id).with_for_update()).first()
    missing = NotFound("MERGE_NOT_FOUND", "there is no such merge, or you may not see its customer")
    if merge is None:
        raise missing
    winner = _winner(session, merge, missing)
    kept = _kept(session, merge)
    _require_scope(session, kept["customers"])
    changed = _changed_columns(session, winner, kept)
    _require_contacts(session, winner, kept)
    before = snapshot(winner)
    with refusing_duplicates():
        _restore_winner(session, winner, kept, changed)
        others = _restore_others(session, winner, merge, kept)
    contacts = _restore_contacts(session, kept)
    session.execute(delete(TimelineEntry).where(TimelineEntry.id == merge.id))
    rows.move_back(session, merge.id, winner.id)
    for table, found in kept["children"].items():
        rows.put_rows(session, table, found)
    restore_relations(session, kept.get("relations", ()))
    _restore_shares(session, kept)
    restore_theatres(session, kept.get("begun_theatres", {}), merge.other_ids)
    session.execute(delete(MergedCustomer).where(MergedCustomer.merge_id == merge.id))
    settle_groups(session, [winner.id, *merge.other_ids], GroupState.MERGED, GroupState.OPEN)
    deleted.forget(session, [*(one.name for one in others), *(one.name for one in contacts)])
    merge.snapshot, merge.undo_time = None, session.now
    session.flush()
    derive_again(session, winner, [winner.id, *merge.other_ids])
    note_tiers(session, [Move(winner.id, before.get("level"), winner.level)], Origin.MERGE)
    _tell(session, merge, winner, others, before)
    return Merged(merge, winner, contacts)


def _winner(session: ServiceSession, merge: CustomerMerge, missing: DomainError) -> Customer:
    there = session.scalar(select(Customer.id).where(Customer.id == merge.customer_id))
    if there is None and merge.undo_time is None and session.caller.scope(MERGE).everything:
        raise _changed(make_name("customers", merge.customer_id), "it is there no more")
    return lock_customer(session, merge.customer_id, MERGE, missing=missing)


def _kept(session: ServiceSession, merge: CustomerMerge) -> dict[str, Any]:
    if merge.undo_time is not None:
        raise Conflict("MERGE_UNDONE", "this merge has been taken back already", merge=merge.name)
    if merge.snapshot is None and session.now <= merge.create_time + UNDO_WITHIN:
        message = "a person's data were erased since, without which this merge cannot be taken back"
        raise Conflict("MERGE_ERASED", message, merge=merge.name)
    if merge.snapshot is None or session.now > merge.create_time + UNDO_WITHIN:
        raise Conflict("MERGE_TOO_OLD", f"a merge can be taken back for {UNDO_WITHIN.days} days", merge=merge.name)
    return merge.snapshot


def _require_scope(session: ServiceSession, others: Sequence[Mapping[str, Any]]) -> None:
    scope = session.caller.scope(MERGE)
    for row in others:
        owner = UUID(row["owner_id"]) if row["owner_id"] else None
        if not scope.reaches(owner, row["owner_department_path"]):
            raise not_yours(MERGE, owner)


def _changed(resource: str, how: str) -> Conflict:
    message = f"{resource} was changed after the merge ({how}), which cannot be taken back any more"
    return Conflict("MERGE_CHANGED_SINCE", message, resource=resource)


def _changed_columns(session: ServiceSession, winner: Customer, kept: Mapping[str, Any]) -> list[str]:
    """What the merge changed of the customer that stays. Raises Conflict if somebody changed it again."""
    [now] = rows.read_rows(session, "customer", "id", [winner.id])
    was, became = kept["before"], kept["after"]
    running_on = _RUNNING_ON | ({"level"} if given_by_rule(session, winner.id) else set())
    for key in (was["custom"].keys() | became["custom"].keys()) - _derived_fields(session):
        mine = was["custom"].get(key) != became["custom"].get(key)
        if mine and now["custom"].get(key) != became["custom"].get(key):
            raise _changed(winner.name, f"custom_fields.{key}")
    changed = [key for key in was if key not in _DERIVED | _BY_PART and was[key] != became.get(key)]
    again = [key for key in changed if now.get(key) != became.get(key)]
    for key in again:
        if key not in running_on:
            raise _changed(winner.name, key)
    return [key for key in changed if key not in again]


def _require_contacts(session: ServiceSession, winner: Customer, kept: Mapping[str, Any]) -> None:
    wanted = {UUID(key): version for key, version in kept["contacts_after"].items()}
    statement = select(Contact).where(Contact.id.in_(wanted)).order_by(Contact.id).with_for_update()
    found = {one.id: one for one in session.scalars(statement)}
    for key, version in wanted.items():
        one = found.get(key)
        if one is None or one.version != version or one.customer_id != winner.id:
            raise _changed(make_name("contacts", key), "it is another one" if one else "it was deleted")


def _restore_winner(session: ServiceSession, winner: Customer, kept: Mapping[str, Any], columns: Sequence[str]) -> None:
    was, became = kept["before"], kept["after"]
    if columns:
        rows.change_row(session, "customer", was, columns)
        session.refresh(winner)
    gained, lost = _by_hand(became) - _by_hand(was), _by_hand(was) - _by_hand(became)
    winner.tags = sorted((set(winner.tags) - gained) | lost)
    stated = (was["custom"].keys() | became["custom"].keys()) - _derived_fields(session)
    touched = {key for key in stated if was["custom"].get(key) != became["custom"].get(key)}
    own = {key: value for key, value in was["custom"].items() if key in touched}
    winner.custom = {key: value for key, value in winner.custom.items() if key not in touched} | own
    winner.version += 1
    winner.update_time = session.now
    winner.refresh_keys()
    session.flush()


def _by_hand(row: Mapping[str, Any]) -> set[str]:
    """The tags that no rule has set."""
    return set(row["tags"]) - set(row["rule_tags"])


def _derived_fields(session: ServiceSession) -> set[str]:
    """The company's own fields whose values follow from others: they are reckoned anew."""
    derived = {FieldType.FORMULA, FieldType.ROLLUP}
    return {field.key for field in list_fields(session, ENTITY) if field.type in derived}


def _restore_others(
    session: ServiceSession, winner: Customer, merge: CustomerMerge, kept: Mapping[str, Any]
) -> list[Customer]:
    """The others, with their holders if they are still there, else with that of the customer that stays."""
    back = [_held_again(session, winner, row) | _fresh(session, row) for row in kept["customers"]]
    rows.put_rows(session, "customer", back)
    found = list(session.scalars(select(Customer).where(Customer.id.in_(merge.other_ids)).order_by(Customer.id)))
    gone = [Held.of(one)._replace(owner_id=None, pool_id=None, held_since=merge.create_time) for one in found]
    restore_holders(session, list(zip(gone, found, strict=True)))
    return found


def _held_again(session: ServiceSession, winner: Customer, row: Mapping[str, Any]) -> dict[str, Any]:
    """A customer's row with its holder as they are now: people move and leave, and pools are deleted."""
    user = session.get(KnownUser, UUID(row["owner_id"])) if row["owner_id"] else None
    pool = session.get(Pool, UUID(row["pool_id"])) if row["pool_id"] else None
    if (row["owner_id"] and (user is None or not user.active)) or (row["pool_id"] and pool is None):
        [holder] = rows.read_rows(session, "customer", "id", [winner.id])
        keys = ("owner_id", "owner_department_id", "owner_department_path", "pool_id", "pool_entry_time")
        return {**row, **{key: holder[key] for key in keys}}
    if user is not None:
        department = str(user.department_id) if user.department_id else None
        return {**row, "owner_department_id": department, "owner_department_path": user.department_path}
    return dict(row)


def _fresh(session: ServiceSession, row: Mapping[str, Any]) -> dict[str, Any]:
    """Versions grow, so that what others know of before is older."""
    return {"version": row["version"] + 1, "update_time": session.now.isoformat()}


def _restore_contacts(session: ServiceSession, kept: Mapping[str, Any]) -> list[Contact]:
    was = {UUID(row["id"]): row for row in kept["contacts"]}
    touched = {UUID(key) for key in kept["contacts_after"]}
    there = {one.id: one for one in session.scalars(select(Contact).where(Contact.id.in_(was)))}
    columns = [key for row in kept["contacts"][:1] for key in row if key not in _CONTACT_KEPT]
    for key in touched & there.keys():
        rows.change_row(session, "contact", was[key], columns)
        there[key].version += 1
        there[key].update_time = session.now
        session.flush()
        session.refresh(there[key])
    went = [key for key in was if key not in there and was[key]["customer_id"] in _ids(kept["customers"])]
    rows.put_rows(session, "contact", [{**was[key], **_fresh(session, was[key])} for key in went])
    statement = select(Contact).where(Contact.id.in_([*touched, *went])).order_by(Contact.id)
    contacts = list(session.scalars(statement.execution_options(populate_existing=True)))
    for contact in contacts:  # what was kept may be older than what contacts are searched by
        contact.refresh_keys()
    return contacts


def _ids(found: Sequence[Mapping[str, Any]]) -> set[str]:
    return {row["id"] for row in found}


def _restore_shares(session: ServiceSession, kept: Mapping[str, Any]) -> None:
    """Put the shares back, and end those that the merge gave, unless somebody has changed them since."""
    versions = {UUID(key): version for key, version in kept["granted_shares"].items()}
    granted = session.scalars(select(RecordShare).where(RecordShare.id.in_(versions)).order_by(RecordShare.id))
    end_shares(session, [one for one in granted if one.live(session.now) and one.version == versions[one.id]])
    rows.put_rows(session, "record_share", [{**row, **_fresh(session, row)} for row in kept["shares"]])
    ids = [UUID(row["id"]) for row in kept["shares"]]
    for share in session.scalars(select(RecordShare).where(RecordShare.id.in_(ids)).order_by(RecordShare.id)):
        if share.live(session.now):
            outbox.emit(session, share_changed(share))


def _tell(
    session: ServiceSession, merge: CustomerMerge, winner: Customer, others: Sequence[Customer], before: dict[str, Any]
) -> None:
    old, new = difference(before, snapshot(winner))
    audit.record(session, "customer.unmerge", winner.name, old, {**new, "merge": merge.name})
    changes = [audit.Change("customer.unmerge", one.name, None, snapshot(one)) for one in others]
    audit.record_all(session, changes)
    states = [state(one) for one in others]
    outbox.emit(session, CustomersUnmerged(winner.name, winner.version, state(winner), merge.name, states))
