"""How far what came by events is behind the service that sent them.

The newest records of that service, as the caller sees them, are looked for in what is shown. So it is exact for the
customer at hand, whatever holds events up: a relay that waits, a handler that is tried again, a dead letter.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC

from crm.customers.v1 import customer_pb2, customer_service_pb2
from crm.leads.v1 import follow_up_pb2, follow_up_service_pb2

from gateway.failures import CallFailed
from gateway.types.customer360 import Confidence, Freshness, Section, SectionStatus

FollowUps = follow_up_service_pb2.ListFollowUpsResponse
Missing = Sequence[follow_up_pb2.FollowUp]

_SOURCE = "leads"


async def compare(section: Section, follow_ups: Awaitable[FollowUps], missing: Callable[[FollowUps], Missing]) -> None:
    """Say of a section that was read how fresh it is. Where the follow-ups cannot be read, it is not known."""
    try:
        behind = missing(await follow_ups)
    except CallFailed:
        section.confidence = Confidence.MEDIUM
        section.freshness = Freshness(source=_SOURCE, missing=None, missing_since=None, lag_seconds=None)
        return
    if not behind:
        section.freshness = Freshness(source=_SOURCE, missing=0, missing_since=None, lag_seconds=0.0)
        return
    since = min(one.create_time.ToDatetime(UTC) for one in behind)
    # The follow-ups are read at the same time as the rest, so that one of them may have come just after it.
    lag = max((section.as_of - since).total_seconds(), 0.0) if section.as_of is not None else None
    section.status, section.confidence = SectionStatus.STALE, Confidence.LOW
    section.freshness = Freshness(source=_SOURCE, missing=len(behind), missing_since=since, lag_seconds=lag)


def missing_in_timeline(timeline: customer_service_pb2.ListTimelineEntriesResponse, page: FollowUps) -> Missing:
    """The follow-ups that belong among the entries shown and are not there. A timeline that goes on may have those
    further down that are older than what it shows."""
    shown = {entry.resource for entry in timeline.entries}
    oldest = timeline.entries[-1].occur_time.ToNanoseconds() if timeline.next_page_token else 0
    return [one for one in page.follow_ups if one.name not in shown and one.occur_time.ToNanoseconds() > oldest]


def missing_in_profile(customer: customer_pb2.Customer, page: FollowUps) -> Missing:
    """The follow-ups that are later than the last one that the profile knows of."""
    last = customer.last_follow_up_time.ToNanoseconds()
    return [one for one in page.follow_ups if one.occur_time.ToNanoseconds() > last]
