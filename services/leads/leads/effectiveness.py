"""Whether a follow-up counts as one (有效跟进): a pure judgement with reasons, so that made-up notes reset no clock.

What can be shown decides alone: a call that took long enough, a word from the customer, a check-in on the spot. A
meeting counts as well, unless its note is empty talk or a copy. Any other note counts if it says something new and
names a person or tells how the customer answered.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from chassis.errors import Violation
from chassis.rules import refuse

from leads.model import FollowUpMethod

SHINGLE = 3
"""Characters in a shingle; three tell short Chinese notes apart without being upset by a changed word."""
MAX_PHRASES, MAX_PHRASE = 200, 100
REMEMBERED = 2048
"""Texts whose forms are kept at hand: the same notes of an author are compared with each new one."""


class Verdict(StrEnum):
    """Whether a follow-up counts. The names are those of `crm.leads.v1.FollowUpVerdict`."""

    EFFECTIVE = "EFFECTIVE"
    NOT_EFFECTIVE = "NOT_EFFECTIVE"


class VerdictReason(StrEnum):
    """What speaks for and against a follow-up. The names are those of `crm.leads.v1.FollowUpVerdictReason`."""

    LONG_CALL = "LONG_CALL"
    INBOUND_REPLY = "INBOUND_REPLY"
    VALID_CHECK_IN = "VALID_CHECK_IN"
    MEETING = "MEETING"
    SUBSTANTIAL_NOTE = "SUBSTANTIAL_NOTE"
    TOO_SHORT = "TOO_SHORT"
    BOILERPLATE = "BOILERPLATE"
    REPEATED_TEXT = "REPEATED_TEXT"
    NO_CONTACT_PERSON = "NO_CONTACT_PERSON"
    NO_REPLY = "NO_REPLY"
    INVALID_CHECK_IN = "INVALID_CHECK_IN"


_PROOF = (VerdictReason.LONG_CALL, VerdictReason.INBOUND_REPLY, VerdictReason.VALID_CHECK_IN)
_EMPTY = (VerdictReason.TOO_SHORT, VerdictReason.BOILERPLATE, VerdictReason.REPEATED_TEXT)

_PHRASES = (
    "已联系", "已跟进", "已电话联系", "已沟通", "正常跟进", "持续跟进", "继续跟进", "跟进中", "保持联系",
    "下次再联系", "再联系", "无人接听", "未接听", "电话未接", "打不通", "关机", "客户在忙", "暂无需求", "暂时不需要",
    "稍后联系", "发了微信", "发了资料", "followed up", "following up", "no answer", "left a message",
    "will call back", "keep in touch", "checked in",
)  # fmt: skip
"""Set phrases of sales notes that say nothing of the customer."""

_RANGES: Mapping[str, tuple[float, float]] = {
    "min_call_seconds": (1, 3_600),
    "min_text_length": (1, 500),
    "similarity_percent": (50, 100),
    "compare_days": (1, 365),
    "compare_count": (1, 500),
    "check_in_max_accuracy_metres": (1, 5_000),
    "check_in_max_minutes": (1, 1_440),
    "contact_cap": (1, 1_000),
}


@dataclass(frozen=True)
class EffectivenessRules:
    """By what follow-ups are judged. The company sets them; these are what it begins with."""

    min_call_seconds: int = 60
    """From how many seconds on a call counts by itself."""
    min_text_length: int = 10
    """How many letters and digits a note has at least, set phrases aside."""
    similarity_percent: int = 80
    """From which Jaccard similarity of their shingles on two notes are the same."""
    compare_days: int = 30
    """For how many days back notes are compared."""
    compare_count: int = 50
    """With how many notes of the author, and as many of the customer, the newest first."""
    check_in_max_accuracy_metres: int = 200
    """How inexact the position of a check-in may be."""
    check_in_max_minutes: int = 30
    """How far a check-in may lie from the time of the follow-up."""
    boilerplate_phrases: tuple[str, ...] = _PHRASES
    contact_cap: int = 3
    """How often other theatres may be in touch with a company within 24 hours before one is refused."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """From the form they are stored in; what is missing there is as in the beginning."""
        return replace(cls(), **dict(stored) | {"boilerplate_phrases": tuple(stored["boilerplate_phrases"])})

    def to_json(self) -> dict[str, Any]:
        """The form they are stored in."""
        return asdict(self) | {"boilerplate_phrases": list(self.boilerplate_phrases)}

    def checked(self) -> Self:
        """The rules with their phrases trimmed. Raises Invalid, naming every field at fault."""
        faults = [
            Violation(name, "OUT_OF_RANGE", f"it must be from {low:,} to {high:,}")
            for name, (low, high) in _RANGES.items()
            if not low <= getattr(self, name) <= high
        ]
        phrases = tuple(dict.fromkeys(phrase.strip() for phrase in self.boilerplate_phrases if plain(phrase)))
        if len(phrases) > MAX_PHRASES or any(len(phrase) > MAX_PHRASE for phrase in phrases):
            message = f"at most {MAX_PHRASES} phrases of {MAX_PHRASE} characters each fit"
            faults.append(Violation("boilerplate_phrases", "TOO_LONG", message))
        refuse(faults)
        return replace(self, boilerplate_phrases=phrases)


@dataclass(frozen=True)
class CheckIn:
    """Where somebody was, as their device says."""

    latitude: float
    longitude: float
    """Degrees, WGS 84."""
    accuracy_metres: float
    """The radius that the position is within."""
    time: datetime

    def to_json(self) -> dict[str, Any]:
        """The form it is stored in."""
        return asdict(self) | {"time": self.time.isoformat()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """From the form it is stored in."""
        return cls(**dict(stored) | {"time": datetime.fromisoformat(stored["time"])})


@dataclass(frozen=True)
class Touch:
    """What a follow-up is judged by."""

    method: str
    content: str
    occur_time: datetime
    has_contact: bool = False
    duration_seconds: int | None = None
    inbound: bool = False
    check_in: CheckIn | None = None
    check_in_used: bool = False
    """True if another follow-up has shown the same check-in."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on, in the order of `VerdictReason`."""

    verdict: Verdict
    reasons: tuple[VerdictReason, ...]


def judge(rules: EffectivenessRules, touch: Touch, earlier: Iterable[str]) -> Judgement:
    """Judge a follow-up beside the contents of `earlier` ones."""
    found = {*_evidence(rules, touch), *_emptiness(rules, touch, earlier), *_doubts(touch)}
    empty = found.intersection(_EMPTY)
    if touch.method == FollowUpMethod.MEETING and not empty:
        found.add(VerdictReason.MEETING)
    shown = found.intersection((*_PROOF, VerdictReason.MEETING))
    silent = {VerdictReason.NO_CONTACT_PERSON, VerdictReason.NO_REPLY} <= found
    if not empty and not silent:
        found.add(VerdictReason.SUBSTANTIAL_NOTE)
    effective = bool(shown) or VerdictReason.SUBSTANTIAL_NOTE in found
    verdict = Verdict.EFFECTIVE if effective else Verdict.NOT_EFFECTIVE
    return Judgement(verdict, tuple(reason for reason in VerdictReason if reason in found))


def _evidence(rules: EffectivenessRules, touch: Touch) -> list[VerdictReason]:
    """What can be shown for a follow-up."""
    found = []
    if touch.method == FollowUpMethod.CALL and (touch.duration_seconds or 0) >= rules.min_call_seconds:
        found.append(VerdictReason.LONG_CALL)
    if touch.inbound:
        found.append(VerdictReason.INBOUND_REPLY)
    if touch.check_in is not None:
        near = touch.check_in.accuracy_metres <= rules.check_in_max_accuracy_metres
        apart = abs(touch.check_in.time - touch.occur_time)
        timely = apart <= timedelta(minutes=rules.check_in_max_minutes)
        valid = near and timely and not touch.check_in_used
        found.append(VerdictReason.VALID_CHECK_IN if valid else VerdictReason.INVALID_CHECK_IN)
    return found


def _emptiness(rules: EffectivenessRules, touch: Touch, earlier: Iterable[str]) -> list[VerdictReason]:
    """What makes a note say nothing, or nothing new."""
    found, text = [], plain(touch.content)
    rest = text
    for phrase in sorted(map(plain, rules.boilerplate_phrases), key=len, reverse=True):
        rest = rest.replace(phrase, "")
    if len(text) < rules.min_text_length:
        found.append(VerdictReason.TOO_SHORT)
    if rest != text and len(rest) < rules.min_text_length:
        found.append(VerdictReason.BOILERPLATE)
    own = shingles(text)
    if any(100 * similarity(own, shingles(plain(other))) >= rules.similarity_percent for other in earlier):
        found.append(VerdictReason.REPEATED_TEXT)
    return found


_PERSON = re.compile(
    r"[\u4e00-\u9fff](?:总监|(?<!汇)总(?![结计体共是会部数额量])|经理|主任|先生|女士|小姐|老师|工程师|科长|处长|局长|院长|校长|董事|老板|厂长)"
    r"|\b(?:mr|mrs|ms|dr)\.?\s+\w",
    re.IGNORECASE,
)
_REPLY = re.compile(
    r"(?:客户|对方|他们|她们|他|她|[总理任生士长板])(?:方)?(?:已经?|也)?"
    r"(?:回复|答复|回电|回信|说|表示|反馈|同意|答应|确认|要求|提出|希望|询问|问|拒绝|认为|告知)"
    r"|\b(?:replied|answered|said|agreed|confirmed|asked|declined|wants|wanted|requested)\b",
    re.IGNORECASE,
)


def _doubts(touch: Touch) -> list[VerdictReason]:
    """What a note leaves open: with whom one spoke, and what the answer was."""
    found = []
    if not touch.has_contact and not _PERSON.search(touch.content):
        found.append(VerdictReason.NO_CONTACT_PERSON)
    if not touch.inbound and not _REPLY.search(touch.content):
        found.append(VerdictReason.NO_REPLY)
    return found


@lru_cache(maxsize=REMEMBERED)
def plain(text: str) -> str:
    """A text as it is compared: letters and digits in one width and case, each digit as 0, since pasted notes differ
    in their dates."""
    kept = (each for each in unicodedata.normalize("NFKC", text).casefold() if each.isalnum())
    return "".join("0" if each.isdigit() else each for each in kept)


@lru_cache(maxsize=REMEMBERED)
def shingles(text: str) -> frozenset[str]:
    """The runs of characters that a plain text is made of; a text too short for one is its own."""
    if len(text) <= SHINGLE:
        return frozenset({text} if text else ())
    return frozenset(text[start : start + SHINGLE] for start in range(len(text) - SHINGLE + 1))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """The Jaccard similarity of two sets of shingles, from 0 to 1; 0 if either is empty."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
