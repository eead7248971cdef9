"""Visits in the field: check-ins, reviews, routes and coverage."""

from datetime import date
from typing import Any

import strawberry
from chassis.errors import Invalid
from crm.leads.v1 import visit_pb2
from crm.leads.v1 import visit_service_pb2 as pb

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect, page_fields
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_visit, pages
from gateway.operations.requests import RequestId
from gateway.scalars import Upload
from gateway.types.visits import (
    CoverageRow,
    CoverageSummary,
    RouteStop,
    RouteSummary,
    SubjectPosition,
    Visit,
    VisitRules,
)

MAX_PHOTO_BYTES = 6 * 1024 * 1024


@strawberry.type(description="A page of somebody's way through a day.")
class Route(Connection[RouteStop]):
    asked: strawberry.Private[dict[str, Any]]

    @field("The way as a whole, all pages together. Reckoned only if asked for.")
    async def summary(self, info: Info) -> RouteSummary | None:
        request = pb.GetRouteSummaryRequest(**self.asked)
        return RouteSummary(await info.context.calls(info.context.services.visits.GetRouteSummary, request))


@strawberry.type(description="A page of the customers with how often they were visited.")
class Coverage(Connection[CoverageRow]):
    asked: strawberry.Private[dict[str, Any]]

    @field("The coverage as a whole, all pages together. Reckoned only if asked for.")
    async def summary(self, info: Info) -> CoverageSummary | None:
        request = pb.GetCoverageSummaryRequest(**self.asked)
        return CoverageSummary(await info.context.calls(info.context.services.visits.GetCoverageSummary, request))


@strawberry.type
class VisitsQuery:
    @field("A visit in the field.")
    async def visit(self, info: Info, key: Key) -> Visit | None:
        return await get_visit(info.context, key)

    @field("Visits, at one lead or customer if given, the newest first. Those to review have `reviewState` PENDING.")
    async def visits(
        self,
        info: Info,
        subject: strawberry.ID | None = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Visit] | None:
        condition = to_filter(filter, visit_pb2.Visit.DESCRIPTOR)
        method, request = info.context.services.visits.ListVisits, pb.ListVisitsRequest
        fetch = pages(info.context, method, request, "visits", filter=condition, subject=subject or "")
        return await connect(first, after, Visit, fetch)

    @field("Where a lead or customer is, or where visits suggest it is.")
    async def subject_position(self, info: Info, subject: strawberry.ID) -> SubjectPosition | None:
        request = pb.GetSubjectPositionRequest(subject=subject)
        return SubjectPosition(await info.context.calls(info.context.services.visits.GetSubjectPosition, request))

    @field("The visits of a person on a day, in the order in which they took place.")
    async def visit_route(
        self, info: Info, user: strawberry.ID, date: date, first: First = DEFAULT_PAGE, after: After = None
    ) -> Route | None:
        asked = {"user": user, "date": date.isoformat()}
        method, request = info.context.services.visits.ListRouteStops, pb.ListRouteStopsRequest
        fetch = pages(info.context, method, request, "stops", **asked)
        return Route(asked=asked, **await page_fields(first, after, RouteStop, fetch))

    @field(
        "The customers that the caller reaches, with how often they were visited from the first day to the last, of "
        "one person or of a department and all below it if given; the least visited first."
    )
    async def visit_coverage(
        self,
        info: Info,
        start_date: date,
        end_date: date,
        user: strawberry.ID | None = None,
        department: strawberry.ID | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Coverage | None:
        asked = {
            "start_date": start_date.isoformat(),
            "end_date": end_date.isoformat(),
            "user": user or "",
            "department": department or "",
        }
        method, request = info.context.services.visits.ListCoverage, pb.ListCoverageRequest
        fetch = pages(info.context, method, request, "rows", **asked)
        return Coverage(asked=asked, **await page_fields(first, after, CoverageRow, fetch))

    @field("The rules by which check-ins are judged.")
    async def visit_rules(self, info: Info) -> VisitRules | None:
        request = pb.GetVisitRulesRequest()
        return VisitRules(await info.context.calls(info.context.services.visits.GetVisitRules, request))


@derive_input(visit_pb2.VisitPosition, required={"latitude", "longitude", "accuracy_metres"})
class VisitPositionInput(Input[visit_pb2.VisitPosition]):
    pass


@derive_input(pb.VisitReport, required={"content"}, references={"contact"})
class VisitReportInput(Input[pb.VisitReport]):
    pass


@derive_input(pb.CheckInRequest, required={"subject", "position"}, hide={"request_id"})
class StartVisitInput(Input[pb.CheckInRequest]):
    subject: strawberry.ID
    request_id: RequestId = None


@derive_input(pb.CheckOutRequest, required={"name"}, hide={"request_id"})
class EndVisitInput(Input[pb.CheckOutRequest]):
    request_id: RequestId = None


@derive_input(pb.ReportVisitRequest, required={"name", "report"}, hide={"request_id"})
class ReportVisitInput(Input[pb.ReportVisitRequest]):
    request_id: RequestId = None


@derive_input(pb.ReviewVisitRequest, required={"name", "approve"}, hide={"request_id"})
class ReviewVisitInput(Input[pb.ReviewVisitRequest]):
    request_id: RequestId = None


@derive_input(pb.SetSubjectPositionRequest, required={"subject"}, hide={"request_id"}, references={"visit"})
class SetSubjectPositionInput(Input[pb.SetSubjectPositionRequest]):
    subject: strawberry.ID
    request_id: RequestId = None


@derive_input(visit_pb2.TrustWeight, required={"reason", "weight"})
class TrustWeightInput(Input[visit_pb2.TrustWeight]):
    pass


@derive_input(visit_pb2.VisitRules, hide={"name"})
class UpdateVisitRulesInput(Input[visit_pb2.VisitRules]):
    request_id: RequestId = None


@strawberry.input(description="Which visit a picture is of.")
class AddVisitPhotoInput:
    id: strawberry.ID
    request_id: RequestId = None


async def _sent(info: Info, method: Any, given: Any) -> Any:
    """Send an input as the request that it stands for."""
    request = given.to_proto()
    request.request_id = given.request_id or ""
    return await info.context.calls(method, request)


@strawberry.type
class VisitsMutation:
    @mutation(
        "Checks the caller in at a lead or customer. It is never refused for where they are; what speaks against it "
        "lowers the trust score. A visit that they left open is ended."
    )
    async def start_visit(self, info: Info, input: StartVisitInput) -> Visit | None:  # noqa: A002
        return Visit(await _sent(info, info.context.services.visits.CheckIn, input))

    @mutation("Checks the caller out. With a report the visit becomes a follow-up.")
    async def end_visit(self, info: Info, input: EndVisitInput) -> Visit | None:  # noqa: A002
        return Visit(await _sent(info, info.context.services.visits.CheckOut, input))

    @mutation("Makes a visit of the caller a follow-up that has the check-in to show.")
    async def report_visit(self, info: Info, input: ReportVisitInput) -> Visit | None:  # noqa: A002
        return Visit(await _sent(info, info.context.services.visits.ReportVisit, input))

    @mutation(
        "Adds a picture to a visit of the caller: a JPEG, PNG or WebP file of at most 6 MiB. Its hash is kept, and the "
        "picture without the camera's notes (EXIF)."
    )
    async def add_visit_photo(
        self,
        info: Info,
        file: Upload,
        input: AddVisitPhotoInput,  # noqa: A002
    ) -> Visit | None:
        data = await file.read(MAX_PHOTO_BYTES + 1)
        if not data:
            raise Invalid("EMPTY_FILE", "the file is empty", field="file")
        request = pb.AddVisitPhotoRequest(name=input.id, data=data, request_id=input.request_id or "")
        return Visit(await info.context.calls(info.context.services.visits.AddVisitPhoto, request))

    @mutation("Accepts a visit whose trust score is too low, or not. For managers of the person.")
    async def review_visit(self, info: Info, input: ReviewVisitInput) -> Visit | None:  # noqa: A002
        return Visit(await _sent(info, info.context.services.visits.ReviewVisit, input))

    @mutation("Says where a lead or customer is, by a position or a visit that shows it.")
    async def set_subject_position(
        self,
        info: Info,
        input: SetSubjectPositionInput,  # noqa: A002
    ) -> SubjectPosition | None:
        return SubjectPosition(await _sent(info, info.context.services.visits.SetSubjectPosition, input))

    @mutation("Changes the rules by which check-ins are judged, for those from then on.")
    async def update_visit_rules(self, info: Info, input: UpdateVisitRulesInput) -> VisitRules | None:  # noqa: A002
        request = pb.UpdateVisitRulesRequest(
            rules=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return VisitRules(await info.context.calls(info.context.services.visits.UpdateVisitRules, request))
