"""Why somebody may or may not do something with a record."""

from crm.common.v1 import access_explanation_service_pb2

from gateway.context import Info
from gateway.deriver import Record, derive
from gateway.explanations import sentence
from gateway.fields import field


@derive(access_explanation_service_pb2.AccessReason, required={"code"})
class AccessReason(Record[access_explanation_service_pb2.AccessReason]):
    @field("What it says, in the language of the caller.")
    async def message(self, info: Info) -> str:
        return await sentence(info.context, self.wire.code, self.wire.params)


@derive(
    access_explanation_service_pb2.AccessExplanation,
    required={"user", "permission", "resource"},
    relations={"user": "users"},
)
class AccessExplanation(Record[access_explanation_service_pb2.AccessExplanation]):
    pass
