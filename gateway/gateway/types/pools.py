"""Public pools and who holds which customer."""

from typing import Any, cast

import strawberry
from crm.customers.v1 import pool_pb2, pool_service_pb2
from google.protobuf.json_format import MessageToDict

from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node
from gateway.relations import relation


@derive(
    pool_pb2.Pool,
    required={"display_name", "etag"},
    hide={"condition"},
    relations={"departments": "departments"},
)
class Pool(Record[pool_pb2.Pool], Node):
    @field("Only customers that fulfil this filter fall into it; null for all.")
    def condition(self) -> strawberry.scalars.JSON | None:
        held: Any = MessageToDict(self.wire.condition) if self.wire.HasField("condition") else None
        return cast(strawberry.scalars.JSON | None, held or None)


@derive(pool_service_pb2.PoolRuleVersion, required={"effective_date"}, relations={"creator": "users"})
class PoolRuleVersion(Record[pool_service_pb2.PoolRuleVersion]):
    pass


@derive(pool_pb2.HoldingChange, required={"kind"}, relations={"customer": "customers", "actor": "users"})
class HoldingChange(Record[pool_pb2.HoldingChange]):
    pass


@derive(pool_service_pb2.HoldingOutcome)
class HoldingOutcome(Record[pool_service_pb2.HoldingOutcome]):
    pass


@derive(pool_service_pb2.PoolCandidate, required={"pool", "display_name", "verdict"})
class PoolCandidate(Record[pool_service_pb2.PoolCandidate]):
    pass


@derive(pool_service_pb2.ExplainPoolResponse)
class PoolExplanation(Record[pool_service_pb2.ExplainPoolResponse]):
    pass


@derive(pool_service_pb2.FlowLine, required={"holder"})
class FlowLine(Record[pool_service_pb2.FlowLine]):
    user = relation("users", "holder", many=False, description="Who held them, unless a pool did.")


@derive(pool_service_pb2.PoolFlow)
class PoolFlow(Record[pool_service_pb2.PoolFlow]):
    pass
