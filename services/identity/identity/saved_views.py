"""Ways in which people look at records: which may be kept, and who sees them."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, count
from typing import Any
from uuid import UUID

import orjson
from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Denied, Invalid, NotFound
from chassis.names import make_name
from chassis.paging import Page, SortKey, fetch_page
from sqlalchemy import ColumnElement, or_, select, update

from identity import queries
from identity.model import SavedView, User, label
from identity.uniqueness import flush_unique

FIELDS = frozenset({"display_name", "filter", "columns", "order_by", "is_default", "shared_department"})
MAXIMUM_FILTER_BYTES = 64 * 1024
MAXIMUM_COLUMNS = 100
MAXIMUM_SORT_KEYS = 5
_LONGEST_NUMBERED = 90
_ENTITY = re.compile(r"[a-z][a-z0-9_]{0,49}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,49}(\.[A-Za-z0-9_-]{1,100})?")


@dataclass(frozen=True)
class ViewDraft:
    """What a client says of a view."""

    entity: str
    display_name: str
    filter: Mapping[str, Any]
    columns: Sequence[str]
    order_by: Sequence[Mapping[str, Any]]
    is_default: bool
    department_id: UUID | None


def get_view(session: ServiceSession, view_id: UUID) -> SavedView:
    """A view that the caller may see. Raises NotFound."""
    found = session.scalars(select(SavedView).where(SavedView.id == view_id, _visible(session))).one_or_none()
    if found is None:
        raise NotFound("VIEW_NOT_FOUND", "there is no such view", saved_view=make_name("savedViews", view_id))
    return found


def list_views(session: ServiceSession, entity: str, size: int, token: str) -> Page[SavedView]:
    """A page of the views that the caller may see, of one entity if named."""
    statement = select(SavedView).where(_visible(session))
    if entity:
        statement = statement.where(SavedView.entity == entity)
    keys = [SortKey(SavedView.display_name, nullable=False), SortKey(SavedView.id, nullable=False)]
    return fetch_page(session, statement, keys, size, token, f"savedViews {entity}")


def _visible(session: ServiceSession) -> ColumnElement[bool]:
    """The caller's own views, and those of the departments that the caller is in or below."""
    above = [UUID(key) for key in session.caller.department_path.split("/") if key]
    return or_(SavedView.owner_id == session.caller.user_id, SavedView.department_id.in_(above))


def check_entity(name: str) -> str:
    """The name of an entity. Raises Invalid for what cannot be one."""
    if not _ENTITY.fullmatch(name):
        raise Invalid("INVALID_ENTITY", "an entity is named like `customer`", field="entity")
    return name


def own_view(session: ServiceSession, view_id: UUID) -> tuple[User, SavedView]:
    """The caller and the caller's view. All writes of one owner queue up at the user's row."""
    owner = queries.get_own_user(session, lock=True)
    view = get_view(session, view_id)
    if view.owner_id != owner.id:
        raise Denied("NOT_YOUR_VIEW", "another shares this view; make one of your own from it", saved_view=view.name)
    return owner, view


def apply_draft(session: ServiceSession, owner: User, view: SavedView, draft: ViewDraft, paths: Set[str]) -> None:
    """Make a view at `paths` what a draft says. Raises Invalid or Denied."""
    if "display_name" in paths:
        view.display_name = label(draft.display_name, field="display_name")
    if "filter" in paths:
        view.filter = _filter(draft.filter)
    if "columns" in paths:
        view.columns = _fields(draft.columns, MAXIMUM_COLUMNS, field="columns")
    if "order_by" in paths:
        _fields([str(key.get("field", "")) for key in draft.order_by], MAXIMUM_SORT_KEYS, field="order_by")
        view.order_by = [dict(key) for key in draft.order_by]
    if "shared_department" in paths:
        view.department_id = _department(session, owner, draft.department_id)
    if "is_default" in paths:
        if draft.is_default:
            others = update(SavedView).where(SavedView.owner_id == owner.id, SavedView.entity == view.entity)
            session.execute(others.where(SavedView.is_default, SavedView.id != view.id).values(is_default=False))
        view.is_default = draft.is_default


def save_view(session: ServiceSession, view: SavedView) -> None:
    """Send a view to the database as a new version. Raises Duplicate if the owner has one of that name."""
    view.version += 1
    flush_unique(session)


def hand_over_shared_views(session: ServiceSession, leaver_id: UUID, successor_id: UUID) -> int:
    """Give the views that a leaver shares with departments to a successor, so that somebody can look after them.
    Returns how many. Private ones stay: nobody but their owner has ever seen them.

    Whoever shares a view may have another one of its name; then the leaver's gets a number.
    """
    session.get_one(User, successor_id, with_for_update={"of": User})
    shared = select(SavedView).where(SavedView.owner_id == leaver_id, SavedView.department_id.is_not(None))
    views = session.scalars(shared.order_by(SavedView.id).with_for_update()).all()
    own = select(SavedView.entity, SavedView.display_name).where(SavedView.owner_id == successor_id)
    taken = {(row.entity, row.display_name) for row in session.execute(own)}
    for view in views:
        before = view.snapshot()
        view.display_name = _free_name(view, taken)
        taken.add((view.entity, view.display_name))
        view.owner_id, view.is_default = successor_id, False
        view.version += 1
        view.update_time = session.now
        session.flush()
        audit.record(session, "saved_view.update", view.name, before, view.snapshot())
    return len(views)


def _free_name(view: SavedView, taken: Set[tuple[str, str]]) -> str:
    names = (f"{view.display_name[:_LONGEST_NUMBERED]} ({number})" for number in count(2))
    return next(name for name in chain([view.display_name], names) if (view.entity, name) not in taken)


def _filter(given: Mapping[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(given)) > MAXIMUM_FILTER_BYTES:
        raise Invalid("FILTER_TOO_LARGE", f"a filter has at most {MAXIMUM_FILTER_BYTES} bytes", field="filter")
    return dict(given)


def _fields(given: Sequence[str], most: int, *, field: str) -> list[str]:
    if len(given) > most:
        raise Invalid("TOO_MANY_FIELDS", f"at most {most} fields can be named here", field=field, maximum=most)
    for index, name in enumerate(given):
        if not _FIELD.fullmatch(name):
            message = f"{name[:50]!r} is no name of a field such as `owner` or `custom.region`"
            raise Invalid("INVALID_FIELD_NAME", message, field=f"{field}[{index}]")
    if len(set(given)) < len(given):
        raise Invalid("DUPLICATE_FIELD", "a field is named twice", field=field)
    return list(given)


def _department(session: ServiceSession, owner: User, department_id: UUID | None) -> UUID | None:
    """The department to share with: the owner's, or one below. Anything wider would be somebody else's to decide."""
    if department_id is None:
        return None
    department = queries.get_department(session, department_id, field="shared_department")
    if not department.path.startswith(owner.department_path):
        message = "share with your own department or one below it"
        raise Denied("OUT_OF_SCOPE", message, field="shared_department")
    return department.id
