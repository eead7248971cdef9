"""IdentityProviderService."""

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import page_size
from crm.identity.v1 import identity_provider_pb2, identity_provider_service_pb2, identity_provider_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import sign_in_queries
from identity.sign_in_mapping import provider_draft, provider_to_proto
from identity.usecases import (
    create_identity_provider,
    delete_identity_provider,
    link_identity,
    update_identity_provider,
)


class IdentityProviderServicer(identity_provider_service_pb2_grpc.IdentityProviderServiceServicer):
    """The systems that people may sign in by."""

    def __init__(self, calls: Calls, *, allow_local_http: bool) -> None:
        self.calls = calls
        self.allow_local_http = allow_local_http

    def GetIdentityProvider(
        self, request: identity_provider_service_pb2.GetIdentityProviderRequest, context: ServicerContext
    ) -> identity_provider_pb2.IdentityProvider:
        provider_id = parse_name("identityProviders", request.name)
        with self.calls.read() as session:
            session.caller.require_everything("identity_provider.read")
            return provider_to_proto(sign_in_queries.get_provider(session, provider_id))

    def ListIdentityProviders(
        self, request: identity_provider_service_pb2.ListIdentityProvidersRequest, context: ServicerContext
    ) -> identity_provider_service_pb2.ListIdentityProvidersResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            session.caller.require_everything("identity_provider.read")
            page = sign_in_queries.list_providers(session, size, request.page_token)
        return identity_provider_service_pb2.ListIdentityProvidersResponse(
            identity_providers=map(provider_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateIdentityProvider(
        self, request: identity_provider_service_pb2.CreateIdentityProviderRequest, context: ServicerContext
    ) -> identity_provider_pb2.IdentityProvider:
        draft = provider_draft(request.identity_provider)

        def create(session: ServiceSession) -> identity_provider_pb2.IdentityProvider:
            return provider_to_proto(
                create_identity_provider.create_identity_provider(
                    session, draft, allow_local_http=self.allow_local_http
                )
            )

        return self.calls.write(request, identity_provider_pb2.IdentityProvider, create)

    def UpdateIdentityProvider(
        self, request: identity_provider_service_pb2.UpdateIdentityProviderRequest, context: ServicerContext
    ) -> identity_provider_pb2.IdentityProvider:
        given = request.identity_provider
        provider_id = parse_name("identityProviders", given.name)
        draft = provider_draft(given)
        paths = changed_paths(given, request.update_mask, create_identity_provider.FIELDS)

        def update(session: ServiceSession) -> identity_provider_pb2.IdentityProvider:
            return provider_to_proto(
                update_identity_provider.update_identity_provider(
                    session, provider_id, draft, paths, given.etag, allow_local_http=self.allow_local_http
                )
            )

        return self.calls.write(request, identity_provider_pb2.IdentityProvider, update)

    def DeleteIdentityProvider(
        self, request: identity_provider_service_pb2.DeleteIdentityProviderRequest, context: ServicerContext
    ) -> Empty:
        provider_id = parse_name("identityProviders", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_identity_provider.delete_identity_provider(session, provider_id, request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def LinkIdentity(
        self, request: identity_provider_service_pb2.LinkIdentityRequest, context: ServicerContext
    ) -> Empty:
        provider_id = parse_name("identityProviders", request.identity_provider, field="identity_provider")
        user_id = parse_name("users", request.user, field="user")

        def link(session: ServiceSession) -> Empty:
            link_identity.link_identity(session, provider_id, user_id, request.subject)
            return Empty()

        return self.calls.write(request, Empty, link)

    def UnlinkIdentity(
        self, request: identity_provider_service_pb2.UnlinkIdentityRequest, context: ServicerContext
    ) -> Empty:
        provider_id = parse_name("identityProviders", request.identity_provider, field="identity_provider")
        user_id = parse_name("users", request.user, field="user")

        def unlink(session: ServiceSession) -> Empty:
            link_identity.unlink_identity(session, provider_id, user_id)
            return Empty()

        return self.calls.write(request, Empty, unlink)
