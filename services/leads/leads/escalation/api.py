"""The gRPC methods of EscalationService: open a transaction, call, map."""

from typing import Any

from chassis.calls import Calls
from chassis.masks import changed_paths
from chassis.names import parse_name, parse_optional_name
from crm.leads.v1 import escalation_pb2, escalation_service_pb2, escalation_service_pb2_grpc

from leads.escalation import mapping, queries
from leads.escalation.policies import FIELDS, create_policy, update_policy
from leads.subjects import of, parse_subject, titles


class EscalationServicer(escalation_service_pb2_grpc.EscalationServiceServicer):
    """Implements EscalationService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListEscalationPolicies(
        self, request: escalation_service_pb2.ListEscalationPoliciesRequest, context: Any
    ) -> escalation_service_pb2.ListEscalationPoliciesResponse:
        with self.calls.read() as session:
            page = queries.list_policies(session, page_size=request.page_size, page_token=request.page_token)
        return escalation_service_pb2.ListEscalationPoliciesResponse(
            policies=map(mapping.policy_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateEscalationPolicy(
        self, request: escalation_service_pb2.CreateEscalationPolicyRequest, context: Any
    ) -> escalation_pb2.EscalationPolicy:
        given = request.policy
        values = mapping.values_from_proto(given, FIELDS | {"subject"})
        department_id = parse_optional_name("departments", given.department, field="department")
        steps = mapping.steps_from_proto(given.steps)
        return self.calls.write(
            request,
            escalation_pb2.EscalationPolicy,
            lambda session: mapping.policy_to_proto(create_policy(session, values, department_id, steps)),
        )

    def UpdateEscalationPolicy(
        self, request: escalation_service_pb2.UpdateEscalationPolicyRequest, context: Any
    ) -> escalation_pb2.EscalationPolicy:
        given = request.policy
        policy_id = parse_name("escalationPolicies", given.name)
        paths = changed_paths(given, request.update_mask, FIELDS)
        values = mapping.values_from_proto(given, paths)
        steps = mapping.steps_from_proto(given.steps) if "steps" in paths else None
        return self.calls.write(
            request,
            escalation_pb2.EscalationPolicy,
            lambda session: mapping.policy_to_proto(update_policy(session, policy_id, values, steps, etag=given.etag)),
        )

    def ListEscalations(
        self, request: escalation_service_pb2.ListEscalationsRequest, context: Any
    ) -> escalation_service_pb2.ListEscalationsResponse:
        subject = parse_subject(request.subject) if request.subject else None
        with self.calls.read() as session:
            page = queries.list_escalations(
                session,
                subject,
                only_standing=request.standing,
                high_risk=request.high_risk,
                page_size=request.page_size,
                page_token=request.page_token,
            )
            known = titles(session, map(of, page.rows))
        return escalation_service_pb2.ListEscalationsResponse(
            escalations=[mapping.escalation_to_proto(row, known) for row in page.rows],
            next_page_token=page.next_token,
        )
