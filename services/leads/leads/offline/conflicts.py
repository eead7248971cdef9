"""Changes on both sides of a lead, which wait for somebody's choice."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid, NotFound
from chassis.etags import check_etag
from chassis.paging import Page, SortKey
from sqlalchemy import select, update

from leads.lead_queries import lock_lead
from leads.model import Lead, OfflineOperation, OperationState
from leads.usecases.update_lead import update_lead

_NEWEST = SortKey(OfflineOperation.id, descending=True, nullable=False)


def list_conflicts(session: ServiceSession, *, page_size: int, page_token: str) -> Page[OfflineOperation]:
    """A page of the caller's operations that wait for a choice, the newest first."""
    statement = select(OfflineOperation).where(
        OfflineOperation.subject == session.caller.subject, OfflineOperation.state == OperationState.CONFLICT
    )
    mark = paging.fingerprint("offline conflicts", session.caller.subject)
    return paging.fetch_page(session, statement, [_NEWEST], paging.page_size(page_size), page_token, mark)


def resolve_conflict(
    session: ServiceSession, client_id: UUID, yours: Collection[str], theirs: Collection[str], *, etag: str = ""
) -> tuple[OfflineOperation, Lead]:
    """Settle a conflict: set the fields of `yours` to what the device stated, and leave those of `theirs` as they are.

    Raises NotFound, Conflict CONFLICT_SETTLED if the choice was made before, Invalid unless each field that is in
    conflict is named once, and Stale if the lead is not the one that was chosen about.
    """
    operation = _lock(session, client_id)
    if operation.state != OperationState.CONFLICT or operation.conflict is None or operation.lead_id is None:
        raise Conflict("CONFLICT_SETTLED", "this operation waits for no choice; fetch the lead again")
    stated: dict[str, Any] = operation.conflict["yours"]
    _refuse_incomplete(stated.keys(), yours, theirs)
    lead = lock_lead(session, operation.lead_id, "lead.update")
    check_etag(etag, lead.version)
    if yours:
        lead = update_lead(session, lead.id, {field: stated[field] for field in yours})
    operation.state, operation.conflict = OperationState.RESOLVED, None
    session.flush()
    return operation, lead


def _lock(session: ServiceSession, client_id: UUID) -> OfflineOperation:
    statement = select(OfflineOperation).where(
        OfflineOperation.subject == session.caller.subject, OfflineOperation.client_id == client_id
    )
    operation: OfflineOperation | None = session.scalars(statement.with_for_update()).first()
    if operation is None:
        raise NotFound("OPERATION_NOT_FOUND", "you have handed in no operation with this id", field="client_id")
    return operation


def _refuse_incomplete(fields: Collection[str], yours: Collection[str], theirs: Collection[str]) -> None:
    chosen: Sequence[str] = [*yours, *theirs]
    if sorted(chosen) != sorted(fields):
        message = f"choose once for each of {', '.join(sorted(fields))}"
        raise Invalid("INCOMPLETE_CHOICE", message, field="keep_mine")


def forget_conflicts(session: ServiceSession, lead_id: UUID) -> None:
    """Give up what was stated about a lead that is deleted or erased, and could be set no more."""
    session.execute(
        update(OfflineOperation)
        .where(OfflineOperation.lead_id == lead_id, OfflineOperation.state == OperationState.CONFLICT)
        .values(state=OperationState.RESOLVED, conflict=None)
        .execution_options(synchronize_session=False)
    )
