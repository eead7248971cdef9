"""The pinyin of Chinese names: initials, full spellings, and how what somebody types may be meant.

A spelling is kept as its syllables in capitals, each after an apostrophe (`'HUA'CHENG`), so that no word of a query
is taken for a part of it by accident. Readings come from the data file of pypinyin: the package itself holds 50 MB of
phrases in memory.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import orjson

MARK = "'"
"""What stands before each syllable of a kept spelling."""
MAX_HETERONYMS = 2
"""The number of characters with two common readings that are tried in both, per name."""
MAX_SPELLED = 40
"""The longest word that is taken for pinyin."""
_KEPT = 6
"""How many ways to take a word apart are followed; those with the fewest syllables come first."""
_MOST_PAIRS = 600
"""The most pairs of syllables that an abbreviation may stand for, to be looked for by them."""

HETERONYMS = {
    "长": "zc", "重": "zc", "行": "xh", "厦": "sx", "单": "ds", "曾": "z", "解": "jx", "乐": "ly", "朝": "cz",
    "区": "qo", "查": "cz", "翟": "z", "仇": "cq", "车": "cj", "盛": "sc", "会": "hk", "都": "d", "柏": "b", "朴": "p",
    "召": "zs", "种": "zc", "褚": "c", "缪": "m", "宿": "s", "尉": "wy", "藏": "zc", "石": "s", "参": "cs", "调": "td",
}  # fmt: skip
"""Initials of characters whose first reading in the dictionary is not the only common one in names."""

_DOUBTFUL = re.compile(f"[{''.join(char for char, letters in HETERONYMS.items() if len(letters) > 1)}]")
_SYLLABLE = re.compile("[a-z]{1,6}")
_INTERJECTIONS = {"m", "n", "ng", "hm", "hng"}
_PAIRS = 0x20_0000 - 0x8000_0000
_PAIR_BITS = 0x7_FFFF


class Spelling(NamedTuple):
    """One way in which a word may be meant as pinyin, in terms of what is kept of a name."""

    required: Sequence[int]
    """The keys of all pairs of syllables that are certain."""
    one_of: Sequence[int]
    """The keys of the pairs that an abbreviated one may be; empty if all are certain."""
    initials: str
    """The initials of its syllables; empty where the pairs tell enough."""
    pattern: str
    """What the kept spelling matches, as a POSIX regular expression."""


def initials(name: str) -> list[str]:
    """The pinyin initials of a name, `华诚` → `hc`; several where a character has several common readings."""
    plain = name.translate(_tables().initials)
    if plain == name:
        return []
    doubtful = [found.start() for found in _DOUBTFUL.finditer(name)][:MAX_HETERONYMS]
    return [plain] if not doubtful else _varied(plain, [(at, HETERONYMS[name[at]]) for at in doubtful])


def spelled(name: str) -> str:
    """The kept form of a name's full pinyin, `华诚` → `'HUA'CHENG`; several where a character has several common
    readings. What has no pinyin parts a name, and single syllables are left out."""
    tables = _tables()
    doubtful = [found.start() for found in _DOUBTFUL.finditer(name)][:MAX_HETERONYMS]
    if doubtful:
        letters = [name[at : at + 1].translate(tables.spellings) for at in range(len(name))]
        text = " ".join(_varied(letters, [(at, tables.alternatives[name[at]]) for at in doubtful]))
    else:
        text = name.translate(tables.spellings)
    return _runs(text)


def initials_of_all(names: Sequence[str]) -> list[list[str]]:
    """The `initials` of each of many names of one line."""
    plain = "\n".join(names).translate(_tables().initials).split("\n")
    return [
        [] if letters == name else initials(name) if _DOUBTFUL.search(name) else [letters]
        for name, letters in zip(names, plain, strict=True)
    ]


def spelled_of_all(names: Sequence[str]) -> list[str]:
    """How each of many names of one line is `spelled`."""
    plain = "\n".join(names).translate(_spellings_by_line()).split("\n")
    return [spelled(name) if _DOUBTFUL.search(name) else _runs(text) for name, text in zip(names, plain, strict=True)]


def _runs(text: str) -> str:
    """The syllables that adjoin others."""
    if " " not in text:
        return text if text.count(MARK) > 1 else ""
    return " ".join([run for run in text.split() if run.count(MARK) > 1])


@cache
def _spellings_by_line() -> "_Spellings":
    return _Spellings({**_tables().spellings, ord("\n"): "\n"})


def _varied(letters: Sequence[str], readings: Sequence[tuple[int, Sequence[str]]]) -> list[str]:
    """The text with each combination of readings at their places."""
    varied, found = list(letters), []
    for chosen in product(*[each for _, each in readings]):
        for (at, _), reading in zip(readings, chosen, strict=True):
            varied[at] = reading
        found.append("".join(varied))
    return found


def pair_keys(run: str) -> Iterable[int]:
    """The keys of the pairs of adjacent syllables in a kept spelling, as grams of `chassis.search`."""
    return map(_pair_keys.__getitem__, pairwise(run.split(MARK)[1:]))


def syllables() -> Sequence[str]:
    """All syllables, as they are kept."""
    return [syllable.upper() for syllable in sorted(_tables().syllables)]


def all_pair_keys() -> Sequence[Sequence[int]]:
    """The keys of all pairs of `syllables`: for each as the first one, those with each as the second one."""
    found = [syllable.encode() for syllable in syllables()]
    begun = [crc32(one + MARK.encode()) for one in found]
    return [[_PAIRS + (crc32(two, hashed) & _PAIR_BITS) for two in found] for hashed in begun]


class _PairKeys(dict[tuple[str, str], int]):
    """Two syllables → their key. Made of a hash of them: it must not change with the dictionary of syllables."""

    def __missing__(self, pair: tuple[str, str]) -> int:
        key = self[pair] = _PAIRS + (crc32(MARK.join(pair).encode()) & _PAIR_BITS)
        return key


_pair_keys = _PairKeys()


@lru_cache(maxsize=1_000)
def spellings(word: str) -> Sequence[Spelling]:
    """How a word in small letters may be meant as the pinyin of two syllables or more.

    `huacheng` is taken for whole syllables, the last of which may be under way (`huach`); what cannot be that may
    abbreviate some (`hcke`). What abbreviates all is left to the initials.
    """
    if not 3 <= len(word) <= MAX_SPELLED:
        return ()
    whole = _ways(word, abbreviated=False)[-1]
    if whole:
        fewest = len(whole[0])
        ways = [way for way in whole if len(way) <= fewest + 1]
    else:
        ways = _under_way(word, abbreviated=False) or _under_way(word, abbreviated=True)
    found = [_spelling(way) for way in ways if len(way) > 1]
    return tuple(one for one in found if one is not None)


Way = tuple[str, ...]


def _ways(word: str, *, abbreviated: bool) -> list[list[Way]]:
    """By the length of the part of the word: the ways to take the part for syllables, the fewest syllables first."""
    tables = _tables()
    ways: list[list[Way]] = [[()]]
    for end in range(1, len(word) + 1):
        found: list[Way] = []
        for start in range(max(0, end - 6), end):
            part = word[start:end]
            if part in tables.syllables or (abbreviated and part in tables.abbreviations):
                found += [(*way, part) for way in ways[start]]
        ways.append(sorted(found, key=len)[:_KEPT])
    return ways


def _under_way(word: str, *, abbreviated: bool) -> list[Way]:
    """The same for words whose last syllable is not complete, at least one of the syllables being so."""
    tables, found = _tables(), []
    ways = _ways(word, abbreviated=abbreviated)
    for start in range(max(0, len(word) - 6), len(word)):
        if word[start:] in tables.completions:
            found += [(*way, word[start:]) for way in ways[start]]
    found = [way for way in found if any(part in tables.syllables for part in way)]
    fewest = min(map(len, found), default=0)
    return [way for way in found if len(way) == fewest][:_KEPT]


def _spelling(way: Way) -> Spelling | None:
    tables = _tables()
    *first, last = way
    choices = [[part] if part in tables.syllables else tables.completions[part] for part in first]
    choices.append(tables.completions[last])
    pairs = [[_pair_keys[one.upper(), two.upper()] for one, two in product(*both)] for both in _affordable(choices)]
    required = [key for keys in pairs if len(keys) == 1 for key in keys]
    one_of = min((keys for keys in pairs if len(keys) > 1), key=len, default=[])
    if not required and not one_of:
        return None
    abbreviates = any(part not in tables.syllables for part in first)
    pattern = "".join(f"'{part.upper()}" + ("" if part in tables.syllables else "[A-Z]*") for part in first)
    letters = "".join(part[0] for part in way) if abbreviates else ""
    return Spelling(sorted(set(required)), sorted(set(one_of)), letters, f"{pattern}'{last.upper()}")


def _affordable(choices: Sequence[Sequence[str]]) -> Iterable[tuple[Sequence[str], Sequence[str]]]:
    return [both for both in pairwise(choices) if len(both[0]) * len(both[1]) <= _MOST_PAIRS]


class _Spellings(dict[int, str]):
    """Character → kept syllable. What has none parts a name."""

    def __missing__(self, code: int) -> str:
        self[code] = " "
        return " "


class _Tables(NamedTuple):
    initials: Mapping[int, str]
    """Character → initial."""
    spellings: Mapping[int, str]
    alternatives: Mapping[str, Sequence[str]]
    """Of characters with several common readings: the kept syllables."""
    syllables: frozenset[str]
    completions: Mapping[str, Sequence[str]]
    """What a syllable begins with → the syllables."""
    abbreviations: frozenset[str]
    """What people type for a whole syllable."""


@cache
def _tables() -> _Tables:
    package = find_spec("pypinyin")
    assert package is not None
    assert package.origin is not None
    dictionary = orjson.loads((Path(package.origin).parent / "pinyin_dict.json").read_bytes())
    known = {int(code): [_plain(one) for one in readings.split(",")] for code, readings in dictionary.items()}
    readings = {code: found for code, each in known.items() if (found := [one for one in each if _usable(one)])}
    alternatives = {char: _alternatives(readings[ord(char)], letters) for char, letters in HETERONYMS.items()}
    first = {code: each[0] for code, each in readings.items()} | {
        ord(char): alternatives[char][0] for char in alternatives
    }
    syllables = frozenset(one for each in readings.values() for one in each)
    completions: dict[str, list[str]] = {}
    for syllable in sorted(syllables):
        for end in range(1, len(syllable) + 1):
            completions.setdefault(syllable[:end], []).append(syllable)
    return _Tables(
        initials={code: reading[0] for code, reading in first.items()},
        spellings=_Spellings({code: _kept(reading) for code, reading in first.items()}),
        alternatives={char: [_kept(one) for one in each] for char, each in alternatives.items()},
        syllables=syllables,
        completions=completions,
        abbreviations=frozenset({one for one in completions if len(one) == 1} | {"zh", "ch", "sh"}),
    )


def _alternatives(readings: Sequence[str], letters: str) -> list[str]:
    return [next(one for one in readings if one[0] == letter) for letter in letters]


def _usable(reading: str) -> bool:
    return bool(_SYLLABLE.fullmatch(reading)) and reading not in _INTERJECTIONS


@cache  # so that characters of one reading share its text
def _kept(reading: str) -> str:
    return f"{MARK}{reading.upper()}"


@cache
def _plain(reading: str) -> str:
    """A reading without its tone, `lǜ` → `lv`, as it is typed."""
    letters = unicodedata.normalize("NFD", reading).replace("u\N{COMBINING DIAERESIS}", "v")
    return "".join(char for char in letters if not unicodedata.combining(char))
