"""Scoring rules, what was learned, and what scores come from, as messages. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from chassis.errors import Invalid
from chassis.etags import etag
from chassis.filters import filter_from_json
from chassis.jobs import Job, JobState
from crm.leads.v1 import scoring_service_pb2 as pb
from google.protobuf.json_format import MessageToDict

from leads.model import ScoringModel
from leads.scoring.rules import MOST_POINTS, BehaviourRule, FitRule, KeptRules
from leads.scoring.scoring import Explanation
from leads.scoring.updating import RULES_NAME

RULE_FIELDS = frozenset({"fit", "behaviour", "grade_a", "grade_b", "grade_c"})
"""The fields of the rules that may be changed."""

_SIGNALS = {name.removeprefix("SCORING_SIGNAL_"): number for name, number in pb.ScoringSignal.items()}
_SIGNAL_NAMES = {number: name for name, number in _SIGNALS.items()}


def rules_to_proto(kept: KeptRules) -> pb.ScoringRules:
    """The rules in force."""
    rules = kept.rules
    return pb.ScoringRules(
        name=RULES_NAME,
        fit=[
            pb.FitRule(title=one.title, filter=filter_from_json(dict(one.condition)), points=one.points)
            for one in rules.fit
        ],
        behaviour=[
            pb.BehaviourRule(
                title=one.title,
                signal=_SIGNALS[one.signal],
                points=one.points,
                half_life_days=one.half_life_days,
                most_points=one.most_points,
            )
            for one in rules.behaviour
        ],
        grade_a=rules.grade_a,
        grade_b=rules.grade_b,
        grade_c=rules.grade_c,
        etag=etag(kept.version),
    )


def rule_changes(rules: pb.ScoringRules, paths: Collection[str]) -> dict[str, Any]:
    """The rules at some paths, as the use case takes them. Raises Invalid for a rule without a condition."""
    changes: dict[str, Any] = {path: getattr(rules, path) for path in paths if path.startswith("grade_")}
    if "fit" in paths:
        changes["fit"] = tuple(_fit(one) for one in rules.fit)
    if "behaviour" in paths:
        changes["behaviour"] = tuple(_behaviour(one) for one in rules.behaviour)
    return changes


def _fit(rule: pb.FitRule) -> FitRule:
    condition = MessageToDict(rule.filter)
    if not condition:
        raise Invalid("REQUIRED", "say which leads get the points", field="fit.filter")
    return FitRule(rule.title.strip(), condition, rule.points)


def _behaviour(rule: pb.BehaviourRule) -> BehaviourRule:
    return BehaviourRule(
        title=rule.title.strip(),
        signal=_SIGNAL_NAMES.get(rule.signal, str(rule.signal)),
        points=rule.points,
        half_life_days=rule.half_life_days,
        most_points=rule.most_points or MOST_POINTS,
    )


def explanation_to_proto(told: Explanation) -> pb.LeadScoreExplanation:
    """What a score comes from."""
    return pb.LeadScoreExplanation(
        lead=f"leads/{told.lead.id}",
        score=told.score,
        grade=told.grade,
        by_model=told.by_model,
        factors=[pb.ScoreFactor(title=title, points=round(points, 3)) for title, points in told.factors],
    )


def model_to_proto(row: ScoringModel | None, training: Job | None) -> pb.ScoringModel:
    """What was learned last, and how learning stands."""
    under_way = training is not None and training.state in (JobState.QUEUED, JobState.RUNNING)
    message = pb.ScoringModel(
        training=under_way, failure_reason=training.failure_reason if training is not None else ""
    )
    if row is None:
        return message
    measures: Mapping[str, Any] = row.measures
    message.in_use = row.in_use
    message.train_time.FromDatetime(row.train_time)
    message.fitted_on, message.judged_on = measures["fitted_on"], measures["judged_on"]
    for name in ("model", "rules", "difference"):
        getattr(message, name).CopyFrom(pb.ScoringMeasure(**measures[name]))
    return message
