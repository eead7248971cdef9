"""All that the suite knows of one customer, in one answer.

Every service is asked once, at the same time as the others, for all sections that it has. A section whose service is
down says so and has no values, and an error beside the data names it; the rest answers. Values of several services are
never added up: each section is of one, and says which. What came by events is compared with the service that sent them
if the caller asks how fresh it is. The customer itself decides whether there is an answer at all: if it does not exist
or is not visible, nothing else is shown either.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import grpc
import strawberry
from chassis.errors import Denied
from crm.customers.v1 import customer_service_pb2
from crm.leads.v1 import follow_up_service_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.context import Context, Info
from gateway.failures import CallFailed, unavailable
from gateway.fields import field
from gateway.hurrying import within
from gateway.masks import selected_below
from gateway.nodes import Key
from gateway.operations.freshness import compare, missing_in_profile, missing_in_timeline
from gateway.operations.leads import of_customer
from gateway.types.customer360 import (
    Confidence,
    ContactsSection,
    CustomFieldsSection,
    CustomFieldValue,
    FollowUpsSection,
    OwnerSection,
    ProfileSection,
    PurchasesSection,
    RfmSection,
    Section,
    SectionStatus,
    TimelineSection,
)
from gateway.types.customers import Contact, Customer, CustomField, TimelineEntry
from gateway.types.leads import FollowUp
from gateway.types.purchases import PurchaseInsight, RfmScore

ANSWER_SECONDS = 0.8
"""The longest that services are waited for; what is not there by then counts as unavailable."""
SECTION_SIZE = 20
"""Records shown per section; the lists of the schema have the rest."""

S = TypeVar("S", bound=Section)


@strawberry.type(description="All that the suite knows of one customer. A section that the caller may not see is null.")
class Customer360:
    id: strawberry.ID
    sections: strawberry.Private[dict[str, "asyncio.Task[Any]"]]

    @field("The customer itself.")
    async def profile(self, info: Info) -> ProfileSection | None:
        return await self._shown(ProfileSection, info)

    @field("Who looks after the customer.")
    async def owner(self, info: Info) -> OwnerSection | None:
        return await self._shown(OwnerSection, info)

    @field("The people to talk to.")
    async def contacts(self, info: Info) -> ContactsSection | None:
        return await self._shown(ContactsSection, info)

    @field("What happened with the customer.")
    async def timeline(self, info: Info) -> TimelineSection | None:
        return await self._shown(TimelineSection, info)

    @field("The touches with the customer.")
    async def follow_ups(self, info: Info) -> FollowUpsSection | None:
        return await self._shown(FollowUpsSection, info)

    @field("The company's own fields.")
    async def custom_fields(self, info: Info) -> CustomFieldsSection | None:
        return await self._shown(CustomFieldsSection, info)

    @field("What the customer bought.")
    async def purchases(self, info: Info) -> PurchasesSection | None:
        return await self._shown(PurchasesSection, info)

    @field("How the customer scores by what it bought.")
    async def rfm(self, info: Info) -> RfmSection | None:
        return await self._shown(RfmSection, info)

    async def _shown(self, kind: type[S], info: Info) -> S:
        """A section as it is answered: that it is unavailable stands in it and among the errors."""
        section = await self.sections[info.field_name]
        assert isinstance(section, kind)
        if section.failure is not None:
            info.context.note_failure(section.failure, info.path.as_list())
        return section


Overview = asyncio.Task[customer_service_pb2.CustomerOverview]
FollowUps = asyncio.Task[follow_up_service_pb2.ListFollowUpsResponse]
_JUDGED = {"status", "confidence", "freshness"}
"""The fields of a section that tell how fresh it is."""
_FROM_FOLLOW_UPS = {"customer.lastFollowUpTime", "customer.lastEffectiveFollowUpTime"}
"""What a profile has by events."""


async def _overview(
    context: Context, name: str, wanted: Mapping[str, Collection[str]]
) -> customer_service_pb2.CustomerOverview:
    """All that the service of customers has, in one trip."""
    request = customer_service_pb2.GetCustomerOverviewRequest(
        name=name,
        contact_page_size=SECTION_SIZE if "contacts" in wanted else 0,
        timeline_page_size=SECTION_SIZE if "timeline" in wanted else 0,
        custom_fields="values" in wanted.get("customFields", ()),
        purchases="purchases" in wanted or "rfm" in wanted,
    )
    return await context.calls(context.services.customers.GetCustomerOverview, request)


async def _page_of_follow_ups(context: Context, name: str) -> follow_up_service_pb2.ListFollowUpsResponse:
    request = follow_up_service_pb2.ListFollowUpsRequest(filter=of_customer(name), page_size=SECTION_SIZE)
    return await context.calls(context.services.follow_ups.ListFollowUps, request)


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


async def _profile(overview: Overview, follow_ups: FollowUps | None) -> ProfileSection:
    answer = await overview
    section = ProfileSection(source="customers", as_of=_time(answer.read_time), customer=Customer(answer.customer))
    if follow_ups is not None and "last_follow_up_time" not in answer.customer.hidden_fields:
        await compare(section, follow_ups, lambda page: missing_in_profile(answer.customer, page))
    return section


async def _owner(context: Context, overview: Overview, wanted: Collection[str]) -> OwnerSection:
    message = (await overview).customer
    names = {"user": ("users", message.owner), "department": ("departments", message.owner_department)}
    asked = {
        part: context.loaders.of(collection).load(name)
        for part, (collection, name) in names.items()
        if name and part in wanted
    }
    found = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
    return OwnerSection(source="identity", as_of=datetime.now(UTC), **found)


async def _contacts(overview: Overview) -> ContactsSection:
    answer = await overview
    if not answer.HasField("contacts"):
        raise Denied("PERMISSION_DENIED", "this needs the permission contact.read", permission="contact.read")
    return ContactsSection(
        source="customers",
        as_of=_time(answer.read_time),
        nodes=[Contact(item) for item in answer.contacts.contacts],
        has_more=bool(answer.contacts.next_page_token),
    )


async def _timeline(overview: Overview, follow_ups: FollowUps | None) -> TimelineSection:
    answer = await overview
    section = TimelineSection(
        source="customers",
        as_of=_time(answer.read_time),
        nodes=[TimelineEntry(item) for item in answer.timeline.entries],
        has_more=bool(answer.timeline.next_page_token),
    )
    if follow_ups is not None:
        await compare(section, follow_ups, lambda page: missing_in_timeline(answer.timeline, page))
    return section


async def _follow_ups(follow_ups: FollowUps | None) -> FollowUpsSection:
    assert follow_ups is not None
    page = await follow_ups
    return FollowUpsSection(
        source="leads",
        as_of=datetime.now(UTC),
        nodes=[FollowUp(item) for item in page.follow_ups],
        has_more=bool(page.next_page_token),
    )


async def _custom_fields(overview: Overview) -> CustomFieldsSection:
    answer = await overview
    values = MessageToDict(answer.customer.custom_fields)
    return CustomFieldsSection(
        source="customers",
        as_of=_time(answer.read_time),
        values=[
            CustomFieldValue(field=CustomField(definition), value=values.get(definition.key))
            for definition in answer.custom_fields
            if not definition.archived or definition.key in values
        ],
    )


async def _purchases(overview: Overview) -> PurchasesSection:
    answer = await _with_purchases(overview)
    return PurchasesSection(
        source="customers",
        as_of=_time(answer.read_time),
        confidence=Confidence.MEDIUM,
        insight=PurchaseInsight(answer.purchases),
    )


async def _rfm(overview: Overview) -> RfmSection:
    answer = await _with_purchases(overview)
    if not answer.HasField("rfm"):
        return RfmSection(source="customers", as_of=_time(answer.read_time), confidence=Confidence.MEDIUM)
    behind = answer.purchases.last_record_time.ToNanoseconds() > answer.rfm_time.ToNanoseconds()
    return RfmSection(
        source="customers",
        status=SectionStatus.STALE if behind else SectionStatus.OK,
        as_of=_time(answer.rfm_time),
        confidence=Confidence.LOW if behind else Confidence.MEDIUM,
        score=RfmScore(answer.rfm),
    )


async def _with_purchases(overview: Overview) -> customer_service_pb2.CustomerOverview:
    answer = await overview
    if not answer.HasField("purchases"):
        raise Denied("PERMISSION_DENIED", "this needs the permission purchase.read", permission="purchase.read")
    return answer


async def _section(kind: type[Section], work: Awaitable[Section]) -> Section:
    """A section, which is unavailable if its service does not answer. What comes too late counts as not coming."""
    try:
        return await work
    except CallFailed as failure:
        if failure.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            failure = unavailable(failure.service)
        if failure.code is not grpc.StatusCode.UNAVAILABLE:
            raise
        return kind(source=failure.service, status=SectionStatus.UNAVAILABLE, confidence=None, failure=failure)


def _is_judged(section: str, fields: set[str]) -> bool:
    """Whether an operation asks how fresh a section is, and for something of it that came by events."""
    return not _JUDGED.isdisjoint(fields) and (section != "profile" or not _FROM_FOLLOW_UPS.isdisjoint(fields))


def _begin(context: Context, name: str, wanted: Mapping[str, set[str]]) -> dict[str, "asyncio.Task[Any]"]:
    judged = {section for section in ("profile", "timeline") if _is_judged(section, wanted.get(section, set()))}
    overview = asyncio.ensure_future(_overview(context, name, wanted))
    follow_ups = asyncio.ensure_future(_page_of_follow_ups(context, name)) if judged or "followUps" in wanted else None
    sections: dict[str, tuple[type[Section], Callable[[], Awaitable[Section]]]] = {
        # The only one that asks another service once the overview is there, so it goes on first.
        "owner": (OwnerSection, lambda: _owner(context, overview, wanted["owner"])),
        "profile": (ProfileSection, lambda: _profile(overview, follow_ups if "profile" in judged else None)),
        "contacts": (ContactsSection, lambda: _contacts(overview)),
        "timeline": (TimelineSection, lambda: _timeline(overview, follow_ups if "timeline" in judged else None)),
        "followUps": (FollowUpsSection, lambda: _follow_ups(follow_ups)),
        "customFields": (CustomFieldsSection, lambda: _custom_fields(overview)),
        "purchases": (PurchasesSection, lambda: _purchases(overview)),
        "rfm": (RfmSection, lambda: _rfm(overview)),
    }
    tasks = {
        section: asyncio.ensure_future(_section(kind, begin()))
        for section, (kind, begin) in sections.items()
        if section in wanted or section == "profile"
    }
    for task in (overview, follow_ups, *tasks.values()):
        if task is not None:
            # One that nobody waits for in the end is no defect to report.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return tasks


def _wanted(info: Info) -> dict[str, set[str]]:
    """The sections that the operation asks for, and of each the fields: `customer`, `customer.level`."""
    raw: Any = info._raw_info
    wanted: dict[str, set[str]] = {}
    for section in selected_below(raw.field_nodes, raw.fragments):
        names = wanted.setdefault(section.name.value, set())
        for each in selected_below([section], raw.fragments):
            names.add(each.name.value)
            names.update(f"{each.name.value}.{inner.name.value}" for inner in selected_below([each], raw.fragments))
    return wanted


@strawberry.type
class Customer360Query:
    @field(
        "All that the suite knows of one customer, from all services at once. A section whose service is down is "
        "UNAVAILABLE and has no values, with an error UNAVAILABLE beside the data; the rest answers.",
        name="customer360",
    )
    async def customer360(self, info: Info, key: Key) -> Customer360 | None:
        sections = _begin(within(info, ANSWER_SECONDS), key, _wanted(info))
        try:
            await sections["profile"]
            # A turn of the event loop, in which the request for the owner is sent: identity answers it while the other
            # sections are put together.
            await asyncio.sleep(0)
        except CallFailed:
            for section in sections.values():
                section.cancel()
            raise
        return Customer360(id=key, sections=sections)
