"""UserAccessService."""

from collections.abc import Iterable

from chassis.access import known_permissions
from chassis.calls import Calls
from chassis.errors import Invalid
from chassis.explaining import UserAccess
from chassis.explaining_servicer import access_from
from chassis.names import make_name, parse_name
from crm.identity.v1 import user_access_service_pb2, user_access_service_pb2_grpc
from grpc import ServicerContext

from identity import mapping, queries
from identity.grants import EVERY_PERMISSION, RoleGrant, named_departments
from identity.sign_in_queries import second_factor_of


class UserAccessServicer(user_access_service_pb2_grpc.UserAccessServiceServicer):
    """What decides on a user's calls."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetUserAccess(
        self, request: user_access_service_pb2.GetUserAccessRequest, context: ServicerContext
    ) -> user_access_service_pb2.UserAccess:
        return _access_of(self.calls, request.name, request.permission)


class LocalUserDirectory:
    """What decides on users' calls, for the explanations that this service gives itself. See `UserDirectory`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def access_of(self, user: str, permission: str) -> UserAccess:
        """What decides on a user's calls that need a permission. Raises Invalid UNKNOWN_PERMISSION, or NotFound."""
        return access_from(_access_of(self._calls, user, permission))


def _access_of(calls: Calls, name: str, permission: str) -> user_access_service_pb2.UserAccess:
    user_id = parse_name("users", name)
    if permission and permission not in known_permissions():
        raise Invalid("UNKNOWN_PERMISSION", f"no method asks for {permission[:100]!r}", field="permission")
    with calls.read() as session:
        user = queries.get_user(session, user_id, "access.explain")
        factor = second_factor_of(session, user)
        granted = {role.id: _covering(role.grants, permission) for role in user.roles}
        named = named_departments(grant for grants in granted.values() for grant in grants)
        paths = queries.department_paths(session, named)
    return user_access_service_pb2.UserAccess(
        user=user.name,
        active=user.active,
        department=make_name("departments", user.department_id),
        department_path=user.department_path,
        partner=make_name("partners", user.partner_id),
        second_factor_missing=factor.required and factor.confirm_time is None,
        roles=[
            user_access_service_pb2.HeldRole(
                role=role.name,
                display_name=role.display_name,
                grants=map(mapping.grant_to_proto, granted[role.id]),
                field_rules=map(mapping.field_rule_to_proto, role.field_rules),
            )
            for role in user.roles
        ],
        department_paths={make_name("departments", key): path for key, path in paths.items()},
    )


def _covering(grants: Iterable[RoleGrant], permission: str) -> list[RoleGrant]:
    return [grant for grant in grants if not permission or grant.permission in (permission, EVERY_PERMISSION)]
