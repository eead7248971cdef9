"""The gRPC methods of VisitService: open a transaction, call, map."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chassis.calendars import parse_day
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.objects import Objects
from crm.common.v1 import job_pb2
from crm.leads.v1 import visit_pb2, visit_service_pb2, visit_service_pb2_grpc
from sqlalchemy import select

from leads.company_rules import read_rules, update_rules
from leads.model import Visit
from leads.reachable import Customers
from leads.subjects import of, parse_subject, titles
from leads.visits import mapping, positions, queries, reports
from leads.visits.checking_in import check_in
from leads.visits.checking_out import check_out, report_visit
from leads.visits.photos import add_photo, hold_file, read_picture, require_room
from leads.visits.reviewing import review_visit
from leads.visits.trust import RULES, VisitRules


class VisitServicer(visit_service_pb2_grpc.VisitServiceServicer):
    """Implements VisitService."""

    def __init__(self, calls: Calls, customers: Customers, objects: Objects) -> None:
        self.calls = calls
        self.customers = customers
        self.objects = objects

    def CheckIn(self, request: visit_service_pb2.CheckInRequest, context: Any) -> visit_pb2.Visit:
        draft = mapping.check_in_from_proto(request)
        return self._write(request, lambda session: check_in(session, draft, self.customers))

    def CheckOut(self, request: visit_service_pb2.CheckOutRequest, context: Any) -> visit_pb2.Visit:
        visit_id = mapping.visit_id_of(request.name)
        where = mapping.position_from_proto(request.position) if request.HasField("position") else None
        report = mapping.report_from_proto(request.report) if request.HasField("report") else None
        return self._write(request, lambda session: check_out(session, visit_id, where, report, self.customers))

    def ReportVisit(self, request: visit_service_pb2.ReportVisitRequest, context: Any) -> visit_pb2.Visit:
        visit_id = mapping.visit_id_of(request.name)
        report = mapping.report_from_proto(request.report)
        return self._write(request, lambda session: report_visit(session, visit_id, report, self.customers))

    def AddVisitPhoto(self, request: visit_service_pb2.AddVisitPhotoRequest, context: Any) -> visit_pb2.Visit:
        visit_id = mapping.visit_id_of(request.name)
        with self.calls.read() as session:
            queries.get_visit(session, visit_id)  # nobody has pictures read for what they do not see
        picture = read_picture(request.data)

        def add(session: ServiceSession) -> Visit:
            require_room(session, visit_id)
            hold_file(session, picture.key)
            self.objects.put(picture.key, picture.data)  # the same file again, should the transaction run again
            return add_photo(session, visit_id, picture)

        return self._write(request, add)

    def DownloadVisitPhoto(
        self, request: visit_service_pb2.DownloadVisitPhotoRequest, context: Any
    ) -> Iterator[job_pb2.FileChunk]:
        photo_id = parse_name("visitPhotos", request.name)
        with self.calls.read() as session:
            photo = queries.get_photo(session, photo_id)
            key, kind = photo.object_key, photo.content_type
        suffix = kind.rpartition("/")[2].replace("jpeg", "jpg")
        yield job_pb2.FileChunk(file_name=f"{photo_id}.{suffix}", content_type=kind)
        for part in self.objects.read(key):
            yield job_pb2.FileChunk(data=part)

    def GetVisit(self, request: visit_service_pb2.GetVisitRequest, context: Any) -> visit_pb2.Visit:
        with self.calls.read() as session:
            return shown(session, [queries.get_visit(session, mapping.visit_id_of(request.name))])[0]

    def ListVisits(
        self, request: visit_service_pb2.ListVisitsRequest, context: Any
    ) -> visit_service_pb2.ListVisitsResponse:
        subject = parse_subject(request.subject) if request.subject else None
        with self.calls.read() as session:
            page = queries.list_visits(
                session,
                subject,
                conditions=request.filter,
                page_size=request.page_size,
                page_token=request.page_token,
            )
            visits = shown(session, page.rows)
        return visit_service_pb2.ListVisitsResponse(visits=visits, next_page_token=page.next_token)

    def ReviewVisit(self, request: visit_service_pb2.ReviewVisitRequest, context: Any) -> visit_pb2.Visit:
        visit_id = mapping.visit_id_of(request.name)
        return self._write(
            request, lambda session: review_visit(session, visit_id, request.note, approve=request.approve)
        )

    def SetSubjectPosition(
        self, request: visit_service_pb2.SetSubjectPositionRequest, context: Any
    ) -> visit_pb2.SubjectPosition:
        subject = parse_subject(request.subject)
        where = mapping.position_from_proto(request.position) if request.HasField("position") else None
        visit_id = mapping.visit_id_of(request.visit, field="visit") if request.visit else None
        return self.calls.write(
            request,
            visit_pb2.SubjectPosition,
            lambda session: mapping.located_to_proto(
                positions.set_position(session, subject, where, visit_id, self.customers)
            ),
        )

    def GetSubjectPosition(
        self, request: visit_service_pb2.GetSubjectPositionRequest, context: Any
    ) -> visit_pb2.SubjectPosition:
        subject = parse_subject(request.subject)
        with self.calls.read() as session:
            return mapping.located_to_proto(positions.get_position(session, subject, self.customers))

    def ListRouteStops(
        self, request: visit_service_pb2.ListRouteStopsRequest, context: Any
    ) -> visit_service_pb2.ListRouteStopsResponse:
        user_id, day = parse_name("users", request.user, field="user"), parse_day(request.date, field="date")
        with self.calls.read() as session:
            page = reports.list_stops(session, user_id, day, page_size=request.page_size, page_token=request.page_token)
            wanted = select(Visit).where(Visit.id.in_([row.id for row in page.rows]))
            visits = {visit.name: visit for visit in shown(session, session.scalars(wanted).all())}
        stops = [mapping.stop_to_proto(row, visits[f"visits/{row.id}"]) for row in page.rows]
        return visit_service_pb2.ListRouteStopsResponse(stops=stops, next_page_token=page.next_token)

    def GetRouteSummary(
        self, request: visit_service_pb2.GetRouteSummaryRequest, context: Any
    ) -> visit_pb2.RouteSummary:
        user_id, day = parse_name("users", request.user, field="user"), parse_day(request.date, field="date")
        with self.calls.read() as session:
            return mapping.summary_to_proto(user_id, day, reports.summarise_route(session, user_id, day))

    def ListCoverage(
        self, request: visit_service_pb2.ListCoverageRequest, context: Any
    ) -> visit_service_pb2.ListCoverageResponse:
        coverage = mapping.coverage_from_proto(request)
        with self.calls.read() as session:
            page = reports.list_coverage(session, coverage, page_size=request.page_size, page_token=request.page_token)
        return visit_service_pb2.ListCoverageResponse(
            rows=map(mapping.covered_to_proto, page.rows), next_page_token=page.next_token
        )

    def GetCoverageSummary(
        self, request: visit_service_pb2.GetCoverageSummaryRequest, context: Any
    ) -> visit_pb2.CoverageSummary:
        coverage = mapping.coverage_from_proto(request)
        with self.calls.read() as session:
            return mapping.coverage_to_proto(reports.summarise_coverage(session, coverage))

    def GetVisitRules(self, request: visit_service_pb2.GetVisitRulesRequest, context: Any) -> visit_pb2.VisitRules:
        with self.calls.read() as session:
            return mapping.rules_to_proto(*read_rules(session, RULES, VisitRules))

    def UpdateVisitRules(
        self, request: visit_service_pb2.UpdateVisitRulesRequest, context: Any
    ) -> visit_pb2.VisitRules:
        paths = changed_paths(request.rules, request.update_mask, mapping.RULE_FIELDS)
        changes = mapping.rule_changes(request.rules, paths)
        return self.calls.write(
            request,
            visit_pb2.VisitRules,
            lambda session: mapping.rules_to_proto(
                *update_rules(session, RULES, VisitRules, "visit.configure", changes, request.rules.etag)
            ),
        )

    def _write(self, request: Any, change: Callable[[ServiceSession], Visit]) -> visit_pb2.Visit:
        return self.calls.write(request, visit_pb2.Visit, lambda session: shown(session, [change(session)])[0])


def shown(session: ServiceSession, visits: Sequence[Visit]) -> list[visit_pb2.Visit]:
    """Visits with what people call their subjects, and their pictures. A way is told to who sees where it began."""
    named = titles(session, map(of, visits))
    photos = queries.photos_of(session, [visit.id for visit in visits])
    legs = queries.legs_seen(session, visits)
    return [
        mapping.visit_to_proto(each, named.get(of(each), ""), photos.get(each.id, ()), with_leg=each.id in legs)
        for each in visits
    ]
