"""The languages of messages, and the messages themselves, by reason.

English messages are the ones that services and gateway write. For the other languages a catalogue says the same by
reason; what it does not know is answered in English.
"""

from collections.abc import Mapping
from importlib.resources import files

import orjson

DEFAULT = "zh-CN"
_TRADITIONAL = ("zh-tw", "zh-hk", "zh-mo", "zh-hant")

_catalogues: dict[str, dict[str, str]] = {
    locale: orjson.loads((files("gateway") / "messages" / f"{locale}.json").read_bytes())
    for locale in ("zh-CN", "zh-TW")
}


def locale_of(accept_language: str) -> str:
    """`zh-CN`, `zh-TW` or `en`: the one a client likes best of those there are."""
    choices = []
    for place, part in enumerate(accept_language.split(",")):
        tag, _, weight = part.strip().partition(";")
        locale = _known(tag.strip().lower())
        if locale:
            choices.append((-_quality(weight), place, locale))
    return min(choices)[2] if choices else DEFAULT


def _known(tag: str) -> str:
    if tag.startswith(_TRADITIONAL):
        return "zh-TW"
    if tag.split("-")[0] == "zh":
        return "zh-CN"
    return "en" if tag.split("-")[0] == "en" else ""


def _quality(weight: str) -> float:
    try:
        return float(weight.strip().removeprefix("q="))
    except ValueError:
        return 1.0


def translate(locale: str, reason: str, english: str, details: Mapping[str, object]) -> str:
    """The message for a reason in a language, with details filled in where it has `{places}` for them."""
    template = _catalogues.get(locale, {}).get(reason)
    if template is None:
        return english
    try:
        return template.format_map(details)
    except (KeyError, ValueError, IndexError):
        return english
