"""The gRPC services of this service. Only who serves imports them: `work` has no use for them, nor for their memory."""

from collections.abc import Sequence

from chassis.calls import Calls
from chassis.service import Runtime, Servicer
from crm.customers.v1 import (
    admission_service_pb2,
    admission_service_pb2_grpc,
    contact_service_pb2,
    contact_service_pb2_grpc,
    custom_field_service_pb2,
    custom_field_service_pb2_grpc,
    customer_batch_service_pb2,
    customer_batch_service_pb2_grpc,
    customer_relation_service_pb2,
    customer_relation_service_pb2_grpc,
    customer_service_pb2,
    customer_service_pb2_grpc,
    customer_share_service_pb2,
    customer_share_service_pb2_grpc,
    customer_theatre_service_pb2,
    customer_theatre_service_pb2_grpc,
    duplicate_service_pb2,
    duplicate_service_pb2_grpc,
    hand_over_packet_service_pb2,
    hand_over_packet_service_pb2_grpc,
    identity_number_service_pb2,
    identity_number_service_pb2_grpc,
    interaction_service_pb2,
    interaction_service_pb2_grpc,
    lifecycle_service_pb2,
    lifecycle_service_pb2_grpc,
    merge_service_pb2,
    merge_service_pb2_grpc,
    offline_service_pb2,
    offline_service_pb2_grpc,
    ownership_service_pb2,
    ownership_service_pb2_grpc,
    pool_allocation_service_pb2,
    pool_allocation_service_pb2_grpc,
    pool_service_pb2,
    pool_service_pb2_grpc,
    purchase_service_pb2,
    purchase_service_pb2_grpc,
    quality_service_pb2,
    quality_service_pb2_grpc,
    recycle_service_pb2,
    recycle_service_pb2_grpc,
    rfm_service_pb2,
    rfm_service_pb2_grpc,
    search_service_pb2,
    search_service_pb2_grpc,
    tag_service_pb2,
    tag_service_pb2_grpc,
    tier_service_pb2,
    tier_service_pb2_grpc,
    transfer_service_pb2,
    transfer_service_pb2_grpc,
)

from customers import api
from customers.admission.api import AdmissionServicer
from customers.batches.api import CustomerBatchServicer
from customers.duplicate_finding.api import DuplicateServicer
from customers.interactions.api import InteractionServicer
from customers.merging.api import MergeServicer
from customers.offline.api import OfflineServicer
from customers.ownership_api import OwnershipServicer
from customers.packets.api import HandOverPacketServicer
from customers.pools.allocation_api import PoolAllocationServicer
from customers.pools.api import PoolServicer
from customers.purchases.api import PurchaseServicer, RfmServicer
from customers.recycling.api import RecycleServicer
from customers.relations.api import CustomerRelationServicer
from customers.searching.api import SearchServicer
from customers.shares import CustomerShareServicer
from customers.tag_api import QualityServicer, TagServicer
from customers.theatres.api import CustomerTheatreServicer
from customers.tiers.api import LifecycleServicer, TierServicer
from customers.transfer.api import TransferServicer


def servicers(runtime: Runtime) -> Sequence[Servicer]:
    """The gRPC services of this service."""
    calls = Calls(runtime.database)
    return (
        Servicer(
            customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"],
            api.CustomerServicer(calls),
            customer_service_pb2_grpc.add_CustomerServiceServicer_to_server,
        ),
        Servicer(
            customer_share_service_pb2.DESCRIPTOR.services_by_name["CustomerShareService"],
            CustomerShareServicer(calls),
            customer_share_service_pb2_grpc.add_CustomerShareServiceServicer_to_server,
        ),
        Servicer(
            customer_theatre_service_pb2.DESCRIPTOR.services_by_name["CustomerTheatreService"],
            CustomerTheatreServicer(calls),
            customer_theatre_service_pb2_grpc.add_CustomerTheatreServiceServicer_to_server,
        ),
        Servicer(
            contact_service_pb2.DESCRIPTOR.services_by_name["ContactService"],
            api.ContactServicer(calls),
            contact_service_pb2_grpc.add_ContactServiceServicer_to_server,
        ),
        Servicer(
            customer_relation_service_pb2.DESCRIPTOR.services_by_name["CustomerRelationService"],
            CustomerRelationServicer(calls),
            customer_relation_service_pb2_grpc.add_CustomerRelationServiceServicer_to_server,
        ),
        Servicer(
            search_service_pb2.DESCRIPTOR.services_by_name["SearchService"],
            SearchServicer(calls),
            search_service_pb2_grpc.add_SearchServiceServicer_to_server,
        ),
        Servicer(
            identity_number_service_pb2.DESCRIPTOR.services_by_name["IdentityNumberService"],
            api.IdentityNumberServicer(calls),
            identity_number_service_pb2_grpc.add_IdentityNumberServiceServicer_to_server,
        ),
        Servicer(
            custom_field_service_pb2.DESCRIPTOR.services_by_name["CustomFieldService"],
            api.CustomFieldServicer(calls),
            custom_field_service_pb2_grpc.add_CustomFieldServiceServicer_to_server,
        ),
        Servicer(
            ownership_service_pb2.DESCRIPTOR.services_by_name["OwnershipService"],
            OwnershipServicer(calls),
            ownership_service_pb2_grpc.add_OwnershipServiceServicer_to_server,
        ),
        Servicer(
            hand_over_packet_service_pb2.DESCRIPTOR.services_by_name["HandOverPacketService"],
            HandOverPacketServicer(calls),
            hand_over_packet_service_pb2_grpc.add_HandOverPacketServiceServicer_to_server,
        ),
        Servicer(
            pool_service_pb2.DESCRIPTOR.services_by_name["PoolService"],
            PoolServicer(calls),
            pool_service_pb2_grpc.add_PoolServiceServicer_to_server,
        ),
        Servicer(
            pool_allocation_service_pb2.DESCRIPTOR.services_by_name["PoolAllocationService"],
            PoolAllocationServicer(calls),
            pool_allocation_service_pb2_grpc.add_PoolAllocationServiceServicer_to_server,
        ),
        Servicer(
            recycle_service_pb2.DESCRIPTOR.services_by_name["RecycleService"],
            RecycleServicer(calls),
            recycle_service_pb2_grpc.add_RecycleServiceServicer_to_server,
        ),
        Servicer(
            interaction_service_pb2.DESCRIPTOR.services_by_name["InteractionService"],
            InteractionServicer(calls),
            interaction_service_pb2_grpc.add_InteractionServiceServicer_to_server,
        ),
        Servicer(
            purchase_service_pb2.DESCRIPTOR.services_by_name["PurchaseService"],
            PurchaseServicer(calls),
            purchase_service_pb2_grpc.add_PurchaseServiceServicer_to_server,
        ),
        Servicer(
            rfm_service_pb2.DESCRIPTOR.services_by_name["RfmService"],
            RfmServicer(calls),
            rfm_service_pb2_grpc.add_RfmServiceServicer_to_server,
        ),
        Servicer(
            tier_service_pb2.DESCRIPTOR.services_by_name["TierService"],
            TierServicer(calls),
            tier_service_pb2_grpc.add_TierServiceServicer_to_server,
        ),
        Servicer(
            lifecycle_service_pb2.DESCRIPTOR.services_by_name["LifecycleService"],
            LifecycleServicer(calls),
            lifecycle_service_pb2_grpc.add_LifecycleServiceServicer_to_server,
        ),
        Servicer(
            customer_batch_service_pb2.DESCRIPTOR.services_by_name["CustomerBatchService"],
            CustomerBatchServicer(calls),
            customer_batch_service_pb2_grpc.add_CustomerBatchServiceServicer_to_server,
        ),
        Servicer(
            duplicate_service_pb2.DESCRIPTOR.services_by_name["DuplicateService"],
            DuplicateServicer(calls),
            duplicate_service_pb2_grpc.add_DuplicateServiceServicer_to_server,
        ),
        Servicer(
            tag_service_pb2.DESCRIPTOR.services_by_name["TagService"],
            TagServicer(calls),
            tag_service_pb2_grpc.add_TagServiceServicer_to_server,
        ),
        Servicer(
            quality_service_pb2.DESCRIPTOR.services_by_name["QualityService"],
            QualityServicer(calls),
            quality_service_pb2_grpc.add_QualityServiceServicer_to_server,
        ),
        Servicer(
            merge_service_pb2.DESCRIPTOR.services_by_name["MergeService"],
            MergeServicer(calls),
            merge_service_pb2_grpc.add_MergeServiceServicer_to_server,
        ),
        Servicer(
            admission_service_pb2.DESCRIPTOR.services_by_name["AdmissionService"],
            AdmissionServicer(calls),
            admission_service_pb2_grpc.add_AdmissionServiceServicer_to_server,
        ),
        Servicer(
            offline_service_pb2.DESCRIPTOR.services_by_name["OfflineService"],
            OfflineServicer(calls),
            offline_service_pb2_grpc.add_OfflineServiceServicer_to_server,
        ),
        Servicer(
            transfer_service_pb2.DESCRIPTOR.services_by_name["TransferService"],
            TransferServicer(calls, runtime.settings),
            transfer_service_pb2_grpc.add_TransferServiceServicer_to_server,
        ),
    )
