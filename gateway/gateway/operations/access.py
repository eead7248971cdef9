"""Why somebody may or may not do something, with a record or at all."""

from typing import Annotated

import strawberry
from chassis.access import known_permissions
from chassis.errors import Invalid
from crm.common.v1 import access_explanation_service_pb2
from crm.identity.v1 import user_access_service_pb2

from gateway.context import Info
from gateway.fields import field
from gateway.types.access import AccessExplanation, UserAccess

EXPLAINED = {
    "customers": "customers",
    "contacts": "customers",
    "pools": "customers",
    "leads": "leads",
    "followUps": "leads",
    "tasks": "leads",
    "plans": "leads",
    "visits": "leads",
    "calls": "leads",
}
"""Collection → the service that explains the access to its records."""
_User = Annotated[strawberry.ID, strawberry.argument(description="Who, `users/{uuid}`.")]
_Action = Annotated[
    str, strawberry.argument(description="What they would do: a permission; with a record, one that concerns it.")
]
_Record = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The record: a customer, contact, pool, lead, follow-up, task, plan, visit or call. Without one it "
        "is told whether the roles allow the action at all, and with how much of the data."
    ),
]
_Permission = Annotated[
    str, strawberry.argument(description="If given, only grants that cover this permission are told.")
]


@strawberry.type
class AccessQuery:
    @field("Why a user may or may not do something: every role, share and bar that bears on it.")
    async def explain_access(
        self, info: Info, user: _User, action: _Action, record: _Record = None
    ) -> AccessExplanation | None:
        service = EXPLAINED.get(record.partition("/")[0]) if record else asked_by(action)
        if service is None:
            raise Invalid("INVALID_NAME", f"access is explained for {', '.join(EXPLAINED)}", field="record")
        request = access_explanation_service_pb2.ExplainAccessRequest(
            user=user, permission=action, resource=record or ""
        )
        method = info.context.services.explanations[service].ExplainAccess
        return AccessExplanation(await info.context.calls(method, request))

    @field("What decides on a user's calls now: roles with what they grant, the department, and what bars the user.")
    async def user_access(self, info: Info, user: _User, permission: _Permission = "") -> UserAccess | None:
        request = user_access_service_pb2.GetUserAccessRequest(name=user, permission=permission)
        return UserAccess(await info.context.calls(info.context.services.user_access.GetUserAccess, request))


def asked_by(permission: str) -> str:
    """The service whose methods ask for a permission; identity for what all services have, and for unknown ones."""
    domains = {method.split(".")[1] for method in known_permissions().get(permission, ())} - {"common"}
    return "identity" if not domains else min(domains)
