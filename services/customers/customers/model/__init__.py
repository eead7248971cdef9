"""The archive of customers: who they are, whom to talk to there, who holds them, and what happened with them."""

from customers.model.admissions import LeadAdmission
from customers.model.allocations import PoolAllocation, PoolAllocationItem, PoolAllocationSetting, PoolFairness
from customers.model.base import Base
from customers.model.customers import (
    Contact,
    Customer,
    CustomerKind,
    CustomerStatus,
    KnownDepartment,
    KnownUser,
    TimelineEntry,
    TimelineKind,
    searched_contact,
    searched_text,
    without_legal_form,
)
from customers.model.decisions import DecisionRole, Stance
from customers.model.duplicates import (
    CustomerMerge,
    DuplicateGroup,
    DuplicateKey,
    DuplicateMember,
    DuplicateSettings,
    MergedCustomer,
    MergedRow,
)
from customers.model.offline import OfflineClaim, OfflineClaimState
from customers.model.ownership import OwnershipPolicy
from customers.model.pools import (
    ChangeKind,
    HoldingChange,
    Pool,
    PoolMember,
    PoolRole,
    PoolRuleVersion,
    PoolView,
)
from customers.model.recycling import (
    CustomerStanding,
    ExtensionState,
    RecycleExtension,
    RecycleRun,
    RecycleRunState,
    RecycleWarning,
)
from customers.model.relations import CustomerRelation, RelationKind
from customers.model.theatres import CustomerTheatre
from customers.model.tiers import (
    Aspect,
    ClassificationChange,
    LifecyclePolicy,
    LifecycleStage,
    Origin,
    Tier,
    TierLock,
)

__all__ = [
    "Aspect",
    "Base",
    "ChangeKind",
    "ClassificationChange",
    "Contact",
    "Customer",
    "CustomerKind",
    "CustomerMerge",
    "CustomerRelation",
    "CustomerStanding",
    "CustomerStatus",
    "CustomerTheatre",
    "DecisionRole",
    "DuplicateGroup",
    "DuplicateKey",
    "DuplicateMember",
    "DuplicateSettings",
    "ExtensionState",
    "HoldingChange",
    "KnownDepartment",
    "KnownUser",
    "LeadAdmission",
    "LifecyclePolicy",
    "LifecycleStage",
    "MergedCustomer",
    "MergedRow",
    "OfflineClaim",
    "OfflineClaimState",
    "Origin",
    "OwnershipPolicy",
    "Pool",
    "PoolAllocation",
    "PoolAllocationItem",
    "PoolAllocationSetting",
    "PoolFairness",
    "PoolMember",
    "PoolRole",
    "PoolRuleVersion",
    "PoolView",
    "RecycleExtension",
    "RecycleRun",
    "RecycleRunState",
    "RecycleWarning",
    "RelationKind",
    "Stance",
    "Tier",
    "TierLock",
    "TimelineEntry",
    "TimelineKind",
    "searched_contact",
    "searched_text",
    "without_legal_form",
]
