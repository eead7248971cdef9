"""UserService."""

from chassis.calls import Calls
from chassis.errors import Invalid
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import SortKey, fingerprint, page_size
from crm.identity.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc
from grpc import ServicerContext

from identity import mapping, passwords, queries
from identity.model import User
from identity.password_rules import read_rules
from identity.usecases import create_user, reset_password, update_user
from identity.user_fields import USER_FIELDS


class UserServicer(user_service_pb2_grpc.UserServiceServicer):
    """The people of the organisation."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetUser(self, request: user_service_pb2.GetUserRequest, context: ServicerContext) -> user_pb2.User:
        with self.calls.read() as session:
            return mapping.user_to_proto(queries.get_user(session, parse_name("users", request.name)))

    def BatchGetUsers(
        self, request: user_service_pb2.BatchGetUsersRequest, context: ServicerContext
    ) -> user_service_pb2.BatchGetUsersResponse:
        ids = mapping.ids_from_names("users", request.names)
        with self.calls.read() as session:
            users = queries.find_users(session, ids)
        return user_service_pb2.BatchGetUsersResponse(users=map(mapping.user_row_to_proto, users))

    def ListUsers(
        self, request: user_service_pb2.ListUsersRequest, context: ServicerContext
    ) -> user_service_pb2.ListUsersResponse:
        size = page_size(request.page_size)
        where = USER_FIELDS.where(request.filter)
        by_username = SortKey(User.username, nullable=False)
        keys = USER_FIELDS.order(request.order_by, [by_username], SortKey(User.id, nullable=False))
        listed = fingerprint(request.filter, list(request.order_by))
        with self.calls.read() as session:
            page = queries.list_users(session, where, keys, size, request.page_token, listed)
        return user_service_pb2.ListUsersResponse(
            users=map(mapping.user_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateUser(self, request: user_service_pb2.CreateUserRequest, context: ServicerContext) -> user_pb2.User:
        draft = mapping.user_draft(request.user)
        with self.calls.read() as session:
            rules = read_rules(session)
        passwords.check_password(request.password, draft.username, rules, field="password")
        password_hash = passwords.hash_password(request.password)
        return self.calls.write(
            request,
            user_pb2.User,
            lambda session: mapping.user_to_proto(
                create_user.create_user(
                    session, draft, password_hash, must_change_password=request.must_change_password
                )
            ),
            secret_fields=["password"],
        )

    def UpdateUser(self, request: user_service_pb2.UpdateUserRequest, context: ServicerContext) -> user_pb2.User:
        user_id = parse_name("users", request.user.name)
        draft = mapping.user_draft(request.user)
        paths = changed_paths(request.user, request.update_mask, update_user.FIELDS)
        if "state" in paths and not request.user.state:
            raise Invalid("INVALID_STATE", "say whether the user may sign in", field="state")
        return self.calls.write(
            request,
            user_pb2.User,
            lambda session: mapping.user_to_proto(
                update_user.update_user(session, user_id, draft, paths, request.user.etag)
            ),
        )

    def ResetUserPassword(
        self, request: user_service_pb2.ResetUserPasswordRequest, context: ServicerContext
    ) -> user_pb2.User:
        user_id = parse_name("users", request.name)
        with self.calls.read() as session:
            username, rules = queries.get_user(session, user_id, "user.update").username, read_rules(session)
        passwords.check_password(request.password, username, rules, field="password")
        password_hash = passwords.hash_password(request.password)
        return self.calls.write(
            request,
            user_pb2.User,
            lambda session: mapping.user_to_proto(
                reset_password.reset_password(session, user_id, password_hash, must_change=request.must_change_password)
            ),
            secret_fields=["password"],
        )
