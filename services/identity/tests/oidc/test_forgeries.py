"""What a provider, or somebody in its name, says falsely opens nothing."""

import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from identity.main import SERVICE
from identity.testing import refused, running_suite
from identity.testing_oidc import (
    add_provider,
    begin_sign_in,
    complete_sign_in,
    person_with_account,
    running_provider,
    sign_claims,
    sign_in_by,
)


def public_key_as_secret(claims, private_key):
    public = load_pem_private_key(private_key.encode(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, payload = (
        jwt.utils.base64url_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    signature = jwt.utils.base64url_encode(hmac.new(pem, header + b"." + payload, hashlib.sha256).digest())
    return b".".join((header, payload, signature)).decode()


STRANGER = generate_private_key(65537, 2048)
FORGERIES = {
    "another nonce": lambda claims, key: sign_claims({**claims, "nonce": "replayed"}, key),
    "no nonce": lambda claims, key: sign_claims({k: v for k, v in claims.items() if k != "nonce"}, key),
    "another audience": lambda claims, key: sign_claims({**claims, "aud": "another client"}, key),
    "several audiences without us as the party": lambda claims, key: sign_claims(
        {**claims, "aud": [claims["aud"], "other"], "azp": "other"}, key
    ),
    "another issuer": lambda claims, key: sign_claims({**claims, "iss": "https://evil.example.com"}, key),
    "no issuer": lambda claims, key: sign_claims({k: v for k, v in claims.items() if k != "iss"}, key),
    "expired": lambda claims, key: sign_claims({**claims, "exp": time.time() - 120, "iat": time.time() - 600}, key),
    "issued in the future": lambda claims, key: sign_claims({**claims, "iat": time.time() + 3600}, key),
    "not valid yet": lambda claims, key: sign_claims({**claims, "nbf": time.time() + 3600}, key),
    "no subject": lambda claims, key: sign_claims({k: v for k, v in claims.items() if k != "sub"}, key),
    "unsigned": lambda claims, key: jwt.encode(claims, None, algorithm="none"),
    "signed with the public key as a secret": public_key_as_secret,
    "signed by a stranger": lambda claims, key: sign_claims(claims, STRANGER),
    "signed by a stranger with an unknown key id": lambda claims, key: sign_claims(
        claims, STRANGER, kid="../../etc/passwd"
    ),
    "with a key of its own": lambda claims, key: sign_claims(
        claims, STRANGER, jwk=jwt.algorithms.RSAAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True)
    ),
    "a wrong access token hash": lambda claims, key: sign_claims({**claims, "at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, key),
    "nonsense": lambda claims, key: "nonsense",
    "nothing": lambda claims, key: "",
    "far too long": lambda claims, key: "a" * 40_000,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_id_token_proves_nothing(suite, provider, forgery):
    registered = add_provider(suite, provider)
    _, subject = person_with_account(suite, provider)
    assert sign_in_by(suite, provider, registered, subject).access_token
    provider.forge = FORGERIES[forgery]
    with refused("UNAUTHENTICATED", "IDENTITY_NOT_PROVEN"):
        sign_in_by(suite, provider, registered, subject)
    provider.forge = lambda claims, key: sign_claims(claims, key)
    assert sign_in_by(suite, provider, registered, subject).access_token


def test_a_mixed_up_issuer_is_noticed(suite, fresh):
    provider = fresh
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    registered = add_provider(suite, provider)
    _, subject = person_with_account(suite, provider)
    for issuer in ("https://evil.example.com", ""):
        begun = begin_sign_in(suite, registered)
        back = provider.approve(begun.authorization_url, subject)
        with refused("UNAUTHENTICATED", "IDENTITY_NOT_PROVEN"):
            complete_sign_in(suite, begun, back, issuer=issuer)
    begun = begin_sign_in(suite, registered)
    back = provider.approve(begun.authorization_url, subject)
    assert complete_sign_in(suite, begun, back, issuer=provider.issuer).access_token


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example.com"},
        {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
        {"userinfo_endpoint": "http://10.0.0.1/"},
        {"token_endpoint": "http://localhost@evil.example.com/"},
        {"padding": "x" * 600_000},
    ],
)
def test_a_provider_that_leads_astray_is_not_followed(suite, fresh, metadata):
    fresh.metadata = metadata
    registered = add_provider(suite, fresh)
    with refused("UNAVAILABLE", "IDENTITY_PROVIDER_UNAVAILABLE"):
        begin_sign_in(suite, registered)


def test_redirects_are_not_followed(suite, fresh):
    fresh.redirecting = True
    with refused("UNAVAILABLE", "IDENTITY_PROVIDER_UNAVAILABLE"):
        begin_sign_in(suite, add_provider(suite, fresh))


def test_a_provider_that_is_away_is_said_to_be(suite):
    with running_provider() as gone:
        registered = add_provider(suite, gone)
    with refused("UNAVAILABLE", "IDENTITY_PROVIDER_UNAVAILABLE"):
        begin_sign_in(suite, registered)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://idp.example.com",
        "http://169.254.169.254",
        "ftp://idp.example.com",
        "https://user:secret@idp.example.com",
        "https://idp.example.com?tenant=1",
        "https://idp.example.com#a",
        "https://",
        "https://idp.example.com:notaport",
        "file:///etc/passwd",
        "",
        f"https://idp.example.com/{'a' * 1000}",
    ],
)
def test_an_issuer_that_may_not_be_called_is_refused(suite, provider, issuer):
    with refused("INVALID_ARGUMENT", "INVALID_URL"):
        add_provider(suite, provider, issuer=issuer)


def test_http_is_for_development_alone(make_database, provider):
    with running_suite(make_database("identity", SERVICE.migrations)) as strict:
        with refused("INVALID_ARGUMENT", "INVALID_URL"):
            add_provider(strict, provider)
        assert add_provider(strict, provider, issuer="https://idp.example.com/realms/a").name
