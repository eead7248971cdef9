"""The gRPC methods of AssignmentService: open a transaction, call, map."""

from collections import Counter
from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name, parse_optional_name
from crm.leads.v1 import assignment_pb2, assignment_service_pb2_grpc, lead_pb2
from crm.leads.v1 import assignment_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from leads.assignment import mapping, queries
from leads.assignment.acceptance import accept_lead, decline_lead
from leads.assignment.assign_leads import Outcome, assign_leads
from leads.assignment.capacities import create_absence, delete_absence, update_capacity
from leads.assignment.claim_lead import claim_lead
from leads.assignment.judging import settings_of
from leads.assignment.people import loads
from leads.assignment.rules import create_rule, delete_rule, find_rule, update_rule, update_settings
from leads.assignment.skip_lead import skip_lead
from leads.lead_mapping import lead_to_proto
from leads.model import AssignmentOutcome

RULES, CAPACITIES, ABSENCES, ASSIGNMENTS = "assignmentRules", "leadCapacities", "leadAbsences", "leadAssignments"


class AssignmentServicer(assignment_service_pb2_grpc.AssignmentServiceServicer):
    """Implements AssignmentService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListAssignmentRules(
        self, request: pb.ListAssignmentRulesRequest, context: Any
    ) -> pb.ListAssignmentRulesResponse:
        with self.calls.read() as session:
            page = queries.list_rules(session, page_size=request.page_size, page_token=request.page_token)
        return pb.ListAssignmentRulesResponse(
            rules=map(mapping.rule_to_proto, page.rows), next_page_token=page.next_token
        )

    def GetAssignmentRule(self, request: pb.GetAssignmentRuleRequest, context: Any) -> assignment_pb2.AssignmentRule:
        with self.calls.read() as session:
            return mapping.rule_to_proto(find_rule(session, parse_name(RULES, request.name)))

    def CreateAssignmentRule(
        self, request: pb.CreateAssignmentRuleRequest, context: Any
    ) -> assignment_pb2.AssignmentRule:
        values = mapping.new_rule(request.rule)
        return self.calls.write(
            request, assignment_pb2.AssignmentRule, lambda session: mapping.rule_to_proto(create_rule(session, values))
        )

    def UpdateAssignmentRule(
        self, request: pb.UpdateAssignmentRuleRequest, context: Any
    ) -> assignment_pb2.AssignmentRule:
        given = request.rule
        rule_id = parse_name(RULES, given.name)
        values = mapping.rule_patch(given, request.update_mask)
        return self.calls.write(
            request,
            assignment_pb2.AssignmentRule,
            lambda session: mapping.rule_to_proto(update_rule(session, rule_id, values, etag=given.etag)),
        )

    def DeleteAssignmentRule(self, request: pb.DeleteAssignmentRuleRequest, context: Any) -> Empty:
        rule_id = parse_name(RULES, request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_rule(session, rule_id, etag=request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def GetLeadAssignmentSettings(
        self, request: pb.GetLeadAssignmentSettingsRequest, context: Any
    ) -> assignment_pb2.LeadAssignmentSettings:
        with self.calls.read() as session:
            return mapping.settings_to_proto(settings_of(session))

    def UpdateLeadAssignmentSettings(
        self, request: pb.UpdateLeadAssignmentSettingsRequest, context: Any
    ) -> assignment_pb2.LeadAssignmentSettings:
        given = request.settings
        values = mapping.settings_patch(given, request.update_mask)
        return self.calls.write(
            request,
            assignment_pb2.LeadAssignmentSettings,
            lambda session: mapping.settings_to_proto(update_settings(session, values, etag=given.etag)),
        )

    def GetLeadCapacity(self, request: pb.GetLeadCapacityRequest, context: Any) -> assignment_pb2.LeadCapacity:
        with self.calls.read() as session:
            return mapping.capacity_to_proto(*queries.get_capacity(session, parse_name(CAPACITIES, request.name)))

    def ListLeadCapacities(self, request: pb.ListLeadCapacitiesRequest, context: Any) -> pb.ListLeadCapacitiesResponse:
        with self.calls.read() as session:
            page = queries.list_capacities(session, page_size=request.page_size, page_token=request.page_token)
        return pb.ListLeadCapacitiesResponse(
            capacities=[mapping.capacity_to_proto(*row) for row in page.rows], next_page_token=page.next_token
        )

    def UpdateLeadCapacity(self, request: pb.UpdateLeadCapacityRequest, context: Any) -> assignment_pb2.LeadCapacity:
        given = request.capacity
        user_id = parse_name(CAPACITIES, given.name)
        values = mapping.capacity_patch(given, request.update_mask)

        def update(session: ServiceSession) -> assignment_pb2.LeadCapacity:
            capacity = update_capacity(session, user_id, values, etag=given.etag)
            return mapping.capacity_to_proto(capacity, loads(session, [user_id])[user_id])

        return self.calls.write(request, assignment_pb2.LeadCapacity, update)

    def ListLeadAbsences(self, request: pb.ListLeadAbsencesRequest, context: Any) -> pb.ListLeadAbsencesResponse:
        user_id = parse_name("users", request.user, field="user")
        with self.calls.read() as session:
            page = queries.list_absences(session, user_id, page_size=request.page_size, page_token=request.page_token)
        return pb.ListLeadAbsencesResponse(
            absences=map(mapping.absence_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateLeadAbsence(self, request: pb.CreateLeadAbsenceRequest, context: Any) -> assignment_pb2.LeadAbsence:
        given = request.absence
        user_id = parse_optional_name("users", given.user, field="user")
        start, end = mapping.moment(given, "start_time"), mapping.moment(given, "end_time")
        return self.calls.write(
            request,
            assignment_pb2.LeadAbsence,
            lambda session: mapping.absence_to_proto(create_absence(session, user_id, start, end)),
        )

    def DeleteLeadAbsence(self, request: pb.DeleteLeadAbsenceRequest, context: Any) -> Empty:
        absence_id = parse_name(ABSENCES, request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_absence(session, absence_id)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def AssignLeads(self, request: pb.AssignLeadsRequest, context: Any) -> pb.AssignLeadsResponse:
        ids = [parse_name("leads", name, field="names") for name in request.names]

        def decide(session: ServiceSession) -> pb.AssignLeadsResponse:
            outcome = assign_leads(session, ids, request.filter, dry_run=request.dry_run)
            return _answer(session, outcome, dry_run=request.dry_run)

        if request.dry_run:
            with self.calls.read() as session:
                return decide(session)
        return self.calls.write(request, pb.AssignLeadsResponse, decide)

    def AcceptLead(self, request: pb.AcceptLeadRequest, context: Any) -> assignment_pb2.LeadAssignment:
        lead_id = parse_name("leads", request.name)
        return self.calls.write(
            request,
            assignment_pb2.LeadAssignment,
            lambda session: mapping.assignment_to_proto(accept_lead(session, lead_id)),
        )

    def DeclineLead(self, request: pb.DeclineLeadRequest, context: Any) -> assignment_pb2.LeadAssignment:
        lead_id = parse_name("leads", request.name)
        return self.calls.write(
            request,
            assignment_pb2.LeadAssignment,
            lambda session: mapping.assignment_to_proto(decline_lead(session, lead_id, request.reason)),
        )

    def ListLeadPool(self, request: pb.ListLeadPoolRequest, context: Any) -> pb.ListLeadPoolResponse:
        with self.calls.read() as session:
            page = queries.list_pool(session, page_size=request.page_size, page_token=request.page_token)
        return pb.ListLeadPoolResponse(
            leads=[mapping.pooled_to_proto(*row) for row in page.rows], next_page_token=page.next_token
        )

    def ClaimLead(self, request: pb.ClaimLeadRequest, context: Any) -> lead_pb2.Lead:
        lead_id = parse_name("leads", request.name)
        return self.calls.write(request, lead_pb2.Lead, lambda session: lead_to_proto(claim_lead(session, lead_id)))

    def SkipLeadAssignment(self, request: pb.SkipLeadAssignmentRequest, context: Any) -> lead_pb2.Lead:
        lead_id = parse_name("leads", request.name)
        return self.calls.write(
            request, lead_pb2.Lead, lambda session: lead_to_proto(skip_lead(session, lead_id, skip=request.skip))
        )

    def ExplainAssignment(
        self, request: pb.ExplainAssignmentRequest, context: Any
    ) -> assignment_pb2.AssignmentExplanation:
        lead_id = parse_optional_name("leads", request.lead, field="lead")
        assignment_id = parse_optional_name(ASSIGNMENTS, request.assignment, field="assignment")
        with self.calls.read() as session:
            return mapping.explanation_to_proto(queries.explain_assignment(session, lead_id, assignment_id))

    def ListLeadAssignments(
        self, request: pb.ListLeadAssignmentsRequest, context: Any
    ) -> pb.ListLeadAssignmentsResponse:
        lead_id = parse_name("leads", request.lead, field="lead")
        with self.calls.read() as session:
            page = queries.list_assignments(
                session, lead_id, page_size=request.page_size, page_token=request.page_token
            )
        return pb.ListLeadAssignmentsResponse(
            assignments=map(mapping.assignment_to_proto, page.rows), next_page_token=page.next_token
        )


def _answer(session: ServiceSession, outcome: Outcome, *, dry_run: bool) -> pb.AssignLeadsResponse:
    counts = Counter(one.outcome for one in outcome.decisions)
    rows = (
        [queries.as_assignment(session, one) for one in outcome.decisions]
        if dry_run
        else queries.newest(session, [one.lead.id for one in outcome.decisions])
    )
    return pb.AssignLeadsResponse(
        assignments=map(mapping.assignment_to_proto, rows),
        assigned_count=counts[AssignmentOutcome.ASSIGNED],
        waiting_count=counts[AssignmentOutcome.WAITING],
        pooled_count=counts[AssignmentOutcome.POOLED],
        passed_over_count=outcome.passed_over,
        queued_count=outcome.queued,
    )
