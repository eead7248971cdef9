"""OidcSignInService."""

from chassis.calls import Calls
from chassis.names import parse_name
from chassis.paging import page_size
from crm.identity.v1 import auth_service_pb2, oidc_sign_in_service_pb2, oidc_sign_in_service_pb2_grpc
from grpc import ServicerContext

from identity import sign_in_queries
from identity.mapping import timestamp
from identity.oidc import OidcClient
from identity.sign_in_mapping import entry_to_proto
from identity.tokens import TokenIssuer
from identity.usecases import begin_oidc_sign_in, complete_oidc_sign_in


class OidcSignInServicer(oidc_sign_in_service_pb2_grpc.OidcSignInServiceServicer):
    """Signs people in by other systems."""

    def __init__(self, calls: Calls, issuer: TokenIssuer, client: OidcClient) -> None:
        self.calls = calls
        self.issuer = issuer
        self.client = client

    def ListSignInProviders(
        self, request: oidc_sign_in_service_pb2.ListSignInProvidersRequest, context: ServicerContext
    ) -> oidc_sign_in_service_pb2.ListSignInProvidersResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = sign_in_queries.list_providers(session, size, request.page_token, usable=True)
        return oidc_sign_in_service_pb2.ListSignInProvidersResponse(
            providers=[
                oidc_sign_in_service_pb2.SignInProvider(name=each.name, display_name=each.display_name)
                for each in page.rows
            ],
            next_page_token=page.next_token,
        )

    def BeginOidcSignIn(
        self, request: oidc_sign_in_service_pb2.BeginOidcSignInRequest, context: ServicerContext
    ) -> oidc_sign_in_service_pb2.OidcSignIn:
        provider_id = parse_name("identityProviders", request.identity_provider, field="identity_provider")
        with self.calls.transaction(unaudited="concerns nobody yet; the sign-in it leads to is audited") as session:
            begun = begin_oidc_sign_in.begin_oidc_sign_in(session, provider_id, request.redirect_uri)
        return oidc_sign_in_service_pb2.OidcSignIn(
            authorization_url=self.client.authorization_url(begun),
            browser_secret=begun.browser_secret,
            expire_time=timestamp(begun.expire_time),
        )

    def CompleteOidcSignIn(
        self, request: oidc_sign_in_service_pb2.CompleteOidcSignInRequest, context: ServicerContext
    ) -> auth_service_pb2.TokenPair:
        with self.calls.transaction(unaudited="used up before it is judged; what comes of it is audited") as session:
            begun = complete_oidc_sign_in.use_up(session, request.state, request.browser_secret)
        claims = self.client.claims(begun, request.code, request.issuer)
        with self.calls.transaction() as session:
            entry = complete_oidc_sign_in.enter_by_identity(session, begun.provider, claims)
        return entry_to_proto(entry, self.issuer)
