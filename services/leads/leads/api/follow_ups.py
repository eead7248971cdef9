"""FollowUpService."""

from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.masks import changed_paths
from chassis.names import parse_name
from crm.leads.v1 import follow_up_pb2, follow_up_service_pb2, follow_up_service_pb2_grpc

from leads import first_pages, mapping, queries
from leads.drafts import FollowUpDraft
from leads.judging import rules_row
from leads.reachable import Customers
from leads.usecases.log_follow_up import log_follow_up
from leads.usecases.log_follow_ups import log_follow_ups
from leads.usecases.update_follow_up_rules import update_follow_up_rules


class FollowUpServicer(follow_up_service_pb2_grpc.FollowUpServiceServicer):
    """Implements FollowUpService."""

    def __init__(self, calls: Calls, customers: Customers) -> None:
        self.calls = calls
        self.customers = customers

    def GetFollowUp(self, request: follow_up_service_pb2.GetFollowUpRequest, context: Any) -> follow_up_pb2.FollowUp:
        with self.calls.read() as session:
            return mapping.follow_up_to_proto(queries.get_follow_up(session, parse_name("followUps", request.name)))

    def ListFollowUps(
        self, request: follow_up_service_pb2.ListFollowUpsRequest, context: Any
    ) -> follow_up_service_pb2.ListFollowUpsResponse:
        with self.calls.read() as session:
            page = first_pages.list_follow_ups(
                session,
                conditions=request.filter,
                order_by=request.order_by,
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return follow_up_service_pb2.ListFollowUpsResponse(
            follow_ups=map(mapping.follow_up_to_proto, page.rows), next_page_token=page.next_token
        )

    def LogFollowUp(self, request: follow_up_service_pb2.LogFollowUpRequest, context: Any) -> follow_up_pb2.FollowUp:
        draft = mapping.draft_from_proto(request.follow_up)
        return self.calls.write(
            request,
            follow_up_pb2.FollowUp,
            lambda session: mapping.follow_up_to_proto(log_follow_up(session, draft, self.customers)),
        )

    def BatchLogFollowUps(
        self, request: follow_up_service_pb2.BatchLogFollowUpsRequest, context: Any
    ) -> follow_up_service_pb2.BatchLogFollowUpsResponse:
        stated = list(map(_stated, request.follow_ups))

        def log(session: ServiceSession) -> follow_up_service_pb2.BatchLogFollowUpsResponse:
            outcomes = map(mapping.outcome_to_proto, log_follow_ups(session, stated, self.customers))
            return follow_up_service_pb2.BatchLogFollowUpsResponse(outcomes=outcomes)

        return self.calls.write(request, follow_up_service_pb2.BatchLogFollowUpsResponse, log)

    def GetFollowUpRules(
        self, request: follow_up_service_pb2.GetFollowUpRulesRequest, context: Any
    ) -> follow_up_pb2.FollowUpRules:
        with self.calls.read() as session:
            return mapping.rules_to_proto(rules_row(session))

    def UpdateFollowUpRules(
        self, request: follow_up_service_pb2.UpdateFollowUpRulesRequest, context: Any
    ) -> follow_up_pb2.FollowUpRules:
        paths = changed_paths(request.rules, request.update_mask, mapping.RULE_FIELDS)
        changes = mapping.rule_changes(request.rules, paths)
        return self.calls.write(
            request,
            follow_up_pb2.FollowUpRules,
            lambda session: mapping.rules_to_proto(update_follow_up_rules(session, changes, request.rules.etag)),
        )


def _stated(follow_up: follow_up_pb2.FollowUp) -> FollowUpDraft | Invalid:
    try:
        return mapping.draft_from_proto(follow_up)
    except Invalid as fault:
        return fault
