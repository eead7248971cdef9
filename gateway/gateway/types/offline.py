"""What clients do without a connection."""

import strawberry
from crm.customers.v1 import offline_service_pb2 as pb

from gateway.contracts import camel
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node
from gateway.types.customers import Customer


@derive(pb.TimeBeacon, required={"beacon", "time"})
class TimeBeacon(Record[pb.TimeBeacon]):
    pass


@derive(pb.OfflineClaim, required={"customer", "claim_time", "decide_time"}, relations={"customer": "customers"})
class OfflineClaim(Record[pb.OfflineClaim], Node):
    pass


@strawberry.type(description="What came of edits that were made on an older version of a customer.")
class CustomerEditsOutcome:
    wire: strawberry.Private[pb.MergeCustomerEditsResponse]

    @field("Whether they were applied; if not, `conflicts` says which fields to ask about.")
    def merged(self) -> bool:
        return self.wire.merged

    @field("The customer as it is now. In a conflict, its fields hold what others have made of them.")
    def customer(self) -> Customer:
        return Customer(self.wire.customer)

    @field("The fields that others have changed to other values since.")
    def conflicts(self) -> list[str]:
        return [".".join(camel(part) for part in path.split(".")) for path in self.wire.conflicts]
