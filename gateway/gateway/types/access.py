"""Why somebody may or may not do something with a record."""

from crm.common.v1 import access_explanation_service_pb2
from crm.identity.v1 import user_access_service_pb2

from gateway.context import Info
from gateway.deriver import Record, derive
from gateway.explanations import sentence
from gateway.fields import field
from gateway.types import identity  # noqa: F401 - before these types, which hold its own


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


@derive(user_access_service_pb2.HeldRole, required={"role", "display_name"}, relations={"role": "roles"})
class HeldRole(Record[user_access_service_pb2.HeldRole]):
    pass


@derive(
    user_access_service_pb2.UserAccess,
    required={"user"},
    relations={"user": "users", "department": "departments", "partner": "partners"},
)
class UserAccess(Record[user_access_service_pb2.UserAccess]):
    pass
