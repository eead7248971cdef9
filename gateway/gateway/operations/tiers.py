"""Tiers of customers by rules, the stages of their life, and what is scored every night."""

from datetime import date

import strawberry
from crm.customers.v1 import customer_pb2, lifecycle_service_pb2, rfm_pb2, rfm_service_pb2, tier_pb2
from crm.customers.v1 import tier_service_pb2 as pb

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.tiers import CustomerTier, LifecyclePolicy, RfmPolicy, Tier, TierChange, TierPreview, TierRun

_OUTPUT = {"rule", "creator", "create_time", "update_time"}


@strawberry.input(description="A rule that is only tried.")
class TierDraftInput:
    tier: str = strawberry.field(description="The code of the tier.")
    rule: FilterInput | None = strawberry.field(default=None, description="Its rule; null to try it without one.")


@strawberry.type
class TiersQuery:
    @field("The tiers that customers are sorted into, by their position.")
    async def tiers(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Tier] | None:
        method = info.context.services.tiers.ListTiers
        return await connect(first, after, Tier, pages(info.context, method, pb.ListTiersRequest, "tiers"))

    @field(
        "How many customers an evaluation would take from which tier to which now, by the rules in force or by drafts. "
        "Changes nothing."
    )
    async def tier_preview(self, info: Info, drafts: list[TierDraftInput] | None = None) -> TierPreview | None:
        request = pb.PreviewTiersRequest(
            drafts=[
                tier_pb2.TierDraft(tier=one.tier, rule=to_filter(one.rule, customer_pb2.Customer.DESCRIPTOR))
                for one in drafts or ()
            ]
        )
        return TierPreview(await info.context.calls(info.context.services.tiers.PreviewTiers, request))

    @field("An evaluation of all customers.")
    async def tier_run(self, info: Info, key: Key) -> TierRun | None:
        request = pb.GetTierRunRequest(name=key)
        return TierRun(await info.context.calls(info.context.services.tiers.GetTierRun, request))

    @field("The evaluations of all customers, the newest first.")
    async def tier_runs(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[TierRun] | None:
        method = info.context.services.tiers.ListTierRuns
        return await connect(first, after, TierRun, pages(info.context, method, pb.ListTierRunsRequest, "tier_runs"))

    @field("The tier of a customer, and whether rules may change it.")
    async def customer_tier(self, info: Info, customer: strawberry.ID) -> CustomerTier | None:
        request = pb.GetCustomerTierRequest(customer=customer)
        return CustomerTier(await info.context.calls(info.context.services.tiers.GetCustomerTier, request))

    @field("How the tier of a customer changed, the newest change first.")
    async def tier_history(
        self, info: Info, customer: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[TierChange] | None:
        method = info.context.services.tiers.ListTierChanges
        fetch = pages(info.context, method, pb.ListTierChangesRequest, "changes", customer=customer)
        return await connect(first, after, TierChange, fetch)

    @field("How the stage of a customer's life changed, the newest change first.")
    async def lifecycle_history(
        self, info: Info, customer: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[TierChange] | None:
        method = info.context.services.lifecycle.ListLifecycleChanges
        request = lifecycle_service_pb2.ListLifecycleChangesRequest
        fetch = pages(info.context, method, request, "changes", customer=customer)
        return await connect(first, after, TierChange, fetch)

    @field("By what the stage of a customer's life is told.")
    async def lifecycle_policy(self, info: Info) -> LifecyclePolicy | None:
        request = lifecycle_service_pb2.GetLifecyclePolicyRequest()
        return LifecyclePolicy(await info.context.calls(info.context.services.lifecycle.GetLifecyclePolicy, request))

    @field("What is scored every night, and how long analyses are kept.")
    async def rfm_policy(self, info: Info) -> RfmPolicy | None:
        request = rfm_service_pb2.GetRfmPolicyRequest()
        return RfmPolicy(await info.context.calls(info.context.services.rfm.GetRfmPolicy, request))


@derive_input(tier_pb2.Tier, required={"code"}, hide={"name", "etag", "archived", *_OUTPUT})
class CreateTierInput(Input[tier_pb2.Tier]):
    rule: FilterInput | None = strawberry.field(
        default=None,
        description="Customers that fulfil this are given it, unless an earlier tier's rule is fulfilled; an empty "
        "`all` is fulfilled by everybody.",
    )
    request_id: RequestId = None


@derive_input(tier_pb2.Tier, required={"name"}, hide={"code", *_OUTPUT})
class UpdateTierInput(Input[tier_pb2.Tier]):
    rule: FilterInput | None = strawberry.field(
        default=strawberry.UNSET, description="Customers that fulfil this are given it; null to end the rule."
    )
    request_id: RequestId = None


@strawberry.input(description="Queues an evaluation of all customers.")
class EvaluateTiersInput:
    request_id: RequestId = None


@strawberry.input(description="Gives a customer a tier that rules leave alone.")
class LockCustomerTierInput:
    customer_id: strawberry.ID
    tier: str | None = strawberry.field(
        default=None, description="The code of the tier; the one that the customer has if not given."
    )
    until: date | None = strawberry.field(
        default=None, description="The last day; not given for a lock that does not end by itself."
    )
    reason: str
    request_id: RequestId = None


@strawberry.input(description="Lets rules decide on the tier of a customer again.")
class UnlockCustomerTierInput:
    customer_id: strawberry.ID
    request_id: RequestId = None


@derive_input(lifecycle_service_pb2.LifecyclePolicy, hide={"name"})
class UpdateLifecyclePolicyInput(Input[lifecycle_service_pb2.LifecyclePolicy]):
    request_id: RequestId = None


@derive_input(rfm_pb2.RfmPolicy, hide={"name"})
class UpdateRfmPolicyInput(Input[rfm_pb2.RfmPolicy]):
    request_id: RequestId = None


@strawberry.type
class TiersMutation:
    @mutation("Creates a tier of customers.")
    async def create_tier(self, info: Info, input: CreateTierInput) -> Tier | None:  # noqa: A002
        request = pb.CreateTierRequest(tier=_tier(input), request_id=input.request_id or "")
        return Tier(await info.context.calls(info.context.services.tiers.CreateTier, request))

    @mutation("Changes a tier's looks, position or rule, or archives it.")
    async def update_tier(self, info: Info, input: UpdateTierInput) -> Tier | None:  # noqa: A002
        mask = input.mask()
        if input.rule is not strawberry.UNSET:
            mask.paths.append("rule")
        request = pb.UpdateTierRequest(tier=_tier(input), update_mask=mask, request_id=input.request_id or "")
        return Tier(await info.context.calls(info.context.services.tiers.UpdateTier, request))

    @mutation("Queues an evaluation of all customers: the stages of their life, and then their tiers.")
    async def evaluate_tiers(self, info: Info, input: EvaluateTiersInput | None = None) -> TierRun | None:  # noqa: A002
        request = pb.EvaluateTiersRequest(request_id=(input.request_id if input else None) or "")
        return TierRun(await info.context.calls(info.context.services.tiers.EvaluateTiers, request))

    @mutation("Gives a customer a tier that rules leave alone, until a day or until it is unlocked.")
    async def lock_customer_tier(self, info: Info, input: LockCustomerTierInput) -> CustomerTier | None:  # noqa: A002
        request = pb.LockCustomerTierRequest(
            customer=input.customer_id,
            tier=input.tier or "",
            until=input.until.isoformat() if input.until else "",
            reason=input.reason,
            request_id=input.request_id or "",
        )
        return CustomerTier(await info.context.calls(info.context.services.tiers.LockCustomerTier, request))

    @mutation("Lets rules decide on the tier of a customer again.")
    async def unlock_customer_tier(self, info: Info, input: UnlockCustomerTierInput) -> CustomerTier | None:  # noqa: A002
        request = pb.UnlockCustomerTierRequest(customer=input.customer_id, request_id=input.request_id or "")
        return CustomerTier(await info.context.calls(info.context.services.tiers.UnlockCustomerTier, request))

    @mutation("Changes by what the stage of a customer's life is told.")
    async def update_lifecycle_policy(self, info: Info, input: UpdateLifecyclePolicyInput) -> LifecyclePolicy | None:  # noqa: A002
        request = lifecycle_service_pb2.UpdateLifecyclePolicyRequest(
            policy=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return LifecyclePolicy(await info.context.calls(info.context.services.lifecycle.UpdateLifecyclePolicy, request))

    @mutation("Changes what is scored every night, and how long analyses are kept.")
    async def update_rfm_policy(self, info: Info, input: UpdateRfmPolicyInput) -> RfmPolicy | None:  # noqa: A002
        request = rfm_service_pb2.UpdateRfmPolicyRequest(
            policy=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return RfmPolicy(await info.context.calls(info.context.services.rfm.UpdateRfmPolicy, request))


def _tier(given: CreateTierInput | UpdateTierInput) -> tier_pb2.Tier:
    tier = given.to_proto()
    rule = to_filter(given.rule or None, customer_pb2.Customer.DESCRIPTOR)
    if rule is not None:
        tier.rule.CopyFrom(rule)
    return tier
