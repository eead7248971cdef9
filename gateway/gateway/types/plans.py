"""Plans and calendars."""

import strawberry
from crm.leads.v1 import calendar_pb2, calendar_service_pb2, plan_pb2, plan_service_pb2

from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node


@derive(plan_pb2.PlanParticipant, required={"user", "response"}, relations={"user": "users"})
class PlanParticipant(Record[plan_pb2.PlanParticipant]):
    pass


@derive(
    plan_pb2.Plan,
    required={"kind", "organiser", "assignee", "time_zone", "status", "etag"},
    hide={"subject"},
    relations={"organiser": "users", "assignee": "users", "contacts": "contacts"},
)
class Plan(Record[plan_pb2.Plan], Node):
    @field(
        "What it is about, if anybody: the id of a lead or customer. A lead that became a customer is replaced by it."
    )
    def subject(self) -> strawberry.ID | None:
        return strawberry.ID(self.wire.subject) if self.wire.subject else None


@derive(plan_pb2.PlanConflict, required={"user"}, relations={"user": "users"})
class PlanConflict(Record[plan_pb2.PlanConflict]):
    pass


@derive(plan_pb2.PlanOutcome)
class PlanOutcome(Record[plan_pb2.PlanOutcome]):
    pass


@derive(plan_service_pb2.CompletePlanResponse)
class CompletedPlan(Record[plan_service_pb2.CompletePlanResponse]):
    pass


@derive(plan_pb2.PlanRules, required={"etag"})
class PlanRules(Record[plan_pb2.PlanRules]):
    pass


@derive(calendar_pb2.CalendarEntry, relations={"users": "users"})
class CalendarEntry(Record[calendar_pb2.CalendarEntry]):
    pass


@derive(calendar_pb2.CalendarSpan)
class CalendarSpan(Record[calendar_pb2.CalendarSpan]):
    pass


@derive(calendar_pb2.UserBusyTimes, required={"user"}, relations={"user": "users"})
class UserBusyTimes(Record[calendar_pb2.UserBusyTimes]):
    pass


@derive(calendar_pb2.CalendarSettings, hide={"name"}, required={"etag"})
class CalendarSettings(Record[calendar_pb2.CalendarSettings]):
    pass


@strawberry.type(description="A link under which any program can read the caller's calendar.")
class CalendarFeedLink:
    path: str | None = strawberry.field(
        description="Where the calendar is, below the gateway's address. Nobody can look it up again; null in "
        "the answer to a retry."
    )
    settings: CalendarSettings = strawberry.field(description="The caller's settings.")

    @classmethod
    def of(cls, answer: calendar_service_pb2.RotateCalendarFeedResponse) -> "CalendarFeedLink":
        """The link as the service answers it."""
        return cls(path=answer.path or None, settings=CalendarSettings(answer.settings))
