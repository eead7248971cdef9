"""Telephone calls: dialled, logged, with outcomes, and counted."""

from datetime import date
from typing import Any

import strawberry
from crm.leads.v1 import call_pb2
from crm.leads.v1 import call_service_pb2 as pb

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_call, pages
from gateway.operations.requests import RequestId
from gateway.types.calls import Call, CallRules, CallStatisticsRow


@strawberry.type
class CallsQuery:
    @field("A telephone call.")
    async def call(self, info: Info, key: Key) -> Call | None:
        return await get_call(info.context, key)

    @field("Telephone calls, with one lead or customer if given, the newest first.")
    async def calls(
        self,
        info: Info,
        subject: strawberry.ID | None = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Call] | None:
        condition = to_filter(filter, call_pb2.Call.DESCRIPTOR)
        method, request = info.context.services.calls.ListCalls, pb.ListCallsRequest
        fetch = pages(info.context, method, request, "calls", filter=condition, subject=subject or "")
        return await connect(first, after, Call, fetch)

    @field(
        "What the calls of each person and day came to, from the first day to the last, of those that the caller sees; "
        "the newest day first."
    )
    async def call_statistics(
        self,
        info: Info,
        start_date: date,
        end_date: date,
        user: strawberry.ID | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[CallStatisticsRow] | None:
        asked = {"start_date": start_date.isoformat(), "end_date": end_date.isoformat(), "user": user or ""}
        method, request = info.context.services.calls.ListCallStatistics, pb.ListCallStatisticsRequest
        return await connect(first, after, CallStatisticsRow, pages(info.context, method, request, "rows", **asked))

    @field("What may come of calls, and which telephones are whose.")
    async def call_rules(self, info: Info) -> CallRules | None:
        request = pb.GetCallRulesRequest()
        return CallRules(await info.context.calls(info.context.services.calls.GetCallRules, request))


@derive_input(pb.DialRequest, hide={"request_id"})
class DialInput(Input[pb.DialRequest]):
    subject: strawberry.ID | None
    request_id: RequestId = None


@derive_input(pb.CallReport, required={"content"}, references={"contact"})
class CallReportInput(Input[pb.CallReport]):
    pass


@derive_input(pb.SetCallOutcomeRequest, required={"name", "outcome"}, hide={"request_id"})
class SetCallOutcomeInput(Input[pb.SetCallOutcomeRequest]):
    request_id: RequestId = None


@derive_input(pb.AssignCallRequest, required={"name", "subject"}, hide={"request_id"})
class AssignCallInput(Input[pb.AssignCallRequest]):
    subject: strawberry.ID
    request_id: RequestId = None


@derive_input(call_pb2.CallOutcome, required={"code", "display_name"})
class CallOutcomeInput(Input[call_pb2.CallOutcome]):
    pass


@derive_input(call_pb2.CallExtension, required={"extension", "user"}, references={"user"})
class CallExtensionInput(Input[call_pb2.CallExtension]):
    pass


@derive_input(call_pb2.CallRules, hide={"name"})
class UpdateCallRulesInput(Input[call_pb2.CallRules]):
    request_id: RequestId = None


async def _sent(info: Info, method: Any, given: Any) -> Call:
    """Send an input as the request that it stands for."""
    request = given.to_proto()
    request.request_id = given.request_id or ""
    return Call(await info.context.calls(method, request))


@strawberry.type
class CallsMutation:
    @mutation("Has the telephone system call a lead or customer, or a number, and notes it in the log of calls.")
    async def dial(self, info: Info, input: DialInput) -> Call | None:  # noqa: A002
        return await _sent(info, info.context.services.calls.Dial, input)

    @mutation("Enters what came of a call of the caller. With a report the call becomes a follow-up.")
    async def set_call_outcome(self, info: Info, input: SetCallOutcomeInput) -> Call | None:  # noqa: A002
        return await _sent(info, info.context.services.calls.SetCallOutcome, input)

    @mutation("Says with whom a call was whose number nobody, or more than one, is known by.")
    async def assign_call(self, info: Info, input: AssignCallInput) -> Call | None:  # noqa: A002
        return await _sent(info, info.context.services.calls.AssignCall, input)

    @mutation("Changes what may come of calls, and which telephones are whose.")
    async def update_call_rules(self, info: Info, input: UpdateCallRulesInput) -> CallRules | None:  # noqa: A002
        request = pb.UpdateCallRulesRequest(
            rules=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return CallRules(await info.context.calls(info.context.services.calls.UpdateCallRules, request))
