"""SettingsService."""

from chassis.access import known_permissions
from chassis.callers import current_caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from crm.identity.v1 import account_pb2, settings_service_pb2, settings_service_pb2_grpc
from grpc import ServicerContext

from identity import account_mapping, mapping, queries
from identity.effective import effective_permissions
from identity.settings import settings_of
from identity.usecases import update_settings
from identity.usecases.set_password import must_change_password


class SettingsServicer(settings_service_pb2_grpc.SettingsServiceServicer):
    """What people choose for themselves."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetMyAccount(
        self, request: settings_service_pb2.GetMyAccountRequest, context: ServicerContext
    ) -> account_pb2.MyAccount:
        with self.calls.read() as session:
            user = queries.get_own_user(session)
            settings, must_change = settings_of(session, user), must_change_password(session, user)
        permissions = effective_permissions(current_caller(), known_permissions())
        return account_pb2.MyAccount(
            user=mapping.user_to_proto(user),
            settings=account_mapping.settings_to_proto(user, settings),
            permissions=map(account_mapping.permission_to_proto, permissions),
            must_change_password=must_change,
        )

    def GetMySettings(
        self, request: settings_service_pb2.GetMySettingsRequest, context: ServicerContext
    ) -> account_pb2.UserSettings:
        with self.calls.read() as session:
            user = queries.get_own_user(session)
            return account_mapping.settings_to_proto(user, settings_of(session, user))

    def UpdateMySettings(
        self, request: settings_service_pb2.UpdateMySettingsRequest, context: ServicerContext
    ) -> account_pb2.UserSettings:
        draft = account_mapping.settings_draft(request.settings)
        paths = changed_paths(request.settings, request.update_mask, update_settings.FIELDS)

        def change(session: ServiceSession) -> account_pb2.UserSettings:
            etag = request.settings.etag
            return account_mapping.settings_to_proto(*update_settings.update_settings(session, draft, paths, etag))

        return self.calls.write(request, account_pb2.UserSettings, change)
