"""For tests: a real OpenID Connect provider on this machine, which can be made to lie."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from uuid import uuid4

import flask
import httpx
import jwt
import oidc_provider_mock
from crm.identity.v1 import auth_service_pb2, identity_provider_pb2, user_pb2
from crm.identity.v1 import identity_provider_service_pb2 as admin_pb
from crm.identity.v1 import oidc_sign_in_service_pb2 as pb
from werkzeug.serving import make_server

from identity.testing import Suite

REDIRECT = "https://crm.example.com/signed-in"
EMAIL = identity_provider_pb2.USER_MATCHING_EMAIL
USERNAME = identity_provider_pb2.USER_MATCHING_USERNAME
Claims = dict[str, Any]
Forge = Callable[[Claims, str], str]
"""(the honest claims, the provider's private key in PEM) → the ID token to send instead."""


class Provider:
    """The provider. It insists on PKCE, and forgets a code once it was used."""

    def __init__(self) -> None:
        self.forge: Forge | None = None
        self.metadata: Claims = {}
        """What its metadata says in place of the truth."""
        self.requests: list[str] = []
        """The paths that were asked for."""
        self.credentials: list[tuple[str | None, str | None]] = []
        """Client id and secret as they came at the token endpoint."""
        self.redirecting = False
        """True if it sends whoever asks for its metadata elsewhere."""
        self._challenges: dict[str, str] = {}
        self._browser = httpx.Client(trust_env=False, verify=False)  # noqa: S501 - it speaks plain HTTP
        self.app = oidc_provider_mock.app()
        self.app.before_request(self._check)
        self.app.after_request(self._alter)
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.issuer = f"http://localhost:{self._server.port}"

    def honest(self) -> None:
        """Lie no more, and forget what was asked."""
        self.forge, self.metadata, self.redirecting = None, {}, False
        self.requests.clear()
        self.credentials.clear()

    def person(self, subject: str, **claims: Any) -> str:
        """Make somebody known, with these claims."""
        self._browser.put(f"{self.issuer}/users/{subject}", json=claims).raise_for_status()
        return subject

    def approve(self, authorization_url: str, subject: str) -> dict[str, str]:
        """Sign somebody in on the provider's page. Returns what the browser is sent back with."""
        answer = self._browser.post(authorization_url, data={"sub": subject})
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    def _check(self) -> Any:
        request = flask.request
        self.requests.append(request.path)
        if self.redirecting and "well-known" in request.path:
            return "", 302, {"location": "http://localhost:1/"}
        if request.path == "/oauth2/token":
            given = request.authorization
            self.credentials.append((given.username, given.password) if given else (None, None))
            verifier = request.form.get("code_verifier", "").encode()
            sent = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
            if self._challenges.pop(request.form.get("code", ""), None) != sent:
                return {"error": "invalid_grant", "error_description": "no such code or verifier"}, 400
        return None

    def _alter(self, response: flask.Response) -> flask.Response:
        path = flask.request.path
        if path == "/oauth2/authorize" and response.status_code == 302:
            code = parse_qs(urlsplit(response.headers["location"]).query)["code"][0]
            assert flask.request.args["code_challenge_method"] == "S256"
            self._challenges[code] = flask.request.args["code_challenge"]
        if path == "/oauth2/token" and response.status_code == 200 and self.forge is not None:
            answer = response.get_json()
            claims = jwt.decode(answer["id_token"], options={"verify_signature": False})
            key = flask.g.oidc_provider_mock_storage.jwk.as_pem(is_private=True).decode()
            response.set_data(flask.json.dumps({**answer, "id_token": self.forge(claims, key)}))
        if path == "/.well-known/openid-configuration" and self.metadata:
            response.set_data(flask.json.dumps({**response.get_json(), **self.metadata}))
        return response

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Stop answering."""
        self._browser.close()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running_provider() -> Iterator[Provider]:
    """A provider in a thread of its own."""
    provider = Provider()
    thread = threading.Thread(target=provider._serve, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.stop()
        thread.join(5)


def add_provider(suite: Suite, provider: Provider, **fields: Any) -> identity_provider_pb2.IdentityProvider:
    """Register a provider."""
    given: dict[str, Any] = {
        "display_name": suite.unique("统一认证"),
        "issuer": provider.issuer,
        "client_id": suite.unique("crm"),
        "client_secret": "told by the provider",
        "redirect_uris": [REDIRECT],
        "matching": EMAIL,
        **fields,
    }
    draft = identity_provider_pb2.IdentityProvider(**given)
    request = admin_pb.CreateIdentityProviderRequest(identity_provider=draft, request_id=str(uuid4()))
    return suite.providers.CreateIdentityProvider(request, metadata=suite.admin)


def update_provider(
    suite: Suite, registered: identity_provider_pb2.IdentityProvider, *paths: str, **fields: Any
) -> identity_provider_pb2.IdentityProvider:
    """Change a registered provider."""
    changed = identity_provider_pb2.IdentityProvider(name=registered.name, **fields)
    request = admin_pb.UpdateIdentityProviderRequest(identity_provider=changed, request_id=str(uuid4()))
    request.update_mask.paths.extend(paths or fields)
    return suite.providers.UpdateIdentityProvider(request, metadata=suite.admin)


def begin_sign_in(
    suite: Suite, registered: identity_provider_pb2.IdentityProvider, redirect: str = REDIRECT
) -> pb.OidcSignIn:
    """Begin to sign in by a registered provider."""
    request = pb.BeginOidcSignInRequest(identity_provider=registered.name, redirect_uri=redirect)
    return suite.oidc.BeginOidcSignIn(request)


def complete_sign_in(suite: Suite, begun: pb.OidcSignIn, back: Claims, **replaced: str) -> auth_service_pb2.TokenPair:
    """Finish a sign-in with what the provider sent back, or with something else."""
    fields = {
        "state": back["state"],
        "code": back["code"],
        "browser_secret": begun.browser_secret,
        "issuer": back.get("iss", ""),
        **replaced,
    }
    return suite.oidc.CompleteOidcSignIn(pb.CompleteOidcSignInRequest(**fields))


def sign_in_by(
    suite: Suite, provider: Provider, registered: identity_provider_pb2.IdentityProvider, subject: str
) -> auth_service_pb2.TokenPair:
    """Sign in as a person whom a provider knows."""
    begun = begin_sign_in(suite, registered)
    return complete_sign_in(suite, begun, provider.approve(begun.authorization_url, subject))


def person_with_account(suite: Suite, provider: Provider, **claims: Any) -> tuple[user_pb2.User, str]:
    """A user, and the person at the provider with the user's verified address."""
    user = suite.user(email=f"{suite.unique('person')}@example.com")
    subject = provider.person(f"sub-{user.username}", **{"email": user.email, "email_verified": True, **claims})
    return user, subject


def sign_claims(claims: Claims, private_key: Any, **headers: Any) -> str:
    """An ID token of some claims."""
    return jwt.encode(claims, private_key, algorithm="RS256", headers=headers)
