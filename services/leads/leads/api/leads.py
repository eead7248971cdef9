"""LeadService."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name, parse_optional_name
from crm.leads.v1 import lead_pb2, lead_service_pb2, lead_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from leads import lead_queries as queries
from leads.lead_mapping import lead_draft, lead_patch, lead_to_proto
from leads.model import Lead
from leads.usecases.create_lead import create_lead
from leads.usecases.decide_registration import approve_lead, reject_lead
from leads.usecases.delete_lead import delete_lead
from leads.usecases.register_lead import register_lead
from leads.usecases.transfer_lead import transfer_lead
from leads.usecases.update_lead import update_lead


class LeadServicer(lead_service_pb2_grpc.LeadServiceServicer):
    """Implements LeadService."""

    def __init__(self, calls: Calls, protection: timedelta) -> None:
        """`protection` is how long a registration keeps others from registering the company."""
        self.calls = calls
        self.protection = protection

    def GetLead(self, request: lead_service_pb2.GetLeadRequest, context: Any) -> lead_pb2.Lead:
        with self.calls.read() as session:
            return lead_to_proto(queries.get_lead(session, parse_name("leads", request.name)))

    def BatchGetLeads(
        self, request: lead_service_pb2.BatchGetLeadsRequest, context: Any
    ) -> lead_service_pb2.BatchGetLeadsResponse:
        ids = [parse_name("leads", name, field="names") for name in request.names]
        with self.calls.read() as session:
            rows = queries.batch_get_leads(session, ids)
        return lead_service_pb2.BatchGetLeadsResponse(leads=map(lead_to_proto, rows))

    def ListLeads(self, request: lead_service_pb2.ListLeadsRequest, context: Any) -> lead_service_pb2.ListLeadsResponse:
        with self.calls.read() as session:
            page = queries.list_leads(
                session,
                conditions=request.filter,
                query=request.search,
                order_by=request.order_by,
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return lead_service_pb2.ListLeadsResponse(leads=map(lead_to_proto, page.rows), next_page_token=page.next_token)

    def CountLeads(
        self, request: lead_service_pb2.CountLeadsRequest, context: Any
    ) -> lead_service_pb2.CountLeadsResponse:
        with self.calls.read() as session:
            count = queries.count_leads(session, conditions=request.filter, query=request.search)
        return lead_service_pb2.CountLeadsResponse(count=count)

    def CreateLead(self, request: lead_service_pb2.CreateLeadRequest, context: Any) -> lead_pb2.Lead:
        draft = lead_draft(request.lead, unowned=request.unowned)
        return self._write(request, lambda session: create_lead(session, draft))

    def RegisterLead(self, request: lead_service_pb2.RegisterLeadRequest, context: Any) -> lead_pb2.Lead:
        draft = lead_draft(request.lead)
        return self._write(request, lambda session: register_lead(session, draft, self.protection))

    def UpdateLead(self, request: lead_service_pb2.UpdateLeadRequest, context: Any) -> lead_pb2.Lead:
        lead_id = parse_name("leads", request.lead.name)
        values = lead_patch(request.lead, request.update_mask)
        return self._write(request, lambda session: update_lead(session, lead_id, values, etag=request.lead.etag))

    def TransferLead(self, request: lead_service_pb2.TransferLeadRequest, context: Any) -> lead_pb2.Lead:
        lead_id = parse_name("leads", request.name)
        owner_id = parse_name("users", request.owner, field="owner")
        return self._write(request, lambda session: transfer_lead(session, lead_id, owner_id, etag=request.etag))

    def ApproveLead(self, request: lead_service_pb2.ApproveLeadRequest, context: Any) -> lead_pb2.Lead:
        lead_id = parse_name("leads", request.name)
        owner_id = parse_optional_name("users", request.owner, field="owner")
        return self._write(
            request,
            lambda session: approve_lead(session, lead_id, self.protection, owner_id=owner_id, etag=request.etag),
        )

    def RejectLead(self, request: lead_service_pb2.RejectLeadRequest, context: Any) -> lead_pb2.Lead:
        lead_id = parse_name("leads", request.name)
        return self._write(request, lambda session: reject_lead(session, lead_id, request.reason, etag=request.etag))

    def DeleteLead(self, request: lead_service_pb2.DeleteLeadRequest, context: Any) -> Empty:
        lead_id = parse_name("leads", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_lead(session, lead_id, etag=request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def _write(self, request: Any, change: Callable[[ServiceSession], Lead]) -> lead_pb2.Lead:
        return self.calls.write(request, lead_pb2.Lead, lambda session: lead_to_proto(change(session)))
