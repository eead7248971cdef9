"""`customers serve | work | migrate`: the parts this service is composed of."""

from collections.abc import Sequence
from pathlib import Path

from chassis import cli, handover, organisation, personal_data
from chassis.calls import Calls
from chassis.jobs import JobKind
from chassis.service import Runtime, Service, Servicer
from crm.customers.v1 import (
    contact_service_pb2,
    contact_service_pb2_grpc,
    custom_field_service_pb2,
    custom_field_service_pb2_grpc,
    customer_batch_service_pb2,
    customer_batch_service_pb2_grpc,
    customer_service_pb2,
    customer_service_pb2_grpc,
    customer_share_service_pb2,
    customer_share_service_pb2_grpc,
    duplicate_service_pb2,
    duplicate_service_pb2_grpc,
    identity_number_service_pb2,
    identity_number_service_pb2_grpc,
    interaction_service_pb2,
    interaction_service_pb2_grpc,
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
    tag_service_pb2,
    tag_service_pb2_grpc,
    transfer_service_pb2,
    transfer_service_pb2_grpc,
)

from customers import api, refreshing, transfer
from customers.batches import BATCHES
from customers.batches.api import CustomerBatchServicer
from customers.batches.running import run_batch
from customers.commands import COMMANDS
from customers.consumers import SUBSCRIPTIONS, TIMERS
from customers.duplicate_finding import scanning
from customers.duplicate_finding.api import DuplicateServicer
from customers.explainers import EXPLAINERS
from customers.interactions.api import InteractionServicer
from customers.leaving import HANDOVER
from customers.merging.api import MergeServicer
from customers.offline.api import OfflineServicer
from customers.ownership_api import OwnershipServicer
from customers.personal_data import PERSONAL_DATA
from customers.pools.allocation_api import PoolAllocationServicer
from customers.pools.allocation_job import JOB_KIND as ALLOCATION
from customers.pools.api import PoolServicer
from customers.purchases.api import PurchaseServicer, RfmServicer
from customers.purchases.jobs import JOB_KINDS
from customers.recycling import running, warning
from customers.recycling.api import RecycleServicer
from customers.shares import CustomerShareServicer
from customers.tag_api import QualityServicer, TagServicer
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
            contact_service_pb2.DESCRIPTOR.services_by_name["ContactService"],
            api.ContactServicer(calls),
            contact_service_pb2_grpc.add_ContactServiceServicer_to_server,
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


SERVICE = Service(
    name="customers",
    migrations=Path(__file__).resolve().parent.parent / "migrations",
    servicers=servicers,
    subscriptions=lambda runtime: (
        *SUBSCRIPTIONS,
        organisation.subscription("customers"),
        handover.subscription(HANDOVER),
        *personal_data.subscriptions(PERSONAL_DATA),
    ),
    timers=lambda runtime: TIMERS,
    explainers=EXPLAINERS,
    jobs=lambda runtime: (
        *transfer.job_kinds(runtime),
        ALLOCATION,
        scanning.job_kind(),
        refreshing.job_kind(),
        JobKind(BATCHES, run_batch),
        *JOB_KINDS,
        handover.job_kind(HANDOVER),
        running.job_kind(),
        warning.job_kind(),
    ),
    handover=HANDOVER,
    personal_data=PERSONAL_DATA,
    commands=COMMANDS,
)


def main() -> None:
    """Run the service from the command line."""
    cli.main(SERVICE)
