"""Whether what a submission says can become a lead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation
from chassis.rules import apply

from leads.capture.reading import Content, TakenField, missing, read_form, read_json
from leads.model import CaptureKind, CaptureSource, CaptureSubmission, LeadStatus
from leads.rules import LEAD_RULES, nameless

_DEFAULTS = {
    "source": "default_source",
    "channel": "default_channel",
    "medium": "default_medium",
    "campaign": "default_campaign",
}


@dataclass(frozen=True)
class Judged:
    """A submission and what came of judging it."""

    submission: CaptureSubmission
    source: CaptureSource
    values: Mapping[str, Any] = field(default_factory=dict)
    """What it says, raw, as it was sent and corrected, by field."""
    stored: Mapping[str, Any] = field(default_factory=dict)
    """The columns of a lead."""
    problems: tuple[Violation, ...] = ()
    spam: bool = False


def judge(session: ServiceSession, submission: CaptureSubmission, source: CaptureSource) -> Judged:
    """Read a submission, lay the corrections over it, and judge it by the rules of leads."""
    fields = [TakenField(**taken) for taken in source.lead_fields]
    corrected = _correction(session, submission)
    unread: tuple[Violation, ...] = ()
    try:
        content = _content(session, submission, source, fields)
    except Invalid as error:
        content, unread = Content({}, {}), tuple(error.violations) or (_violation(error),)
    values = {**content.values, **corrected}
    if unread and not corrected:
        return Judged(submission, source, values, problems=unread)
    for name, column in _DEFAULTS.items():
        values.setdefault(name, getattr(source, column) or "")
    stored, faults = apply(LEAD_RULES, {"status": LeadStatus.NEW, "phones": [], "emails": []} | values)
    faults = [*missing(values, fields), *faults]
    named = {"company_name", "contact_name"} & {fault.field for fault in faults}
    faults += [] if named else nameless(stored)
    if source.double_opt_in and not stored.get("emails") and not any(one.field == "emails" for one in faults):
        faults.append(Violation("emails", "REQUIRED", "without an address nobody can confirm it by mail"))
    caught = source.kind == CaptureKind.FORM and source.honeypot and content.inputs.get(source.honeypot)
    return Judged(submission, source, values, stored, tuple(faults), spam=bool(caught))


def seal_correction(session: ServiceSession, submission: CaptureSubmission, changes: Mapping[str, Any]) -> None:
    """Lay changes over what was corrected before."""
    corrected = _correction(session, submission) | dict(changes)
    text = orjson.dumps(corrected).decode()
    submission.correction = session.data_keys.seal(text, submission.place("correction"))


def payload_of(session: ServiceSession, submission: CaptureSubmission) -> str:
    """What was sent; empty if it is kept no more."""
    if submission.payload is None:
        return ""
    return session.data_keys.open(submission.payload, submission.place("payload"))


def _content(
    session: ServiceSession, submission: CaptureSubmission, source: CaptureSource, fields: list[TakenField]
) -> Content:
    text = payload_of(session, submission)
    if not text:
        raise Invalid("PAYLOAD_EXPIRED", "what was sent is kept no more: correct it, or have it sent again")
    if source.kind == CaptureKind.FORM:
        return read_form(text, submission.content_type, fields)
    content = read_json(text, fields)
    if submission.external_id and source.kind == CaptureKind.FEED:
        return Content({**content.values, "external_id": submission.external_id}, content.inputs)
    return content


def _correction(session: ServiceSession, submission: CaptureSubmission) -> dict[str, Any]:
    if submission.correction is None:
        return {}
    held: dict[str, Any] = orjson.loads(session.data_keys.open(submission.correction, submission.place("correction")))
    return held


def _violation(error: Invalid) -> Violation:
    return Violation(error.field, error.reason, error.message)
