"""Create a tag with a colour, a group, or a rule."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.errors import Duplicate, Exhausted, Invalid
from chassis.names import new_id
from chassis.rules import required_text
from chassis.snapshots import filled
from sqlalchemy import func, select

from customers.model.tags import Tag
from customers.own_fields import ENTITY
from customers.pools.conditions import met
from customers.refreshing import queue_refresh
from customers.rules import MAX_TAG

MOST_TAGS = 1_000
MOST_RULES = 100
"""Every change of a customer is judged by all of them."""

_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class TagDraft:
    """A tag as its creator states it."""

    display_name: str
    colour: str = ""
    tag_group: str = ""
    rule: Mapping[str, Any] | None = None
    """A filter in the form in which they are kept."""


def create_tag(session: ServiceSession, draft: TagDraft) -> Tag:
    """Create a tag. Raises Invalid, Duplicate DUPLICATE_TAG or Exhausted TOO_MANY_TAGS."""
    name = required_text(draft.display_name, maximum=MAX_TAG)
    locks.hold(session, "tag")
    if session.scalar(select(Tag.id).where(Tag.display_name == name)) is not None:
        raise Duplicate("DUPLICATE_TAG", f"there is a tag {name!r} already", field="tag.display_name")
    tag = Tag(
        id=new_id(),
        display_name=name,
        colour=colour(draft.colour),
        tag_group=group(draft.tag_group),
        rule=None,
        creator=session.caller.subject,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    set_rule(session, tag, draft.rule)
    session.add(tag)
    session.flush()
    if (session.scalar(select(func.count()).select_from(Tag)) or 0) > MOST_TAGS:
        raise Exhausted("TOO_MANY_TAGS", f"at most {MOST_TAGS} tags fit: delete some first")
    audit.record(session, "tag.create", tag.name, None, tag_snapshot(tag))
    if tag.rule is not None:
        queue_refresh(session, ENTITY)
    return tag


def set_rule(session: ServiceSession, tag: Tag, rule: Mapping[str, Any] | None) -> None:
    """Give a tag a rule, or none. Raises Invalid as filters do, Exhausted TOO_MANY_TAGS."""
    if rule:
        met(session, rule, path="tag.rule")
        others = select(func.count()).select_from(Tag).where(Tag.rule.is_not(None), Tag.id != tag.id)
        if (session.scalar(others) or 0) >= MOST_RULES:
            raise Exhausted("TOO_MANY_TAGS", f"at most {MOST_RULES} tags have rules: end some first")
    tag.rule = dict(rule) if rule else None


def colour(text: str, *, field: str = "tag.colour") -> str:
    """A colour in upper case, or none."""
    cleaned = text.strip().upper()
    if cleaned and not _COLOUR.fullmatch(cleaned):
        raise Invalid("INVALID_COLOUR", "give a colour like #1E90FF", field=field)
    return cleaned


def group(text: str) -> str:
    """The name of a group, or none."""
    return required_text(text, maximum=MAX_TAG) if text.strip() else ""


def tag_snapshot(tag: Tag) -> dict[str, Any]:
    """What the audit log keeps of a tag."""
    return filled({key: getattr(tag, key) for key in ("display_name", "colour", "tag_group", "rule", "version")})
