"""When and why customers fall back into pools by themselves."""

from datetime import date
from typing import TYPE_CHECKING, Any

import strawberry
from crm.customers.v1 import recycle_pb2
from crm.customers.v1 import recycle_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect, page_fields
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.recycling import (
    CustomerStanding,
    RecycleClock,
    RecycleExtension,
    RecycleRun,
    RecyclingCounts,
    RecyclingDifference,
    RecyclingHistory,
)

if TYPE_CHECKING:
    from enum import Enum as ExtensionState
else:
    ExtensionState = enum_of(recycle_pb2.DESCRIPTOR.enum_types_by_name["RecycleExtensionState"])


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


def _decision(given: "DecideRecycleExtensionInput") -> dict[str, str]:
    return {"name": given.id, "note": given.note or "", "request_id": given.request_id or ""}


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

    @field("The customers in the caller's reach that fall back within some days, those that do first first.")
    async def recycle_warnings(
        self, info: Info, within_days: int = 7, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[RecycleClock] | None:
        method, request = info.context.services.recycling.ListRecycleWarnings, pb.ListRecycleWarningsRequest
        fetch = pages(info.context, method, request, "clocks", within_days=within_days)
        return await connect(first, after, RecycleClock, fetch)

    @field("The requests to keep customers in the caller's reach longer, the newest first.")
    async def recycle_extensions(
        self, info: Info, state: ExtensionState | None = None, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[RecycleExtension] | None:
        method, request = info.context.services.recycling.ListRecycleExtensions, pb.ListRecycleExtensionsRequest
        wanted: Any = state.value if state is not None else 0
        fetch = pages(info.context, method, request, "extensions", state=wanted)
        return await connect(first, after, RecycleExtension, fetch)

    @field("The runs that take customers back, the newest first.")
    async def recycle_runs(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[RecycleRun] | None:
        method = info.context.services.recycling.ListRecycleRuns
        return await connect(first, after, RecycleRun, pages(info.context, method, pb.ListRecycleRunsRequest, "runs"))


@derive_input(recycle_pb2.CustomerStanding, required={"customer", "source", "version"}, references={"customer"})
class SetCustomerStandingInput(Input[recycle_pb2.CustomerStanding]):
    request_id: RequestId = None


@derive_input(
    pb.RequestRecycleExtensionRequest,
    required={"customer", "days", "reason"},
    hide={"request_id"},
    references={"customer"},
)
class RequestRecycleExtensionInput(Input[pb.RequestRecycleExtensionRequest]):
    request_id: RequestId = None


@strawberry.input(description="Grants or refuses a request to keep a customer longer.")
class DecideRecycleExtensionInput:
    id: strawberry.ID
    note: str | None = strawberry.field(default=None, description="What to say to it, at most 500 characters.")
    request_id: RequestId = None


@strawberry.type
class RecyclingMutation:
    @mutation("Asks to keep a customer for some days more. For its owner.")
    async def request_recycle_extension(
        self,
        info: Info,
        input: RequestRecycleExtensionInput,  # noqa: A002
    ) -> RecycleExtension | None:
        request = input.to_proto()
        request.request_id = input.request_id or ""
        answer = await info.context.calls(info.context.services.recycling.RequestRecycleExtension, request)
        return RecycleExtension(answer)

    @mutation("Grants a request: the customer falls back later by its days.")
    async def approve_recycle_extension(
        self,
        info: Info,
        input: DecideRecycleExtensionInput,  # noqa: A002
    ) -> RecycleExtension | None:
        request = pb.ApproveRecycleExtensionRequest(**_decision(input))
        answer = await info.context.calls(info.context.services.recycling.ApproveRecycleExtension, request)
        return RecycleExtension(answer)

    @mutation("Refuses a request to keep a customer longer.")
    async def reject_recycle_extension(
        self,
        info: Info,
        input: DecideRecycleExtensionInput,  # noqa: A002
    ) -> RecycleExtension | None:
        request = pb.RejectRecycleExtensionRequest(**_decision(input))
        answer = await info.context.calls(info.context.services.recycling.RejectRecycleExtension, request)
        return RecycleExtension(answer)

    @mutation("Notes what another system knows of a customer that bears on whether it falls back. For machines.")
    async def set_customer_standing(
        self,
        info: Info,
        input: SetCustomerStandingInput,  # noqa: A002
    ) -> CustomerStanding | None:
        request = pb.SetCustomerStandingRequest(standing=input.to_proto(), request_id=input.request_id or "")
        return CustomerStanding(await info.context.calls(info.context.services.recycling.SetCustomerStanding, request))
