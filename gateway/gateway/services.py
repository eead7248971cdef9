"""The services behind the gateway: channels, generated clients, and what is known of each method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
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
    customer_service_pb2_grpc,
    customer_share_service_pb2_grpc,
    duplicate_service_pb2_grpc,
    identity_number_service_pb2_grpc,
    interaction_service_pb2_grpc,
    merge_service_pb2_grpc,
    offline_service_pb2_grpc,
    ownership_service_pb2_grpc,
    pool_allocation_service_pb2_grpc,
    pool_service_pb2_grpc,
    purchase_service_pb2_grpc,
    quality_service_pb2_grpc,
    recycle_service_pb2_grpc,
    rfm_service_pb2_grpc,
    tag_service_pb2_grpc,
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
    user_service_pb2_grpc,
)
from crm.leads.v1 import follow_up_service_pb2_grpc, lead_service_pb2_grpc

from gateway.breaker import Breaker

if TYPE_CHECKING:
    from crm.common.v1.access_explanation_service_pb2_grpc import AccessExplanationServiceAsyncStub
    from crm.common.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from crm.common.v1.personal_data_part_service_pb2_grpc import PersonalDataPartServiceAsyncStub
    from crm.common.v1.test_clock_service_pb2_grpc import TestClockServiceAsyncStub
    from crm.customers.v1.contact_service_pb2_grpc import ContactServiceAsyncStub
    from crm.customers.v1.custom_field_service_pb2_grpc import CustomFieldServiceAsyncStub
    from crm.customers.v1.customer_batch_service_pb2_grpc import CustomerBatchServiceAsyncStub
    from crm.customers.v1.customer_service_pb2_grpc import CustomerServiceAsyncStub
    from crm.customers.v1.customer_share_service_pb2_grpc import CustomerShareServiceAsyncStub
    from crm.customers.v1.duplicate_service_pb2_grpc import DuplicateServiceAsyncStub
    from crm.customers.v1.identity_number_service_pb2_grpc import IdentityNumberServiceAsyncStub
    from crm.customers.v1.interaction_service_pb2_grpc import InteractionServiceAsyncStub
    from crm.customers.v1.merge_service_pb2_grpc import MergeServiceAsyncStub
    from crm.customers.v1.offline_service_pb2_grpc import OfflineServiceAsyncStub
    from crm.customers.v1.ownership_service_pb2_grpc import OwnershipServiceAsyncStub
    from crm.customers.v1.pool_allocation_service_pb2_grpc import PoolAllocationServiceAsyncStub
    from crm.customers.v1.pool_service_pb2_grpc import PoolServiceAsyncStub
    from crm.customers.v1.purchase_service_pb2_grpc import PurchaseServiceAsyncStub
    from crm.customers.v1.quality_service_pb2_grpc import QualityServiceAsyncStub
    from crm.customers.v1.recycle_service_pb2_grpc import RecycleServiceAsyncStub
    from crm.customers.v1.rfm_service_pb2_grpc import RfmServiceAsyncStub
    from crm.customers.v1.tag_service_pb2_grpc import TagServiceAsyncStub
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
    from crm.identity.v1.user_service_pb2_grpc import UserServiceAsyncStub
    from crm.leads.v1.follow_up_service_pb2_grpc import FollowUpServiceAsyncStub
    from crm.leads.v1.lead_service_pb2_grpc import LeadServiceAsyncStub

READS = ("Get", "BatchGet", "List", "Count", "Explain")
_OPTIONS = (
    # A service that comes back is found again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # Channels to one address would otherwise share a connection with those of other event loops.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True)
class Method:
    """What is known of a method of a service."""

    service: str
    name: str
    read: bool
    """True if it changes nothing, so that it may be tried again."""
    breaker: Breaker


class Services:
    """Clients of all services. Made in the event loop that uses them."""

    def __init__(self, targets: Mapping[str, str], gateway_secret: str = "") -> None:
        self.gateway_secret = gateway_secret
        self._channels = {
            target: grpc.aio.insecure_channel(target, options=_OPTIONS) for target in set(targets.values())
        }
        self._channel_of = {service: self._channels[target] for service, target in targets.items()}
        # Serves for a service without a target. It is never connected: its methods are refused before.
        self._nowhere = grpc.aio.insecure_channel("localhost:1")
        self._breakers = {service: Breaker() for service in targets}
        self._methods: dict[Any, Method] = {}
        self._add_identity()
        self._add_customers()
        self._add_insight()
        self._add_duplicates()
        self._add_insight()
        self.follow_ups: FollowUpServiceAsyncStub = self._stub("leads", follow_up_service_pb2_grpc.FollowUpServiceStub)
        self.leads: LeadServiceAsyncStub = self._stub("leads", lead_service_pb2_grpc.LeadServiceStub)
        self.explanations: dict[str, AccessExplanationServiceAsyncStub] = {
            service: self._stub(service, access_explanation_service_pb2_grpc.AccessExplanationServiceStub)
            for service in ("customers", "leads")
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

    def _add_identity(self) -> None:
        self.auth: AuthServiceAsyncStub = self._stub("identity", auth_service_pb2_grpc.AuthServiceStub)
        self.users: UserServiceAsyncStub = self._stub("identity", user_service_pb2_grpc.UserServiceStub)
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
        self.custom_fields: CustomFieldServiceAsyncStub = self._stub(
            "customers", custom_field_service_pb2_grpc.CustomFieldServiceStub
        )
        self.customer_shares: CustomerShareServiceAsyncStub = self._stub(
            "customers", customer_share_service_pb2_grpc.CustomerShareServiceStub
        )
        self.identity_numbers: IdentityNumberServiceAsyncStub = self._stub(
            "customers", identity_number_service_pb2_grpc.IdentityNumberServiceStub
        )
        self.ownership: OwnershipServiceAsyncStub = self._stub(
            "customers", ownership_service_pb2_grpc.OwnershipServiceStub
        )
        self.pools: PoolServiceAsyncStub = self._stub("customers", pool_service_pb2_grpc.PoolServiceStub)
        self.pool_allocations: PoolAllocationServiceAsyncStub = self._stub(
            "customers", pool_allocation_service_pb2_grpc.PoolAllocationServiceStub
        )
        self.recycling: RecycleServiceAsyncStub = self._stub("customers", recycle_service_pb2_grpc.RecycleServiceStub)
        self.quality: QualityServiceAsyncStub = self._stub("customers", quality_service_pb2_grpc.QualityServiceStub)
        self.tags: TagServiceAsyncStub = self._stub("customers", tag_service_pb2_grpc.TagServiceStub)
        self.batches: CustomerBatchServiceAsyncStub = self._stub(
            "customers", customer_batch_service_pb2_grpc.CustomerBatchServiceStub
        )
        self.offline: OfflineServiceAsyncStub = self._stub("customers", offline_service_pb2_grpc.OfflineServiceStub)
        self.transfers: TransferServiceAsyncStub = self._stub(
            "customers", transfer_service_pb2_grpc.TransferServiceStub
        )

    def _add_insight(self) -> None:
        self.purchases: PurchaseServiceAsyncStub = self._stub(
            "customers", purchase_service_pb2_grpc.PurchaseServiceStub
        )
        self.interactions: InteractionServiceAsyncStub = self._stub(
            "customers", interaction_service_pb2_grpc.InteractionServiceStub
        )
        self.rfm: RfmServiceAsyncStub = self._stub("customers", rfm_service_pb2_grpc.RfmServiceStub)

    def _add_duplicates(self) -> None:
        self.duplicates: DuplicateServiceAsyncStub = self._stub(
            "customers", duplicate_service_pb2_grpc.DuplicateServiceStub
        )
        self.merges: MergeServiceAsyncStub = self._stub("customers", merge_service_pb2_grpc.MergeServiceStub)

    def _stub(self, service: str, stub_type: Any) -> Any:
        stub = stub_type(self._channel_of.get(service, self._nowhere))
        for name, method in vars(stub).items():
            self._methods[method] = Method(
                service, name, read=name.startswith(READS), breaker=self._breakers.get(service, _NEVER)
            )
        return stub

    def method(self, callable_: object) -> Method:
        """What is known of a method of one of the clients."""
        return self._methods[callable_]

    def states(self) -> dict[str, str]:
        """Service → the state of the connection to it, e.g. `READY`. Asking connects those that are idle."""
        return {service: channel.get_state(try_to_connect=True).name for service, channel in self._channel_of.items()}

    async def close(self) -> None:
        """Close all connections, once calls under way have ended or half a second has passed."""
        for channel in (*self._channels.values(), self._nowhere):
            await channel.close(grace=0.5)


class _Never(Breaker):
    def admits(self) -> bool:
        return False


_NEVER = _Never()
