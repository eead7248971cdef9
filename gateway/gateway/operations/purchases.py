"""What customers bought, and how they score by it."""

from datetime import date
from typing import TYPE_CHECKING, Any

import strawberry
from crm.customers.v1 import purchase_pb2, purchase_service_pb2, rfm_pb2, rfm_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect, page_fields
from gateway.context import Context, Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.purchases import Purchase, PurchaseInsight, PurchaseOutcome, RfmRun, RfmScore, RfmSummary

if TYPE_CHECKING:
    from enum import Enum as RfmSegment
    from enum import Enum as RfmType
else:
    RfmSegment = enum_of(rfm_pb2.RfmSegment.DESCRIPTOR)
    RfmType = enum_of(rfm_pb2.RfmType.DESCRIPTOR)


@strawberry.type(description="A page of the scores of customers.")
class RfmScoreConnection(Connection[RfmScore]):
    run: RfmRun = strawberry.field(description="The analysis that they are of.")


@strawberry.type
class PurchasesQuery:
    @field("What a customer bought, the newest first.")
    async def purchases(
        self, info: Info, customer: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Purchase] | None:
        method, request = info.context.services.purchases.ListPurchases, purchase_service_pb2.ListPurchasesRequest
        fetch = pages(info.context, method, request, "purchases", customer=customer)
        return await connect(first, after, Purchase, fetch)

    @field("What a customer has bought so far.")
    async def purchase_insight(self, info: Info, customer: strawberry.ID) -> PurchaseInsight | None:
        request = purchase_service_pb2.GetPurchaseInsightRequest(customer=customer)
        return PurchaseInsight(await info.context.calls(info.context.services.purchases.GetPurchaseInsight, request))

    @field(
        "How a customer scores by recency, frequency and monetary value as of a day; in the newest analysis if none "
        "is given."
    )
    async def rfm(self, info: Info, customer: strawberry.ID, analysis_date: date | None = None) -> RfmScore | None:
        request = rfm_service_pb2.GetRfmScoreRequest(customer=customer, analysis_date=_day(analysis_date))
        return RfmScore(await info.context.calls(info.context.services.rfm.GetRfmScore, request))

    @field("How customers score as of a day, those of the greatest value first.")
    async def rfm_scores(
        self,
        info: Info,
        analysis_date: date | None = None,
        segments: list[RfmSegment] | None = None,
        types: list[RfmType] | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> RfmScoreConnection | None:
        request = rfm_service_pb2.ListRfmScoresRequest(
            analysis_date=_day(analysis_date),
            segments=[one.value for one in segments or ()],
            types=[one.value for one in types or ()],
        )
        runs: list[rfm_pb2.RfmRun] = []
        fields = await page_fields(first, after, RfmScore, _scores(info.context, request, runs))
        return RfmScoreConnection(run=RfmRun(runs[0]), **fields)

    @field("How many customers lie in each segment and type as of a day, and for how much they bought.")
    async def rfm_summary(self, info: Info, analysis_date: date | None = None) -> RfmSummary | None:
        request = rfm_service_pb2.GetRfmSummaryRequest(analysis_date=_day(analysis_date))
        return RfmSummary(await info.context.calls(info.context.services.rfm.GetRfmSummary, request))

    @field("An analysis of all customers by what they bought.")
    async def rfm_run(self, info: Info, key: Key) -> RfmRun | None:
        request = rfm_service_pb2.GetRfmRunRequest(name=key)
        return RfmRun(await info.context.calls(info.context.services.rfm.GetRfmRun, request))

    @field("The analyses, the newest first.")
    async def rfm_runs(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[RfmRun] | None:
        method, request = info.context.services.rfm.ListRfmRuns, rfm_service_pb2.ListRfmRunsRequest
        return await connect(first, after, RfmRun, pages(info.context, method, request, "runs"))


def _scores(context: Context, request: rfm_service_pb2.ListRfmScoresRequest, runs: list[rfm_pb2.RfmRun]) -> Any:
    """Fetches pages, and notes the analysis that they are of."""

    async def fetch(size: int, token: str) -> tuple[list[rfm_pb2.RfmScore], str]:
        request.page_size, request.page_token = size, token
        answer = await context.calls(context.services.rfm.ListRfmScores, request)
        runs.append(answer.run)
        return list(answer.scores), answer.next_page_token

    return fetch


def _day(day: date | None) -> str:
    return day.isoformat() if day is not None else ""


@derive_input(
    purchase_pb2.Purchase,
    required={"customer", "source", "external_id", "kind", "time", "amount"},
    hide={"name", "record_time"},
    references={"customer"},
)
class PurchaseInput(Input[purchase_pb2.Purchase]):
    pass


@strawberry.input(description="Records what customers bought.")
class RecordPurchasesInput:
    purchases: list[PurchaseInput] = strawberry.field(description="From 1 to 500 purchases.")
    request_id: RequestId = None


@derive_input(rfm_pb2.RfmParameters)
class RfmParametersInput(Input[rfm_pb2.RfmParameters]):
    pass


@strawberry.input(description="Starts an analysis of all customers by what they bought.")
class RunRfmInput:
    analysis_date: date | None = strawberry.field(
        default=None, description="The day as of which customers are scored; today if not given."
    )
    parameters: RfmParametersInput | None = None
    request_id: RequestId = None


@strawberry.type
class PurchasesMutation:
    @mutation(
        "Records what customers bought, as another system tells it. Each purchase is judged by itself; one that is "
        "known by its source and external id changes nothing."
    )
    async def record_purchases(self, info: Info, input: RecordPurchasesInput) -> list[PurchaseOutcome] | None:  # noqa: A002
        request = purchase_service_pb2.RecordPurchasesRequest(
            purchases=[one.to_proto() for one in input.purchases], request_id=input.request_id or ""
        )
        answer = await info.context.calls(info.context.services.purchases.RecordPurchases, request)
        return [PurchaseOutcome(message) for message in answer.outcomes]

    @mutation("Queues an analysis of all customers by what they bought.")
    async def run_rfm(self, info: Info, input: RunRfmInput) -> RfmRun | None:  # noqa: A002
        request = rfm_service_pb2.RunRfmRequest(
            analysis_date=_day(input.analysis_date),
            parameters=input.parameters.to_proto() if input.parameters else None,
            request_id=input.request_id or "",
        )
        return RfmRun(await info.context.calls(info.context.services.rfm.RunRfm, request))
