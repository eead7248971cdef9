"""Where leads come in, and what came in there."""

from typing import cast

import strawberry
from crm.leads.v1 import capture_pb2, capture_service_pb2
from google.protobuf.json_format import MessageToDict

from gateway.contracts import camel
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node


@derive(capture_pb2.CaptureField, required={"field", "path"})
class CaptureField(Record[capture_pb2.CaptureField]):
    pass


@derive(capture_pb2.CaptureFeed, required={"url"})
class CaptureFeed(Record[capture_pb2.CaptureFeed]):
    pass


@derive(capture_pb2.CaptureSource, required={"display_name", "kind", "etag"}, relations={"creator": "users"})
class CaptureSource(Record[capture_pb2.CaptureSource], Node):
    @field("Where submissions are sent to, relative to the gateway; null for a feed.")
    def capture_path(self) -> str | None:
        if self.wire.kind == capture_pb2.CAPTURE_KIND_FEED:
            return None
        return f"/capture/{self.wire.name.partition('/')[2]}"


@derive(capture_service_pb2.CaptureSourceWithSecret)
class CaptureSourceWithSecret(Record[capture_service_pb2.CaptureSourceWithSecret]):
    pass


@derive(capture_pb2.FeedPoll)
class FeedPoll(Record[capture_pb2.FeedPoll]):
    pass


@derive(capture_pb2.CaptureProblem, required={"reason", "message"})
class CaptureProblem(Record[capture_pb2.CaptureProblem]):
    pass


@derive(
    capture_pb2.CaptureSubmission,
    required={"state", "etag"},
    hide={"values"},
    relations={"corrector": "users"},
    rename={"source": "source_id", "lead": "lead_id"},
)
class CaptureSubmission(Record[capture_pb2.CaptureSubmission], Node):
    @field(
        "What it says of the lead, as it was sent and corrected, by the names of the fields of leads; null where many "
        "are asked for."
    )
    def values(self) -> strawberry.scalars.JSON | None:
        if not self.wire.HasField("values"):
            return None
        told = MessageToDict(self.wire.values, preserving_proto_field_name=True)
        held = {camel(name): value for name, value in told.items()}
        return cast(strawberry.scalars.JSON, held)
