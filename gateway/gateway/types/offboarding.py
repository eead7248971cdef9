"""People who leave, and what of theirs goes to whom."""

from typing import cast

import strawberry
from crm.common.v1 import handover_pb2
from crm.identity.v1 import offboarding_pb2, offboarding_service_pb2

from gateway.conditions import from_filter
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node


@derive(handover_pb2.HandoverRule, hide={"filter"}, relations={"successors": "users"})
class HandoverRule(Record[handover_pb2.HandoverRule]):
    @field("Which of them, in the form in which filters are given; all if null.")
    def filter(self) -> strawberry.scalars.JSON | None:
        return cast(strawberry.scalars.JSON | None, from_filter(self.wire.filter))


@derive(handover_pb2.HandoverShare, relations={"successor": "users"})
class HandoverShare(Record[handover_pb2.HandoverShare]):
    pass


@derive(handover_pb2.HandoverCount, required={"service", "entity"})
class HandoverCount(Record[handover_pb2.HandoverCount]):
    pass


@derive(offboarding_pb2.RelievedDepartment, relations={"department": "departments", "head": "users"})
class RelievedDepartment(Record[offboarding_pb2.RelievedDepartment]):
    pass


@derive(offboarding_pb2.OffboardingPart, required={"service", "entity", "state"})
class OffboardingPart(Record[offboarding_pb2.OffboardingPart]):
    pass


@derive(
    offboarding_pb2.Offboarding,
    required={"state"},
    relations={"user": "users", "default_successor": "users", "creator": "users"},
)
class Offboarding(Record[offboarding_pb2.Offboarding], Node):
    pass


@derive(offboarding_service_pb2.PreviewOffboardingResponse, relations={"departments": "departments"})
class OffboardingPreview(Record[offboarding_service_pb2.PreviewOffboardingResponse]):
    pass
