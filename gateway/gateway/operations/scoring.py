"""How likely leads are to buy: the rules, what was learned, and what a score comes from."""

import strawberry
from crm.leads.v1 import lead_pb2
from crm.leads.v1 import scoring_service_pb2 as pb

from gateway.conditions import FilterInput, to_filter
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.requests import RequestId
from gateway.types.scoring import LeadScoreExplanation, ScoringModel, ScoringRules


@strawberry.type
class ScoringQuery:
    @field("The rules by which leads are scored.")
    async def scoring_rules(self, info: Info) -> ScoringRules | None:
        request = pb.GetScoringRulesRequest()
        return ScoringRules(await info.context.calls(info.context.services.scoring.GetScoringRules, request))

    @field("What the score of a lead comes from.")
    async def explain_lead_score(self, info: Info, lead: strawberry.ID) -> LeadScoreExplanation | None:
        request = pb.ExplainLeadScoreRequest(lead=lead)
        return LeadScoreExplanation(await info.context.calls(info.context.services.scoring.ExplainLeadScore, request))

    @field("What was learned from leads last, and how it did.")
    async def scoring_model(self, info: Info) -> ScoringModel | None:
        request = pb.GetScoringModelRequest()
        return ScoringModel(await info.context.calls(info.context.services.scoring.GetScoringModel, request))


@strawberry.input(description="Points for leads that fulfil a condition.")
class FitRuleInput:
    title: str = strawberry.field(description="What it is called in explanations, up to 100 characters.")
    filter: FilterInput = strawberry.field(
        description="The condition, over the fields of leads, but for their score and grade."
    )
    points: int = strawberry.field(description="From -100 to 100, not 0.")


@derive_input(pb.BehaviourRule, required={"title", "signal", "points"})
class BehaviourRuleInput(Input[pb.BehaviourRule]):
    pass


@derive_input(pb.ScoringRules, hide={"name", "fit"})
class UpdateScoringRulesInput(Input[pb.ScoringRules]):
    fit: list[FitRuleInput] | None = strawberry.field(default=None, description="What leads are, at most 50 rules.")
    request_id: RequestId = None


@strawberry.input(description="Learns from the leads whose outcome is known.")
class TrainScoringModelInput:
    request_id: RequestId = None


@strawberry.type
class ScoringMutation:
    @mutation("Changes the rules by which leads are scored, and scores all leads that are worked on anew.")
    async def update_scoring_rules(
        self,
        info: Info,
        input: UpdateScoringRulesInput,  # noqa: A002
    ) -> ScoringRules | None:
        rules, mask = input.to_proto(), input.mask()
        if input.fit is not None:
            mask.paths.append("fit")
            for one in input.fit:
                given = to_filter(one.filter, lead_pb2.Lead.DESCRIPTOR)
                rules.fit.append(pb.FitRule(title=one.title, filter=given, points=one.points))
        request = pb.UpdateScoringRulesRequest(rules=rules, update_mask=mask, request_id=input.request_id or "")
        return ScoringRules(await info.context.calls(info.context.services.scoring.UpdateScoringRules, request))

    @mutation("Queues learning from leads; what is learned is used only if it beats the rules. See `scoringModel`.")
    async def train_scoring_model(self, info: Info, input: TrainScoringModelInput) -> ScoringModel | None:  # noqa: A002
        request = pb.TrainScoringModelRequest(request_id=input.request_id or "")
        return ScoringModel(await info.context.calls(info.context.services.scoring.TrainScoringModel, request))
