"""The gRPC services about signing in besides AuthService."""

from collections.abc import Sequence

from chassis.calls import Calls
from chassis.service import Runtime, Servicer
from crm.identity.v1 import (
    identity_provider_service_pb2,
    identity_provider_service_pb2_grpc,
    oidc_sign_in_service_pb2,
    oidc_sign_in_service_pb2_grpc,
    second_factor_service_pb2,
    second_factor_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
)

from identity.api.identity_providers import IdentityProviderServicer
from identity.api.oidc import OidcSignInServicer
from identity.api.second_factors import SecondFactorServicer
from identity.api.sessions import SessionServicer
from identity.oidc import OidcClient
from identity.tokens import TokenIssuer

DEFAULT_TOTP_ISSUER = "Guanxi CRM"


def signing_servicers(runtime: Runtime, calls: Calls, issuer: TokenIssuer) -> Sequence[Servicer]:
    """Sessions, second factors and single sign-on. Raises Invalid if there are no keys to seal secrets with."""
    environment = runtime.settings.environment
    runtime.database.data_keys.current  # noqa: B018 - a missing setting is told when the process starts
    allow_local_http = environment.get("OIDC_ALLOW_LOCAL_HTTP", "") == "1"
    return (
        Servicer(
            session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
            SessionServicer(calls),
            session_service_pb2_grpc.add_SessionServiceServicer_to_server,
        ),
        Servicer(
            second_factor_service_pb2.DESCRIPTOR.services_by_name["SecondFactorService"],
            SecondFactorServicer(calls, environment.get("TOTP_ISSUER", "") or DEFAULT_TOTP_ISSUER),
            second_factor_service_pb2_grpc.add_SecondFactorServiceServicer_to_server,
        ),
        Servicer(
            identity_provider_service_pb2.DESCRIPTOR.services_by_name["IdentityProviderService"],
            IdentityProviderServicer(calls, allow_local_http=allow_local_http),
            identity_provider_service_pb2_grpc.add_IdentityProviderServiceServicer_to_server,
        ),
        Servicer(
            oidc_sign_in_service_pb2.DESCRIPTOR.services_by_name["OidcSignInService"],
            OidcSignInServicer(calls, issuer, OidcClient(allow_local_http=allow_local_http)),
            oidc_sign_in_service_pb2_grpc.add_OidcSignInServiceServicer_to_server,
        ),
    )
