"""Taking a person out of texts."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from chassis.personal_data.people import Person

REDACTED = "「已删除」"
_CHINA = "+86"
_SHORTEST_NAME, _SHORTEST_HANDLE = 2, 6
_BETWEEN_DIGITS = r"[\s()-]{0,2}"


class Redactor:
    """Finds and removes what a person is known by, however numbers are spelled.

    The pattern is understood by PostgreSQL (`~*`) as it is by Python.
    """

    def __init__(self, person: Person, *, names: bool = False, bounded: bool = True) -> None:
        """`names`: names count as well, which others bear, too: for texts that are about the person. `bounded`: a
        number within a longer one does not count; in bytes the length of a text may look like a digit before it."""
        handles = person.wechats | person.usernames
        told = handles if names else {each for each in handles if len(each) >= _SHORTEST_HANDLE}
        numbers = [_number(phone) for phone in sorted(person.phones)]
        words = [re.escape(word) for word in sorted(person.emails | person.identity_numbers | told)]
        if bounded:
            numbers = [f"(?<![0-9]){number}(?![0-9])" for number in numbers]
            words = [f"(?<![0-9A-Za-z_.-]){word}(?![0-9A-Za-z_-])" for word in words]
        parts = [*numbers, *words]
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


class KnownPlaces:
    """Takes a person out of JSON that tells of several records, by names only where one of some records is told of."""

    def __init__(self, person: Person, records: Collection[str]) -> None:
        self.anywhere, self.there = Redactor(person), Redactor(person, names=True)
        self._records = frozenset(records)

    def value(self, value: Any) -> Any:
        """A value without what tells of the person."""
        if isinstance(value, Mapping):
            if any(isinstance(item, str) and item in self._records for item in value.values()):
                return self.there.value(value)
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list) else self.anywhere.value(value)


def _number(phone: str) -> str:
    number = phone.partition(";")[0]
    china = number.startswith(_CHINA)
    digits = number.removeprefix(_CHINA) if china else number.removeprefix("+")
    before = r"(?:\+?86[\s-]{0,2}|0)?" if china else r"\+?"
    return before + (_BETWEEN_DIGITS.join(digits) if digits.isdecimal() else re.escape(digits))


def _tells(name: str) -> bool:
    return len(name) >= _SHORTEST_NAME
