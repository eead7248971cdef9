"""People, departments, roles and machines."""

from crm.identity.v1 import auth_service_pb2, client_pb2, client_service_pb2, department_pb2, role_pb2, user_pb2

from gateway.deriver import Record, derive
from gateway.nodes import Node


@derive(
    user_pb2.User,
    required={"username", "display_name", "etag"},
    relations={"department": "departments", "roles": "roles", "partner": "partners"},
)
class User(Record[user_pb2.User], Node):
    pass


@derive(
    department_pb2.Department,
    required={"display_name", "path", "etag"},
    relations={"parent": "departments", "head": "users", "nearest_theatre": "departments"},
)
class Department(Record[department_pb2.Department], Node):
    pass


@derive(role_pb2.Grant, required={"permission"}, relations={"departments": "departments"})
class Grant(Record[role_pb2.Grant]):
    pass


@derive(role_pb2.FieldRule, required={"entity", "field", "effect"})
class FieldRule(Record[role_pb2.FieldRule]):
    pass


@derive(role_pb2.ProtectableField, required={"entity", "field"})
class ProtectableField(Record[role_pb2.ProtectableField]):
    pass


@derive(role_pb2.Role, required={"display_name", "etag"})
class Role(Record[role_pb2.Role], Node):
    pass


@derive(role_pb2.Permission, required={"permission"})
class Permission(Record[role_pb2.Permission]):
    pass


@derive(client_pb2.Client, required={"client_id", "display_name", "etag"})
class Client(Record[client_pb2.Client]):
    pass


@derive(client_service_pb2.ClientWithSecret)
class ClientWithSecret(Record[client_service_pb2.ClientWithSecret]):
    pass


@derive(auth_service_pb2.TokenPair)
class TokenPair(Record[auth_service_pb2.TokenPair]):
    pass
