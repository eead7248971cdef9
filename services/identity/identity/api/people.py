"""The gRPC services about people's accounts and what they choose for themselves."""

from collections.abc import Sequence

from chassis.calls import Calls
from chassis.service import Runtime, Servicer
from crm.identity.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    saved_view_service_pb2,
    saved_view_service_pb2_grpc,
    settings_service_pb2,
    settings_service_pb2_grpc,
)

from identity.api.accounts import AccountServicer
from identity.api.saved_views import SavedViewServicer
from identity.api.settings import SettingsServicer
from identity.links import Links


def people_servicers(runtime: Runtime, calls: Calls) -> Sequence[Servicer]:
    """Accounts, settings and saved views. Raises Invalid, naming the variable, if a setting cannot be used."""
    links = Links.from_environment(runtime.settings.environment)
    return (
        Servicer(
            account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
            AccountServicer(calls, links),
            account_service_pb2_grpc.add_AccountServiceServicer_to_server,
        ),
        Servicer(
            settings_service_pb2.DESCRIPTOR.services_by_name["SettingsService"],
            SettingsServicer(calls),
            settings_service_pb2_grpc.add_SettingsServiceServicer_to_server,
        ),
        Servicer(
            saved_view_service_pb2.DESCRIPTOR.services_by_name["SavedViewService"],
            SavedViewServicer(calls),
            saved_view_service_pb2_grpc.add_SavedViewServiceServicer_to_server,
        ),
    )
