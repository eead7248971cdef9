"""Change a tag's colour, group or rule."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.etags import check_etag
from chassis.snapshots import difference

from customers.model.tags import Tag
from customers.own_fields import ENTITY
from customers.refreshing import queue_refresh
from customers.usecases.create_tag import colour, group, set_rule, tag_snapshot

FIELDS = frozenset({"colour", "group", "rule"})


def update_tag(session: ServiceSession, tag_id: UUID, values: Mapping[str, Any], *, etag: str = "") -> Tag:
    """Change a tag by raw values by field, see `FIELDS`. No change leaves no trace."""
    tag = lock_tag(session, tag_id)
    check_etag(etag, tag.version)
    before = tag_snapshot(tag)
    with session.no_autoflush:
        if "colour" in values:
            tag.colour = colour(values["colour"])
        if "group" in values:
            tag.tag_group = group(values["group"])
        if "rule" in values:
            set_rule(session, tag, values["rule"])
    old, new = difference(before, tag_snapshot(tag))
    if not new:
        return tag
    tag.version += 1
    tag.update_time = session.now
    session.flush()
    audit.record(session, "tag.update", tag.name, old, new)
    if "rule" in new or "rule" in old:
        queue_refresh(session, ENTITY)
    return tag


def lock_tag(session: ServiceSession, tag_id: UUID) -> Tag:
    """A tag, locked for a change. Raises NotFound."""
    tag = session.get(Tag, tag_id, with_for_update=True, populate_existing=True)
    if tag is None:
        raise NotFound("TAG_NOT_FOUND", "there is no such tag")
    return tag
