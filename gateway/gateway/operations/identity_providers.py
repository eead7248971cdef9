"""Signing in by other systems, and which ones."""

import strawberry
from crm.identity.v1 import identity_provider_pb2, identity_provider_service_pb2, oidc_sign_in_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_identity_provider, pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.identity import TokenPair
from gateway.types.signing import IdentityProvider, OidcSignIn, SignInProvider

TIMES = {"create_time", "update_time"}
REFERENCES = {"default_department", "default_roles"}


@derive_input(
    identity_provider_pb2.IdentityProvider,
    required={"display_name", "issuer", "client_id"},
    hide={"name", "etag", *TIMES},
    references=REFERENCES,
)
class CreateIdentityProviderInput(Input[identity_provider_pb2.IdentityProvider]):
    request_id: RequestId = None


@derive_input(identity_provider_pb2.IdentityProvider, required={"name"}, hide=TIMES, references=REFERENCES)
class UpdateIdentityProviderInput(Input[identity_provider_pb2.IdentityProvider]):
    request_id: RequestId = None


@strawberry.input(description="Which subject of a provider a user is.")
class LinkIdentityInput:
    identity_provider_id: strawberry.ID
    user_id: strawberry.ID
    subject: str = strawberry.field(description="The claim `sub` of the provider's tokens.")
    request_id: RequestId = None


@strawberry.input(description="A user and a provider.")
class UnlinkIdentityInput:
    identity_provider_id: strawberry.ID
    user_id: strawberry.ID
    request_id: RequestId = None


@strawberry.input(description="Where to sign in.")
class BeginOidcSignInInput:
    identity_provider_id: strawberry.ID
    redirect_uri: str = strawberry.field(description="Where the provider is to send the person back to.")


@strawberry.input(description="What the provider sent the person back with.")
class CompleteOidcSignInInput:
    state: str
    code: str
    browser_secret: str = strawberry.field(description="The secret that the beginning was answered with.")
    issuer: str | None = strawberry.field(default=None, description="The parameter `iss`, if the provider sent one.")


@strawberry.type
class IdentityProvidersQuery:
    @field("The identity providers that people may sign in by.")
    async def sign_in_providers(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[SignInProvider] | None:
        method, request = (
            info.context.services.oidc.ListSignInProviders,
            oidc_sign_in_service_pb2.ListSignInProvidersRequest,
        )
        return await connect(first, after, SignInProvider, pages(info.context, method, request, "providers"))

    @field("An identity provider.")
    async def identity_provider(self, info: Info, key: Key) -> IdentityProvider | None:
        return await get_identity_provider(info.context, key)

    @field("The identity providers by name.")
    async def identity_providers(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[IdentityProvider] | None:
        method, request = (
            info.context.services.identity_providers.ListIdentityProviders,
            identity_provider_service_pb2.ListIdentityProvidersRequest,
        )
        return await connect(first, after, IdentityProvider, pages(info.context, method, request, "identity_providers"))


@strawberry.type
class IdentityProvidersMutation:
    @mutation("Begins to sign in by another system: returns the address to send the person to.")
    async def begin_oidc_sign_in(self, info: Info, input: BeginOidcSignInInput) -> OidcSignIn | None:  # noqa: A002
        request = oidc_sign_in_service_pb2.BeginOidcSignInRequest(
            identity_provider=input.identity_provider_id, redirect_uri=input.redirect_uri
        )
        return OidcSignIn(await info.context.calls(info.context.services.oidc.BeginOidcSignIn, request))

    @mutation("Finishes to sign in by another system, once.")
    async def complete_oidc_sign_in(self, info: Info, input: CompleteOidcSignInInput) -> TokenPair | None:  # noqa: A002
        request = oidc_sign_in_service_pb2.CompleteOidcSignInRequest(
            state=input.state, code=input.code, browser_secret=input.browser_secret, issuer=input.issuer or ""
        )
        return TokenPair(await info.context.calls(info.context.services.oidc.CompleteOidcSignIn, request))

    @mutation("Creates an identity provider.")
    async def create_identity_provider(
        self,
        info: Info,
        input: CreateIdentityProviderInput,  # noqa: A002
    ) -> IdentityProvider | None:
        request = identity_provider_service_pb2.CreateIdentityProviderRequest(
            identity_provider=input.to_proto(), request_id=input.request_id or ""
        )
        method = info.context.services.identity_providers.CreateIdentityProvider
        return IdentityProvider(await info.context.calls(method, request))

    @mutation("Changes an identity provider. The client secret is kept if it is not given.")
    async def update_identity_provider(
        self,
        info: Info,
        input: UpdateIdentityProviderInput,  # noqa: A002
    ) -> IdentityProvider | None:
        request = identity_provider_service_pb2.UpdateIdentityProviderRequest(
            identity_provider=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        method = info.context.services.identity_providers.UpdateIdentityProvider
        return IdentityProvider(await info.context.calls(method, request))

    @mutation("Deletes an identity provider and returns its id.")
    async def delete_identity_provider(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = identity_provider_service_pb2.DeleteIdentityProviderRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.identity_providers.DeleteIdentityProvider, request)
        return input.id

    @mutation("Says which subject of a provider a user is.")
    async def link_identity(self, info: Info, input: LinkIdentityInput) -> bool | None:  # noqa: A002
        request = identity_provider_service_pb2.LinkIdentityRequest(
            identity_provider=input.identity_provider_id,
            user=input.user_id,
            subject=input.subject,
            request_id=input.request_id or "",
        )
        await info.context.calls(info.context.services.identity_providers.LinkIdentity, request)
        return True

    @mutation("Takes a user's link to a provider away.")
    async def unlink_identity(self, info: Info, input: UnlinkIdentityInput) -> bool | None:  # noqa: A002
        request = identity_provider_service_pb2.UnlinkIdentityRequest(
            identity_provider=input.identity_provider_id, user=input.user_id, request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.identity_providers.UnlinkIdentity, request)
        return True
