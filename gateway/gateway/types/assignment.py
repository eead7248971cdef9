"""Assignment of leads by rules."""

from typing import Any, cast

import strawberry
from crm.leads.v1 import assignment_pb2, assignment_service_pb2

from gateway.conditions import from_filter
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.types.leads import Lead

__all__ = ["Lead"]
"""Part of what is derived here."""


@derive(
    assignment_pb2.AssignmentRule,
    required={"display_name", "strategy", "etag"},
    hide={"condition"},
    relations={
        "users": "users",
        "departments": "departments",
        "headed_departments": "departments",
        "roles": "roles",
        "fallback_department": "departments",
        "manager": "users",
        "creator": "users",
    },
)
class AssignmentRule(Record[assignment_pb2.AssignmentRule]):
    @field("The filter that the leads fulfil that it is for; an empty `all` is fulfilled by all.")
    def condition(self) -> strawberry.scalars.JSON | None:
        held: Any = from_filter(self.wire.condition) or {"all": []}
        return cast(strawberry.scalars.JSON, held)


@derive(
    assignment_pb2.LeadAssignmentSettings,
    required={"etag"},
    relations={"fallback_department": "departments", "manager": "users"},
)
class LeadAssignmentSettings(Record[assignment_pb2.LeadAssignmentSettings]):
    pass


@derive(assignment_pb2.LeadCapacity, required={"user", "etag"}, relations={"user": "users"})
class LeadCapacity(Record[assignment_pb2.LeadCapacity]):
    pass


@derive(assignment_pb2.LeadAbsence, required={"user"}, relations={"user": "users", "creator": "users"})
class LeadAbsence(Record[assignment_pb2.LeadAbsence]):
    pass


@derive(
    assignment_pb2.LeadAssignment,
    required={"lead", "outcome", "cause"},
    relations={"assignee": "users"},
)
class LeadAssignment(Record[assignment_pb2.LeadAssignment]):
    pass


@derive(assignment_pb2.RuleVerdict)
class RuleVerdict(Record[assignment_pb2.RuleVerdict]):
    pass


@derive(assignment_pb2.AssignmentCandidate, relations={"user": "users"})
class AssignmentCandidate(Record[assignment_pb2.AssignmentCandidate]):
    pass


@derive(assignment_pb2.AssignmentExplanation, required={"assignment"})
class AssignmentExplanation(Record[assignment_pb2.AssignmentExplanation]):
    pass


@derive(
    assignment_pb2.PooledLead,
    required={"lead"},
    relations={"fallback_department": "departments"},
)
class PooledLead(Record[assignment_pb2.PooledLead]):
    pass


@derive(assignment_service_pb2.AssignLeadsResponse)
class AssignLeadsResult(Record[assignment_service_pb2.AssignLeadsResponse]):
    pass
