"""When and why customers fall back into pools by themselves."""

from datetime import date
from typing import Any

import strawberry
from crm.customers.v1 import recycle_pb2
from crm.customers.v1 import recycle_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect, page_fields
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.recycling import (
    CustomerStanding,
    RecycleClock,
    RecycleRun,
    RecyclingCounts,
    RecyclingDifference,
    RecyclingHistory,
)


@derive_input(recycle_pb2.RecycleDraft, required={"pool"}, references={"pool"})
class RecycleDraftInput(Input[recycle_pb2.RecycleDraft]):
    pass


@strawberry.type(description="A page of the customers that a run would take.")
class RecyclingPreview(Connection[RecycleClock]):
    asked: strawberry.Private[dict[str, Any]]

    @field("How many customers the run would take, all pages together. Counted only if asked for.")
    async def counts(self, info: Info) -> RecyclingCounts | None:
        request = pb.CountRecyclingRequest(**self.asked)
        return RecyclingCounts(await info.context.calls(info.context.services.recycling.CountRecycling, request))


@strawberry.type(description="A page of the customers that drafts would treat otherwise.")
class RecyclingComparison(Connection[RecyclingDifference]):
    gained: int = strawberry.field(description="How many would be taken by the drafts only, on all pages.")
    lost: int = strawberry.field(description="How many would be taken by the rules in force only, on all pages.")


def _stated(drafts: list[RecycleDraftInput] | None) -> list[recycle_pb2.RecycleDraft]:
    return [draft.to_proto() for draft in drafts or ()]


@strawberry.type
class RecyclingQuery:
    @field("The clock of a customer: when it started, what stops it, and when the customer falls back into a pool.")
    async def recycle_day(self, info: Info, customer: strawberry.ID) -> RecycleClock | None:
        request = pb.ExplainRecyclingRequest(name=customer)
        return RecycleClock(await info.context.calls(info.context.services.recycling.ExplainRecycling, request))

    @field("The customers that the run of a day, the next one if none is given, would take as things stand now.")
    async def recycling_preview(
        self,
        info: Info,
        date: date | None = None,
        pool: strawberry.ID | None = None,
        drafts: list[RecycleDraftInput] | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> RecyclingPreview | None:
        asked = {"date": date.isoformat() if date else "", "pool": pool or "", "drafts": _stated(drafts)}
        method, request = info.context.services.recycling.PreviewRecycling, pb.PreviewRecyclingRequest
        fetch = pages(info.context, method, request, "clocks", **asked)
        return RecyclingPreview(asked=asked, **await page_fields(first, after, RecycleClock, fetch))

    @field("The customers that the run of a day would take by drafts and not by the rules in force, or vice versa.")
    async def recycling_comparison(
        self,
        info: Info,
        drafts: list[RecycleDraftInput],
        date: date | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> RecyclingComparison | None:
        gained = lost = 0

        async def fetch(size: int, token: str) -> tuple[list[Any], str]:
            request = pb.CompareRecyclingRequest(
                date=date.isoformat() if date else "", drafts=_stated(drafts), page_size=size, page_token=token
            )
            nonlocal gained, lost
            answer = await info.context.calls(info.context.services.recycling.CompareRecycling, request)
            gained, lost = answer.gained, answer.lost
            return list(answer.differences), answer.next_page_token

        fields = await page_fields(first, after, RecyclingDifference, fetch)
        return RecyclingComparison(gained=gained, lost=lost, **fields)

    @field("How many customers rules, those of today if none are given, would have taken on each of the last days.")
    async def recycling_history(
        self, info: Info, days: int = 30, drafts: list[RecycleDraftInput] | None = None
    ) -> RecyclingHistory | None:
        request = pb.GetRecyclingHistoryRequest(days=days, drafts=_stated(drafts))
        return RecyclingHistory(await info.context.calls(info.context.services.recycling.GetRecyclingHistory, request))

    @field("The runs that take customers back, the newest first.")
    async def recycle_runs(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[RecycleRun] | None:
        method = info.context.services.recycling.ListRecycleRuns
        return await connect(first, after, RecycleRun, pages(info.context, method, pb.ListRecycleRunsRequest, "runs"))


@derive_input(recycle_pb2.CustomerStanding, required={"customer", "source", "version"}, references={"customer"})
class SetCustomerStandingInput(Input[recycle_pb2.CustomerStanding]):
    request_id: RequestId = None


@strawberry.type
class RecyclingMutation:
    @mutation("Notes what another system knows of a customer that bears on whether it falls back. For machines.")
    async def set_customer_standing(
        self,
        info: Info,
        input: SetCustomerStandingInput,  # noqa: A002
    ) -> CustomerStanding | None:
        request = pb.SetCustomerStandingRequest(standing=input.to_proto(), request_id=input.request_id or "")
        return CustomerStanding(await info.context.calls(info.context.services.recycling.SetCustomerStanding, request))
