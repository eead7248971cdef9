"""Why somebody may or may not do something with a record."""

from typing import Annotated

import strawberry
from chassis.errors import Invalid
from crm.common.v1 import access_explanation_service_pb2

from gateway.context import Info
from gateway.fields import field
from gateway.types.access import AccessExplanation

_SERVICES = {"customers": "customers", "contacts": "customers", "followUps": "leads"}
"""Collection → the service that explains the access to its records."""
_User = Annotated[strawberry.ID, strawberry.argument(description="Who, `users/{uuid}`.")]
_Action = Annotated[str, strawberry.argument(description="What they would do: a permission that concerns the record.")]
_Record = Annotated[strawberry.ID, strawberry.argument(description="The record: a customer, contact or follow-up.")]


@strawberry.type
class AccessQuery:
    @field("Why a user may or may not do something with a record: every role, share and bar that bears on it.")
    async def explain_access(
        self, info: Info, user: _User, action: _Action, record: _Record
    ) -> AccessExplanation | None:
        service = _SERVICES.get(record.partition("/")[0])
        if service is None:
            raise Invalid("INVALID_NAME", f"access is explained for {', '.join(_SERVICES)}", field="record")
        request = access_explanation_service_pb2.ExplainAccessRequest(user=user, permission=action, resource=record)
        method = info.context.services.explanations[service].ExplainAccess
        return AccessExplanation(await info.context.calls(method, request))
