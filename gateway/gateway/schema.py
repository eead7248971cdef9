"""The public schema. `python -m gateway.schema --write` writes `schema.graphql`, `--check` compares with it."""

import sys
from functools import cache
from pathlib import Path

import strawberry
from chassis.errors import Invalid

from gateway.context import Info
from gateway.conversion import prepare_inputs
from gateway.fields import field
from gateway.nodes import Key, Node
from gateway.operations.access import AccessQuery
from gateway.operations.accounts import AccountsMutation, AccountsQuery
from gateway.operations.administration import AdministrationMutation
from gateway.operations.assignment import AssignmentMutation, AssignmentQuery
from gateway.operations.audit import AuditQuery
from gateway.operations.automation import AutomationMutation, AutomationQuery
from gateway.operations.batches import BatchesMutation, BatchesQuery
from gateway.operations.calendar import CalendarMutation, CalendarQuery
from gateway.operations.calls import CallsMutation, CallsQuery
from gateway.operations.capture import CaptureMutation, CaptureQuery
from gateway.operations.clients import ClientsMutation, ClientsQuery
from gateway.operations.clock import TestClocksMutation, TestClocksQuery
from gateway.operations.conversions import ConversionsMutation
from gateway.operations.customer360 import Customer360Query
from gateway.operations.customers import CustomersMutation, CustomersQuery
from gateway.operations.duplicates import DuplicatesMutation, DuplicatesQuery
from gateway.operations.escalations import EscalationsMutation, EscalationsQuery
from gateway.operations.fetching import get_node
from gateway.operations.hand_over import HandOverMutation, HandOverQuery
from gateway.operations.identity import IdentityQuery
from gateway.operations.identity_providers import IdentityProvidersMutation, IdentityProvidersQuery
from gateway.operations.interactions import InteractionsMutation
from gateway.operations.lead_transfers import LeadTransfersMutation, LeadTransfersQuery
from gateway.operations.leads import LeadsMutation, LeadsQuery
from gateway.operations.life import LifeMutation, LifeQuery
from gateway.operations.merges import MergesMutation, MergesQuery
from gateway.operations.offboarding import OffboardingsMutation, OffboardingsQuery
from gateway.operations.offline import OfflineMutation, OfflineQuery
from gateway.operations.offline_sync import OfflineSyncMutation, OfflineSyncQuery
from gateway.operations.organisation import OrganisationMutation, OrganisationQuery
from gateway.operations.ownership import OwnershipMutation, OwnershipQuery
from gateway.operations.partners import PartnersMutation, PartnersQuery
from gateway.operations.personal_data import PersonalDataMutation, PersonalDataQuery
from gateway.operations.plans import PlansMutation, PlansQuery
from gateway.operations.playbooks import PlaybooksMutation, PlaybooksQuery
from gateway.operations.pool_allocations import PoolAllocationsMutation, PoolAllocationsQuery
from gateway.operations.pools import PoolsMutation, PoolsQuery
from gateway.operations.purchases import PurchasesMutation, PurchasesQuery
from gateway.operations.recycling import RecyclingMutation, RecyclingQuery
from gateway.operations.registrations import LeadRecordsMutation, LeadRecordsQuery
from gateway.operations.relations import RelationsMutation, RelationsQuery
from gateway.operations.saved_views import SavedViewsMutation, SavedViewsQuery
from gateway.operations.scoring import ScoringMutation, ScoringQuery
from gateway.operations.second_factors import SecondFactorsMutation, SecondFactorsQuery
from gateway.operations.sharing import SharingMutation, SharingQuery
from gateway.operations.signing import SigningMutation
from gateway.operations.subscriptions import Subscription
from gateway.operations.tags import TagsMutation, TagsQuery
from gateway.operations.tasks import TasksMutation, TasksQuery
from gateway.operations.theatres import TheatresMutation, TheatresQuery
from gateway.operations.tiers import TiersMutation, TiersQuery
from gateway.operations.transfers import TransfersMutation, TransfersQuery
from gateway.operations.visits import VisitsMutation, VisitsQuery
from gateway.operations.work_log import WorkLogMutation, WorkLogQuery
from gateway.scalars import CONFIG

FILE = Path(__file__).parent / "schema.graphql"


@strawberry.type
class Query(
    Customer360Query,
    CustomersQuery,
    DuplicatesQuery,
    MergesQuery,
    SharingQuery,
    AccessQuery,
    LeadRecordsQuery,
    VisitsQuery,
    CallsQuery,
    CaptureQuery,
    AssignmentQuery,
    LeadTransfersQuery,
    LeadsQuery,
    TasksQuery,
    PlaybooksQuery,
    EscalationsQuery,
    AutomationQuery,
    PartnersQuery,
    ClientsQuery,
    PersonalDataQuery,
    PoolsQuery,
    PurchasesQuery,
    PoolAllocationsQuery,
    OwnershipQuery,
    TheatresQuery,
    HandOverQuery,
    CalendarQuery,
    PlansQuery,
    RecyclingQuery,
    RelationsQuery,
    TagsQuery,
    LifeQuery,
    TiersQuery,
    TransfersQuery,
    OfflineQuery,
    OfflineSyncQuery,
    WorkLogQuery,
    ScoringQuery,
    BatchesQuery,
    IdentityQuery,
    IdentityProvidersQuery,
    SecondFactorsQuery,
    AccountsQuery,
    SavedViewsQuery,
    OffboardingsQuery,
    OrganisationQuery,
    AuditQuery,
    TestClocksQuery,
):
    @field("Any record by its id.")
    async def node(self, info: Info, key: Key) -> Node | None:
        return await get_node(info.context, key)


@strawberry.type
class Mutation(
    SigningMutation,
    SecondFactorsMutation,
    IdentityProvidersMutation,
    CustomersMutation,
    DuplicatesMutation,
    MergesMutation,
    SharingMutation,
    LeadRecordsMutation,
    VisitsMutation,
    CallsMutation,
    CaptureMutation,
    AssignmentMutation,
    LeadTransfersMutation,
    LeadsMutation,
    TasksMutation,
    PlaybooksMutation,
    EscalationsMutation,
    AutomationMutation,
    PartnersMutation,
    ClientsMutation,
    PersonalDataMutation,
    PoolsMutation,
    PurchasesMutation,
    InteractionsMutation,
    PoolAllocationsMutation,
    OwnershipMutation,
    TheatresMutation,
    HandOverMutation,
    CalendarMutation,
    PlansMutation,
    RecyclingMutation,
    RelationsMutation,
    TagsMutation,
    ConversionsMutation,
    LifeMutation,
    TiersMutation,
    TransfersMutation,
    OfflineMutation,
    OfflineSyncMutation,
    WorkLogMutation,
    ScoringMutation,
    BatchesMutation,
    AdministrationMutation,
    AccountsMutation,
    SavedViewsMutation,
    OffboardingsMutation,
    OrganisationMutation,
    TestClocksMutation,
):
    pass


@cache
def make_schema() -> strawberry.Schema:
    """The schema with all its parts."""
    schema = strawberry.Schema(Query, Mutation, Subscription, config=CONFIG)
    prepare_inputs(schema)
    return schema


def main(arguments: list[str]) -> int:
    """Write or check the committed schema; the exit status is 1 if they differ."""
    text = make_schema().as_str() + "\n"
    if arguments == ["--write"]:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if arguments == ["--check"]:
        same = FILE.exists() and FILE.read_text(encoding="utf-8") == text
        sys.stderr.write("" if same else f"{FILE.name} is out of date: run python -m gateway.schema --write\n")
        return 0 if same else 1
    raise Invalid("INVALID_ARGUMENTS", "give --write or --check")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
