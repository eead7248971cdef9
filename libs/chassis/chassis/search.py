"""Search for parts of names, phone numbers and e-mail addresses, and for the pinyin initials of names.

A row keeps its searchable text in one form (`search_text`) and that text's grams in an `integer[]` column with a
GIN index (`grams`). Grams are pairs of adjacent characters where one is Chinese and triples of Latin letters or
digits, so every part of the text that is long enough has only grams that the text has. The index narrows by grams
and LIKE decides. Words of a query without a gram (one Chinese character, two letters) are left to LIKE alone.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import orjson
from sqlalchemy import ARRAY, ColumnElement, Integer, Text, and_, case, false, func, literal, true

from chassis.columns import AnyColumn, stored
from chassis.errors import Invalid
from chassis.likes import containing

MAX_QUERY = 100
MAX_HETERONYMS = 2
"""The number of characters with two common readings that are tried in both, per name."""

HETERONYMS = {
    "长": "zc", "重": "zc", "行": "xh", "厦": "sx", "单": "ds", "曾": "z", "解": "jx", "乐": "ly", "朝": "cz",
    "区": "qo", "查": "cz", "翟": "z", "仇": "cq", "车": "cj", "盛": "sc", "会": "hk", "都": "d", "柏": "b", "朴": "p",
    "召": "zs", "种": "zc", "褚": "c", "缪": "m", "宿": "s", "尉": "wy", "藏": "zc", "石": "s", "参": "cs", "调": "td",
}  # fmt: skip
"""Initials of characters whose first reading in the dictionary is not the only common one in names."""

_WIDE = 0x80
_GAP = "  "
"""No word of a query holds a blank, and no gram is taken across one."""
_DOUBTFUL = re.compile(f"[{''.join(char for char, letters in HETERONYMS.items() if len(letters) > 1)}]")


def search_text(*parts: str | None, private: Iterable[str] = ()) -> str:
    """The searchable form of a row's texts: each as `normalised`, followed by its pinyin initials if it has any.

    `private` texts stand behind a gap, for searches in the name of those who may not read them: see `public_part`.
    """
    return f"{_searchable(parts)}{_GAP}{_searchable(private)}"


def public_part(text_column: AnyColumn, fallback: AnyColumn | None = None) -> ColumnElement[str]:
    """What `search_text` made of the texts that are not private, to search `within`.

    Rows that were written before there was a gap are found by a `fallback` column, which must be public, or not.
    """
    text, other = stored(text_column), literal("") if fallback is None else stored(fallback)
    return case((func.strpos(text, _GAP) > 0, func.split_part(text, _GAP, 1)), else_=func.lower(other, type_=Text))


def _searchable(parts: Iterable[str | None]) -> str:
    words: list[str] = []
    for part in parts:
        word = normalised(part) if part else ""
        if word:
            words.append(word)
            if not word.isascii():
                words += initials(word)
    return " ".join(words)


def normalised(text: str) -> str:
    """The text without spaces and punctuation, whatever its case and width: `ＡＢ-c d` becomes `abcd`."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return folded if folded.isalnum() else "".join(filter(str.isalnum, folded))


def initials(name: str) -> list[str]:
    """The pinyin initials of a name, `华诚` → `hc`; several where a character has several common readings."""
    plain = name.translate(_initial_table())
    if plain == name:
        return []
    doubtful = [found.start() for found in _DOUBTFUL.finditer(name)][:MAX_HETERONYMS]
    if not doubtful:
        return [plain]
    letters = list(plain)
    found = []
    for readings in product(*[HETERONYMS[name[at]] for at in doubtful]):
        for at, reading in zip(doubtful, readings, strict=True):
            letters[at] = reading
        found.append("".join(letters))
    return found


def grams(text: str) -> list[int]:
    """The grams of a searchable text, each once, in ascending order."""
    codes = array("I", text.encode("utf-32-le"))
    found: set[int] = set()
    add = found.add
    space, wide = 0x20, _WIDE
    last, before = space, space
    for code in codes:
        if code >= wide or last >= wide:
            if code != space and last != space:
                add(((last & 0xFFFF) << 16 | (code & 0xFFFF)) - 0x8000_0000)
        elif code != space and last != space and before < wide and before != space:
            add((before << 14 | last << 7 | code) - 0x8000_0000)
        before, last = last, code
    return sorted(found)


def matches(
    query: str,
    grams_column: AnyColumn,
    text_column: AnyColumn,
    *,
    within: AnyColumn | None = None,
    field: str = "search",
) -> ColumnElement[bool]:
    """Whether a row contains every word of the query. The empty query matches all rows.

    `within` is what the words must stand in, if that is less than the whole text: the `public_part`, for callers who
    may not read the rest. The grams narrow all the same.

    Raises Invalid SEARCH_TOO_LONG for more than 100 characters.
    """
    if len(query) > MAX_QUERY:
        raise Invalid("SEARCH_TOO_LONG", f"search for at most {MAX_QUERY} characters", field=field)
    if not query.strip():
        return true()
    words = [word for word in map(normalised, query.split()) if word]
    text = text_column if within is None else within
    return and_(*_conditions(words, grams_column, text)) if words else false()


def _conditions(words: Iterable[str], grams_column: AnyColumn, text_column: AnyColumn) -> Iterable[ColumnElement[bool]]:
    for word in words:
        if keys := grams(word):
            # Written out, so that PostgreSQL plans each search by how common its grams are.
            yield grams_column.bool_op("@>")(literal(keys, ARRAY(Integer), literal_execute=True))
        yield text_column.like(containing(word))


@cache
def _initial_table() -> dict[int, str]:
    """Character → initial. From the data file of pypinyin: the package itself holds 50 MB of phrases in memory."""
    package = find_spec("pypinyin")
    assert package is not None
    assert package.origin is not None
    readings = orjson.loads((Path(package.origin).parent / "pinyin_dict.json").read_bytes())
    table = {int(code): _initial(reading) for code, reading in readings.items()}
    table |= {ord(char): letters[0] for char, letters in HETERONYMS.items()}
    return {code: initial for code, initial in table.items() if initial.isascii() and initial.isalpha()}


def _initial(reading: str) -> str:
    """The first letter of a reading, without its tone: `ān` → `a`."""
    return unicodedata.normalize("NFD", reading)[:1]
