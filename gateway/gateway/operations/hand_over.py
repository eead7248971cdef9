"""The packet that whoever takes over a customer gets: one answer made of what all services keep."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
import strawberry
from crm.customers.v1 import hand_over_packet_pb2, hand_over_packet_service_pb2, ownership_pb2
from crm.leads.v1 import follow_up_service_pb2, promise_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.context import Context, Info
from gateway.failures import CallFailed
from gateway.fields import field, mutation
from gateway.hurrying import within
from gateway.operations.leads import of_customer
from gateway.operations.requests import RequestId
from gateway.types.hand_over import (
    HandOverItem,
    HandOverPacket,
    HandOverSection,
    HandOverSectionKind,
    HandOverSectionState,
)

ANSWER_SECONDS = 1.8
"""The longest that services are waited for, so that a packet is there within two seconds."""
LAST_TOUCHES = 5
MOST = 20
_TITLE = 120
"""How much of a note is shown."""
_NOT_BUILT = {
    HandOverSectionKind.QUOTES: "quotes",
    HandOverSectionKind.TICKETS: "tickets",
    HandOverSectionKind.DEBTS: "receivables",
}
"""Sections whose services the suite does not have yet."""

Items = tuple[Sequence[HandOverItem], bool]
"""What a section holds, and whether its source has more."""


@strawberry.input(description="Whose promises to take over.")
class AcknowledgePromisesInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer, `customers/{uuid}`.")
    request_id: RequestId = None


@strawberry.type
class HandOverQuery:
    @field(
        "What whoever takes over a customer needs to know, from all services at once. A section that cannot be read "
        "says so, and the rest answers."
    )
    async def hand_over_packet(self, info: Info, customer: strawberry.ID) -> HandOverPacket | None:
        context = within(info, ANSWER_SECONDS)
        request = hand_over_packet_service_pb2.GetHandOverPacketRequest(customer=customer)
        packet, promises, touches = await asyncio.gather(
            context.calls(context.services.hand_over_packets.GetHandOverPacket, request),
            _section(HandOverSectionKind.OPEN_PROMISES, "leads", _promises(context, customer)),
            _section(HandOverSectionKind.LAST_TOUCHES, "leads", _touches(context, customer)),
        )
        own = await _own_sections(context, packet)
        made = {section.kind: section for section in (promises, touches, *own, *_not_built())}
        sections = [made[kind] for kind in HandOverSectionKind]
        return HandOverPacket(wire=packet, build_time=datetime.now(UTC), sections=sections)


@strawberry.type
class HandOverMutation:
    @mutation(
        "Takes over the promises to a customer that others made, and says how many waited for that. Only the "
        "customer's owner can."
    )
    async def acknowledge_promises(
        self,
        info: Info,
        input: AcknowledgePromisesInput,  # noqa: A002
    ) -> int | None:
        request = promise_service_pb2.AcknowledgePromisesRequest(
            customer=input.customer_id, request_id=input.request_id or ""
        )
        return (await info.context.calls(info.context.services.promises.AcknowledgePromises, request)).acknowledged


async def _section(kind: HandOverSectionKind, source: str, items: Awaitable[Items]) -> HandOverSection:
    """A section of another service. One that cannot be read says why."""
    try:
        found, more = await items
    except CallFailed as failure:
        if failure.code is grpc.StatusCode.PERMISSION_DENIED:
            return _unavailable(kind, source, "PERMISSION_DENIED")
        if failure.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return _unavailable(kind, source, "SERVICE_UNAVAILABLE")
        raise
    return _told(kind, source, found, more=more)


def _told(
    kind: HandOverSectionKind, source: str, items: Sequence[HandOverItem], *, more: bool = False
) -> HandOverSection:
    state = HandOverSectionState.AVAILABLE if items else HandOverSectionState.NONE
    return HandOverSection(kind=kind, state=state, source=source, reason=None, items=list(items), has_more=more)


def _unavailable(kind: HandOverSectionKind, source: str, reason: str) -> HandOverSection:
    state = HandOverSectionState.UNAVAILABLE
    return HandOverSection(kind=kind, state=state, source=source, reason=reason, items=[], has_more=False)


def _not_built() -> list[HandOverSection]:
    return [_unavailable(kind, source, "NO_SUCH_SERVICE") for kind, source in _NOT_BUILT.items()]


async def _promises(context: Context, customer: str) -> Items:
    request = promise_service_pb2.ListPromisesRequest(customer=customer, page_size=MOST)
    page = await context.calls(context.services.promises.ListPromises, request)
    items = [
        HandOverItem(
            source=strawberry.ID(promise.name),
            title=promise.content[:_TITLE] or None,
            time=_time(promise.next_contact_time) if promise.HasField("next_contact_time") else None,
            awaits_acknowledgement=promise.awaits_acknowledgement,
        )
        for promise in page.promises
    ]
    return items, bool(page.next_page_token)


async def _touches(context: Context, customer: str) -> Items:
    request = follow_up_service_pb2.ListFollowUpsRequest(filter=of_customer(customer), page_size=LAST_TOUCHES)
    page = await context.calls(context.services.follow_ups.ListFollowUps, request)
    items = [
        HandOverItem(source=strawberry.ID(one.name), title=one.content[:_TITLE] or None, time=_time(one.occur_time))
        for one in page.follow_ups
    ]
    return items, bool(page.next_page_token)


async def _own_sections(context: Context, packet: hand_over_packet_pb2.HandOverPacket) -> list[HandOverSection]:
    """The sections that the service of customers keeps."""
    kinds = HandOverSectionKind
    contacts = [
        HandOverItem(
            source=strawberry.ID(contact.name),
            title=contact.display_name or None,
            detail=contact.job_title or None,
        )
        for contact in packet.contacts
    ]
    orders = [
        HandOverItem(
            source=strawberry.ID(order.name),
            title=f"{order.amount.amount} {order.amount.currency_code}",
            detail=f"{order.source} {order.external_id}",
            time=_time(order.time),
        )
        for order in packet.orders
    ]
    owners = await asyncio.gather(*(_owner(context, each) for each in packet.owners))
    return [
        _own(kinds.CONTACTS, contacts, told=packet.contacts_told),
        _own(kinds.CONTRACTS_AND_ORDERS, orders, told=packet.orders_told),
        _own(kinds.GAPS, [_gap(packet.customer, gap) for gap in packet.gaps]),
        _own(kinds.OWNERS, owners),
    ]


def _own(kind: HandOverSectionKind, items: Sequence[HandOverItem], *, told: bool = True) -> HandOverSection:
    return _told(kind, "customers", items) if told else _unavailable(kind, "customers", "PERMISSION_DENIED")


def _gap(customer: str, gap: hand_over_packet_pb2.HandOverGap) -> HandOverItem:
    kind = hand_over_packet_pb2.HandOverGapKind.Name(gap.kind).removeprefix("HAND_OVER_GAP_KIND_")
    time = _time(gap.last_touch_time) if gap.HasField("last_touch_time") else None
    return HandOverItem(source=strawberry.ID(customer), title=gap.field or kind, detail=kind, time=time)


async def _owner(context: Context, tenure: ownership_pb2.OwnershipTenure) -> HandOverItem:
    return HandOverItem(
        source=strawberry.ID(tenure.owner),
        title=await _name(context, tenure.owner),
        detail=tenure.credit_share,
        time=_time(tenure.from_time),
    )


async def _name(context: Context, user: str) -> str | None:
    """What people call a user; None if the caller may not know it."""
    try:
        found: Any = await context.loaders.of("users").load(user)
    except CallFailed as failure:
        if failure.code is not grpc.StatusCode.PERMISSION_DENIED:
            raise
        return None
    return found.wire.display_name if found is not None else None


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)
