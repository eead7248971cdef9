"""LifeService."""

from typing import Any

from chassis.calls import Calls
from chassis.masks import changed_paths
from chassis.names import parse_name
from crm.leads.v1 import lead_pb2, life_pb2, life_service_pb2_grpc
from crm.leads.v1 import life_service_pb2 as pb

from leads.lead_mapping import lead_to_proto
from leads.life import mapping, queries
from leads.life.change_status import change_status
from leads.life.rules import rules_row
from leads.life.update_rules import update_rules


class LifeServicer(life_service_pb2_grpc.LifeServiceServicer):
    """Implements LifeService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ChangeLeadStatus(self, request: pb.ChangeLeadStatusRequest, context: Any) -> lead_pb2.Lead:
        lead_id, status = parse_name("leads", request.name), mapping.status_name(request.status)
        return self.calls.write(
            request,
            lead_pb2.Lead,
            lambda session: lead_to_proto(
                change_status(session, lead_id, status, reason=request.reason, note=request.note, etag=request.etag)
            ),
        )

    def ListLeadStatusChanges(
        self, request: pb.ListLeadStatusChangesRequest, context: Any
    ) -> pb.ListLeadStatusChangesResponse:
        lead_id = parse_name("leads", request.lead, field="lead")
        with self.calls.read() as session:
            page = queries.list_status_changes(
                session, lead_id, page_size=request.page_size, page_token=request.page_token
            )
        changes = [mapping.entry_to_proto(row, {}) for row in page.rows]
        return pb.ListLeadStatusChangesResponse(changes=changes, next_page_token=page.next_token)

    def ListLeadTimeline(self, request: pb.ListLeadTimelineRequest, context: Any) -> pb.ListLeadTimelineResponse:
        lead_id = parse_name("leads", request.lead, field="lead")
        with self.calls.read() as session:
            timeline = queries.list_timeline(
                session,
                lead_id,
                kinds=mapping.kind_names(request.kinds),
                page_size=request.page_size,
                page_token=request.page_token,
            )
        page = timeline.entries
        entries = [mapping.entry_to_proto(row, timeline.follow_ups) for row in page.rows]
        return pb.ListLeadTimelineResponse(entries=entries, next_page_token=page.next_token)

    def GetLeadRules(self, request: pb.GetLeadRulesRequest, context: Any) -> life_pb2.LeadRules:
        with self.calls.read() as session:
            return mapping.rules_to_proto(rules_row(session))

    def UpdateLeadRules(self, request: pb.UpdateLeadRulesRequest, context: Any) -> life_pb2.LeadRules:
        paths = changed_paths(request.rules, request.update_mask, mapping.RULE_FIELDS)
        changes = mapping.rule_changes(request.rules, paths)
        return self.calls.write(
            request,
            life_pb2.LeadRules,
            lambda session: mapping.rules_to_proto(update_rules(session, changes, request.rules.etag)),
        )
