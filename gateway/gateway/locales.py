"""The languages of messages, and the messages themselves, by reason.

English messages are the ones that services and gateway write. For the other languages a catalogue says the same by
reason; what it does not know is answered in English. A text can have `{places}` for details; where not every failure
tells them, a reason has several texts, of which the first that can be filled in is taken, and the last needs none.
"""

import re
from collections.abc import Mapping
from importlib.resources import files

import orjson

_NUMBER = r"-?\d[\d,]*(?:\.\d+)?"
_NAMED = (
    re.compile(rf"(?P<minimum>{_NUMBER}) (?:\w+ \w+ )?to (?P<maximum>{_NUMBER})"),
    re.compile(rf"\bat most (?P<maximum>{_NUMBER})"),
    re.compile(rf"\bat least (?P<minimum>{_NUMBER})"),
    re.compile(r".*'(?P<name>[^']+)'"),
    re.compile(r"\bpermission (?P<permission>[a-z_]+\.[a-z_]+)"),
    re.compile(r"\b(?:one of|levels are|choose among|can refer to|records below are) (?P<choices>[^;]+)$"),
    re.compile(r"\b(?:such as|e\.g\.|written as) (?P<example>[^,; ]+(?: \d\S*)?)$"),
)
"""What messages name in words that they have in common: bounds, the name at fault, what there is to choose from."""
DEFAULT = "zh-CN"
_TRADITIONAL = ("zh-tw", "zh-hk", "zh-mo", "zh-hant")

_catalogues: dict[str, dict[str, str | list[str]]] = {
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
    """The message for a reason in a language, with details filled in where it has `{places}` for them.

    What the details do not tell is read off the English message: of several fields at fault, each has its own. A text
    that cannot say all that it says holds it as a `{message}`.
    """
    texts = _catalogues.get(locale, {}).get(reason, [])
    told = _named_in(english) | dict(details) | {"message": english}
    for text in [texts] if isinstance(texts, str) else texts:
        try:
            return text.format_map(told)
        except (KeyError, ValueError, IndexError):
            continue
    return english


def _named_in(english: str) -> dict[str, object]:
    named: dict[str, object] = {}
    for pattern in _NAMED:
        found = pattern.search(english)
        if found is not None:
            named = found.groupdict() | named
    return named
