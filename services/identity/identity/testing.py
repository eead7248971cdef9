"""For tests: a running identity service with its real authority, and the means to call it as anyone who signed in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

import grpc
from argon2 import PasswordHasher
from chassis import cli
from chassis.clients import plain_channel
from chassis.encryption import new_key
from chassis.server import build_server
from chassis.service import Runtime
from chassis.settings import Settings
from chassis.testing.edge import bearer
from crm.identity.v1 import (
    auth_service_pb2,
    auth_service_pb2_grpc,
    client_service_pb2_grpc,
    department_pb2,
    department_service_pb2,
    department_service_pb2_grpc,
    identity_provider_service_pb2_grpc,
    oidc_sign_in_service_pb2_grpc,
    policy_service_pb2_grpc,
    role_pb2,
    role_service_pb2,
    role_service_pb2_grpc,
    second_factor_service_pb2_grpc,
    session_service_pb2_grpc,
    user_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy import text

from identity import passwords
from identity.bootstrap import bootstrap
from identity.main import SERVICE

PASSWORD = "correct horse battery"  # noqa: S105
ADMIN_PASSWORD = "stable staple orange"  # noqa: S105
SERVICE_SECRET = "secret-of-the-customers-service"  # noqa: S105

Result = TypeVar("Result")
Metadata = tuple[tuple[str, str], ...]


def pem_key() -> str:
    """A fresh signing key."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Suite:
    """Stubs for all services of identity, and short ways to what most tests need."""

    password = PASSWORD
    admin_password = ADMIN_PASSWORD
    service_secret = SERVICE_SECRET

    def __init__(self, runtime: Runtime, channel: grpc.Channel) -> None:
        self.runtime = runtime
        self.channel = channel
        self.auth = auth_service_pb2_grpc.AuthServiceStub(channel)
        self.users = user_service_pb2_grpc.UserServiceStub(channel)
        self.departments = department_service_pb2_grpc.DepartmentServiceStub(channel)
        self.roles = role_service_pb2_grpc.RoleServiceStub(channel)
        self.clients = client_service_pb2_grpc.ClientServiceStub(channel)
        self.policies = policy_service_pb2_grpc.PolicyServiceStub(channel)
        self.sessions = session_service_pb2_grpc.SessionServiceStub(channel)
        self.second_factors = second_factor_service_pb2_grpc.SecondFactorServiceStub(channel)
        self.providers = identity_provider_service_pb2_grpc.IdentityProviderServiceStub(channel)
        self.oidc = oidc_sign_in_service_pb2_grpc.OidcSignInServiceStub(channel)
        self._numbers = count(1)
        self.admin = self.sign_in("admin", ADMIN_PASSWORD)
        self.admin_name = self.auth.GetMe(auth_service_pb2.GetMeRequest(), metadata=self.admin).name
        listed = self.departments.ListDepartments(
            department_service_pb2.ListDepartmentsRequest(page_size=1), metadata=self.admin
        )
        self.root = listed.departments[0]

    def login(self, username: str, password: str = PASSWORD) -> auth_service_pb2.TokenPair:
        """Sign in."""
        return self.auth.Login(auth_service_pb2.LoginRequest(username=username, password=password))

    def sign_in(self, username: str, password: str = PASSWORD) -> Metadata:
        """Sign in and return what to send along with calls."""
        return bearer(self.login(username, password).access_token)

    def me(self, metadata: Metadata) -> user_pb2.User:
        """The caller's own user."""
        return self.auth.GetMe(auth_service_pb2.GetMeRequest(), metadata=metadata)

    def unique(self, stem: str) -> str:
        """A name that no other test uses."""
        return f"{stem}{next(self._numbers)}"

    def department(self, parent: str = "", name: str = "") -> department_pb2.Department:
        """A new department, below the root if no parent is named."""
        draft = department_pb2.Department(display_name=name or self.unique("部门"), parent=parent or self.root.name)
        request = department_service_pb2.CreateDepartmentRequest(department=draft, request_id=str(uuid4()))
        return self.departments.CreateDepartment(request, metadata=self.admin)

    def role(self, *grants: role_pb2.Grant) -> role_pb2.Role:
        """A new role."""
        draft = role_pb2.Role(display_name=self.unique("角色"), grants=grants)
        request = role_service_pb2.CreateRoleRequest(role=draft, request_id=str(uuid4()))
        return self.roles.CreateRole(request, metadata=self.admin)

    def user(
        self, department: str = "", roles: Sequence[role_pb2.Role] = (), *, as_caller: Metadata = (), **fields: Any
    ) -> user_pb2.User:
        """A new user, in the root department if none is named."""
        fields.setdefault("username", self.unique("user"))
        fields.setdefault("display_name", "李伟")
        draft = user_pb2.User(department=department or self.root.name, roles=[role.name for role in roles], **fields)
        request = user_service_pb2.CreateUserRequest(user=draft, password=PASSWORD, request_id=str(uuid4()))
        return self.users.CreateUser(request, metadata=as_caller or self.admin)

    def somebody(self, *grants: role_pb2.Grant, department: str = "") -> tuple[user_pb2.User, Metadata]:
        """A new user with these grants, signed in."""
        user = self.user(department, [self.role(*grants)] if grants else [])
        return user, self.sign_in(user.username)

    def update(self, user: user_pb2.User, *paths: str, as_caller: Metadata = ()) -> user_pb2.User:
        """Change a user."""
        request = user_service_pb2.UpdateUserRequest(user=user, request_id=str(uuid4()))
        request.update_mask.paths.extend(paths)
        return self.users.UpdateUser(request, metadata=as_caller or self.admin)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """What the database holds."""
        with self.runtime.database.engine.connect() as connection:
            return list(connection.execute(text(sql), values))

    def events(self, name: str) -> list[dict[str, Any]]:
        """The data of all events of a type so far, in order."""
        kind = f"crm.identity.v1.{name}"
        return [
            row.data for row in self.rows("SELECT data FROM outbox WHERE type = :kind ORDER BY position", kind=kind)
        ]

    def audited(self, resource: str) -> list[str]:
        """The audited actions on a resource, in order."""
        found = self.rows("SELECT action FROM audit_entry WHERE resource = :resource ORDER BY id", resource=resource)
        return [row.action for row in found]


def grant(permission: str, scope: str = "ALL", *departments: str) -> role_pb2.Grant:
    """A grant."""
    return role_pb2.Grant(
        permission=permission, scope=role_pb2.DataScope.Value(f"DATA_SCOPE_{scope}"), departments=departments
    )


def reason_of(error: grpc.RpcError) -> str:
    """The reason that a refused call states."""
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


def outcome(call: Callable[[], Result]) -> Result | str:
    """What the call returns, or the reason that it is refused with."""
    try:
        return call()
    except grpc.RpcError as error:
        return reason_of(error)


@contextmanager
def refused(code: str, reason: str) -> Iterator[None]:
    """The call inside is refused in this way."""
    found = ("OK", "")
    try:
        yield
    except grpc.RpcError as error:
        found = (error.code().name, reason_of(error))
    if found != (code, reason):
        raise AssertionError(f"expected {code} {reason}, found {found}")


COSTLY = passwords._hasher


@contextmanager
def hashing_with(hasher: PasswordHasher) -> Iterator[None]:
    """Passwords are hashed at a cost of the test's own."""
    before = passwords._hasher, passwords._NOBODY
    passwords._hasher, passwords._NOBODY = hasher, hasher.hash("nobody")
    try:
        yield
    finally:
        passwords._hasher, passwords._NOBODY = before


@contextmanager
def running_suite(url: str, **environment: str) -> Iterator[Suite]:
    """The service on a migrated database."""
    settings = Settings.read(
        {
            "GRPC_LISTEN": "127.0.0.1:0",
            "DATABASE_URL_IDENTITY": url,
            "TOKEN_SIGNING_KEY": pem_key(),
            "DATA_KEYS": f"test:{new_key()}",
            "PUBLIC_URL": "https://crm.example.com",
            "BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "SERVICE_CLIENT_SECRET_CUSTOMERS": SERVICE_SECRET,
            **environment,
        }
    )
    runtime = cli.make_runtime(settings, SERVICE, statement_seconds=cli.STATEMENT_SECONDS)
    bootstrap(runtime)
    server = build_server(settings, [(SERVICE, runtime)])
    server.start()
    channel = plain_channel(f"127.0.0.1:{server.port}")
    try:
        yield Suite(runtime, channel)
    finally:
        channel.close()
        server.stop(grace=1)
