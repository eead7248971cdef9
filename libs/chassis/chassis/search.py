"""Search for parts of names, phone numbers and e-mail addresses, and for the pinyin of names.

A row keeps its searchable text in one form (`search_text`) and that text's grams in an `integer[]` column with a
GIN index (`grams`). Grams are pairs of adjacent characters where one is Chinese and triples of Latin letters or
digits, so every part of the text that is long enough has only grams that the text has. The index narrows by grams
and LIKE decides. Words of a query without a gram (one Chinese character, two letters) are left to LIKE alone.

Pinyin initials are text like other text. Full pinyin (`chassis.pinyin`) has one gram per pair of syllables instead,
and numbers that are looked for by their ends alone have one gram each: their triples would be most of all grams.
"""

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Sequence, Set

from sqlalchemy import ARRAY, ColumnElement, Integer, Text, and_, case, false, func, literal, or_, true

from chassis import pinyin
from chassis.columns import AnyColumn, stored
from chassis.errors import Invalid
from chassis.likes import containing

MAX_QUERY = 100
SHORTEST_TAIL = 4
"""The digits at a number's end that it is found by."""

_WIDE = 0x80
GAP = "  "
"""Parts what all may read from the rest. No word of a query holds a blank, and no gram is taken across one."""
TAIL = "#"
"""What a number stands between that is found by its end. No word of a query holds it."""
_TAILS = 0x28_0000 - 0x8000_0000
_LAST_DIGITS = re.compile(f"([0-9]{{{SHORTEST_TAIL}}}){TAIL}")
_NUMBER = re.compile(r"[\d\s+()-]+")
_WITH_TRUNK_PREFIX = 10
"""The length from which on a number that begins with 0 is taken for one dialled within China, which E.164 lacks."""
_LATIN = re.compile("[a-z]+")


def search_text(
    *parts: str | None, private: Iterable[str] = (), spelled: str | None = None, tails: Iterable[str] = ()
) -> str:
    """The searchable form of a row's texts: each as `normalised`, followed by its pinyin initials if it has any.

    `spelled` is a name whose full pinyin is kept as well. `private` texts and numbers in `tails`, which are found by
    their ends alone, stand behind a gap, for searches in the name of those who may not read them: see `public_part`.
    """
    public = _searchable(parts)
    if spelled and (runs := pinyin.spelled(spelled)):
        public = f"{public} {runs}"
    hidden = _searchable(private)
    if numbers := "".join([f" {TAIL}{number}{TAIL}" for tail in tails if (number := normalised(tail))]):
        hidden += numbers
    return f"{public}{GAP}{hidden}"


def public_part(text_column: AnyColumn, fallback: AnyColumn | None = None) -> ColumnElement[str]:
    """What `search_text` made of the texts that are not private, to search `within`.

    Rows that were written before there was a gap are found by a `fallback` column, which must be public, or not.
    """
    text, other = stored(text_column), literal("") if fallback is None else stored(fallback)
    return case((func.strpos(text, GAP) > 0, func.split_part(text, GAP, 1)), else_=func.lower(other, type_=Text))


def _searchable(parts: Iterable[str | None]) -> str:
    words: list[str] = []
    for part in parts:
        word = normalised(part) if part else ""
        if word:
            words.append(word)
            if not word.isascii():
                words += pinyin.initials(word)
    return " ".join(words)


def normalised(text: str) -> str:
    """The text without spaces and punctuation, whatever its case and width: `ＡＢ-c d` becomes `abcd`."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return folded if folded.isalnum() else "".join(filter(str.isalnum, folded))


def grams(text: str) -> list[int]:
    """The grams of a searchable text, each once, in ascending order."""
    found: set[int] = set()
    if (at := text.find(TAIL)) >= 0:
        found.update(tail_keys(text[at:]))
        text = text[:at]
    if (at := text.find(pinyin.MARK)) >= 0:
        end = text.index(GAP, at)
        for run in text[at:end].split():
            found.update(pinyin.pair_keys(run))
        text = text[:at] + text[end:]
    _add_plain(text, found.add)
    return sorted(found)


def tail_keys(tails: str) -> list[int]:
    """The grams of numbers that are found by their ends, as they stand in a searchable text."""
    return [_TAILS + int(digits) for digits in _LAST_DIGITS.findall(tails)]


def _add_plain(text: str, add: Callable[[int], None]) -> None:
    codes = array("I", text.encode("utf-32-le"))
    space, wide = 0x20, _WIDE
    last, before = space, space
    for code in codes:
        if code >= wide or last >= wide:
            if code != space and last != space:
                add(((last & 0xFFFF) << 16 | (code & 0xFFFF)) - 0x8000_0000)
        elif code != space and last != space and before < wide and before != space:
            add((before << 14 | last << 7 | code) - 0x8000_0000)
        before, last = last, code


def matches(
    query: str,
    grams_column: AnyColumn,
    text_column: AnyColumn,
    *,
    within: AnyColumn | None = None,
    field: str = "search",
    frequent: Set[int] = frozenset(),
) -> ColumnElement[bool]:
    """Whether a row contains every word of the query. The empty query matches all rows.

    `within` is what the words must stand in, if that is less than the whole text: the `public_part`, for callers who
    may not read the rest. The grams narrow all the same. `frequent` grams (`chassis.frequencies`) are left out of what
    the index is asked for, where that pays for the page of a list in an order that an index has; which rows match is
    the same.

    Raises Invalid SEARCH_TOO_LONG for more than 100 characters.
    """
    if len(query) > MAX_QUERY:
        raise Invalid("SEARCH_TOO_LONG", f"search for at most {MAX_QUERY} characters", field=field)
    if not query.strip():
        return true()
    text = text_column if within is None else within
    found = words(query)
    if not found:
        return false()
    alone = len(found) == 1 and within is None
    return and_(*[or_(*_ways(word, grams_column, text, frequent, alone=alone)) for word in found])


def words(query: str) -> list[str]:
    """What a row must contain: the words of a query as `normalised`. A number that is typed in parts is one word."""
    parts = [query] if _NUMBER.fullmatch(query) else query.split()
    return [_as_kept(word) for word in map(normalised, parts) if word]


def _as_kept(word: str) -> str:
    return word.removeprefix("0") if _is_number(word) and len(word) >= _WITH_TRUNK_PREFIX else word


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal()


def _ways(
    word: str, grams_column: AnyColumn, text: AnyColumn, frequent: Set[int], *, alone: bool
) -> Iterable[ColumnElement[bool]]:
    """How a row may contain a word: as it stands, as full pinyin, at the end of a number."""
    keys = grams(word)
    spellings = pinyin.spellings(word) if _LATIN.fullmatch(word) else ()
    number = _is_number(word) and len(word) >= SHORTEST_TAIL
    contained = text.like(containing(word))
    asked = _worth_asking(keys, frequent, dispensable=alone and not spellings and not number)
    # LIKE goes first: where rows are read in their order, it is the quicker of the two.
    yield and_(_after_grams(contained) if keys else contained, *_narrowed(grams_column, asked))
    for spelling in spellings:
        required = [*spelling.required, *grams(spelling.initials)]
        narrowed = _narrowed(grams_column, required, spelling.one_of)
        yield and_(*narrowed, _after_grams(text.regexp_match(literal(spelling.pattern, literal_execute=True))))
    if number:
        tail = _TAILS + int(word[-SHORTEST_TAIL:])
        yield and_(*_narrowed(grams_column, [tail]), _after_grams(text.like(containing(word + TAIL))))


def _worth_asking(keys: Sequence[int], frequent: Set[int], *, dispensable: bool) -> Sequence[int]:
    """The grams of a word that the index is asked for. Frequent ones are not asked for beside rarer ones: to go through
    the rows that have them takes longer than to drop those that have the others only. The planner, which takes
    grams for independent, would besides expect next to no row of a word of which each gram is frequent."""
    rare = [key for key in keys if key not in frequent]
    return rare if rare or dispensable else keys


def _after_grams(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """What most rows fulfil whose grams fit. The planner, which cannot know that, would take a frequent word for a rare
    one by reckoning it twice, and sort thousands of rows instead of reading the few that a page shows in their order.
    Of what COALESCE makes it expects a half."""
    return func.coalesce(condition, false())


def _narrowed(column: AnyColumn, required: Sequence[int], one_of: Sequence[int] = ()) -> Iterable[ColumnElement[bool]]:
    """What the index narrows by. Written out, so that PostgreSQL plans each search by how common its grams are."""
    for keys, operator in ((required, "@>"), (one_of, "&&")):
        if keys:
            yield column.bool_op(operator)(literal(list(keys), ARRAY(Integer), literal_execute=True))
