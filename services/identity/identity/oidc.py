"""Identity providers over the network: OpenID Connect discovery, authorization code with PKCE, ID tokens.

What a provider says of itself is believed only as far as it must: its metadata must name the very issuer that was set
up, all its addresses must be such as may be called, nothing is followed elsewhere, and answers are bounded. An ID token
must be signed by one of the issuer's keys with an algorithm that needs a private key; so neither an unsigned token nor
one that is "signed" with a public key as a shared secret gets through.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from chassis.errors import Invalid, Unauthenticated, Unavailable
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from identity.model import IdentityProvider
from identity.urls import check_url
from identity.usecases.begin_oidc_sign_in import Beginning
from identity.usecases.complete_oidc_sign_in import Begun

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
CALL_SECONDS = 5.0
ANSWER_BYTES = 512 * 1024
CACHE_SECONDS = 300.0
KEYS_SECONDS = 10.0
"""The shortest time between two fetches of an issuer's keys that an unknown key brings about."""
LEEWAY_SECONDS = 60
"""How far the provider's clock may be off."""
_MAXIMUM_TOKEN = 32_768

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """What a provider says of itself (OpenID Connect Discovery, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    token_auth: str
    """How the client proves itself at the token endpoint, when it has a secret."""
    names_itself: bool
    """True if the way back carries `iss` (RFC 9207)."""
    read_at: float


class OidcClient:
    """Calls identity providers. What they say of themselves is kept for five minutes."""

    def __init__(self, *, allow_local_http: bool) -> None:
        self._allow_local_http = allow_local_http
        self._metadata: dict[str, Metadata] = {}
        self._keys: dict[str, tuple[float, KeySet]] = {}
        self._lock = Lock()
        # To read the authorities that are trusted takes a tenth of a second.
        self._tls = httpx2.create_ssl_context()

    def authorization_url(self, begun: Beginning) -> str:
        """The provider's page to send the person to. Raises Unavailable."""
        metadata, provider = self._discover(begun.provider.issuer), begun.provider
        with self._session(provider, "", begun.redirect_uri, metadata) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=begun.state,
                code_verifier=begun.code_verifier,
                nonce=begun.nonce,
                scope=" ".join(("openid", *provider.scopes)),
            )
        return str(url)

    def claims(self, begun: Begun, code: str, issuer: str) -> dict[str, Any]:
        """Who the provider says the person is. `issuer` is what the way back named, empty for nothing.

        Raises Unauthenticated IDENTITY_NOT_PROVEN if any part of the proof fails; Unavailable.
        """
        metadata = self._discover(begun.provider.issuer)
        if issuer != metadata.issuer and (issuer or metadata.names_itself):
            raise _not_proven("the way back names another issuer")
        with self._session(begun.provider, begun.client_secret, begun.redirect_uri, metadata) as client:
            token = self._exchange(client, metadata, begun, code)
            claims = self._validated(metadata, begun, token)
            if "email" not in claims and metadata.userinfo_endpoint:
                claims |= self._userinfo(client, metadata, str(claims["sub"]))
        return claims

    def _exchange(self, client: OAuth2Client, metadata: Metadata, begun: Begun, code: str) -> dict[str, Any]:
        try:
            token = client.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=begun.code_verifier,
                redirect_uri=begun.redirect_uri,
            )
        except AuthlibBaseError as error:
            raise _not_proven(f"the provider refuses the code: {error.error}") from None
        except httpx2.HTTPStatusError as error:
            raise _unavailable(metadata.issuer, error) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise _unavailable(metadata.issuer, error) from None
        return dict(token)

    def _validated(self, metadata: Metadata, begun: Begun, token: dict[str, Any]) -> dict[str, Any]:
        """The claims of the ID token (OpenID Connect Core, 3.1.3.7)."""
        text, provider = token.get("id_token"), begun.provider
        if not isinstance(text, str) or len(text) > _MAXIMUM_TOKEN:
            raise _not_proven("there is no ID token")
        try:
            decoded = self._decoded(metadata, text)
            exactly = {"essential": True}
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={
                    "iss": {**exactly, "value": metadata.issuer},
                    "aud": {**exactly, "value": provider.client_id},
                    "sub": exactly,
                    "nonce": {**exactly, "value": begun.nonce},
                },
                params={
                    "nonce": begun.nonce,
                    "client_id": provider.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, KeyError) as error:
            raise _not_proven(f"{type(error).__name__}: {error}") from None
        if not isinstance(claims["sub"], str) or not 1 <= len(claims["sub"]) <= 255:
            raise _not_proven("the subject is no text")
        return dict(claims)

    def _decoded(self, metadata: Metadata, text: str) -> jwt.Token:
        try:
            return jwt.decode(text, self._key_set(metadata, CACHE_SECONDS), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have changed its keys a moment ago.
            return jwt.decode(text, self._key_set(metadata, KEYS_SECONDS), algorithms=ALGORITHMS)

    def _userinfo(self, client: OAuth2Client, metadata: Metadata, subject: str) -> dict[str, Any]:
        """More claims of the same subject (OpenID Connect Core, 5.3). They came over TLS from the issuer itself."""
        try:
            found = client.get(metadata.userinfo_endpoint).raise_for_status().json()
        except (httpx2.HTTPError, AuthlibBaseError, ValueError) as error:
            raise _unavailable(metadata.issuer, error) from None
        if not isinstance(found, dict) or found.get("sub") != subject:
            raise _not_proven("the user info is of another subject")
        return {
            name: found[name] for name in ("email", "email_verified", "name", "preferred_username") if name in found
        }

    def _discover(self, issuer: str) -> Metadata:
        known = self._metadata.get(issuer)
        if known is None or known.read_at < time.monotonic() - CACHE_SECONDS:
            found = self._get(issuer, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            known = self._read(issuer, found)
            with self._lock:
                self._metadata[issuer] = known
        return known

    def _read(self, issuer: str, found: dict[str, Any]) -> Metadata:
        if found.get("issuer") != issuer:
            raise _unavailable(issuer, "its metadata names another issuer")
        endpoints = {}
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
            given = found.get(name, "")
            try:
                needed = given or name != "userinfo_endpoint"
                endpoints[name] = self._callable(str(given), name) if needed else ""
            except Invalid:
                raise _unavailable(issuer, f"its {name} is no address to call") from None
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = "client_secret_basic" in methods
        return Metadata(
            issuer=issuer,
            **endpoints,
            token_auth="client_secret_basic" if basic else "client_secret_post",
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
            read_at=time.monotonic(),
        )

    def _callable(self, url: str, field: str) -> str:
        # Some providers' endpoints have a query of their own, which is fine.
        check_url(url.partition("?")[0], field=field, allow_local_http=self._allow_local_http)
        return url

    def _key_set(self, metadata: Metadata, seconds: float) -> KeySet:
        """The issuer's keys, at most so many seconds old."""
        known = self._keys.get(metadata.issuer)
        if known is None or known[0] < time.monotonic() - seconds:
            found = self._get(metadata.issuer, metadata.jwks_uri)
            try:
                known = time.monotonic(), KeySet.import_key_set(found)  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise _unavailable(metadata.issuer, error) from None
            with self._lock:
                self._keys[metadata.issuer] = known
        return known[1]

    def _get(self, issuer: str, url: str) -> dict[str, Any]:
        try:
            with httpx2.Client(transport=self._transport(), timeout=CALL_SECONDS, trust_env=False) as client:
                found = client.get(url, headers={"accept": "application/json"}).raise_for_status().json()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise _unavailable(issuer, error) from None
        if not isinstance(found, dict):
            raise _unavailable(issuer, f"{url} holds no object")
        return found

    def _transport(self) -> "_Bounded":
        return _Bounded(verify=self._tls, trust_env=False)

    def _session(self, provider: IdentityProvider, secret: str, redirect_uri: str, metadata: Metadata) -> OAuth2Client:
        return OAuth2Client(
            client_id=provider.client_id,
            client_secret=secret or None,
            token_endpoint_auth_method=metadata.token_auth if secret else "none",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=self._transport(),
            timeout=CALL_SECONDS,
            trust_env=False,
            follow_redirects=False,
        )


class _Bounded(httpx2.HTTPTransport):
    """Refuses answers that are too long."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _BoundedStream(response.stream)
        return response


class _BoundedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > ANSWER_BYTES:
                raise httpx2.ReadError(f"the answer has more than {ANSWER_BYTES} bytes")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _not_proven(why: str) -> Unauthenticated:
    """The error for whoever cannot show who they are. What failed is for the log: it would help an attacker."""
    logger.warning("an identity is not proven", extra={"why": why[:300]})
    return Unauthenticated("IDENTITY_NOT_PROVEN", "the identity provider's answer proves nothing; begin again")


def _unavailable(issuer: str, why: object) -> Unavailable:
    logger.warning("an identity provider does not answer as it should", extra={"issuer": issuer, "why": str(why)[:300]})
    return Unavailable("IDENTITY_PROVIDER_UNAVAILABLE", "the identity provider does not answer as it should")
