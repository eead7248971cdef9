"""Begin to sign in at an identity provider."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.names import make_name, new_id

from identity import sign_in_queries
from identity.model import IdentityProvider, PendingSignIn
from identity.secret_tokens import digest

PENDING_LIFE = timedelta(minutes=10)


@dataclass(frozen=True)
class Beginning:
    """A sign-in that has begun, with the secrets that are kept as digests or sealed."""

    provider: IdentityProvider
    redirect_uri: str
    state: str
    nonce: str
    code_verifier: str
    browser_secret: str
    expire_time: datetime


def begin_oidc_sign_in(session: ServiceSession, provider_id: UUID, redirect_uri: str) -> Beginning:
    """Make up what the answer of the provider must fit to. Raises NotFound; Invalid for an unknown redirect URI."""
    provider = sign_in_queries.get_provider(session, provider_id)
    if provider.disabled:
        name = make_name("identityProviders", provider_id)
        raise NotFound("IDENTITY_PROVIDER_NOT_FOUND", "there is no such identity provider", identity_provider=name)
    if redirect_uri not in provider.redirect_uris:
        raise Invalid("INVALID_REDIRECT_URI", "this is none of the provider's redirect URIs", field="redirect_uri")
    # RFC 7636, 4.1 wants 43 to 128 characters of a verifier.
    state, nonce, browser, verifier = (secrets.token_urlsafe(size) for size in (32, 32, 32, 48))
    key, expire_time = new_id(), system_clock() + PENDING_LIFE
    pending = PendingSignIn(
        id=key,
        state_digest=digest(state),
        browser_digest=digest(browser),
        provider_id=provider.id,
        redirect_uri=redirect_uri,
        nonce=nonce,
        code_verifier=session.data_keys.seal(verifier, PendingSignIn.place(key)),
        expire_time=expire_time,
    )
    session.add(pending)
    session.flush()
    return Beginning(provider, redirect_uri, state, nonce, verifier, browser, expire_time)
