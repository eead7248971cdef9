"""The gRPC methods of DuplicateService."""

from typing import Any

from chassis.calls import Calls
from chassis.jobs import get_job
from chassis.names import parse_name
from crm.customers.v1 import duplicate_pb2, duplicate_service_pb2, duplicate_service_pb2_grpc

from customers import mapping as customers_mapping
from customers import queries as customers_queries
from customers.duplicate_finding import mapping, queries
from customers.duplicate_finding.candidates import find_duplicates
from customers.duplicate_finding.settings import policy, set_policy
from customers.duplicate_finding.starting import KIND, start_scan
from customers.usecases.create_customer import new_customer
from customers.usecases.dismiss_duplicate_group import dismiss_duplicate_group


class DuplicateServicer(duplicate_service_pb2_grpc.DuplicateServiceServicer):
    """Implements DuplicateService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def FindDuplicateCustomers(
        self, request: duplicate_service_pb2.FindDuplicateCustomersRequest, context: Any
    ) -> duplicate_service_pb2.FindDuplicateCustomersResponse:
        with self.calls.read() as session:
            if request.customer.name:
                stored = customers_queries.get_customer(session, parse_name("customers", request.customer.name))
                found = find_duplicates(session, stored)
            else:
                draft = customers_mapping.draft_from_proto(request.customer)
                found = find_duplicates(session, new_customer(session, draft))
            return mapping.found_to_proto(found, policy(session))

    def GetDuplicateSettings(
        self, request: duplicate_service_pb2.GetDuplicateSettingsRequest, context: Any
    ) -> duplicate_pb2.DuplicateSettings:
        with self.calls.read() as session:
            return mapping.settings_to_proto(policy(session))

    def UpdateDuplicateSettings(
        self, request: duplicate_service_pb2.UpdateDuplicateSettingsRequest, context: Any
    ) -> duplicate_pb2.DuplicateSettings:
        wanted = mapping.policy_name(request.settings.policy)
        return self.calls.write(
            request,
            duplicate_pb2.DuplicateSettings,
            lambda session: mapping.settings_to_proto(set_policy(session, wanted)),
        )

    def ScanDuplicates(
        self, request: duplicate_service_pb2.ScanDuplicatesRequest, context: Any
    ) -> duplicate_pb2.DuplicateScanJob:
        return self.calls.write(
            request, duplicate_pb2.DuplicateScanJob, lambda session: mapping.scan_to_proto(start_scan(session))
        )

    def GetDuplicateScanJob(
        self, request: duplicate_service_pb2.GetDuplicateScanJobRequest, context: Any
    ) -> duplicate_pb2.DuplicateScanJob:
        with self.calls.read() as session:
            return mapping.scan_to_proto(get_job(session, KIND, parse_name(KIND, request.name), queries.MERGE))

    def ListDuplicateGroups(
        self, request: duplicate_service_pb2.ListDuplicateGroupsRequest, context: Any
    ) -> duplicate_service_pb2.ListDuplicateGroupsResponse:
        with self.calls.read() as session:
            page = queries.list_groups(
                session,
                mapping.state_name(request.state),
                page_size=request.page_size,
                page_token=request.page_token,
            )
            return duplicate_service_pb2.ListDuplicateGroupsResponse(
                duplicate_groups=map(mapping.group_to_proto, page.rows), next_page_token=page.next_token
            )

    def DismissDuplicateGroup(
        self, request: duplicate_service_pb2.DismissDuplicateGroupRequest, context: Any
    ) -> duplicate_pb2.DuplicateGroup:
        group_id = parse_name("duplicateGroups", request.name)
        return self.calls.write(
            request,
            duplicate_pb2.DuplicateGroup,
            lambda session: mapping.group_to_proto(dismiss_duplicate_group(session, group_id)),
        )
