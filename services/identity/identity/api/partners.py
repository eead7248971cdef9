"""PartnerService."""

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import page_size
from crm.identity.v1 import partner_pb2, partner_service_pb2, partner_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import mapping, queries
from identity.usecases import create_partner, delete_partner, update_partner


class PartnerServicer(partner_service_pb2_grpc.PartnerServiceServicer):
    """The organisations outside the company that bring in business."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetPartner(
        self, request: partner_service_pb2.GetPartnerRequest, context: ServicerContext
    ) -> partner_pb2.Partner:
        partner_id = parse_name("partners", request.name)
        with self.calls.read() as session:
            return mapping.partner_to_proto(queries.get_partner(session, partner_id))

    def BatchGetPartners(
        self, request: partner_service_pb2.BatchGetPartnersRequest, context: ServicerContext
    ) -> partner_service_pb2.BatchGetPartnersResponse:
        ids = mapping.ids_from_names("partners", request.names)
        with self.calls.read() as session:
            found = queries.find_partners(session, ids)
        return partner_service_pb2.BatchGetPartnersResponse(partners=map(mapping.partner_to_proto, found))

    def ListPartners(
        self, request: partner_service_pb2.ListPartnersRequest, context: ServicerContext
    ) -> partner_service_pb2.ListPartnersResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = queries.list_partners(session, size, request.page_token)
        return partner_service_pb2.ListPartnersResponse(
            partners=map(mapping.partner_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreatePartner(
        self, request: partner_service_pb2.CreatePartnerRequest, context: ServicerContext
    ) -> partner_pb2.Partner:
        draft = mapping.partner_draft(request.partner)
        return self.calls.write(
            request,
            partner_pb2.Partner,
            lambda session: mapping.partner_to_proto(create_partner.create_partner(session, draft)),
        )

    def UpdatePartner(
        self, request: partner_service_pb2.UpdatePartnerRequest, context: ServicerContext
    ) -> partner_pb2.Partner:
        partner_id = parse_name("partners", request.partner.name)
        draft = mapping.partner_draft(request.partner)
        paths = changed_paths(request.partner, request.update_mask, update_partner.FIELDS)
        return self.calls.write(
            request,
            partner_pb2.Partner,
            lambda session: mapping.partner_to_proto(
                update_partner.update_partner(session, partner_id, draft, paths, request.partner.etag)
            ),
        )

    def DeletePartner(self, request: partner_service_pb2.DeletePartnerRequest, context: ServicerContext) -> Empty:
        partner_id = parse_name("partners", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_partner.delete_partner(session, partner_id, request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)
