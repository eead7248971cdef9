"""The administration of people, departments, roles and machines."""

import strawberry
from crm.identity.v1 import (
    department_pb2,
    department_service_pb2,
    role_pb2,
    role_service_pb2,
    user_pb2,
    user_service_pb2,
)

from gateway.context import Info
from gateway.fields import mutation
from gateway.inputs import Input, derive_input
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.identity import Department, Role, User

TIMES = {"create_time", "update_time"}


@derive_input(
    user_pb2.User,
    required={"username", "display_name", "department"},
    hide={"name", "etag", "kind", "last_login_time", *TIMES},
    references={"department", "partner", "roles"},
)
class CreateUserInput(Input[user_pb2.User]):
    password: str = strawberry.field(description="At least 10 characters.")
    must_change_password: bool = strawberry.field(
        default=False, description="True if the person must choose another one at the first sign-in."
    )
    request_id: RequestId = None


@derive_input(
    user_pb2.User,
    required={"name"},
    hide={"kind", "last_login_time", *TIMES},
    references={"department", "partner", "roles"},
)
class UpdateUserInput(Input[user_pb2.User]):
    request_id: RequestId = None


@strawberry.input(description="A new password for a user.")
class ResetUserPasswordInput:
    id: strawberry.ID
    password: str = strawberry.field(description="At least 10 characters.")
    must_change_password: bool = strawberry.field(
        default=False, description="True if the person must choose another one at the next sign-in."
    )
    request_id: RequestId = None


@derive_input(
    department_pb2.Department,
    required={"display_name", "parent"},
    hide={"name", "etag", "path", "nearest_theatre", *TIMES},
    references={"parent", "head"},
)
class CreateDepartmentInput(Input[department_pb2.Department]):
    request_id: RequestId = None


@derive_input(
    department_pb2.Department,
    required={"name"},
    hide={"path", "nearest_theatre", *TIMES},
    references={"parent", "head"},
)
class UpdateDepartmentInput(Input[department_pb2.Department]):
    request_id: RequestId = None


@derive_input(role_pb2.Grant, required={"permission", "scope"}, references={"departments"})
class GrantInput(Input[role_pb2.Grant]):
    pass


@derive_input(role_pb2.FieldRule, required={"entity", "field", "effect"})
class FieldRuleInput(Input[role_pb2.FieldRule]):
    pass


@derive_input(role_pb2.Role, required={"display_name"}, hide={"name", "etag", "builtin", *TIMES})
class CreateRoleInput(Input[role_pb2.Role]):
    request_id: RequestId = None


@derive_input(role_pb2.Role, required={"name"}, hide={"builtin", *TIMES})
class UpdateRoleInput(Input[role_pb2.Role]):
    request_id: RequestId = None


@strawberry.type
class AdministrationMutation:
    @mutation("Creates a user.")
    async def create_user(self, info: Info, input: CreateUserInput) -> User | None:  # noqa: A002
        request = user_service_pb2.CreateUserRequest(
            user=input.to_proto(),
            request_id=input.request_id or "",
            password=input.password,
            must_change_password=input.must_change_password,
        )
        return User(await info.context.calls(info.context.services.users.CreateUser, request))

    @mutation("Changes a user.")
    async def update_user(self, info: Info, input: UpdateUserInput) -> User | None:  # noqa: A002
        request = user_service_pb2.UpdateUserRequest(
            user=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return User(await info.context.calls(info.context.services.users.UpdateUser, request))

    @mutation("Sets a user's password and ends the user's sessions.")
    async def reset_user_password(self, info: Info, input: ResetUserPasswordInput) -> User | None:  # noqa: A002
        request = user_service_pb2.ResetUserPasswordRequest(
            name=input.id,
            password=input.password,
            request_id=input.request_id or "",
            must_change_password=input.must_change_password,
        )
        return User(await info.context.calls(info.context.services.users.ResetUserPassword, request))

    @mutation("Creates a department.")
    async def create_department(self, info: Info, input: CreateDepartmentInput) -> Department | None:  # noqa: A002
        request = department_service_pb2.CreateDepartmentRequest(
            department=input.to_proto(), request_id=input.request_id or ""
        )
        return Department(await info.context.calls(info.context.services.departments.CreateDepartment, request))

    @mutation("Changes a department.")
    async def update_department(self, info: Info, input: UpdateDepartmentInput) -> Department | None:  # noqa: A002
        request = department_service_pb2.UpdateDepartmentRequest(
            department=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Department(await info.context.calls(info.context.services.departments.UpdateDepartment, request))

    @mutation("Deletes a department and returns its id.")
    async def delete_department(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = department_service_pb2.DeleteDepartmentRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.departments.DeleteDepartment, request)
        return input.id

    @mutation("Creates a role.")
    async def create_role(self, info: Info, input: CreateRoleInput) -> Role | None:  # noqa: A002
        request = role_service_pb2.CreateRoleRequest(role=input.to_proto(), request_id=input.request_id or "")
        return Role(await info.context.calls(info.context.services.roles.CreateRole, request))

    @mutation("Changes a role.")
    async def update_role(self, info: Info, input: UpdateRoleInput) -> Role | None:  # noqa: A002
        request = role_service_pb2.UpdateRoleRequest(
            role=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Role(await info.context.calls(info.context.services.roles.UpdateRole, request))

    @mutation("Deletes a role and returns its id.")
    async def delete_role(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = role_service_pb2.DeleteRoleRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.roles.DeleteRole, request)
        return input.id
