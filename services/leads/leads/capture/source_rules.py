"""What a capture source may be set to."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from chassis import formats
from chassis.errors import Invalid, Violation
from chassis.rules import Rule, optional_text, required_text

from leads.capture.feeds import READERS, FeedSettings
from leads.capture.reading import MAX_PATH, TakenField, compiled
from leads.model import CaptureKind
from leads.rules import LEAD_RULES

MAX_ORIGINS = 50
FIELDS = frozenset(LEAD_RULES) - {"status", "status_reason", "status_note"}
"""The fields of leads that can be taken."""

_OF_FORMS = ("allowed_origins", "honeypot", "double_opt_in")


def _between(least: int, most: int, default: int) -> Rule:
    def rule(value: int) -> int:
        if value and not least <= value <= most:
            raise Invalid("OUT_OF_RANGE", f"it must be from {least:,} to {most:,}", minimum=least, maximum=most)
        return value or default

    return rule


def _origins(values: Sequence[str]) -> list[str]:
    if len(values) > MAX_ORIGINS:
        raise Invalid("TOO_MANY", f"at most {MAX_ORIGINS} fit", maximum=MAX_ORIGINS)
    return sorted({_origin(value) for value in values})


def _origin(value: str) -> str:
    """An origin as browsers write it (RFC 6454)."""
    text = value.strip().casefold()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query or parts.username:
        raise Invalid("INVALID_ORIGIN", f"{value[:100]!r} is no origin such as https://www.example.com")
    shown = f"[{host}]" if ":" in host else host
    plain = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}" if plain else f"{parts.scheme}://{shown}:{port}"


def _fields(values: Sequence[TakenField]) -> list[dict[str, Any]]:
    taken = [TakenField(one.field, one.path.strip() or one.field, one.required) for one in values]
    for one in taken:
        if one.field not in FIELDS:
            raise Invalid(
                "UNKNOWN_FIELD", f"leads have no field {one.field[:50]!r} that can be taken", name=one.field[:50]
            )
        if len(one.path) > MAX_PATH:
            raise Invalid("TOO_LONG", f"a path has at most {MAX_PATH} characters", maximum=MAX_PATH)
    if len({one.field for one in taken}) < len(taken):
        raise Invalid("INVALID_FIELDS", "each field is taken from one place")
    if not {"company_name", "contact_name"} & {one.field for one in taken}:
        raise Invalid("NAMELESS_SOURCE", "take the name of the company or of the person")
    return [one.to_json() for one in taken]


def _opt_in_text(value: str) -> str | None:
    text = optional_text(value, maximum=5_000, lines=True)
    if text is not None and "$link" not in text:
        raise Invalid("MISSING_LINK", "the text must say $link where the link belongs")
    return text


def _opt_in_subject(value: str) -> str | None:
    subject = optional_text(value, maximum=200)
    if subject is not None and not subject.isprintable():
        raise Invalid("INVALID_TEXT", "a subject is one line")
    return subject


def _feed(value: FeedSettings | None) -> dict[str, Any] | None:
    if value is None:
        return None
    url = formats.url(value.url, field="feed.url")
    if value.format not in READERS:
        raise Invalid("INVALID_FEED_FORMAT", f"the format must be one of {', '.join(READERS)}", field="feed.format")
    if len(value.items_path) > MAX_PATH:
        raise Invalid(
            "TOO_LONG", f"a path has at most {MAX_PATH} characters", field="feed.items_path", maximum=MAX_PATH
        )
    if value.items_path:
        compiled(value.items_path)
    minutes = _between(1, 10_080, 15)(value.interval_minutes)
    return FeedSettings(url, value.format, value.items_path.strip(), minutes).to_json()


SOURCE_RULES: Mapping[str, Rule] = {
    "display_name": partial(required_text, maximum=100),
    "disabled": bool,
    "lead_fields": _fields,
    "default_source": LEAD_RULES["source"],
    "default_channel": LEAD_RULES["channel"],
    "default_medium": LEAD_RULES["medium"],
    "default_campaign": LEAD_RULES["campaign"],
    "allowed_origins": _origins,
    "honeypot": partial(optional_text, maximum=100),
    "calls_per_minute": _between(1, 100_000, 600),
    "calls_per_address_per_minute": _between(1, 100_000, 60),
    "double_opt_in": bool,
    "opt_in_hours": _between(1, 720, 72),
    "opt_in_subject": _opt_in_subject,
    "opt_in_text": _opt_in_text,
    "feed": _feed,
}
"""The rule of each setting; 0 and nothing stand for what is usual."""


def contradictions(kind: str, settings: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with settings taken together."""
    found = []
    if kind != CaptureKind.FORM:
        found += [
            Violation(name, "ONLY_OF_FORMS", "only a form has this; leave it out")
            for name in _OF_FORMS
            if settings.get(name)
        ]
        found += _bad_paths(settings["lead_fields"])
    if (kind == CaptureKind.FEED) != (settings.get("feed") is not None):
        message = "say what is read" if kind == CaptureKind.FEED else "only a feed has this; leave it out"
        found.append(Violation("feed", "REQUIRED" if kind == CaptureKind.FEED else "ONLY_OF_FEEDS", message))
    taken = {one["field"] for one in settings["lead_fields"]}
    if settings.get("double_opt_in") and "emails" not in taken:
        found.append(Violation("lead_fields", "REQUIRED", "to confirm by mail, take the field emails"))
    if settings.get("honeypot") in {one["path"] for one in settings["lead_fields"]}:
        found.append(Violation("honeypot", "INVALID_HONEYPOT", "an input that is taken cannot be hidden as well"))
    return found


def _bad_paths(fields: Sequence[Mapping[str, Any]]) -> list[Violation]:
    faults = []
    for one in fields:
        try:
            compiled(one["path"])
        except Invalid as error:
            faults.append(Violation("lead_fields", error.reason, error.message))
    return faults
