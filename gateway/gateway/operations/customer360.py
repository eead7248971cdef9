"""All that the suite knows of one customer, in one answer.

Every service is asked once, at the same time as the others, for all sections that it has. A section whose service is
down is null, with an error of its own; the rest answers. The customer itself decides whether there is an answer at
all: if it does not exist or is not visible, nothing else is shown either.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import grpc
import strawberry
from chassis.errors import Denied
from crm.customers.v1 import customer_service_pb2
from crm.leads.v1 import follow_up_service_pb2
from google.protobuf.json_format import MessageToDict
from strawberry.types.nodes import SelectedField

from gateway.context import Context, Info
from gateway.failures import CallFailed, unavailable
from gateway.fields import field
from gateway.nodes import Key
from gateway.operations.leads import of_customer
from gateway.types.customers import Contact, Customer, CustomField, TimelineEntry
from gateway.types.identity import Department, User
from gateway.types.leads import FollowUp
from gateway.types.purchases import PurchaseInsight, RfmScore

ANSWER_SECONDS = 0.8
"""The longest that services are waited for; what is not there by then counts as unavailable."""
SECTION_SIZE = 20
"""Records shown per section; the lists of the schema have the rest."""


@strawberry.type
class Section:
    as_of: datetime = strawberry.field(description="When the section was read.")


@strawberry.type(description="The customer itself.")
class ProfileSection(Section):
    customer: Customer


@strawberry.type(description="Who looks after the customer.")
class OwnerSection(Section):
    user: User | None
    department: Department | None


@strawberry.type(description="The people to talk to, the primary one first.")
class ContactsSection(Section):
    nodes: list[Contact]
    has_more: bool


@strawberry.type(description="What happened with the customer, newest first.")
class TimelineSection(Section):
    nodes: list[TimelineEntry]
    has_more: bool


@strawberry.type(description="The touches with the customer, newest first.")
class FollowUpsSection(Section):
    nodes: list[FollowUp]
    has_more: bool


@strawberry.type(description="One of the company's own fields with the customer's value.")
class CustomFieldValue:
    field: CustomField
    value: strawberry.scalars.JSON | None


@strawberry.type(description="The company's own fields with the customer's values.")
class CustomFieldsSection(Section):
    values: list[CustomFieldValue]


@strawberry.type(description="What the customer bought, as the systems tell it that `insight` names as its sources.")
class PurchasesSection(Section):
    insight: PurchaseInsight
    rfm: RfmScore | None = strawberry.field(
        description="How the customer scores in the newest analysis; null if it bought nothing in its period."
    )


@strawberry.type(description="All that the suite knows of one customer. A section that cannot be read is null.")
class Customer360:
    id: strawberry.ID
    sections: strawberry.Private[dict[str, "asyncio.Task[Any]"]]

    @field("The customer itself.")
    async def profile(self) -> ProfileSection | None:
        section: ProfileSection = await self.sections["profile"]
        return section

    @field("Who looks after the customer.")
    async def owner(self) -> OwnerSection | None:
        section: OwnerSection = await self.sections["owner"]
        return section

    @field("The people to talk to.")
    async def contacts(self) -> ContactsSection | None:
        section: ContactsSection = await self.sections["contacts"]
        return section

    @field("What happened with the customer.")
    async def timeline(self) -> TimelineSection | None:
        section: TimelineSection = await self.sections["timeline"]
        return section

    @field("The touches with the customer.")
    async def follow_ups(self) -> FollowUpsSection | None:
        section: FollowUpsSection = await self.sections["followUps"]
        return section

    @field("The company's own fields.")
    async def custom_fields(self) -> CustomFieldsSection | None:
        section: CustomFieldsSection = await self.sections["customFields"]
        return section

    @field("What the customer bought, and how it scores by that.")
    async def purchases(self) -> PurchasesSection | None:
        section: PurchasesSection = await self.sections["purchases"]
        return section


Overview = asyncio.Task[customer_service_pb2.CustomerOverview]


async def _overview(context: Context, name: str, wanted: Collection[str]) -> customer_service_pb2.CustomerOverview:
    """All that the service of customers has, in one trip."""
    request = customer_service_pb2.GetCustomerOverviewRequest(
        name=name,
        contact_page_size=SECTION_SIZE if "contacts" in wanted else 0,
        timeline_page_size=SECTION_SIZE if "timeline" in wanted else 0,
        custom_fields="customFields" in wanted,
        purchases="purchases" in wanted,
    )
    return await context.calls(context.services.customers.GetCustomerOverview, request)


async def _profile(overview: Overview) -> ProfileSection:
    return ProfileSection(as_of=datetime.now(UTC), customer=Customer((await overview).customer))


async def _owner(context: Context, overview: Overview, wanted: set[str]) -> OwnerSection:
    message = (await overview).customer
    user, department = await asyncio.gather(
        _found(context, "users", message.owner if "user" in wanted else ""),
        _found(context, "departments", message.owner_department if "department" in wanted else ""),
    )
    return OwnerSection(as_of=datetime.now(UTC), user=user, department=department)


async def _found(context: Context, collection: str, name: str) -> Any:
    return await context.loaders.of(collection).load(name) if name else None


async def _contacts(overview: Overview) -> ContactsSection:
    answer = await overview
    if not answer.HasField("contacts"):
        raise Denied("PERMISSION_DENIED", "this needs the permission contact.read", permission="contact.read")
    page = answer.contacts
    return ContactsSection(
        as_of=datetime.now(UTC), nodes=[Contact(item) for item in page.contacts], has_more=bool(page.next_page_token)
    )


async def _timeline(overview: Overview) -> TimelineSection:
    page = (await overview).timeline
    return TimelineSection(
        as_of=datetime.now(UTC),
        nodes=[TimelineEntry(item) for item in page.entries],
        has_more=bool(page.next_page_token),
    )


async def _follow_ups(context: Context, name: str) -> FollowUpsSection:
    request = follow_up_service_pb2.ListFollowUpsRequest(filter=of_customer(name), page_size=SECTION_SIZE)
    page = await context.calls(context.services.follow_ups.ListFollowUps, request)
    return FollowUpsSection(
        as_of=datetime.now(UTC),
        nodes=[FollowUp(item) for item in page.follow_ups],
        has_more=bool(page.next_page_token),
    )


async def _custom_fields(overview: Overview) -> CustomFieldsSection:
    answer = await overview
    values = MessageToDict(answer.customer.custom_fields)
    return CustomFieldsSection(
        as_of=datetime.now(UTC),
        values=[
            CustomFieldValue(field=CustomField(definition), value=values.get(definition.key))
            for definition in answer.custom_fields
            if not definition.archived or definition.key in values
        ],
    )


async def _purchases(overview: Overview) -> PurchasesSection:
    answer = await overview
    if not answer.HasField("purchases"):
        raise Denied("PERMISSION_DENIED", "this needs the permission purchase.read", permission="purchase.read")
    return PurchasesSection(
        as_of=datetime.now(UTC),
        insight=PurchaseInsight(answer.purchases),
        rfm=RfmScore(answer.rfm) if answer.HasField("rfm") else None,
    )


async def _section(work: Awaitable[Any]) -> Any:
    """A section that comes too late is as unavailable as one that does not come."""
    try:
        return await work
    except CallFailed as failure:
        if failure.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise unavailable(failure.service) from None
        raise


def _begin(context: Context, name: str, wanted: Mapping[str, set[str]]) -> dict[str, "asyncio.Task[Any]"]:
    overview = asyncio.ensure_future(_section(_overview(context, name, wanted)))
    begin: dict[str, Callable[[], Awaitable[Any]]] = {
        "owner": lambda: _owner(context, overview, wanted["owner"]),
        "contacts": lambda: _contacts(overview),
        "timeline": lambda: _timeline(overview),
        "followUps": lambda: _follow_ups(context, name),
        "customFields": lambda: _custom_fields(overview),
        "purchases": lambda: _purchases(overview),
    }
    tasks: dict[str, asyncio.Task[Any]] = {"profile": asyncio.ensure_future(_profile(overview))}
    tasks |= {section: asyncio.ensure_future(_section(begin[section]())) for section in begin if section in wanted}
    for task in tasks.values():
        # One that nobody waits for in the end is no defect to report.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return tasks


def _selected(selections: Any) -> Iterator[SelectedField]:
    for selection in selections:
        if isinstance(selection, SelectedField):
            yield selection
        else:
            yield from _selected(selection.selections)


def _wanted(info: Info) -> dict[str, set[str]]:
    """The sections that the operation asks for, and of each the fields."""
    wanted: dict[str, set[str]] = {}
    for answer in info.selected_fields:
        for section in _selected(answer.selections):
            wanted.setdefault(section.name, set()).update(field.name for field in _selected(section.selections))
    return wanted


@strawberry.type
class Customer360Query:
    @field(
        "All that the suite knows of one customer, from all services at once. A section whose service is down is "
        "null, with an error UNAVAILABLE; the rest answers.",
        name="customer360",
    )
    async def customer360(self, info: Info, key: Key) -> Customer360 | None:
        info.context.calls.hurry(ANSWER_SECONDS)
        sections = _begin(info.context, key, _wanted(info))
        try:
            await sections["profile"]
        except CallFailed as failure:
            if failure.code is not grpc.StatusCode.UNAVAILABLE:
                for section in sections.values():
                    section.cancel()
                raise
        return Customer360(id=key, sections=sections)
