"""Who of a rule's candidates gets a lead. Pure: what is known of the candidates is given, and kept up to date here.

The best score by the rule's strategy decides. Among equals whoever is owed most does. That is the fairness debt of the
carpool problem (Fagin & Williams, "A Fair Carpool Scheduling Algorithm", IBM J. Res. Dev. 27, 1983): with each lead
all who could have been given it accrue their share of it, and whoever gets it pays the whole. Where all are equals, as
by ROUND_ROBIN and WEIGHTED, that is the smooth weighted round robin of nginx. Who could not have been given the lead,
being absent or full, accrues nothing. The debts of a rule always add up to nothing, exactly: they are whole numbers,
and what a division leaves over is not paid either.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from leads.model import AssignmentStrategy, OutsideHours

UNIT = 10**12
"""A whole lead, in the unit of debts."""
_CLOSE = 10**6
"""Debts that differ by less, a millionth of a lead, are equal: that is what divisions leave over."""


class Exclusion(StrEnum):
    """Why somebody cannot be given a lead."""

    INACTIVE = "INACTIVE"
    DECLINES_LEADS = "DECLINES_LEADS"
    ABSENT = "ABSENT"
    FULL_TODAY = "FULL_TODAY"
    FULL_30_DAYS = "FULL_30_DAYS"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    OTHER_REGION = "OTHER_REGION"
    OTHER_SKILLS = "OTHER_SKILLS"
    LET_IT_PASS = "LET_IT_PASS"  # noqa: S105 - no password


class TieBreak(StrEnum):
    """What decided among candidates."""

    SCORE = "SCORE"
    FAIRNESS_DEBT = "FAIRNESS_DEBT"
    LAST_GIVEN = "LAST_GIVEN"
    ORDER = "ORDER"


@dataclass
class Rep:
    """Somebody who is given leads, whatever rule they come by."""

    user_id: UUID
    department_path: str | None = None
    active: bool = True
    declines: bool = False
    absent: bool = False
    """Whether they are away when they would next work."""
    works_from: datetime | None = None
    """When they next work, which may be now. None if never."""
    daily_capacity: int = 0
    """0 for no limit."""
    monthly_capacity: int = 30
    weight: int = 1
    regions: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    given_today: int = 0
    given_this_month: int = 0
    open_leads: int = 0

    @property
    def fullness(self) -> Exclusion | None:
        """Whether they can take no more."""
        if self.daily_capacity and self.given_today >= self.daily_capacity:
            return Exclusion.FULL_TODAY
        return Exclusion.FULL_30_DAYS if self.given_this_month >= self.monthly_capacity else None

    @property
    def unfit(self) -> Exclusion | None:
        """Why they can be given no lead at all, if so."""
        if not self.active:
            return Exclusion.INACTIVE
        if self.declines:
            return Exclusion.DECLINES_LEADS
        if self.absent:
            return Exclusion.ABSENT
        return self.fullness

    def take(self) -> None:
        """Reckon with one more lead."""
        self.given_today += 1
        self.given_this_month += 1
        self.open_leads += 1


@dataclass(frozen=True)
class Traits:
    """What of a lead strategies look at."""

    city: str = ""
    province: str = ""
    industry: str = ""


@dataclass
class Standing:
    """Where somebody stands in a rule."""

    rep: Rep
    debt: int = 0
    last_time: datetime | None = None
    """When they were last given a lead by the rule."""
    conversion: int = 0
    """How many percent of the leads given of late they converted, smoothed. For PERFORMANCE."""


@dataclass(frozen=True)
class Choice:
    """How the choice among a rule's candidates came out. What is told of each is in their order."""

    chosen: int | None
    exclusions: Sequence[Exclusion | None]
    scores: Sequence[int]
    debts: Sequence[int]
    """As they were before."""
    tie_break: TieBreak | None = None
    waits_until: datetime | None = None
    """When somebody works who could be chosen, if the lead waits for that."""


@dataclass
class Team:
    """A rule's candidates."""

    strategy: AssignmentStrategy
    outside_hours: OutsideHours
    standings: Sequence[Standing]
    required_skills: frozenset[str] = frozenset()
    changed: set[int] = field(default_factory=set)
    """Those whose debt is another one than it was."""

    def choose(self, lead: Traits, passed: Collection[UUID], now: datetime) -> Choice:
        """Choose somebody for a lead, and reckon with it. `passed`: who let it pass before."""
        scores = [0] * len(self.standings)
        exclusions: list[Exclusion | None] = []
        for at, standing in enumerate(self.standings):
            exclusion, scores[at] = self._judge(standing, lead, passed)
            exclusions.append(exclusion)
        waits_until = self._mind_hours(exclusions, now)
        debts = [standing.debt for standing in self.standings]
        eligible = [at for at, exclusion in enumerate(exclusions) if exclusion is None]
        if not eligible:
            return Choice(None, exclusions, scores, debts, waits_until=waits_until)
        chosen, tie_break = self._best(eligible, scores)
        self._settle(eligible, chosen, now)
        return Choice(chosen, exclusions, scores, debts, tie_break)

    def _judge(self, standing: Standing, lead: Traits, passed: Collection[UUID]) -> tuple[Exclusion | None, int]:
        rep = standing.rep
        if (unfit := rep.unfit) is not None:
            return unfit, 0
        if rep.user_id in passed:
            return Exclusion.LET_IT_PASS, 0
        match self.strategy:
            case AssignmentStrategy.LEAST_BUSY:
                return None, -rep.open_leads
            case AssignmentStrategy.PERFORMANCE:
                return None, standing.conversion
            case AssignmentStrategy.REGION:
                score = 2 if lead.city in rep.regions else 1 if lead.province in rep.regions else 0
                return (None, score) if score else (Exclusion.OTHER_REGION, 0)
            case AssignmentStrategy.SKILL:
                wanted = self.required_skills | {lead.industry} if lead.industry else self.required_skills
                score = len(wanted & rep.skills)
                return (None, score) if score else (Exclusion.OTHER_SKILLS, 0)
        return None, 0

    def _mind_hours(self, exclusions: list[Exclusion | None], now: datetime) -> datetime | None:
        """Exclude who does not work when others do. Returns until when the lead waits, if nobody works and it is to."""
        if self.outside_hours is OutsideHours.IGNORE:
            return None
        begins = {at: self.standings[at].rep.works_from for at, exclusion in enumerate(exclusions) if exclusion is None}
        first = min((begin for begin in begins.values() if begin is not None), default=None)
        waits = first is not None and first > now and self.outside_hours is OutsideHours.WAIT
        for at, begin in begins.items():
            if begin is None or begin != first or waits:
                exclusions[at] = Exclusion.OUTSIDE_HOURS
        return first if waits else None

    def _best(self, eligible: Sequence[int], scores: Sequence[int]) -> tuple[int, TieBreak]:
        highest = max(scores[at] for at in eligible)
        best = [at for at in eligible if scores[at] == highest]
        if len(best) == 1:
            return best[0], TieBreak.SCORE
        owed = {at: round(self.standings[at].debt / _CLOSE) for at in best}
        most = max(owed.values())
        best = [at for at in best if owed[at] == most]
        if len(best) == 1:
            return best[0], TieBreak.FAIRNESS_DEBT
        last = {at: standing.last_time for at in best if (standing := self.standings[at])}
        never = [at for at in best if last[at] is None]
        earliest = min((time for time in last.values() if time is not None), default=None)
        longest = never or [at for at in best if last[at] == earliest]
        return longest[0], TieBreak.LAST_GIVEN if len(longest) == 1 else TieBreak.ORDER

    def _settle(self, eligible: Sequence[int], chosen: int, now: datetime) -> None:
        weighted = self.strategy is AssignmentStrategy.WEIGHTED
        weights = [self.standings[at].rep.weight if weighted else 1 for at in eligible]
        whole, paid = sum(weights), 0
        for at, weight in zip(eligible, weights, strict=True):
            share = UNIT * weight // whole
            self.standings[at].debt += share
            paid += share
        winner = self.standings[chosen]
        winner.debt -= paid
        winner.last_time = now
        winner.rep.take()
        self.changed.update(eligible)


def smoothed_percent(converted: int, given: int, team_converted: int, team_given: int) -> int:
    """The part of leads that somebody converted, in percent. Few leads tell little, so ten more are reckoned in that
    went as the team's did: the m-estimate (Cestnik, "Estimating probabilities: a crucial task in machine learning",
    ECAI 1990) with m = 10."""
    usual = team_converted / team_given if team_given else 0.0
    return round(100 * (converted + _M * usual) / (given + _M))


_M = 10
