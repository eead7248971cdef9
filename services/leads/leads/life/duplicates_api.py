"""LeadDuplicateService."""

from typing import Any

from chassis.calls import Calls
from chassis.errors import Invalid
from chassis.names import make_name, parse_name
from crm.leads.v1 import lead_duplicate_service_pb2 as pb
from crm.leads.v1 import lead_duplicate_service_pb2_grpc, lead_pb2

from leads.lead_mapping import lead_to_proto
from leads.life.duplicates import REASONS, duplicates_of, list_duplicates
from leads.life.merge_leads import merge_leads

MOST_LEADS = 100
_REASONS = {reason: pb.LeadDuplicateReason.Value(f"LEAD_DUPLICATE_REASON_{reason}") for reason in REASONS}


class LeadDuplicateServicer(lead_duplicate_service_pb2_grpc.LeadDuplicateServiceServicer):
    """Implements LeadDuplicateService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListLeadDuplicates(self, request: pb.ListLeadDuplicatesRequest, context: Any) -> pb.ListLeadDuplicatesResponse:
        lead_id = parse_name("leads", request.lead, field="lead")
        with self.calls.read() as session:
            found = list_duplicates(session, lead_id, page_size=request.page_size, page_token=request.page_token)
        return pb.ListLeadDuplicatesResponse(
            duplicates=map(_duplicate, found.page.rows),
            next_page_token=found.page.next_token,
            concealed_count=found.concealed,
        )

    def BatchGetLeadDuplicates(
        self, request: pb.BatchGetLeadDuplicatesRequest, context: Any
    ) -> pb.BatchGetLeadDuplicatesResponse:
        if len(request.leads) > MOST_LEADS:
            raise Invalid("TOO_MANY_NAMES", f"name at most {MOST_LEADS} leads", field="leads")
        ids = [parse_name("leads", name, field="leads") for name in request.leads]
        with self.calls.read() as session:
            found = duplicates_of(session, ids)
        return pb.BatchGetLeadDuplicatesResponse(
            leads=[
                pb.DuplicatesOfLead(lead=make_name("leads", key), duplicates=map(_duplicate, rows))
                for key, rows in found.items()
            ]
        )

    def MergeLeads(self, request: pb.MergeLeadsRequest, context: Any) -> lead_pb2.Lead:
        lead_id, other_id = parse_name("leads", request.name), parse_name("leads", request.other, field="other")
        return self.calls.write(
            request,
            lead_pb2.Lead,
            lambda session: lead_to_proto(
                merge_leads(session, lead_id, other_id, list(request.taken_fields), etag=request.etag)
            ),
        )


def _duplicate(row: Any) -> pb.LeadDuplicate:
    return pb.LeadDuplicate(
        subject=make_name(row.collection, row.id),
        subject_title=row.title,
        owner=make_name("users", row.owner_id),
        reasons=[number for reason, number in _REASONS.items() if getattr(row, reason)],
    )
