"""Queries about people, departments, roles and machines."""

import strawberry
from crm.identity.v1 import (
    auth_service_pb2,
    department_service_pb2,
    role_service_pb2,
    user_pb2,
    user_service_pb2,
)

from gateway.conditions import FilterInput, OrderByInput, to_filter, to_order
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field
from gateway.nodes import Key
from gateway.operations.fetching import get_department, get_role, get_user, pages
from gateway.types.identity import Department, Permission, ProtectableField, Role, User


@strawberry.type
class IdentityQuery:
    @field("The signed-in user.")
    async def me(self, info: Info) -> User | None:
        calls = info.context.calls
        return User(await calls(calls.services.auth.GetMe, auth_service_pb2.GetMeRequest()))

    @field("A user.")
    async def user(self, info: Info, key: Key) -> User | None:
        return await get_user(info.context, key)

    @field("The people of the organisation, by login name if no order is given.")
    async def users(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        order_by: list[OrderByInput] | None = None,
    ) -> Connection[User] | None:
        fetch = pages(
            info.context,
            info.context.services.users.ListUsers,
            user_service_pb2.ListUsersRequest,
            "users",
            filter=to_filter(filter, user_pb2.User.DESCRIPTOR),
            order_by=to_order(order_by, user_pb2.User.DESCRIPTOR),
        )
        return await connect(first, after, User, fetch)

    @field("A department.")
    async def department(self, info: Info, key: Key) -> Department | None:
        return await get_department(info.context, key)

    @field("The departments in the order of the tree.")
    async def departments(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Department] | None:
        method, request = (
            info.context.services.departments.ListDepartments,
            department_service_pb2.ListDepartmentsRequest,
        )
        return await connect(first, after, Department, pages(info.context, method, request, "departments"))

    @field("A role.")
    async def role(self, info: Info, key: Key) -> Role | None:
        return await get_role(info.context, key)

    @field("The roles by name.")
    async def roles(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Role] | None:
        method, request = info.context.services.roles.ListRoles, role_service_pb2.ListRolesRequest
        return await connect(first, after, Role, pages(info.context, method, request, "roles"))

    @field("Every permission that the methods of the suite ask for.")
    async def permissions(self, info: Info, first: First = 200, after: After = None) -> Connection[Permission] | None:
        method, request = info.context.services.roles.ListPermissions, role_service_pb2.ListPermissionsRequest
        return await connect(first, after, Permission, pages(info.context, method, request, "permissions"))

    @field("Every field that roles can hide, mask or keep from being changed.")
    async def protectable_fields(
        self, info: Info, first: First = 200, after: After = None
    ) -> Connection[ProtectableField] | None:
        method, request = (
            info.context.services.roles.ListProtectableFields,
            role_service_pb2.ListProtectableFieldsRequest,
        )
        return await connect(first, after, ProtectableField, pages(info.context, method, request, "fields"))
