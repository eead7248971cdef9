"""What whoever takes over a customer is told, section by section."""

from datetime import datetime
from enum import Enum

import strawberry
from crm.customers.v1 import hand_over_packet_pb2

from gateway.context import Info
from gateway.fields import field
from gateway.types.customers import Customer
from gateway.types.pools import HoldingChange


@strawberry.enum(description="What a section of a hand-over packet tells of.")
class HandOverSectionKind(Enum):
    OPEN_PROMISES = strawberry.enum_value("OPEN_PROMISES", description="Contacts that were planned and have not come.")
    CONTACTS = strawberry.enum_value("CONTACTS", description="The people to talk to, the primary one first.")
    QUOTES = strawberry.enum_value("QUOTES", description="Offers.")
    CONTRACTS_AND_ORDERS = strawberry.enum_value(
        "CONTRACTS_AND_ORDERS", description="What was agreed and ordered, the latest first."
    )
    TICKETS = strawberry.enum_value("TICKETS", description="Complaints and requests for service.")
    DEBTS = strawberry.enum_value("DEBTS", description="What the customer owes.")
    LAST_TOUCHES = strawberry.enum_value("LAST_TOUCHES", description="The last five follow-ups, the latest first.")
    GAPS = strawberry.enum_value("GAPS", description="What is missing.")
    OWNERS = strawberry.enum_value("OWNERS", description="Who owned the customer, the latest first.")


@strawberry.enum(description="Whether a section could be read.")
class HandOverSectionState(Enum):
    AVAILABLE = strawberry.enum_value("AVAILABLE", description="It has items.")
    NONE = strawberry.enum_value("NONE", description="It was read, and there is nothing.")
    UNAVAILABLE = strawberry.enum_value("UNAVAILABLE", description="It could not be read; `reason` says why.")


@strawberry.type(description="One thing that whoever takes over a customer should know.")
class HandOverItem:
    source: strawberry.ID = strawberry.field(description="The record that says so, e.g. `followUps/{uuid}`.")
    title: str | None = strawberry.field(description="What people read; null if the caller may not see it.")
    detail: str | None = strawberry.field(
        default=None,
        description="For a person the job title, for an order its number elsewhere, for a gap its kind, for an owner "
        "the share in what is won.",
    )
    time: datetime | None = strawberry.field(
        default=None, description="When it is due, happened, or began; null if that has no time."
    )
    awaits_acknowledgement: bool = strawberry.field(
        default=False, description="True for a promise that the customer's owner has yet to take over."
    )


@strawberry.type(description="A part of a hand-over packet. All nine are there, whatever could be read.")
class HandOverSection:
    kind: HandOverSectionKind
    state: HandOverSectionState
    source: str = strawberry.field(description="The service that keeps it.")
    reason: str | None = strawberry.field(description="Why it could not be read, a stable code.")
    items: list[HandOverItem]
    has_more: bool = strawberry.field(description="True if the source has more than is shown here.")


@strawberry.type(description="What whoever takes over a customer needs to know, as of the moment of asking.")
class HandOverPacket:
    wire: strawberry.Private[hand_over_packet_pb2.HandOverPacket]
    build_time: datetime = strawberry.field(description="When it was put together.")
    sections: list[HandOverSection] = strawberry.field(description="Nine sections, always in the same order.")

    @field("The customer.")
    async def customer(self, info: Info) -> Customer | None:
        found: Customer | None = await info.context.loaders.of("customers").load(self.wire.customer)
        return found

    @field("How the customer came to its owner; null if nobody had it before, or nobody owns it.")
    def hand_over(self) -> HoldingChange | None:
        return HoldingChange(self.wire.hand_over) if self.wire.HasField("hand_over") else None

    @field("How many of the promises shown the customer's owner has yet to take over; null if they could not be read.")
    def unacknowledged_promises(self) -> int | None:
        promises = next(one for one in self.sections if one.kind is HandOverSectionKind.OPEN_PROMISES)
        if promises.state is HandOverSectionState.UNAVAILABLE:
            return None
        return sum(item.awaits_acknowledgement for item in promises.items)
