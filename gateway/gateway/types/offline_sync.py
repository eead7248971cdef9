"""What devices without a connection missed, and what was done on them."""

from typing import Any

import strawberry
from crm.leads.v1 import lead_pb2
from crm.leads.v1 import offline_sync_service_pb2 as pb
from strawberry.scalars import JSON

from gateway.contracts import camel
from gateway.deriver import Record, derive
from gateway.fields import field


@derive(pb.RecordChange, required={"resource", "entity", "state"})
class RecordChange(Record[pb.RecordChange]):
    pass


@strawberry.type(description="A page of what has changed.")
class ChangePage:
    wire: strawberry.Private[pb.ListChangesResponse]

    @field("The changes.")
    def changes(self) -> list[RecordChange]:
        return [RecordChange(message) for message in self.wire.changes]

    @field("What to ask with the next time.")
    def token(self) -> str:
        return self.wire.token

    @field("Whether there is more to ask for at once.")
    def more(self) -> bool:
        return self.wire.more

    @field("Whether the device has to forget all that it holds first, because it is told of everything anew.")
    def reset(self) -> bool:
        return self.wire.reset


@strawberry.type(description="A field that was changed on both sides to different values.")
class FieldConflict:
    field: str = strawberry.field(description="The field.")
    base: JSON | None = strawberry.field(description="What it held in the version that was edited.")
    yours: JSON | None = strawberry.field(description="What the device stated.")
    theirs: JSON | None = strawberry.field(description="What others have made of it.")


@derive(pb.OfflineOutcome, hide={"conflict"}, required={"client_id", "state"})
class OfflineOutcome(Record[pb.OfflineOutcome]):
    @field("What waits for a choice: see `resolveOfflineConflict`.")
    def conflicts(self) -> list[FieldConflict]:
        return [
            FieldConflict(
                field=camel(path),
                base=_value(self.wire.conflict.base, path),
                yours=_value(self.wire.conflict.yours, path),
                theirs=_value(self.wire.lead, path),
            )
            for path in self.wire.conflict.fields
        ]


def _value(lead: lead_pb2.Lead, path: str) -> Any:
    """The value of a field as it would show in a lead: null if it is empty, or hidden from the caller."""
    value = getattr(lead, path)
    if path == "status":
        return lead_pb2.LeadStatus.Name(value).removeprefix("LEAD_STATUS_") if value else None
    return value if isinstance(value, str) and value else list(value) or None
