"""The services behind the gateway: channels, generated clients, and what is known of each method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
from chassis.settings import Settings
from chassis.told_once import told_once
from crm.common.v1 import (
    access_explanation_service_pb2_grpc,
    audit_service_pb2_grpc,
    personal_data_part_service_pb2_grpc,
    test_clock_service_pb2_grpc,
)
from crm.customers.v1 import (
    contact_service_pb2_grpc,
    custom_field_service_pb2_grpc,
    customer_batch_service_pb2_grpc,
    customer_relation_service_pb2_grpc,
    customer_service_pb2_grpc,
    customer_share_service_pb2_grpc,
    customer_theatre_service_pb2_grpc,
    duplicate_service_pb2_grpc,
    hand_over_packet_service_pb2_grpc,
    identity_number_service_pb2_grpc,
    interaction_service_pb2_grpc,
    lifecycle_service_pb2_grpc,
    merge_service_pb2_grpc,
    offline_service_pb2_grpc,
    ownership_service_pb2_grpc,
    pool_allocation_service_pb2_grpc,
    pool_service_pb2_grpc,
    purchase_service_pb2_grpc,
    quality_service_pb2_grpc,
    recycle_service_pb2_grpc,
    rfm_service_pb2_grpc,
    search_service_pb2_grpc,
    tag_service_pb2_grpc,
    tier_service_pb2_grpc,
    transfer_service_pb2_grpc,
)
from crm.identity.v1 import (
    account_service_pb2_grpc,
    auth_service_pb2_grpc,
    client_service_pb2_grpc,
    department_service_pb2_grpc,
    identity_provider_service_pb2_grpc,
    offboarding_service_pb2_grpc,
    oidc_sign_in_service_pb2_grpc,
    organisation_calendar_service_pb2_grpc,
    organisation_service_pb2_grpc,
    partner_service_pb2_grpc,
    personal_data_service_pb2_grpc,
    role_service_pb2_grpc,
    saved_view_service_pb2_grpc,
    second_factor_service_pb2_grpc,
    session_service_pb2_grpc,
    settings_service_pb2_grpc,
    user_access_service_pb2_grpc,
    user_service_pb2_grpc,
)
from crm.leads.v1 import (
    assignment_service_pb2_grpc,
    automation_service_pb2_grpc,
    calendar_service_pb2_grpc,
    call_service_pb2_grpc,
    capture_service_pb2_grpc,
    conversion_service_pb2_grpc,
    escalation_service_pb2_grpc,
    follow_up_service_pb2_grpc,
    lead_duplicate_service_pb2_grpc,
    lead_service_pb2_grpc,
    lead_transfer_service_pb2_grpc,
    life_service_pb2_grpc,
    offline_sync_service_pb2_grpc,
    plan_service_pb2_grpc,
    playbook_service_pb2_grpc,
    promise_service_pb2_grpc,
    scoring_service_pb2_grpc,
    task_service_pb2_grpc,
    visit_service_pb2_grpc,
    work_log_service_pb2_grpc,
)
from google.protobuf import descriptor_pool

from gateway.breaker import Breaker
from gateway.channels import ServiceChannel

if TYPE_CHECKING:
    from crm.common.v1.access_explanation_service_pb2_grpc import AccessExplanationServiceAsyncStub
    from crm.common.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from crm.common.v1.personal_data_part_service_pb2_grpc import PersonalDataPartServiceAsyncStub
    from crm.common.v1.test_clock_service_pb2_grpc import TestClockServiceAsyncStub
    from crm.customers.v1.contact_service_pb2_grpc import ContactServiceAsyncStub
    from crm.customers.v1.custom_field_service_pb2_grpc import CustomFieldServiceAsyncStub
    from crm.customers.v1.customer_batch_service_pb2_grpc import CustomerBatchServiceAsyncStub
    from crm.customers.v1.customer_relation_service_pb2_grpc import CustomerRelationServiceAsyncStub
    from crm.customers.v1.customer_service_pb2_grpc import CustomerServiceAsyncStub
    from crm.customers.v1.customer_share_service_pb2_grpc import CustomerShareServiceAsyncStub
    from crm.customers.v1.customer_theatre_service_pb2_grpc import CustomerTheatreServiceAsyncStub
    from crm.customers.v1.duplicate_service_pb2_grpc import DuplicateServiceAsyncStub
    from crm.customers.v1.hand_over_packet_service_pb2_grpc import HandOverPacketServiceAsyncStub
    from crm.customers.v1.identity_number_service_pb2_grpc import IdentityNumberServiceAsyncStub
    from crm.customers.v1.interaction_service_pb2_grpc import InteractionServiceAsyncStub
    from crm.customers.v1.lifecycle_service_pb2_grpc import LifecycleServiceAsyncStub
    from crm.customers.v1.merge_service_pb2_grpc import MergeServiceAsyncStub
    from crm.customers.v1.offline_service_pb2_grpc import OfflineServiceAsyncStub
    from crm.customers.v1.ownership_service_pb2_grpc import OwnershipServiceAsyncStub
    from crm.customers.v1.pool_allocation_service_pb2_grpc import PoolAllocationServiceAsyncStub
    from crm.customers.v1.pool_service_pb2_grpc import PoolServiceAsyncStub
    from crm.customers.v1.purchase_service_pb2_grpc import PurchaseServiceAsyncStub
    from crm.customers.v1.quality_service_pb2_grpc import QualityServiceAsyncStub
    from crm.customers.v1.recycle_service_pb2_grpc import RecycleServiceAsyncStub
    from crm.customers.v1.rfm_service_pb2_grpc import RfmServiceAsyncStub
    from crm.customers.v1.search_service_pb2_grpc import SearchServiceAsyncStub
    from crm.customers.v1.tag_service_pb2_grpc import TagServiceAsyncStub
    from crm.customers.v1.tier_service_pb2_grpc import TierServiceAsyncStub
    from crm.customers.v1.transfer_service_pb2_grpc import TransferServiceAsyncStub
    from crm.identity.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from crm.identity.v1.auth_service_pb2_grpc import AuthServiceAsyncStub
    from crm.identity.v1.client_service_pb2_grpc import ClientServiceAsyncStub
    from crm.identity.v1.department_service_pb2_grpc import DepartmentServiceAsyncStub
    from crm.identity.v1.identity_provider_service_pb2_grpc import IdentityProviderServiceAsyncStub
    from crm.identity.v1.offboarding_service_pb2_grpc import OffboardingServiceAsyncStub
    from crm.identity.v1.oidc_sign_in_service_pb2_grpc import OidcSignInServiceAsyncStub
    from crm.identity.v1.organisation_calendar_service_pb2_grpc import OrganisationCalendarServiceAsyncStub
    from crm.identity.v1.organisation_service_pb2_grpc import OrganisationServiceAsyncStub
    from crm.identity.v1.partner_service_pb2_grpc import PartnerServiceAsyncStub
    from crm.identity.v1.personal_data_service_pb2_grpc import PersonalDataServiceAsyncStub
    from crm.identity.v1.role_service_pb2_grpc import RoleServiceAsyncStub
    from crm.identity.v1.saved_view_service_pb2_grpc import SavedViewServiceAsyncStub
    from crm.identity.v1.second_factor_service_pb2_grpc import SecondFactorServiceAsyncStub
    from crm.identity.v1.session_service_pb2_grpc import SessionServiceAsyncStub
    from crm.identity.v1.settings_service_pb2_grpc import SettingsServiceAsyncStub
    from crm.identity.v1.user_access_service_pb2_grpc import UserAccessServiceAsyncStub
    from crm.identity.v1.user_service_pb2_grpc import UserServiceAsyncStub
    from crm.leads.v1.assignment_service_pb2_grpc import AssignmentServiceAsyncStub
    from crm.leads.v1.automation_service_pb2_grpc import AutomationServiceAsyncStub
    from crm.leads.v1.calendar_service_pb2_grpc import CalendarServiceAsyncStub
    from crm.leads.v1.call_service_pb2_grpc import CallServiceAsyncStub
    from crm.leads.v1.capture_service_pb2_grpc import (
        CaptureServiceAsyncStub,
        CaptureSourceServiceAsyncStub,
        CaptureSubmissionServiceAsyncStub,
    )
    from crm.leads.v1.conversion_service_pb2_grpc import ConversionServiceAsyncStub
    from crm.leads.v1.escalation_service_pb2_grpc import EscalationServiceAsyncStub
    from crm.leads.v1.follow_up_service_pb2_grpc import FollowUpServiceAsyncStub
    from crm.leads.v1.lead_duplicate_service_pb2_grpc import LeadDuplicateServiceAsyncStub
    from crm.leads.v1.lead_service_pb2_grpc import LeadServiceAsyncStub
    from crm.leads.v1.lead_transfer_service_pb2_grpc import LeadTransferServiceAsyncStub
    from crm.leads.v1.life_service_pb2_grpc import LifeServiceAsyncStub
    from crm.leads.v1.offline_sync_service_pb2_grpc import OfflineSyncServiceAsyncStub
    from crm.leads.v1.plan_service_pb2_grpc import PlanServiceAsyncStub
    from crm.leads.v1.playbook_service_pb2_grpc import PlaybookServiceAsyncStub
    from crm.leads.v1.promise_service_pb2_grpc import PromiseServiceAsyncStub
    from crm.leads.v1.scoring_service_pb2_grpc import ScoringServiceAsyncStub
    from crm.leads.v1.task_service_pb2_grpc import TaskServiceAsyncStub
    from crm.leads.v1.visit_service_pb2_grpc import VisitServiceAsyncStub
    from crm.leads.v1.work_log_service_pb2_grpc import WorkLogServiceAsyncStub

READS = ("Get", "BatchGet", "List", "Count", "Explain", "Search", "Check")


@dataclass(frozen=True)
class Method:
    """What is known of a method of a service."""

    service: str
    name: str
    read: bool
    """True if it changes nothing, so that it may be tried again."""
    tells_once: bool
    """True if its answer holds what a repeated request would not be told."""
    breaker: Breaker
    channel: ServiceChannel | None
    """None for a service that is not there."""

    async def connected(self, until: float) -> None:
        """Wait until a call can be sent, at most until a time of the monotonic clock, and not for what is down."""
        if self.channel is not None and not self.breaker.down:
            await self.channel.connected(until)


class Services:
    """Clients of all services. Made in the event loop that uses them."""

    def __init__(self, process: Settings, targets: Mapping[str, str]) -> None:
        """`targets`: service → where its servers are. The rest is as the process's settings say."""
        self.gateway_secret = process.gateway_secret
        # Services that share servers share the connections.
        self._channels = {target: ServiceChannel(process, service, target) for service, target in targets.items()}
        self._channel_of = {service: self._channels[target] for service, target in targets.items()}
        # Serves for a service without a target. It is never connected: its methods are refused before.
        self._nowhere = grpc.aio.insecure_channel("localhost:1")
        self._breakers = {service: Breaker() for service in targets}
        self._methods: dict[Any, Method] = {}
        self._add_identity()
        self._add_customers()
        self._add_holding()
        self._add_insight()
        self._add_duplicates()
        self.assignment: AssignmentServiceAsyncStub = self._stub(
            "leads", assignment_service_pb2_grpc.AssignmentServiceStub
        )
        self.automation: AutomationServiceAsyncStub = self._stub(
            "leads", automation_service_pb2_grpc.AutomationServiceStub
        )
        self.follow_ups: FollowUpServiceAsyncStub = self._stub("leads", follow_up_service_pb2_grpc.FollowUpServiceStub)
        self.leads: LeadServiceAsyncStub = self._stub("leads", lead_service_pb2_grpc.LeadServiceStub)
        self.offline_sync: OfflineSyncServiceAsyncStub = self._stub(
            "leads", offline_sync_service_pb2_grpc.OfflineSyncServiceStub
        )
        self.conversions: ConversionServiceAsyncStub = self._stub(
            "leads", conversion_service_pb2_grpc.ConversionServiceStub
        )
        self.lead_duplicates: LeadDuplicateServiceAsyncStub = self._stub(
            "leads", lead_duplicate_service_pb2_grpc.LeadDuplicateServiceStub
        )
        self.life: LifeServiceAsyncStub = self._stub("leads", life_service_pb2_grpc.LifeServiceStub)
        self.scoring: ScoringServiceAsyncStub = self._stub("leads", scoring_service_pb2_grpc.ScoringServiceStub)
        self.work_log: WorkLogServiceAsyncStub = self._stub("leads", work_log_service_pb2_grpc.WorkLogServiceStub)
        self.plans: PlanServiceAsyncStub = self._stub("leads", plan_service_pb2_grpc.PlanServiceStub)
        self.calendars: CalendarServiceAsyncStub = self._stub("leads", calendar_service_pb2_grpc.CalendarServiceStub)
        self.promises: PromiseServiceAsyncStub = self._stub("leads", promise_service_pb2_grpc.PromiseServiceStub)
        self.tasks: TaskServiceAsyncStub = self._stub("leads", task_service_pb2_grpc.TaskServiceStub)
        self._add_capture()
        self.playbooks: PlaybookServiceAsyncStub = self._stub("leads", playbook_service_pb2_grpc.PlaybookServiceStub)
        self.escalations: EscalationServiceAsyncStub = self._stub(
            "leads", escalation_service_pb2_grpc.EscalationServiceStub
        )
        self.explanations: dict[str, AccessExplanationServiceAsyncStub] = {
            service: self._stub(service, access_explanation_service_pb2_grpc.AccessExplanationServiceStub)
            for service in ("identity", "customers", "leads")
        }
        """By service."""
        self.audits: dict[str, AuditServiceAsyncStub] = {
            service: self._stub(service, audit_service_pb2_grpc.AuditServiceStub) for service in targets
        }
        """By service."""
        self.personal_data_parts: dict[str, PersonalDataPartServiceAsyncStub] = {
            service: self._stub(service, personal_data_part_service_pb2_grpc.PersonalDataPartServiceStub)
            for service in targets
        }
        """By service."""
        self.clocks: list[TestClockServiceAsyncStub] = [
            self._stub(service, test_clock_service_pb2_grpc.TestClockServiceStub)
            for service in {target: service for service, target in targets.items()}.values()
        ]

    def _add_capture(self) -> None:
        self.calls: CallServiceAsyncStub = self._stub("leads", call_service_pb2_grpc.CallServiceStub)
        self.visits: VisitServiceAsyncStub = self._stub("leads", visit_service_pb2_grpc.VisitServiceStub)
        self.capture: CaptureServiceAsyncStub = self._stub("leads", capture_service_pb2_grpc.CaptureServiceStub)
        self.capture_sources: CaptureSourceServiceAsyncStub = self._stub(
            "leads", capture_service_pb2_grpc.CaptureSourceServiceStub
        )
        self.capture_submissions: CaptureSubmissionServiceAsyncStub = self._stub(
            "leads", capture_service_pb2_grpc.CaptureSubmissionServiceStub
        )
        self.lead_transfers: LeadTransferServiceAsyncStub = self._stub(
            "leads", lead_transfer_service_pb2_grpc.LeadTransferServiceStub
        )

    def _add_identity(self) -> None:
        self.auth: AuthServiceAsyncStub = self._stub("identity", auth_service_pb2_grpc.AuthServiceStub)
        self.users: UserServiceAsyncStub = self._stub("identity", user_service_pb2_grpc.UserServiceStub)
        self.user_access: UserAccessServiceAsyncStub = self._stub(
            "identity", user_access_service_pb2_grpc.UserAccessServiceStub
        )
        self.offboardings: OffboardingServiceAsyncStub = self._stub(
            "identity", offboarding_service_pb2_grpc.OffboardingServiceStub
        )
        self.departments: DepartmentServiceAsyncStub = self._stub(
            "identity", department_service_pb2_grpc.DepartmentServiceStub
        )
        self.organisation: OrganisationServiceAsyncStub = self._stub(
            "identity", organisation_service_pb2_grpc.OrganisationServiceStub
        )
        self.calendar: OrganisationCalendarServiceAsyncStub = self._stub(
            "identity", organisation_calendar_service_pb2_grpc.OrganisationCalendarServiceStub
        )
        self.partners: PartnerServiceAsyncStub = self._stub("identity", partner_service_pb2_grpc.PartnerServiceStub)
        self.personal_data: PersonalDataServiceAsyncStub = self._stub(
            "identity", personal_data_service_pb2_grpc.PersonalDataServiceStub
        )
        self.roles: RoleServiceAsyncStub = self._stub("identity", role_service_pb2_grpc.RoleServiceStub)
        self.clients: ClientServiceAsyncStub = self._stub("identity", client_service_pb2_grpc.ClientServiceStub)

        self._add_accounts()
        self._add_signing()

    def _add_signing(self) -> None:
        self.sessions: SessionServiceAsyncStub = self._stub("identity", session_service_pb2_grpc.SessionServiceStub)
        self.second_factors: SecondFactorServiceAsyncStub = self._stub(
            "identity", second_factor_service_pb2_grpc.SecondFactorServiceStub
        )
        self.identity_providers: IdentityProviderServiceAsyncStub = self._stub(
            "identity", identity_provider_service_pb2_grpc.IdentityProviderServiceStub
        )
        self.oidc: OidcSignInServiceAsyncStub = self._stub(
            "identity", oidc_sign_in_service_pb2_grpc.OidcSignInServiceStub
        )

    def _add_accounts(self) -> None:
        self.accounts: AccountServiceAsyncStub = self._stub("identity", account_service_pb2_grpc.AccountServiceStub)
        self.settings: SettingsServiceAsyncStub = self._stub("identity", settings_service_pb2_grpc.SettingsServiceStub)
        self.saved_views: SavedViewServiceAsyncStub = self._stub(
            "identity", saved_view_service_pb2_grpc.SavedViewServiceStub
        )

    def _add_customers(self) -> None:
        self.customers: CustomerServiceAsyncStub = self._stub(
            "customers", customer_service_pb2_grpc.CustomerServiceStub
        )
        self.contacts: ContactServiceAsyncStub = self._stub("customers", contact_service_pb2_grpc.ContactServiceStub)
        self.relations: CustomerRelationServiceAsyncStub = self._stub(
            "customers", customer_relation_service_pb2_grpc.CustomerRelationServiceStub
        )
        self.search: SearchServiceAsyncStub = self._stub("customers", search_service_pb2_grpc.SearchServiceStub)
        self.custom_fields: CustomFieldServiceAsyncStub = self._stub(
            "customers", custom_field_service_pb2_grpc.CustomFieldServiceStub
        )
        self.customer_shares: CustomerShareServiceAsyncStub = self._stub(
            "customers", customer_share_service_pb2_grpc.CustomerShareServiceStub
        )
        self.identity_numbers: IdentityNumberServiceAsyncStub = self._stub(
            "customers", identity_number_service_pb2_grpc.IdentityNumberServiceStub
        )
        self.quality: QualityServiceAsyncStub = self._stub("customers", quality_service_pb2_grpc.QualityServiceStub)
        self.tags: TagServiceAsyncStub = self._stub("customers", tag_service_pb2_grpc.TagServiceStub)
        self.batches: CustomerBatchServiceAsyncStub = self._stub(
            "customers", customer_batch_service_pb2_grpc.CustomerBatchServiceStub
        )
        self.offline: OfflineServiceAsyncStub = self._stub("customers", offline_service_pb2_grpc.OfflineServiceStub)
        self.transfers: TransferServiceAsyncStub = self._stub(
            "customers", transfer_service_pb2_grpc.TransferServiceStub
        )

    def _add_holding(self) -> None:
        self.theatres: CustomerTheatreServiceAsyncStub = self._stub(
            "customers", customer_theatre_service_pb2_grpc.CustomerTheatreServiceStub
        )
        self.hand_over_packets: HandOverPacketServiceAsyncStub = self._stub(
            "customers", hand_over_packet_service_pb2_grpc.HandOverPacketServiceStub
        )
        self.ownership: OwnershipServiceAsyncStub = self._stub(
            "customers", ownership_service_pb2_grpc.OwnershipServiceStub
        )
        self.pools: PoolServiceAsyncStub = self._stub("customers", pool_service_pb2_grpc.PoolServiceStub)
        self.pool_allocations: PoolAllocationServiceAsyncStub = self._stub(
            "customers", pool_allocation_service_pb2_grpc.PoolAllocationServiceStub
        )
        self.recycling: RecycleServiceAsyncStub = self._stub("customers", recycle_service_pb2_grpc.RecycleServiceStub)

    def _add_insight(self) -> None:
        self.purchases: PurchaseServiceAsyncStub = self._stub(
            "customers", purchase_service_pb2_grpc.PurchaseServiceStub
        )
        self.interactions: InteractionServiceAsyncStub = self._stub(
            "customers", interaction_service_pb2_grpc.InteractionServiceStub
        )
        self.rfm: RfmServiceAsyncStub = self._stub("customers", rfm_service_pb2_grpc.RfmServiceStub)
        self.tiers: TierServiceAsyncStub = self._stub("customers", tier_service_pb2_grpc.TierServiceStub)
        self.lifecycle: LifecycleServiceAsyncStub = self._stub(
            "customers", lifecycle_service_pb2_grpc.LifecycleServiceStub
        )

    def _add_duplicates(self) -> None:
        self.duplicates: DuplicateServiceAsyncStub = self._stub(
            "customers", duplicate_service_pb2_grpc.DuplicateServiceStub
        )
        self.merges: MergeServiceAsyncStub = self._stub("customers", merge_service_pb2_grpc.MergeServiceStub)

    def _stub(self, service: str, stub_type: Any) -> Any:
        channel, breaker = self._channel_of.get(service), self._breakers.get(service, _NEVER)
        stub = stub_type(channel or self._nowhere)
        package, _, _ = stub_type.__module__.rpartition(".")
        contract = descriptor_pool.Default().FindServiceByName(f"{package}.{stub_type.__name__.removesuffix('Stub')}")
        for name, method in vars(stub).items():
            takes, tells = contract.methods_by_name[name].input_type, contract.methods_by_name[name].output_type
            # To check in at a customer's is no check: what takes a request id writes.
            read = name.startswith(READS) and "request_id" not in takes.fields_by_name
            self._methods[method] = Method(service, name, read, bool(told_once(tells)), breaker, channel)
        return stub

    def method(self, callable_: object) -> Method:
        """What is known of a method of one of the clients."""
        return self._methods[callable_]

    def states(self) -> dict[str, str]:
        """Service → the state of the connection to it, e.g. `READY`. Asking connects those that are idle."""
        return {service: channel.state() for service, channel in self._channel_of.items()}

    async def close(self) -> None:
        """Close all connections, once calls under way have ended or half a second has passed."""
        for channel in self._channels.values():
            await channel.close(grace=0.5)
        await self._nowhere.close()


class _Never(Breaker):
    def admits(self) -> bool:
        return False


_NEVER = _Never()
