"""From what was sent to what it says of a lead, as yet unjudged. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jmespath
import orjson
from chassis.errors import Invalid, Violation
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

FORM_ENCODED = "application/x-www-form-urlencoded"
JSON = "application/json"
CONTENT_TYPES = (JSON, FORM_ENCODED)
LISTS = frozenset({"phones", "emails"})
MAX_PATH = 200
_MAX_INPUTS = 200
_SEPARATORS = str.maketrans(dict.fromkeys(";,，；、|", "\n"))

CAMPAIGN_INPUTS = {
    "utm_source": "source_detail",
    "utm_medium": "medium",
    "utm_campaign": "campaign",
    "utm_term": "campaign_term",
    "utm_content": "campaign_content",
}
"""The names by which web analytics pass on where a visitor came from, and the fields of leads that keep it."""


@dataclass(frozen=True)
class TakenField:
    """A field of leads that a capture source takes, and where it stands."""

    field: str
    path: str
    required: bool = False

    def to_json(self) -> dict[str, Any]:
        """As the source keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class Content:
    """What was sent, read."""

    values: Mapping[str, Any]
    """By field, raw: a text, or a list of texts for the fields in LISTS."""
    inputs: Mapping[str, Any]
    """Of a form or JSON object: everything, by name."""


@lru_cache(maxsize=4096)
def compiled(path: str) -> ParsedResult:
    """A path in JMESPath. Raises Invalid INVALID_PATH."""
    try:
        return jmespath.compile(path)
    except JMESPathError:
        raise Invalid("INVALID_PATH", f"{path[:50]!r} is no path such as data.customer.mobile") from None


def read_form(text: str, content_type: str, fields: Sequence[TakenField]) -> Content:
    """What a form says: an input of the name of each field's path. Raises Invalid UNREADABLE_PAYLOAD."""
    inputs = _form_inputs(text) if content_type == FORM_ENCODED else _object(text)
    values = {taken.field: raw for taken in fields if (raw := _raw(taken.field, inputs.get(taken.path))) is not None}
    return Content(dict(_campaign(inputs)) | values, inputs)


def read_json(text: str, fields: Sequence[TakenField]) -> Content:
    """What JSON says by the path of each field. Raises Invalid UNREADABLE_PAYLOAD."""
    sent = _object(text)
    return Content(values_at(sent, fields), sent)


def values_at(sent: Any, fields: Sequence[TakenField]) -> dict[str, Any]:
    """What stands at the paths of the fields in a JSON value. Raises Invalid for a path that does not fit."""
    values = {}
    for taken in fields:
        try:
            found = compiled(taken.path).search(sent)
        except JMESPathError as error:
            message = f"the path {taken.path!r} cannot be followed in what was sent: {str(error)[:200]}"
            raise Invalid("PATH_MISFIT", message, field=taken.field) from None
        raw = _raw(taken.field, found)
        if raw is not None:
            values[taken.field] = raw
    return values


def missing(values: Mapping[str, Any], fields: Sequence[TakenField]) -> list[Violation]:
    """The fields that are required and not there."""
    return [
        Violation(taken.field, "REQUIRED", "a value is needed")
        for taken in fields
        if taken.required and not values.get(taken.field)
    ]


def _form_inputs(text: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_INPUTS)
    except ValueError:
        raise _unreadable("what was sent is no form of at most 200 inputs") from None
    inputs: dict[str, Any] = {}
    for name, value in pairs:
        inputs.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in inputs.items()}


def _object(text: str) -> dict[str, Any]:
    try:
        sent = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _unreadable("what was sent is no JSON") from None
    if not isinstance(sent, dict):
        raise _unreadable("what was sent is no JSON object")
    return sent


def _unreadable(message: str) -> Invalid:
    return Invalid("UNREADABLE_PAYLOAD", message)


def _campaign(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the visitor came from: by the inputs that analytics fill, else by the address of the page."""
    page = inputs.get("landing_page")
    visited: dict[str, list[str]] = {}
    if isinstance(page, str) and page:
        yield "landing_page", page
        try:
            visited = parse_qs(urlsplit(page).query, max_num_fields=_MAX_INPUTS)
        except ValueError:
            visited = {}
    for name, field in CAMPAIGN_INPUTS.items():
        given = inputs.get(name) or next(iter(visited.get(name, ())), None)
        if isinstance(given, str) and given:
            yield field, given


def _raw(field: str, found: Any) -> Any:
    """A value as the rules of leads take it; None for none."""
    if field in LISTS:
        texts = [text for one in (found if isinstance(found, list) else [found]) if (text := _text(one))]
        items = [item.strip() for text in texts for item in text.translate(_SEPARATORS).split("\n")]
        return [item for item in items if item] or None
    if isinstance(found, list):
        return ", ".join(text for one in found if (text := _text(one))) or None
    return _text(found)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else orjson.dumps(value).decode()
