"""Reads: the visits that a caller may see."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, select, true, tuple_
from sqlalchemy.orm import aliased

from leads import subjects
from leads.model import Geofence, ReviewState, Visit, VisitPhoto
from leads.subjects import Subject

READ = "visit.read"
ENTITY = "visit"

REGISTRY = FieldRegistry(
    (
        Field("assignee", FieldKind.REFERENCE, Visit.assignee_id, collection="users", index="ix_visit_assignee"),
        Field("check_in_time", FieldKind.TIME, Visit.check_in_time, sortable=True, index="ix_visit_check_in_time"),
        Field("geofence", FieldKind.ENUM, Visit.geofence, choices=tuple(Geofence), index="none: narrows"),
        Field("review_state", FieldKind.ENUM, Visit.review_state, choices=tuple(ReviewState), index="ix_visit_pending"),
        Field("trust_score", FieldKind.NUMBER, Visit.trust_score, index="none: narrows"),
    ),
    entity=ENTITY,
)

_NEWEST = (
    SortKey(Visit.check_in_time, descending=True, nullable=False),
    SortKey(Visit.id, descending=True, nullable=False),
)


def visible(session: ServiceSession) -> ColumnElement[bool]:
    """Whether the caller may see a visit: their own, that of whom they reach, or at what they reach."""
    return subjects.reach(session, Visit, READ)


def get_visit(session: ServiceSession, visit_id: UUID, *, lock: bool = False) -> Visit:
    """A visit. Raises NotFound if there is none that the caller may see."""
    statement = select(Visit).where(Visit.id == visit_id, visible(session))
    visit = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if visit is None:
        raise no_visit()
    return visit


def list_visits(
    session: ServiceSession, subject: Subject | None, *, conditions: Any, page_size: int, page_token: str
) -> Page[Visit]:
    """A page of visits, the newest first."""
    size = paging.page_size(page_size)
    where = REGISTRY.where(conditions, caller=session.caller)
    statement = select(Visit).where(visible(session), where, _at(subject))
    mark = paging.fingerprint("visits", conditions, subject.name if subject else "")
    return paging.fetch_page(session, statement, list(_NEWEST), size, page_token, mark)


def _at(subject: Subject | None) -> ColumnElement[bool]:
    if subject is None:
        return true()
    return (Visit.customer_id if subject.collection == "customers" else Visit.lead_id) == subject.id


def photos_of(session: ServiceSession, visit_ids: Sequence[UUID]) -> dict[UUID, list[VisitPhoto]]:
    """The pictures of some visits, the oldest first."""
    found: dict[UUID, list[VisitPhoto]] = {}
    statement = select(VisitPhoto).where(VisitPhoto.visit_id.in_(visit_ids)).order_by(VisitPhoto.id)
    for photo in session.scalars(statement):
        found.setdefault(photo.visit_id, []).append(photo)
    return found


def legs_seen(session: ServiceSession, visits: Sequence[Visit]) -> set[UUID]:
    """Those of some visits whose way the caller may know: who sees the check-in before as well."""
    seen = {visit.id for visit in visits if visit.assignee_id == session.caller.user_id}
    others = [visit.id for visit in visits if visit.leg_metres is not None and visit.id not in seen]
    if not others or session.caller.scope(READ).everything:
        return seen | set(others)
    shown, former = aliased(Visit), aliased(Visit)
    before = (
        select(former.id)
        .where(
            former.assignee_id == shown.assignee_id,
            tuple_(former.check_in_time, former.id) < tuple_(shown.check_in_time, shown.id),
        )
        .order_by(former.check_in_time.desc(), former.id.desc())
        .limit(1)
        .correlate(shown)
        .scalar_subquery()
    )
    statement = select(shown.id).join(Visit, Visit.id == before).where(shown.id.in_(others), visible(session))
    return seen | set(session.scalars(statement))


def get_photo(session: ServiceSession, photo_id: UUID) -> VisitPhoto:
    """A picture of a visit that the caller may see. Raises NotFound."""
    statement = select(VisitPhoto).join(Visit, Visit.id == VisitPhoto.visit_id)
    photo = session.scalars(statement.where(VisitPhoto.id == photo_id, visible(session))).one_or_none()
    if photo is None:
        raise NotFound("VISIT_PHOTO_NOT_FOUND", "there is no such picture, or you may not see it")
    if photo.erased:
        raise NotFound("FILE_EXPIRED", "the file is kept no more; upload or export it again")
    return photo


def no_visit() -> NotFound:
    """The refusal of a visit that does not exist or cannot be seen, which are told alike."""
    return NotFound("VISIT_NOT_FOUND", "there is no such visit, or you may not see it")
