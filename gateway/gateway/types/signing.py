"""Sessions, second factors and identity providers."""

from crm.identity.v1 import (
    identity_provider_pb2,
    oidc_sign_in_service_pb2,
    second_factor_service_pb2,
    session_service_pb2,
)

from gateway.deriver import Record, derive
from gateway.nodes import Node


@derive(session_service_pb2.Session, required={"method"})
class Session(Record[session_service_pb2.Session]):
    pass


@derive(second_factor_service_pb2.SecondFactor)
class SecondFactor(Record[second_factor_service_pb2.SecondFactor]):
    pass


@derive(second_factor_service_pb2.TotpEnrolment)
class TotpEnrolment(Record[second_factor_service_pb2.TotpEnrolment]):
    pass


@derive(
    identity_provider_pb2.IdentityProvider,
    required={"display_name", "issuer", "client_id", "matching", "etag"},
    hide={"client_secret"},
    relations={"default_department": "departments", "default_roles": "roles"},
)
class IdentityProvider(Record[identity_provider_pb2.IdentityProvider], Node):
    pass


@derive(oidc_sign_in_service_pb2.SignInProvider, required={"display_name"})
class SignInProvider(Record[oidc_sign_in_service_pb2.SignInProvider]):
    pass


@derive(oidc_sign_in_service_pb2.OidcSignIn, required={"authorization_url", "browser_secret"})
class OidcSignIn(Record[oidc_sign_in_service_pb2.OidcSignIn]):
    pass
