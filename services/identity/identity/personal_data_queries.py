"""Reads of requests for personal data and of legal holds, for those who look after everybody's."""

from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.paging import Page, SortKey, fetch_page
from sqlalchemy import select

from identity.model import LegalHold, PersonalDataRequest

PERMISSION = "personal_data.manage"


def get_request(session: ServiceSession, request_id: UUID) -> PersonalDataRequest:
    """A request. Raises NotFound."""
    session.caller.require_everything(PERMISSION)
    request = session.get(PersonalDataRequest, request_id)
    if request is None:
        raise NotFound("PERSONAL_DATA_REQUEST_NOT_FOUND", "there is no such request")
    return request


def list_requests(session: ServiceSession, size: int, token: str) -> Page[PersonalDataRequest]:
    """A page of the requests, newest first."""
    session.caller.require_everything(PERMISSION)
    keys = [SortKey(PersonalDataRequest.create_time, descending=True, nullable=False)]
    keys.append(SortKey(PersonalDataRequest.id, descending=True, nullable=False))
    return fetch_page(session, select(PersonalDataRequest), keys, size, token, "personal_data_requests")


def get_hold(session: ServiceSession, hold_id: UUID, *, lock: bool = False) -> LegalHold:
    """A legal hold. Raises NotFound."""
    session.caller.require_everything(PERMISSION)
    hold = session.get(LegalHold, hold_id, with_for_update=lock or None)
    if hold is None:
        raise NotFound("LEGAL_HOLD_NOT_FOUND", "there is no such legal hold")
    return hold


def list_holds(session: ServiceSession, size: int, token: str) -> Page[LegalHold]:
    """A page of the legal holds, newest first."""
    session.caller.require_everything(PERMISSION)
    keys = [SortKey(LegalHold.create_time, descending=True, nullable=False)]
    keys.append(SortKey(LegalHold.id, descending=True, nullable=False))
    return fetch_page(session, select(LegalHold), keys, size, token, "legal_holds")
