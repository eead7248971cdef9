"""Follow-ups."""

import strawberry
from crm.common.v1 import filter_pb2
from crm.leads.v1 import follow_up_pb2, follow_up_service_pb2

from gateway.conditions import FilterInput, OrderByInput, to_filter, to_order
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_follow_up, pages
from gateway.operations.requests import RequestId
from gateway.types.leads import FollowUp, FollowUpOutcome, FollowUpRules


def of_customer(customer: str) -> filter_pb2.Filter:
    """Those of one customer."""
    return _of("customer", customer)


def _of(field_name: str, name: str) -> filter_pb2.Filter:
    return filter_pb2.Filter(
        condition=filter_pb2.Condition(
            field=field_name,
            operator=filter_pb2.OPERATOR_EQUAL,
            values=[filter_pb2.FilterValue(text=name)],
        )
    )


@strawberry.type
class LeadsQuery:
    @field("A follow-up.")
    async def follow_up(self, info: Info, key: Key) -> FollowUp | None:
        return await get_follow_up(info.context, key)

    @field("Follow-ups, of one customer or one lead if given; newest first if no order is given.")
    async def follow_ups(
        self,
        info: Info,
        customer: strawberry.ID | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        order_by: list[OrderByInput] | None = None,
        lead: strawberry.ID | None = None,
    ) -> Connection[FollowUp] | None:
        condition = to_filter(filter, follow_up_pb2.FollowUp.DESCRIPTOR)
        given = (("customer", customer), ("lead", lead))
        if own := [_of(field_name, name) for field_name, name in given if name is not None]:
            both = filter_pb2.FilterList(filters=[*own, condition] if condition else own)
            condition = filter_pb2.Filter(all=both)
        fetch = pages(
            info.context,
            info.context.services.follow_ups.ListFollowUps,
            follow_up_service_pb2.ListFollowUpsRequest,
            "follow_ups",
            filter=condition,
            order_by=to_order(order_by, follow_up_pb2.FollowUp.DESCRIPTOR),
        )
        return await connect(first, after, FollowUp, fetch)

    @field("The rules by which follow-ups are judged.")
    async def follow_up_rules(self, info: Info) -> FollowUpRules | None:
        request = follow_up_service_pb2.GetFollowUpRulesRequest()
        return FollowUpRules(await info.context.calls(info.context.services.follow_ups.GetFollowUpRules, request))


@derive_input(follow_up_pb2.CheckIn, required={"latitude", "longitude", "accuracy_metres", "time"})
class CheckInInput(Input[follow_up_pb2.CheckIn]):
    pass


_derive_follow_up = derive_input(
    follow_up_pb2.FollowUp,
    required={"method", "content"},
    hide={
        "name",
        "author",
        "remind_time",
        "assignee",
        "follows_owner",
        "create_time",
        "verdict",
        "verdict_reasons",
        "joint_theatre",
        "awaits_acknowledgement",
        "acknowledge_time",
    },
    references={"customer", "lead", "contact", "mentions"},
)


@_derive_follow_up
class LogFollowUpInput(Input[follow_up_pb2.FollowUp]):
    request_id: RequestId = None


@_derive_follow_up
class FollowUpInput(Input[follow_up_pb2.FollowUp]):
    pass


@strawberry.input(description="Logs several follow-ups of the caller.")
class BatchLogFollowUpsInput:
    follow_ups: list[FollowUpInput] = strawberry.field(
        description="From 1 to 500 follow-ups, the one that happened first best coming first."
    )
    request_id: RequestId = None


@derive_input(follow_up_pb2.FollowUpRules, hide={"name"})
class UpdateFollowUpRulesInput(Input[follow_up_pb2.FollowUpRules]):
    request_id: RequestId = None


@strawberry.type
class LeadsMutation:
    @mutation("Logs a follow-up on a customer or a lead.")
    async def log_follow_up(self, info: Info, input: LogFollowUpInput) -> FollowUp | None:  # noqa: A002
        request = follow_up_service_pb2.LogFollowUpRequest(
            follow_up=input.to_proto(), request_id=input.request_id or ""
        )
        return FollowUp(await info.context.calls(info.context.services.follow_ups.LogFollowUp, request))

    @mutation(
        "Logs several follow-ups of the caller, such as those that waited in a device without network. Each is judged "
        "by itself; one that is refused keeps none of the others back."
    )
    async def batch_log_follow_ups(
        self,
        info: Info,
        input: BatchLogFollowUpsInput,  # noqa: A002
    ) -> list[FollowUpOutcome] | None:
        request = follow_up_service_pb2.BatchLogFollowUpsRequest(
            follow_ups=[one.to_proto() for one in input.follow_ups], request_id=input.request_id or ""
        )
        answer = await info.context.calls(info.context.services.follow_ups.BatchLogFollowUps, request)
        return [FollowUpOutcome(message) for message in answer.outcomes]

    @mutation("Changes the rules by which follow-ups are judged, for those that are logged from then on.")
    async def update_follow_up_rules(
        self,
        info: Info,
        input: UpdateFollowUpRulesInput,  # noqa: A002
    ) -> FollowUpRules | None:
        request = follow_up_service_pb2.UpdateFollowUpRulesRequest(
            rules=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return FollowUpRules(await info.context.calls(info.context.services.follow_ups.UpdateFollowUpRules, request))
