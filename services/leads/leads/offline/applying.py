"""Do what was done on a device without a connection."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid, NotFound, Unavailable
from chassis.names import new_id, parse_name
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from leads.model import OfflineOperation, OperationState
from leads.offline.kinds import KINDS, Done
from leads.purging import purge
from leads.reachable import Customers

MAX_OPERATIONS = 200
KEPT = timedelta(days=90)
"""How long an operation is known by its id."""
EARLIER = "operations"
"""The collection of names that stand for what an earlier operation made: `operations/{client_id}`."""

Resolve = Callable[[str], str]


@dataclass(frozen=True)
class Operation:
    """Something that was done on a device."""

    client_id: UUID
    kind: str
    digest: bytes
    read: Callable[[Resolve], Any]
    """What was stated, once names of earlier operations are resolved. Raises Invalid or NotFound."""
    occur_time: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of an operation."""

    client_id: UUID
    kept: OfflineOperation | None
    """None if it could not be judged, and is to be handed in again, or its id stands for another operation."""
    duplicate: bool = False
    refusal: DomainError | None = None


def apply_operations(session: ServiceSession, operations: Sequence[Operation], customers: Customers) -> list[Outcome]:
    """Do what was done on a device, in the order given, each operation once.

    Each is judged by itself, in a savepoint: one that is refused, or that is in conflict, keeps none of the others
    back. Its id is claimed in the transaction of its effect, so that whatever is handed in again, also at the same
    time, has its effect once. What a service that does not answer keeps from being judged is not claimed, and can be
    handed in again. Raises Invalid TOO_MANY.
    """
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        raise Invalid("TOO_MANY", f"hand in from 1 to {MAX_OPERATIONS} operations", field="operations")
    return [outcome for run in _runs(operations) for outcome in _apply_run(session, run, customers)]


def _runs(operations: Sequence[Operation]) -> Iterator[Sequence[Operation]]:
    """The operations in parts that are done at once."""
    for kind, run in groupby(operations, key=lambda one: one.kind):
        listed = list(run)
        if KINDS[kind].together and len({one.client_id for one in listed}) == len(listed):
            yield listed
        else:
            yield from ([one] for one in listed)


def _apply_run(session: ServiceSession, run: Sequence[Operation], customers: Customers) -> list[Outcome]:
    try:
        with session.begin_nested():
            claimed = _claim(session, run)
            fresh = [one for one in run if one.client_id in claimed]
            if fresh:
                _keep(session, claimed, fresh, _judge(session, fresh, customers))
            earlier = _known(session, [one for one in run if one.client_id not in claimed])
    except Unavailable as failure:
        return [Outcome(one.client_id, None, refusal=failure) for one in run]
    return [claimed.get(one.client_id) or _again(one, earlier[one.client_id]) for one in run]


def _claim(session: ServiceSession, run: Sequence[Operation]) -> dict[UUID, Outcome]:
    """Claim the ids that nobody has claimed before. A claim that is under way elsewhere is waited for."""
    values = [
        {
            "id": new_id(),
            "subject": session.caller.subject,
            "client_id": one.client_id,
            "kind": one.kind,
            "digest": one.digest,
            "state": OperationState.APPLIED,
            "occur_time": one.occur_time,
            "create_time": session.now,
        }
        for one in run
    ]
    statement = insert(OfflineOperation).values(values).on_conflict_do_nothing().returning(OfflineOperation)
    return {row.client_id: Outcome(row.client_id, row) for row in session.scalars(statement)}


def _judge(session: ServiceSession, run: Sequence[Operation], customers: Customers) -> list[Done | DomainError]:
    stated = [_stated(session, one) for one in run]
    try:
        with session.begin_nested():
            return KINDS[run[0].kind].run(session, stated, customers)
    except Unavailable:
        raise
    except DomainError as refusal:  # of all of them, such as for want of the permission
        return [refusal] * len(run)


def _stated(session: ServiceSession, operation: Operation) -> Any:
    def resolve(name: str) -> str:
        if not name.startswith(f"{EARLIER}/"):
            return name
        statement = select(OfflineOperation.record).where(
            OfflineOperation.subject == session.caller.subject,
            OfflineOperation.client_id == parse_name(EARLIER, name, field="operations"),
        )
        made = session.scalar(statement)
        if not made:
            raise NotFound("OPERATION_NOT_FOUND", "the operation that this one refers to has made nothing")
        return made

    try:
        return operation.read(resolve)
    except DomainError as fault:
        return fault if isinstance(fault, Invalid) else Invalid(fault.reason, fault.message, field="operations")


def _keep(
    session: ServiceSession,
    claimed: dict[UUID, Outcome],
    run: Sequence[Operation],
    results: Sequence[Done | DomainError],
) -> None:
    for operation, result in zip(run, results, strict=True):
        kept = claimed[operation.client_id].kept
        if kept is None:
            continue
        if isinstance(result, Done):
            kept.record, kept.lead_id = result.record, result.lead_id
            if result.conflict is not None:
                kept.state, kept.conflict = OperationState.CONFLICT, dict(result.conflict)
        else:
            fault = result.violations[0] if isinstance(result, Invalid) and result.violations else result
            kept.state, kept.reason, kept.field = OperationState.REFUSED, fault.reason, fault.field
            claimed[operation.client_id] = Outcome(operation.client_id, kept, refusal=result)
    session.flush()


def _known(session: ServiceSession, again: Sequence[Operation]) -> dict[UUID, OfflineOperation]:
    if not again:
        return {}
    statement = select(OfflineOperation).where(
        OfflineOperation.subject == session.caller.subject,
        OfflineOperation.client_id.in_([one.client_id for one in again]),
    )
    return {one.client_id: one for one in session.scalars(statement)}


def _again(operation: Operation, kept: OfflineOperation) -> Outcome:
    if kept.digest != operation.digest:
        message = "this id stands for another operation: choose a new one"
        return Outcome(operation.client_id, None, refusal=Invalid("OPERATION_ID_REUSED", message, field="client_id"))
    return Outcome(operation.client_id, kept, duplicate=True)


def purge_operations(session: ServiceSession, due: datetime) -> None:
    """Forget operations that no device will hand in again."""
    purge(session, OfflineOperation, OfflineOperation.create_time < session.now - KEPT)
