"""Visits in the field."""

from crm.leads.v1 import visit_pb2

from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node


@derive(visit_pb2.VisitPosition)
class VisitPosition(Record[visit_pb2.VisitPosition]):
    pass


@derive(visit_pb2.VisitPhoto, required={"digest", "content_type"})
class VisitPhoto(Record[visit_pb2.VisitPhoto]):
    pass


@derive(
    visit_pb2.Visit,
    required={"subject", "geofence", "etag"},
    hide={"distance_metres"},
    relations={"assignee": "users", "reviewer": "users"},
)
class Visit(Record[visit_pb2.Visit], Node):
    @field(
        "How far they were from the subject's position, in metres: the great-circle distance. Null as long as nobody "
        "has said where the subject is."
    )
    def distance_metres(self) -> float | None:
        # A distance of 0 would say that they were there.
        unknown = self.wire.geofence == visit_pb2.GEOFENCE_UNKNOWN
        return None if unknown or "distance_metres" in self.wire.hidden_fields else self.wire.distance_metres


@derive(visit_pb2.SubjectPosition, required={"subject"}, relations={"setter": "users"})
class SubjectPosition(Record[visit_pb2.SubjectPosition]):
    pass


@derive(visit_pb2.TrustWeight, required={"reason"})
class TrustWeight(Record[visit_pb2.TrustWeight]):
    pass


@derive(visit_pb2.VisitRules, required={"etag"})
class VisitRules(Record[visit_pb2.VisitRules]):
    pass


@derive(visit_pb2.RouteStop)
class RouteStop(Record[visit_pb2.RouteStop]):
    pass


@derive(visit_pb2.RouteSummary, required={"date"}, relations={"user": "users"})
class RouteSummary(Record[visit_pb2.RouteSummary]):
    pass


@derive(visit_pb2.CoverageRow, relations={"customer": "customers", "owner": "users"})
class CoverageRow(Record[visit_pb2.CoverageRow]):
    pass


@derive(visit_pb2.CoverageSummary)
class CoverageSummary(Record[visit_pb2.CoverageSummary]):
    pass
