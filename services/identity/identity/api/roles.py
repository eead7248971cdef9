"""RoleService."""

from chassis.access import known_permissions
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import page_size
from crm.identity.v1 import role_pb2, role_service_pb2, role_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import mapping, queries
from identity.field_rules import protectable_fields_page
from identity.permissions import permissions_page
from identity.usecases import create_role, delete_role, update_role


class RoleServicer(role_service_pb2_grpc.RoleServiceServicer):
    """Roles and what they grant."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetRole(self, request: role_service_pb2.GetRoleRequest, context: ServicerContext) -> role_pb2.Role:
        with self.calls.read() as session:
            return mapping.role_to_proto(queries.get_role(session, parse_name("roles", request.name)))

    def BatchGetRoles(
        self, request: role_service_pb2.BatchGetRolesRequest, context: ServicerContext
    ) -> role_service_pb2.BatchGetRolesResponse:
        ids = mapping.ids_from_names("roles", request.names)
        with self.calls.read() as session:
            return role_service_pb2.BatchGetRolesResponse(
                roles=map(mapping.role_to_proto, queries.find_roles(session, ids))
            )

    def ListRoles(
        self, request: role_service_pb2.ListRolesRequest, context: ServicerContext
    ) -> role_service_pb2.ListRolesResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = queries.list_roles(session, size, request.page_token)
        return role_service_pb2.ListRolesResponse(
            roles=map(mapping.role_to_proto, page.rows), next_page_token=page.next_token
        )

    def ListPermissions(
        self, request: role_service_pb2.ListPermissionsRequest, context: ServicerContext
    ) -> role_service_pb2.ListPermissionsResponse:
        size = page_size(request.page_size, default=200, maximum=500)
        page, next_token = permissions_page(size, request.page_token)
        return role_service_pb2.ListPermissionsResponse(
            permissions=[role_pb2.Permission(permission=key, methods=methods) for key, methods in page],
            next_page_token=next_token,
        )

    def ListProtectableFields(
        self, request: role_service_pb2.ListProtectableFieldsRequest, context: ServicerContext
    ) -> role_service_pb2.ListProtectableFieldsResponse:
        size = page_size(request.page_size, default=200, maximum=500)
        page, next_token = protectable_fields_page(size, request.page_token)
        return role_service_pb2.ListProtectableFieldsResponse(
            fields=[role_pb2.ProtectableField(entity=entity, field=field) for entity, field in page],
            next_page_token=next_token,
        )

    def CreateRole(self, request: role_service_pb2.CreateRoleRequest, context: ServicerContext) -> role_pb2.Role:
        draft = mapping.role_draft(request.role)
        known = known_permissions().keys()
        return self.calls.write(
            request,
            role_pb2.Role,
            lambda session: mapping.role_to_proto(create_role.create_role(session, draft, known)),
        )

    def UpdateRole(self, request: role_service_pb2.UpdateRoleRequest, context: ServicerContext) -> role_pb2.Role:
        role_id = parse_name("roles", request.role.name)
        draft = mapping.role_draft(request.role)
        paths = changed_paths(request.role, request.update_mask, update_role.FIELDS)
        known = known_permissions().keys()
        return self.calls.write(
            request,
            role_pb2.Role,
            lambda session: mapping.role_to_proto(
                update_role.update_role(session, role_id, draft, paths, request.role.etag, known)
            ),
        )

    def DeleteRole(self, request: role_service_pb2.DeleteRoleRequest, context: ServicerContext) -> Empty:
        role_id = parse_name("roles", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_role.delete_role(session, role_id, request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)
