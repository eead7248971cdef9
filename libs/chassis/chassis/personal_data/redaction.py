"""Taking a person out of texts."""

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from chassis.personal_data.people import Person

REDACTED = "「已删除」"
_CHINA = "+86"
_SHORTEST_NAME, _SHORTEST_WECHAT = 2, 6
_BETWEEN_DIGITS = r"[\s()-]{0,2}"


class Redactor:
    """Finds and removes what a person is known by, however numbers are spelled.

    The pattern is understood by PostgreSQL (`~*`) as it is by Python.
    """

    def __init__(self, person: Person, *, names: bool = False) -> None:
        """`names`: names count as well, which others bear, too: for texts that are about the person."""
        wechats = {each for each in person.wechats if len(each) >= _SHORTEST_WECHAT}
        parts = [*_phones(person), *_words(person.emails | wechats | person.identity_numbers)]
        if names:
            parts += [re.escape(name) for name in sorted(person.names, key=len, reverse=True) if _tells(name)]
        self.pattern = "|".join(parts)
        """Empty if nothing is to be found."""
        self._compiled = re.compile(self.pattern, re.IGNORECASE) if parts else None

    def mentions(self, text: str | None) -> bool:
        """Whether a text tells of the person."""
        return bool(text and self._compiled and self._compiled.search(text))

    def text(self, text: str) -> str:
        """A text without what tells of the person."""
        return self._compiled.sub(REDACTED, text) if self._compiled else text

    def value(self, value: Any) -> Any:
        """The same for a value of JSON."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list) else value


def _phones(person: Person) -> Iterator[str]:
    for phone in sorted(person.phones):
        number = phone.partition(";")[0]
        china = number.startswith(_CHINA)
        digits = number.removeprefix(_CHINA) if china else number.removeprefix("+")
        before = r"(?:\+?86[\s-]{0,2}|0)?" if china else r"\+?"
        spelled = _BETWEEN_DIGITS.join(digits) if digits.isdecimal() else re.escape(digits)
        yield rf"(?<![0-9]){before}{spelled}(?![0-9])"


def _words(values: Set[str]) -> Iterator[str]:
    for value in sorted(values):
        yield rf"(?<![0-9A-Za-z_.-]){re.escape(value)}(?![0-9A-Za-z_-])"


def _tells(name: str) -> bool:
    return len(name) >= _SHORTEST_NAME
