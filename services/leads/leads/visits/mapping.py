"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from chassis.calendars import parse_day
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.names import make_name, parse_name, parse_optional_name
from crm.leads.v1 import visit_pb2, visit_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from leads.geo import Datum, Position, position
from leads.subjects import parse_subject
from leads.visits.checking_in import CheckInDraft
from leads.visits.checking_out import Report
from leads.visits.positions import Located
from leads.visits.reports import Coverage
from leads.visits.trust import RULES, VisitRules

_NUMBERS = ("radius_metres", "accuracy_allowance_metres", "poor_accuracy_metres", "max_speed_kmh", "max_clock_seconds",
            "shared_device_days", "review_threshold", "max_visit_hours", "keep_positions_days")  # fmt: skip
RULE_FIELDS = frozenset({*_NUMBERS, "weights"})


def visit_to_proto(visit: Any, title: str, photos: Sequence[Any], *, with_leg: bool) -> visit_pb2.Visit:
    """A visit with its pictures, and the way to it if the caller may know."""
    out = visit.check_out_time
    return visit_pb2.Visit(
        name=visit.name,
        subject=visit.subject,
        subject_title=title,
        assignee=make_name("users", visit.assignee_id),
        check_in_time=visit.check_in_time,
        device_time=visit.device_time,
        report_time=visit.report_time,
        position=_position(visit.latitude, visit.longitude, visit.accuracy_metres),
        mock_location=visit.mock_location,
        device=visit.device,
        note=visit.note,
        geofence=visit_pb2.Geofence.Value(f"GEOFENCE_{visit.geofence}"),
        distance_metres=visit.distance_metres or 0.0,
        radius_metres=visit.radius_metres,
        check_out_time=out,
        check_out_position=_position(visit.out_latitude, visit.out_longitude, visit.out_accuracy_metres),
        end=visit_pb2.VisitEnd.Value(f"VISIT_END_{visit.ended_by or 'UNSPECIFIED'}"),
        duration_seconds=int((out - visit.check_in_time).total_seconds()) if out is not None else 0,
        leg_metres=(visit.leg_metres or 0.0) if with_leg else 0.0,
        trust_score=visit.trust_score,
        trust_reasons=[visit_pb2.TrustReason.Value(f"TRUST_REASON_{each}") for each in visit.trust_reasons],
        review_state=visit_pb2.VisitReviewState.Value(f"VISIT_REVIEW_STATE_{visit.review_state}"),
        reviewer=visit.reviewer,
        review_note=visit.review_note,
        review_time=visit.review_time,
        follow_up=make_name("followUps", visit.follow_up_id),
        photos=map(photo_to_proto, photos),
        etag=etag(visit.version),
    )


def photo_to_proto(photo: Any) -> visit_pb2.VisitPhoto:
    """A picture of a visit."""
    return visit_pb2.VisitPhoto(
        name=photo.name,
        digest=photo.digest,
        content_type=photo.content_type,
        size_bytes=photo.size_bytes,
        upload_time=photo.upload_time,
        path="" if photo.erased else f"/files/visitPhotos/{photo.id}",
    )


def _position(
    latitude: float | None, longitude: float | None, accuracy: float | None
) -> visit_pb2.VisitPosition | None:
    if latitude is None or longitude is None:
        return None
    return visit_pb2.VisitPosition(
        latitude=latitude, longitude=longitude, accuracy_metres=accuracy or 0.0, datum=visit_pb2.DATUM_WGS84
    )


def position_from_proto(given: visit_pb2.VisitPosition, *, field: str = "position") -> Position:
    """A position as somebody states it, in WGS 84. Raises Invalid."""
    if given.datum not in visit_pb2.Datum.values():
        raise Invalid("INVALID_VALUE", "the datum is WGS84 or GCJ02", field=f"{field}.datum")
    datum = Datum.GCJ02 if given.datum == visit_pb2.DATUM_GCJ02 else Datum.WGS84
    return position(given.latitude, given.longitude, given.accuracy_metres, datum, field=field)


def check_in_from_proto(request: visit_service_pb2.CheckInRequest) -> CheckInDraft:
    """A check-in as a device states it. Raises Invalid."""
    return CheckInDraft(
        subject=parse_subject(request.subject),
        position=position_from_proto(request.position),
        device_time=_time(request.device_time) if request.HasField("device_time") else None,
        device=request.device,
        mock_location=request.mock_location,
        note=request.note,
    )


def report_from_proto(report: visit_service_pb2.VisitReport) -> Report:
    """What was said and agreed. Raises Invalid."""
    return Report(
        content=report.content,
        contact_id=parse_optional_name("contacts", report.contact, field="report.contact"),
        next_contact_time=_time(report.next_contact_time) if report.HasField("next_contact_time") else None,
    )


def located_to_proto(located: Located) -> visit_pb2.SubjectPosition:
    """Where a subject is."""
    message = visit_pb2.SubjectPosition(
        subject=located.subject.name,
        latitude=located.position.latitude,
        longitude=located.position.longitude,
        suggested=located.suggested,
        setter=located.setter,
        visit=make_name("visits", located.visit_id),
    )
    message.set_time.FromDatetime(located.set_time)
    return message


def stop_to_proto(row: Any, visit: visit_pb2.Visit) -> visit_pb2.RouteStop:
    """A stop of a route."""
    return visit_pb2.RouteStop(
        number=row.number,
        visit=visit,
        distance_metres=row.distance_metres,
        travel_seconds=int(row.travel_seconds),
    )


def summary_to_proto(user_id: UUID, day: date, row: Any) -> visit_pb2.RouteSummary:
    """A route as a whole."""
    return visit_pb2.RouteSummary(
        user=make_name("users", user_id),
        date=day.isoformat(),
        visits=row.visits,
        distance_metres=row.distance_metres,
        visit_seconds=int(row.visit_seconds),
    )


def coverage_from_proto(request: Any) -> Coverage:
    """Whose customers are meant, and when. Raises Invalid."""
    return Coverage(
        parse_day(request.start_date, field="start_date"),
        parse_day(request.end_date, field="end_date"),
        parse_optional_name("users", request.user, field="user"),
        parse_optional_name("departments", request.department, field="department"),
    )


def covered_to_proto(row: Any) -> visit_pb2.CoverageRow:
    """How a customer was covered."""
    return visit_pb2.CoverageRow(
        customer=make_name("customers", row.id),
        title=row.display_name,
        owner=make_name("users", row.owner_id),
        visits=row.visits,
        last_visit_time=row.last_visit_time,
    )


def coverage_to_proto(row: Any) -> visit_pb2.CoverageSummary:
    """The coverage as a whole."""
    share = row.visited / row.customers if row.customers else 0.0
    return visit_pb2.CoverageSummary(customers=row.customers, visited=row.visited, share=share, visits=int(row.visits))


def rules_to_proto(rules: VisitRules, version: int) -> visit_pb2.VisitRules:
    """The rules by which check-ins are judged."""
    weights = [
        visit_pb2.TrustWeight(reason=visit_pb2.TrustReason.Value(f"TRUST_REASON_{reason}"), weight=weight)
        for reason, weight in rules.weights.items()
    ]
    numbers = {name: getattr(rules, name) for name in _NUMBERS}
    return visit_pb2.VisitRules(name=RULES, **numbers, weights=weights, etag=etag(version))


def rule_changes(rules: visit_pb2.VisitRules, paths: Set[str]) -> dict[str, Any]:
    """The rules at some paths, as the use case takes them. Raises Invalid."""
    values: dict[str, Any] = {path: getattr(rules, path) for path in paths - {"weights"}}
    if "weights" in paths:
        values["weights"] = _weights(rules.weights)
    return values


def _weights(given: Sequence[visit_pb2.TrustWeight]) -> Mapping[str, int]:
    names = {number: name.removeprefix("TRUST_REASON_") for name, number in visit_pb2.TrustReason.items()}
    return {names.get(each.reason, str(each.reason)): each.weight for each in given}


def visit_id_of(name: str, *, field: str = "name") -> UUID:
    """The id in the name of a visit. Raises Invalid."""
    return parse_name("visits", name, field=field)


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)
