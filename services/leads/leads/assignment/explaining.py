"""Why decisions are as they are: in the form in which it is kept, and as it is told.

What many decisions have in common is kept once, see `AssignmentRound`: the rules, and the candidates of a rule. A
decision keeps what differs, in their order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from leads.assignment.choosing import UNIT, Exclusion, Team
from leads.assignment.judging import Decision, idleness
from leads.model import AssignmentRule, LeadAssignment

_LETTERS = {exclusion: chr(ord("a") + at) for at, exclusion in enumerate(Exclusion)}
"""A letter for each reason, so that 200 candidates take 200 characters. New ones go to the end."""
_EXCLUSIONS = {letter: exclusion for exclusion, letter in _LETTERS.items()}
_FREE = "."


@dataclass(frozen=True)
class RuleVerdict:
    """Whether a rule was for a lead."""

    rule_id: UUID
    display_name: str
    priority: int
    matched: bool
    applied: bool
    reason: str


@dataclass(frozen=True)
class Candidate:
    """Somebody who could have been given a lead, or why not."""

    user_id: UUID
    score: int
    debt: float
    """In leads."""
    chosen: bool
    exclusion: str


@dataclass(frozen=True)
class Explanation:
    """Why a decision is as it is."""

    assignment: LeadAssignment
    rule_display_name: str
    rules: Sequence[RuleVerdict]
    strategy: str
    candidates: Sequence[Candidate]
    tie_break: str


def rule_facts(rules: Sequence[AssignmentRule], now: datetime) -> dict[str, Any]:
    """The rules there are, by priority, and why those that are not applied are not."""
    return {"rules": [[str(rule.id), rule.display_name, rule.priority, idleness(rule, now)] for rule in rules]}


def candidate_facts(rule: AssignmentRule, team: Team) -> dict[str, Any]:
    """The candidates of a rule."""
    return {"strategy": rule.strategy, "users": [str(standing.rep.user_id) for standing in team.standings]}


def detail_of(decision: Decision) -> dict[str, Any]:
    """What a decision keeps of its own."""
    detail: dict[str, Any] = {"matched": decision.matched}
    if decision.rule is not None:
        detail["rule"] = decision.rule.display_name
    choice = decision.choice
    if choice is not None:
        detail |= {
            "chosen": choice.chosen,
            "excluded": "".join(_LETTERS[one] if one else _FREE for one in choice.exclusions),
            "scores": list(choice.scores) if any(choice.scores) else None,
            "debts": [round(debt / UNIT, 6) for debt in choice.debts] if any(choice.debts) else None,
            "tie_break": choice.tie_break or "",
        }
    return detail


def explain(assignment: LeadAssignment, rules: Mapping[str, Any] | None, team: Mapping[str, Any] | None) -> Explanation:
    """A decision with why it is so, from what was kept of it."""
    detail = assignment.detail
    verdicts = _verdicts(detail.get("matched", ""), (rules or {}).get("rules", []))
    return Explanation(
        assignment=assignment,
        rule_display_name=detail.get("rule", ""),
        rules=verdicts,
        strategy=(team or {}).get("strategy", ""),
        candidates=_candidates(detail, (team or {}).get("users", [])),
        tie_break=detail.get("tie_break", ""),
    )


def _verdicts(matched: str, rules: Sequence[Sequence[Any]]) -> list[RuleVerdict]:
    first = matched.find("1")
    verdicts = []
    for at, (rule_id, display_name, priority, idle) in enumerate(rules):
        fulfilled = matched[at] == "1"
        reason = "" if at == first else "LOWER_PRIORITY" if fulfilled else idle or "CONDITION_NOT_MET"
        verdicts.append(RuleVerdict(UUID(rule_id), display_name, priority, fulfilled, at == first, reason))
    return verdicts


def _candidates(detail: Mapping[str, Any], users: Sequence[str]) -> list[Candidate]:
    nothing = [0] * len(users)
    scores, debts = detail.get("scores") or nothing, detail.get("debts") or nothing
    excluded, chosen = detail.get("excluded", ""), detail.get("chosen")
    found = [
        Candidate(UUID(user), scores[at], debts[at], at == chosen, _EXCLUSIONS.get(excluded[at], ""))
        for at, user in enumerate(users)
    ]
    return sorted(found, key=lambda one: (bool(one.exclusion), not one.chosen, -one.score, -one.debt, one.user_id))
