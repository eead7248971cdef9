"""The archive of customers: who they are, whom to talk to there, who holds them, and what happened with them."""

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
from customers.model.pools import (
from customers.model.ownership import OwnershipPolicy
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
    "MergedRow",
    "MergedCustomer",
    "DuplicateSettings",
    "DuplicateMember",
    "DuplicateKey",
    "DuplicateGroup",
    "CustomerMerge",
    "Base",
    "ChangeKind",
    "Contact",
    "Customer",
    "CustomerKind",
    "CustomerStanding",
    "CustomerStatus",
    "ExtensionState",
    "HoldingChange",
    "KnownDepartment",
    "MergedCustomer",
    "MergedRow",
    "OwnershipPolicy",
    "KnownUser",
    "Pool",
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
