"""The archive of customers: who they are, whom to talk to there, who holds them, and what happened with them."""

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
    searched_text,
)
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

__all__ = [
    "Base",
    "ChangeKind",
    "Contact",
    "Customer",
    "CustomerKind",
    "CustomerMerge",
    "CustomerStanding",
    "CustomerStatus",
    "DuplicateGroup",
    "DuplicateKey",
    "DuplicateMember",
    "DuplicateSettings",
    "ExtensionState",
    "HoldingChange",
    "KnownDepartment",
    "KnownUser",
    "MergedCustomer",
    "MergedRow",
    "OfflineClaim",
    "OfflineClaimState",
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
    "TimelineEntry",
    "TimelineKind",
    "searched_text",
]
