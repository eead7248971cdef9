"""Entities to messages and back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from chassis.callers import Reach
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.field_rules import FieldEffect
from chassis.names import make_name, parse_name, parse_optional_name
from crm.identity.v1 import (
    auth_service_pb2,
    client_pb2,
    department_pb2,
    partner_pb2,
    policy_service_pb2,
    role_pb2,
    user_pb2,
)
from google.protobuf.timestamp_pb2 import Timestamp

from identity.field_rules import FieldRule
from identity.grants import RoleGrant
from identity.model import Client, Department, Partner, Role, User, UserState
from identity.queries import PolicyData
from identity.tokens import AccessToken
from identity.usecases.create_client import ClientDraft
from identity.usecases.create_department import DepartmentDraft
from identity.usecases.create_partner import PartnerDraft
from identity.usecases.create_role import RoleDraft
from identity.usecases.create_user import UserDraft

MAXIMUM_NAMES = 200
MAXIMUM_ROLES = 20

_STATES = {
    UserState.ACTIVE: user_pb2.USER_STATE_ACTIVE,
    UserState.DEACTIVATED: user_pb2.USER_STATE_DEACTIVATED,
    UserState.INVITED: user_pb2.USER_STATE_INVITED,
}
_SCOPES = {
    Reach.SELF: role_pb2.DATA_SCOPE_SELF,
    Reach.DEPARTMENT: role_pb2.DATA_SCOPE_DEPARTMENT,
    Reach.DEPARTMENT_TREE: role_pb2.DATA_SCOPE_DEPARTMENT_TREE,
    Reach.CUSTOM: role_pb2.DATA_SCOPE_CUSTOM,
    Reach.ALL: role_pb2.DATA_SCOPE_ALL,
}
_EFFECTS = {
    FieldEffect.READ_ONLY: role_pb2.FIELD_EFFECT_READ_ONLY,
    FieldEffect.MASK: role_pb2.FIELD_EFFECT_MASK,
    FieldEffect.HIDE: role_pb2.FIELD_EFFECT_HIDE,
}
Key = TypeVar("Key")
Value = TypeVar("Value")


def _reversed(table: dict[Key, Value]) -> dict[Value, Key]:
    return {value: key for key, value in table.items()}


_STATE_OF = _reversed(_STATES) | {user_pb2.USER_STATE_UNSPECIFIED: UserState.ACTIVE}
_REACH_OF = _reversed(_SCOPES)
_EFFECT_OF = _reversed(_EFFECTS)


def timestamp(time: datetime | None) -> Timestamp | None:
    """A point in time as a message."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def ids_from_names(collection: str, names: Iterable[str], *, field: str = "names") -> list[UUID]:
    """The ids that a batch asks for. Raises Invalid for too many or for what is no name."""
    given = list(names)
    if len(given) > MAXIMUM_NAMES:
        raise Invalid("TOO_MANY_NAMES", f"at most {MAXIMUM_NAMES} names fit into one call", field=field)
    return [parse_name(collection, name, field=f"{field}[{index}]") for index, name in enumerate(given)]


def user_to_proto(user: User) -> user_pb2.User:
    """A user as clients see it."""
    return _user_message(user, [role.id for role in user.roles])


def user_row_to_proto(row: Any) -> user_pb2.User:
    """The same from a row of `queries.find_users`."""
    return _user_message(row, row.role_ids)


def _user_message(user: Any, role_ids: Iterable[UUID]) -> user_pb2.User:
    return user_pb2.User(
        name=make_name("users", user.id),
        username=user.username,
        display_name=user.display_name,
        email=user.email or "",
        phone=user.phone or "",
        department=make_name("departments", user.department_id),
        roles=[make_name("roles", key) for key in role_ids],
        partner=make_name("partners", user.partner_id),
        kind=user_pb2.USER_KIND_PARTNER if user.partner_id else user_pb2.USER_KIND_EMPLOYEE,
        state=_STATES[UserState(user.state)],
        locale=user.locale,
        etag=etag(user.version),
        create_time=timestamp(user.create_time),
        update_time=timestamp(user.update_time),
        last_login_time=timestamp(user.last_login_time),
    )


def user_draft(message: user_pb2.User) -> UserDraft:
    """What a client says of a user."""
    if message.state not in _STATE_OF:
        raise Invalid("INVALID_STATE", "there is no such state", field="state")
    if len(message.roles) > MAXIMUM_ROLES:
        raise Invalid("TOO_MANY_ROLES", f"a user holds at most {MAXIMUM_ROLES} roles", field="roles")
    return UserDraft(
        username=message.username,
        display_name=message.display_name,
        department_id=parse_optional_name("departments", message.department, field="department"),
        email=message.email,
        phone=message.phone,
        role_ids=tuple(parse_name("roles", role, field="roles") for role in dict.fromkeys(message.roles)),
        state=_STATE_OF[message.state],
        locale=message.locale,
        partner_id=parse_optional_name("partners", message.partner, field="partner"),
    )


def department_to_proto(department: Department, nearest_theatre: UUID | None) -> department_pb2.Department:
    """A department as clients see it."""
    return department_pb2.Department(
        name=department.name,
        display_name=department.display_name,
        parent=make_name("departments", department.parent_id),
        head=make_name("users", department.head_id),
        path=department.path,
        theatre=department.theatre,
        nearest_theatre=make_name("departments", nearest_theatre),
        etag=etag(department.version),
        create_time=timestamp(department.create_time),
        update_time=timestamp(department.update_time),
    )


def department_draft(message: department_pb2.Department) -> DepartmentDraft:
    """What a client says of a department."""
    return DepartmentDraft(
        display_name=message.display_name,
        parent_id=parse_optional_name("departments", message.parent, field="parent"),
        head_id=parse_optional_name("users", message.head, field="head"),
        theatre=message.theatre,
    )


def partner_to_proto(partner: Partner) -> partner_pb2.Partner:
    """A partner as people see it."""
    return partner_pb2.Partner(
        name=partner.name,
        display_name=partner.display_name,
        contact_name=partner.contact_name or "",
        contact_phone=partner.contact_phone or "",
        contact_email=partner.contact_email or "",
        manager=make_name("users", partner.manager_id),
        remark=partner.remark or "",
        etag=etag(partner.version),
        create_time=timestamp(partner.create_time),
        update_time=timestamp(partner.update_time),
    )


def partner_draft(message: partner_pb2.Partner) -> PartnerDraft:
    """What a client says of a partner."""
    return PartnerDraft(
        display_name=message.display_name,
        contact_name=message.contact_name,
        contact_phone=message.contact_phone,
        contact_email=message.contact_email,
        manager_id=parse_optional_name("users", message.manager, field="manager"),
        remark=message.remark,
    )


def scope_to_proto(reach: Reach) -> role_pb2.DataScope.ValueType:
    """How far a grant reaches, as clients see it."""
    return _SCOPES[reach]


def grant_to_proto(grant: RoleGrant) -> role_pb2.Grant:
    """A grant as clients see it."""
    departments = [make_name("departments", key) for key in grant.departments]
    return role_pb2.Grant(permission=grant.permission, scope=_SCOPES[grant.reach], departments=departments)


def grants_from_proto(messages: Iterable[role_pb2.Grant]) -> tuple[RoleGrant, ...]:
    """The grants that a client names. Raises Invalid for a scope that does not exist."""
    grants = []
    for index, message in enumerate(messages):
        if message.scope not in _REACH_OF:
            raise Invalid("INVALID_SCOPE", "say which data the grant reaches", field=f"grants[{index}].scope")
        at = f"grants[{index}].departments"
        departments = tuple(parse_name("departments", name, field=at) for name in message.departments)
        grants.append(RoleGrant(message.permission, _REACH_OF[message.scope], departments))
    return tuple(grants)


def field_rule_to_proto(rule: FieldRule) -> role_pb2.FieldRule:
    """A rule for a field as clients see it."""
    return role_pb2.FieldRule(entity=rule.entity, field=rule.field, effect=_EFFECTS[rule.effect])


def field_rules_from_proto(messages: Iterable[role_pb2.FieldRule]) -> tuple[FieldRule, ...]:
    """The rules that a client names. Raises Invalid for an effect that does not exist."""
    rules = []
    for index, message in enumerate(messages):
        if message.effect not in _EFFECT_OF:
            raise Invalid("INVALID_FIELD_EFFECT", "say what the rule does", field=f"field_rules[{index}].effect")
        rules.append(FieldRule(message.entity, message.field, _EFFECT_OF[message.effect]))
    return tuple(rules)


def role_to_proto(role: Role) -> role_pb2.Role:
    """A role as clients see it."""
    return role_pb2.Role(
        name=role.name,
        display_name=role.display_name,
        grants=[grant_to_proto(grant) for grant in role.grants],
        field_rules=map(field_rule_to_proto, role.field_rules),
        builtin=role.builtin,
        require_second_factor=role.require_second_factor,
        etag=etag(role.version),
        create_time=timestamp(role.create_time),
        update_time=timestamp(role.update_time),
    )


def role_draft(message: role_pb2.Role) -> RoleDraft:
    """What a client says of a role."""
    return RoleDraft(
        message.display_name,
        grants_from_proto(message.grants),
        field_rules_from_proto(message.field_rules),
        message.require_second_factor,
    )


def client_to_proto(client: Client) -> client_pb2.Client:
    """A client as people see it."""
    return client_pb2.Client(
        name=client.name,
        client_id=client.client_id,
        display_name=client.display_name,
        grants=[grant_to_proto(grant) for grant in client.grants],
        disabled=client.disabled,
        etag=etag(client.version),
        create_time=timestamp(client.create_time),
        calls_per_minute=client.calls_per_minute,
        allowed_addresses=client.allowed_addresses,
        last_use_time=timestamp(client.last_use_time),
        last_address=client.last_address or "",
        former_secret_expire_time=timestamp(client.former_secret_expire_time),
    )


def client_draft(message: client_pb2.Client) -> ClientDraft:
    """What is said of a new client."""
    return ClientDraft(
        client_id=message.client_id,
        display_name=message.display_name,
        grants=grants_from_proto(message.grants),
        disabled=message.disabled,
        calls_per_minute=message.calls_per_minute,
        allowed_addresses=tuple(message.allowed_addresses),
    )


def token_pair(access: AccessToken, refresh_token: str = "") -> auth_service_pb2.TokenPair:
    """What a caller shows from now on."""
    return auth_service_pb2.TokenPair(
        access_token=access.text, expire_time=timestamp(access.expire_time), refresh_token=refresh_token
    )


def policy_to_proto(policy: PolicyData) -> policy_service_pb2.Policy:
    """The policy as services fetch it."""
    return policy_service_pb2.Policy(
        version=policy.version,
        roles=[
            policy_service_pb2.RolePolicy(
                role=role.name,
                grants=[grant_to_proto(grant) for grant in role.grants],
                field_rules=map(field_rule_to_proto, role.field_rules),
            )
            for role in policy.roles
        ],
        clients=[
            policy_service_pb2.ClientPolicy(
                client=item.name,
                grants=[grant_to_proto(grant) for grant in item.grants],
                calls_per_minute=item.calls_per_minute,
            )
            for item in policy.clients
        ],
        revocations=[
            policy_service_pb2.RevokedTokens(subject=item.subject, not_before=timestamp(item.not_before))
            for item in policy.revocations
        ],
        department_paths={make_name("departments", key): path for key, path in policy.department_paths.items()},
    )
