"""Make playbooks and change them."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag
from chassis.filters import filter_from_json
from chassis.rules import Rule, apply, refuse, required_text
from chassis.snapshots import difference, filled
from sqlalchemy import select

from leads.lead_queries import REGISTRY
from leads.model import KnownUser, Playbook, PlaybookVersion
from leads.playbooks.content import Content
from leads.playbooks.queries import content_of, no_playbook

PERMISSION = "playbook.configure"
FIELDS = frozenset({"display_name", "description", "filter", "position", "archived", "stages", "templates"})
"""The fields that an update changes."""

MAX_POSITION = 1_000_000


def _text(value: str, *, maximum: int) -> str:
    return required_text(value, maximum=maximum) if value.strip() else ""


def _position(value: int) -> int:
    if not 0 <= value <= MAX_POSITION:
        raise Invalid("OUT_OF_RANGE", f"it goes from 0 to {MAX_POSITION:,}")
    return value


_RULES: Mapping[str, Rule] = {
    "display_name": partial(required_text, maximum=100),
    "description": partial(_text, maximum=1_000),
    "filter": dict,
    "position": _position,
    "archived": bool,
}


def create_playbook(
    session: ServiceSession, values: Mapping[str, Any], content: Content
) -> tuple[Playbook, PlaybookVersion]:
    """Make a playbook with its first version. Raises Invalid, naming every field at fault."""
    session.caller.require_everything(PERMISSION)
    stored, faults = apply(_RULES, {"display_name": ""} | dict(values))
    refuse(faults)
    _check_filter(session, stored)
    _require_people(session, content)
    usual: dict[str, Any] = {"description": "", "filter": {}, "position": 0, "archived": False}
    playbook = Playbook(
        **(usual | stored),
        content_version=1,
        creator=session.caller.subject,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    session.add(playbook)
    session.flush()
    version = _write_version(session, playbook, content)
    audit.record(session, "playbook.create", playbook.name, None, snapshot(playbook) | {"content": version.content})
    return playbook, version


def update_playbook(
    session: ServiceSession, playbook_id: UUID, values: Mapping[str, Any], content: Mapping[str, Any], *, etag: str = ""
) -> tuple[Playbook, PlaybookVersion]:
    """Change a playbook. `content` holds the `stages` or `templates` that are to be others: a new version.

    Leads go on by the version that they started with.
    """
    session.caller.require_everything(PERMISSION)
    playbook = session.scalars(select(Playbook).where(Playbook.id == playbook_id).with_for_update()).first()
    if playbook is None:
        raise no_playbook()
    check_etag(etag, playbook.version)
    stored, faults = apply(_RULES, values)
    refuse(faults)
    _check_filter(session, stored)
    before = snapshot(playbook)
    old = content_of(session, playbook.id, playbook.content_version)
    new = Content(content.get("stages", old.stages), content.get("templates", old.templates))
    for column, value in stored.items():
        setattr(playbook, column, value)
    if new != old:
        _require_people(session, new)
        playbook.content_version += 1
        _write_version(session, playbook, new)
    if snapshot(playbook) != before:
        playbook.version += 1
        playbook.update_time = session.now
        session.flush()
        changed = difference(before, snapshot(playbook))
        audit.record(session, "playbook.update", playbook.name, changed[0], changed[1] | {"content": new.to_json()})
    return playbook, session.get_one(PlaybookVersion, (playbook.id, playbook.content_version))


def snapshot(playbook: Playbook) -> dict[str, Any]:
    """What a playbook holds beside its versions, for the audit log."""
    keys = ("display_name", "description", "filter", "position", "archived", "content_version", "version")
    return filled({key: getattr(playbook, key) for key in keys})


def _write_version(session: ServiceSession, playbook: Playbook, content: Content) -> PlaybookVersion:
    version = PlaybookVersion(
        playbook_id=playbook.id,
        number=playbook.content_version,
        content=content.to_json(),
        creator=session.caller.subject,
        create_time=session.now,
    )
    session.add(version)
    session.flush()
    return version


def _check_filter(session: ServiceSession, stored: Mapping[str, Any]) -> None:
    """Raise Invalid for a filter that makes no sense of leads."""
    REGISTRY.where(filter_from_json(stored.get("filter", {})), caller=session.caller)


def _require_people(session: ServiceSession, content: Content) -> None:
    """Raise Invalid UNKNOWN_OWNER if a template names somebody who can be given nothing."""
    named = {template.assignee_id for template in content.all() if template.assignee_id is not None}
    known = select(KnownUser.id).where(KnownUser.id.in_(named), KnownUser.active, KnownUser.partner_id.is_(None))
    if named - set(session.scalars(known)):
        raise Invalid("UNKNOWN_OWNER", "a template names somebody who is no active employee", field="templates")
