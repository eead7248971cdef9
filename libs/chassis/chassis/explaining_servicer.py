"""AccessExplanationService, which every server has for the services that it hosts."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from crm.common.v1 import access_explanation_service_pb2 as pb
from crm.common.v1 import access_explanation_service_pb2_grpc as pb_grpc
from crm.identity.v1.user_access_service_pb2 import GetUserAccessRequest
from crm.identity.v1.user_access_service_pb2 import UserAccess as UserAccessMessage
from crm.identity.v1.user_access_service_pb2_grpc import UserAccessServiceStub

from chassis.access import permissions_of_partners
from chassis.callers import current_caller
from chassis.clients import open_channel
from chassis.errors import Denied, Invalid
from chassis.explaining import Explanation, HeldRole, UserAccess, UserDirectory, explain, explain_action
from chassis.names import parse_name, parse_optional_name
from chassis.policy import grants_from
from chassis.service import Runtime, Service, Servicer
from chassis.settings import Settings

_SECONDS = 3.0
_PERMISSION = "access.explain"


def explanation_servicer(settings: Settings, hosted: Sequence[tuple[Service, Runtime]]) -> Servicer:
    """The service that explains the access to the records of all services that a server hosts."""
    return Servicer(
        descriptor=pb.DESCRIPTOR.services_by_name["AccessExplanationService"],
        implementation=ExplanationServicer(settings, hosted),
        register=pb_grpc.add_AccessExplanationServiceServicer_to_server,
    )


class ExplanationServicer(pb_grpc.AccessExplanationServiceServicer):
    """Implements AccessExplanationService."""

    def __init__(self, settings: Settings, hosted: Sequence[tuple[Service, Runtime]]) -> None:
        local = [service.users(runtime) for service, runtime in hosted if service.users is not None]
        self._users: UserDirectory = local[0] if local else GrpcUserDirectory(settings)
        self._explainers = {
            explainer.collection: (explainer, runtime.database)
            for service, runtime in hosted
            for explainer in service.explainers
        }
        self._wide = frozenset[str]().union(*(service.wide for service, _ in hosted))

    def ExplainAccess(self, request: pb.ExplainAccessRequest, context: Any) -> pb.AccessExplanation:
        """Say why somebody may or may not do something, with a record or at all."""
        if not current_caller().scope(_PERMISSION).everything:
            message = f"this needs the permission {_PERMISSION} with the scope ALL"
            raise Denied("SCOPE_TOO_NARROW", message, permission=_PERMISSION)
        parse_name("users", request.user, field="user")
        explanation = self._of_record(request) if request.resource else self._of_action(request)
        return pb.AccessExplanation(
            user=request.user,
            permission=request.permission,
            resource=request.resource,
            allowed=explanation.allowed,
            reasons=[
                pb.AccessReason(code=reason.code, opens=reason.opens, params=reason.params)
                for reason in explanation.reasons
            ],
        )

    def _of_record(self, request: pb.ExplainAccessRequest) -> Explanation:
        found = self._explainers.get(request.resource.partition("/")[0])
        if found is None:
            known = ", ".join(sorted(self._explainers)) or "none"
            raise Invalid("INVALID_NAME", f"access is explained here for: {known}", field="resource")
        explainer, database = found
        with database.read(current_caller()) as session:
            return explain(session, explainer, request.resource, request.user, request.permission, self._users)

    def _of_action(self, request: pb.ExplainAccessRequest) -> Explanation:
        if not request.permission:
            raise Invalid("REQUIRED", "say what they would do: name a permission", field="permission")
        return explain_action(
            self._users.access_of(request.user, request.permission),
            request.permission,
            wide=request.permission in self._wide,
            opened_to_partners=request.permission in permissions_of_partners(),
        )


class GrpcUserDirectory:
    """The identity service over a channel that passes on the caller's token. See `chassis.explaining.UserDirectory`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _stub(self) -> UserAccessServiceStub:
        # Opened when first needed: a server that explains nothing has no need to know where identity is.
        return UserAccessServiceStub(open_channel(self._settings, "identity"))

    def access_of(self, user: str, permission: str) -> UserAccess:
        """What decides on a user's calls that need a permission."""
        request = GetUserAccessRequest(name=user, permission=permission)
        return access_from(self._stub.GetUserAccess(request, timeout=_SECONDS))


def access_from(access: UserAccessMessage) -> UserAccess:
    """What decides on a user's calls, from how the identity service tells it."""
    return UserAccess(
        user_id=parse_name("users", access.user),
        active=access.active,
        department_path=access.department_path,
        roles=tuple(
            HeldRole(role.role, role.display_name, grants_from(role.grants, access.department_paths))
            for role in access.roles
        ),
        partner_id=parse_optional_name("partners", access.partner, field="partner"),
        second_factor_missing=access.second_factor_missing,
    )
