"""How likely leads are to buy."""

from typing import Any, cast

import strawberry
from crm.leads.v1 import scoring_service_pb2 as pb

from gateway.conditions import from_filter
from gateway.deriver import Record, derive
from gateway.fields import field


@derive(pb.FitRule, required={"title"}, hide={"filter"})
class FitRule(Record[pb.FitRule]):
    @field("The filter that leads fulfil who get the points.")
    def filter(self) -> strawberry.scalars.JSON:
        held: Any = from_filter(self.wire.filter)
        return cast(strawberry.scalars.JSON, held)


@derive(pb.BehaviourRule, required={"title", "signal"})
class BehaviourRule(Record[pb.BehaviourRule]):
    pass


@derive(pb.ScoringRules, required={"etag"})
class ScoringRules(Record[pb.ScoringRules]):
    pass


@derive(pb.LeadScoreExplanation, required={"lead", "grade"})
class LeadScoreExplanation(Record[pb.LeadScoreExplanation]):
    pass


@derive(pb.ScoringModel)
class ScoringModel(Record[pb.ScoringModel]):
    pass
