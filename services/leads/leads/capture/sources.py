"""Making and changing where leads come in."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.etags import check_etag
from chassis.names import new_id
from chassis.rules import apply, refuse
from chassis.snapshots import difference, filled

from leads.capture.proving import digest
from leads.capture.source_queries import lock_source
from leads.capture.source_rules import SOURCE_RULES, contradictions
from leads.model import CaptureKind, CaptureSource

PERMISSION = "capture.configure"
OVERLAP_HOURS = 24
LONGEST_OVERLAP_HOURS = 720
_SECRET_BYTES = 32
_DEFAULTS: dict[str, Any] = {
    "display_name": "", "disabled": False, "lead_fields": (), "default_source": "", "default_channel": "",
    "default_medium": "", "default_campaign": "", "allowed_origins": (), "honeypot": "", "calls_per_minute": 0,
    "calls_per_address_per_minute": 0, "double_opt_in": False, "opt_in_hours": 0, "opt_in_subject": "",
    "opt_in_text": "", "feed": None,
}  # fmt: skip


def create_source(session: ServiceSession, kind: str, values: Mapping[str, Any]) -> tuple[CaptureSource, str]:
    """Make a capture source. Returns it with the key of a form or the secret of a webhook; a feed has none.

    `values` are raw, by setting. Raises Denied SCOPE_TOO_NARROW or Invalid.
    """
    session.caller.require_everything(PERMISSION)
    if kind not in CaptureKind.__members__:
        raise Invalid("INVALID_CAPTURE_KIND", f"it must be one of {', '.join(CaptureKind)}", field="kind")
    stored, faults = apply(SOURCE_RULES, _DEFAULTS | dict(values))
    refuse([*faults, *([] if faults else contradictions(kind, stored))])
    source = CaptureSource(
        id=new_id(),
        kind=kind,
        **stored,
        feed_marks={},
        failure_count=0,
        next_poll_time=None,
        creator=session.caller.subject,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    secret = _give_secret(session, source)
    _schedule(session, source)
    session.add(source)
    session.flush()
    audit.record(session, "capture.create", source.name, None, snapshot(source))
    return source, secret


def update_source(
    session: ServiceSession, source_id: UUID, values: Mapping[str, Any], *, etag: str = ""
) -> CaptureSource:
    """Change the settings of a capture source. Raises Denied SCOPE_TOO_NARROW, NotFound, Stale or Invalid."""
    session.caller.require_everything(PERMISSION)
    source = lock_source(session, source_id)
    check_etag(etag, source.version)
    stored, faults = apply(SOURCE_RULES, values)
    settings = {name: getattr(source, name) for name in SOURCE_RULES} | stored
    refuse([*faults, *([] if faults else contradictions(source.kind, settings))])
    before = snapshot(source)
    for name, value in stored.items():
        setattr(source, name, value)
    old, new = difference(before, snapshot(source))
    if not new and not old:
        return source
    if {"feed", "disabled"} & {*old, *new}:
        source.feed_marks = {}
        _schedule(session, source)
    _touch(session, source)
    audit.record(session, "capture.update", source.name, old, new)
    return source


def rotate_secret(
    session: ServiceSession, source_id: UUID, overlap_hours: int, *, etag: str = ""
) -> tuple[CaptureSource, str]:
    """Give a form another key, or a webhook another secret. The former one works for some hours more."""
    session.caller.require_everything(PERMISSION)
    if not 0 <= overlap_hours <= LONGEST_OVERLAP_HOURS:
        message = f"the former secret can work for 0 to {LONGEST_OVERLAP_HOURS} hours"
        raise Invalid("INVALID_OVERLAP", message, field="overlap_hours")
    source = lock_source(session, source_id)
    check_etag(etag, source.version)
    if source.kind == CaptureKind.FEED:
        raise Conflict("NO_SECRET", "a feed has no secret", kind=source.kind)
    kept = overlap_hours > 0
    source.former_key_digest = source.key_digest if kept else None
    source.former_secret = _moved(session, source) if kept else None
    source.former_secret_expire_time = system_clock() + timedelta(hours=overlap_hours) if kept else None
    secret = _give_secret(session, source)
    _touch(session, source)
    audit.record(session, "capture.rotate_secret", source.name, None, {"overlap_hours": overlap_hours})
    return source, secret


def snapshot(source: CaptureSource) -> dict[str, Any]:
    """The settings of a source, for the audit log. What is empty is left out."""
    return filled({"kind": source.kind} | {name: getattr(source, name) for name in SOURCE_RULES})


def _give_secret(session: ServiceSession, source: CaptureSource) -> str:
    if source.kind == CaptureKind.FEED:
        return ""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    if source.kind == CaptureKind.FORM:
        source.key_digest = digest(secret)
    else:
        source.secret = session.data_keys.seal(secret, source.place("secret"))
    return secret


def _moved(session: ServiceSession, source: CaptureSource) -> Any:
    """The secret, sealed for the place of the former one: a seal holds at its place alone."""
    if source.secret is None:
        return None
    return session.data_keys.seal(
        session.data_keys.open(source.secret, source.place("secret")), source.place("former_secret")
    )


def _schedule(session: ServiceSession, source: CaptureSource) -> None:
    """A feed that is new or changed is read at once."""
    reads = source.kind == CaptureKind.FEED and not source.disabled and source.feed is not None
    source.next_poll_time = session.now if reads else None


def _touch(session: ServiceSession, source: CaptureSource) -> None:
    source.version += 1
    source.update_time = session.now
    session.flush()
