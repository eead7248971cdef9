"""Tiers of customers, the stages of their life, and how both change."""

from typing import Any, cast

import strawberry
from crm.customers.v1 import lifecycle_service_pb2, rfm_pb2, tier_pb2

from gateway.conditions import from_filter
from gateway.deriver import Record, derive
from gateway.fields import field


@derive(tier_pb2.Tier, required={"code", "display_name", "etag"}, hide={"rule"}, relations={"creator": "users"})
class Tier(Record[tier_pb2.Tier]):
    @field(
        "The filter that customers fulfil who are given it; an empty `all` is fulfilled by everybody; null if only "
        "people give it."
    )
    def rule(self) -> strawberry.scalars.JSON | None:
        if not self.wire.HasField("rule"):
            return None
        held: Any = from_filter(self.wire.rule) or {"all": []}
        return cast(strawberry.scalars.JSON, held)


@derive(tier_pb2.TierRun, required={"state"}, relations={"creator": "users"})
class TierRun(Record[tier_pb2.TierRun]):
    pass


@derive(tier_pb2.TierMove, relations={"examples": "customers"})
class TierMove(Record[tier_pb2.TierMove]):
    pass


@derive(tier_pb2.TierPreview)
class TierPreview(Record[tier_pb2.TierPreview]):
    pass


@derive(tier_pb2.CustomerTier, relations={"customer": "customers", "locker": "users"})
class CustomerTier(Record[tier_pb2.CustomerTier]):
    pass


@derive(
    tier_pb2.TierChange,
    required={"origin"},
    relations={"customer": "customers", "actor": "users"},
)
class TierChange(Record[tier_pb2.TierChange]):
    pass


@derive(lifecycle_service_pb2.LifecyclePolicy, required={"etag"})
class LifecyclePolicy(Record[lifecycle_service_pb2.LifecyclePolicy]):
    pass


@derive(rfm_pb2.RfmPolicy, required={"etag"})
class RfmPolicy(Record[rfm_pb2.RfmPolicy]):
    pass
