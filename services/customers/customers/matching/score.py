"""How likely two customers are one, from 0 to 1, and why.

A score is a likelihood as people judge it, not a frequency: name and evidence count as independent hints, and the
score is the chance that not all of them mislead (noisy-or). Equal credit codes prove that two companies are one,
different ones prove the opposite: a code belongs to one legal person (GB 32100-2015).
"""

from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from customers.matching.company import CompanyName
from customers.matching.profile import Profile

LIKELY = 0.85
"""From this score on two customers are told to be one, probably. Measured by `customers.matching.evaluate`."""


@cache
def _distances() -> Any:
    """The library, imported by the first comparison: processes that compare nothing do without its 4 MiB."""
    from rapidfuzz import distance

    return distance


class Relation(StrEnum):
    """What two customers are to each other."""

    SAME = "SAME"
    """Proved by an equal number of a register."""
    LIKELY = "LIKELY"
    BRANCH = "BRANCH"
    """One is a part of the other, or both are parts of one company: related, and not duplicates."""
    DIFFERENT = "DIFFERENT"


class Match(NamedTuple):
    """How alike two customers are."""

    score: float
    reasons: tuple[str, ...]
    relation: Relation


_PHONE, _EMAIL, _DOMAIN, _HOST, _ADDRESS = 0.5, 0.7, 0.3, 0.4, 0.3
_LEAST_ADDRESS = 6
_ALIKE_ADDRESS = 0.9


def compare(one: Profile, other: Profile) -> Match:
    """Judge two customers. It makes no difference which comes first."""
    if one.company != other.company:
        return Match(0.0, (), Relation.DIFFERENT)
    if one.company:
        if one.credit_code and other.credit_code:
            if one.credit_code == other.credit_code:
                return Match(1.0, ("SAME_CREDIT_CODE",), Relation.SAME)
            branch = _branch(one.parsed, other.parsed)
            relation = Relation.BRANCH if branch else Relation.DIFFERENT
            return Match(0.0, ("DIFFERENT_CREDIT_CODE",), relation)
        if _branch(one.parsed, other.parsed):
            return Match(0.0, ("BRANCH",), Relation.BRANCH)
        named, reasons = _company_names(one.parsed, other.parsed)
    else:
        if one.identity and one.identity == other.identity:
            return Match(1.0, ("SAME_IDENTITY",), Relation.SAME)
        named, reasons = _person_names(one, other)
    return _weigh(named, reasons, one, other)


def _weigh(named: float, reasons: list[str], one: Profile, other: Profile) -> Match:
    doubt = 1 - named
    for weight, reason in _evidence(one, other):
        doubt *= 1 - weight
        reasons.append(reason)
    score = round(1 - doubt, 4)
    return Match(score, tuple(reasons), Relation.LIKELY if score >= LIKELY else Relation.DIFFERENT)


def _evidence(one: Profile, other: Profile) -> list[tuple[float, str]]:
    found = []
    if one.all_phones & other.all_phones:
        found.append((_PHONE, "SAME_PHONE"))
    if one.all_emails & other.all_emails:
        found.append((_EMAIL, "SAME_EMAIL"))
    elif one.company and one.domains & other.domains:
        found.append((_DOMAIN, "SAME_EMAIL_DOMAIN"))
    if one.host and one.host == other.host:
        found.append((_HOST, "SAME_WEBSITE"))
    if _same_address(one.plain_address, other.plain_address):
        found.append((_ADDRESS, "SAME_ADDRESS"))
    return found


def _same_address(one: str, other: str) -> bool:
    if min(len(one), len(other)) < _LEAST_ADDRESS:
        return False
    return bool(_distances().Indel.normalized_similarity(one, other) >= _ALIKE_ADDRESS)


def _branch(one: CompanyName, other: CompanyName) -> bool:
    """Whether they name different parts of one company."""
    if one.unit == other.unit or not one.core or not other.core:
        return False
    if one.unit and other.unit and _distances().Indel.normalized_similarity(one.unit, other.unit) >= 0.95:
        return False
    return _alike(one.core, other.core) >= 0.8 or one.core.startswith(other.core) or other.core.startswith(one.core)


def _company_names(one: CompanyName, other: CompanyName) -> tuple[float, list[str]]:
    mine, theirs = _without_place(one, other), _without_place(other, one)
    core = max(_alike(mine, theirs), _alike(mine + "".join(one.trade), theirs + "".join(other.trade)))
    if core < 0.75:
        return 0.0, []
    reasons = ["SAME_CORE_NAME" if core == 1 else "SIMILAR_CORE_NAME"]
    score = core
    if one.region.conflicts(other.region):
        score *= 0.55
        reasons.append("DIFFERENT_REGION")
    elif one.region.known and other.region.known:
        reasons.append("SAME_REGION")
    else:
        score *= 0.95
    score *= _trades(one.trade, other.trade)
    score *= _forms(one.form, other.form)
    return score, reasons


def _without_place(name: CompanyName, other: CompanyName) -> str:
    """The core without the other's county, which nobody can tell from a core where 市 or 县 is left out."""
    county = other.region.district[:-1]
    return name.core.removeprefix(county) if county and len(name.core) - len(county) > 1 else name.core


def _alike(one: str, other: str) -> float:
    """How alike two core names are. Short ones must be equal: 华诚 and 华盛 are two brands, not a slip."""
    if one == other:
        return 1.0
    if min(len(one), len(other)) < 4:
        return 0.0
    return float(_distances().Indel.normalized_similarity(one, other))


def _trades(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    if one == other:
        return 1.0
    if not one or not other:
        return 0.92
    mine, theirs = "".join(one), "".join(other)
    if set(one) & set(other) or mine in theirs or theirs in mine:
        return 0.92
    return 0.6


def _forms(one: str, other: str) -> float:
    return 1.0 if one == other or not one or not other or {one, other} == {"公司", "集团"} else 0.85


def _person_names(one: Profile, other: Profile) -> tuple[float, list[str]]:
    """Persons of one name are many: a name alone never makes two persons one."""
    alike = _distances().JaroWinkler.similarity(one.plain_name, other.plain_name)
    if one.plain_name == other.plain_name:
        return 0.75, ["SAME_NAME"]
    return (0.6 * alike, ["SIMILAR_NAME"]) if alike >= 0.85 and len(one.plain_name) > 3 else (0.0, [])
