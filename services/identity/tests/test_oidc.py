"""People sign in by another system that knows them, and nobody else does."""

import hashlib
import hmac
import json
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
import pytest
from chassis.clock import system_clock
from chassis.testing.edge import bearer
from crm.identity.v1 import department_service_pb2, identity_provider_pb2, user_pb2
from crm.identity.v1 import identity_provider_service_pb2 as admin_pb
from crm.identity.v1 import oidc_sign_in_service_pb2 as pb
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from identity.main import SERVICE
from identity.testing import grant, outcome, refused, running_suite
from identity.testing_oidc import running_provider

REDIRECT = "https://crm.example.com/signed-in"
EMAIL = identity_provider_pb2.USER_MATCHING_EMAIL
USERNAME = identity_provider_pb2.USER_MATCHING_USERNAME


@pytest.fixture(scope="module")
def suite(make_database):
    with running_suite(make_database("identity", SERVICE.migrations), OIDC_ALLOW_LOCAL_HTTP="1") as running:
        yield running


@pytest.fixture(scope="module")
def running():
    with running_provider() as started:
        yield started


@pytest.fixture
def provider(running):
    running.honest()
    return running


@pytest.fixture
def fresh():
    """A provider of which nothing is known yet, as what it says of itself is kept for minutes."""
    with running_provider() as started:
        yield started


def key():
    return str(uuid4())


def add(suite, provider, **fields):
    draft = identity_provider_pb2.IdentityProvider(
        **{
            "display_name": suite.unique("统一认证"),
            "issuer": provider.issuer,
            "client_id": suite.unique("crm"),
            "client_secret": "told by the provider",
            "redirect_uris": [REDIRECT],
            "matching": EMAIL,
            **fields,
        }
    )
    request = admin_pb.CreateIdentityProviderRequest(identity_provider=draft, request_id=key())
    return suite.providers.CreateIdentityProvider(request, metadata=suite.admin)


def update(suite, provider, *paths, **fields):
    request = admin_pb.UpdateIdentityProviderRequest(
        identity_provider=identity_provider_pb2.IdentityProvider(name=provider.name, **fields), request_id=key()
    )
    request.update_mask.paths.extend(paths or fields)
    return suite.providers.UpdateIdentityProvider(request, metadata=suite.admin)


def begin(suite, registered, redirect=REDIRECT):
    return suite.oidc.BeginOidcSignIn(
        pb.BeginOidcSignInRequest(identity_provider=registered.name, redirect_uri=redirect)
    )


def complete(suite, begun, back, **replaced):
    fields = {
        "state": back["state"],
        "code": back["code"],
        "browser_secret": begun.browser_secret,
        "issuer": back.get("iss", ""),
        **replaced,
    }
    return suite.oidc.CompleteOidcSignIn(pb.CompleteOidcSignInRequest(**fields))


def sign_in(suite, provider, registered, subject):
    begun = begin(suite, registered)
    return complete(suite, begun, provider.approve(begun.authorization_url, subject))


def somebody(suite, provider, **claims):
    """A user and the person at the provider with the user's verified address."""
    user = suite.user(email=f"{suite.unique('person')}@example.com")
    subject = provider.person(f"sub-{user.username}", **{"email": user.email, "email_verified": True, **claims})
    return user, subject


def signed(claims, private_key, **headers):
    kid = headers.pop("kid", None)
    return jwt.encode(claims, private_key, algorithm="RS256", headers={**({"kid": kid} if kid else {}), **headers})


def test_the_way_there_carries_state_nonce_and_pkce(suite, provider):
    registered = add(suite, provider)
    begun = begin(suite, registered)
    parts = urlsplit(begun.authorization_url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert f"{parts.scheme}://{parts.netloc}" == provider.issuer
    assert asked["response_type"] == "code"
    assert asked["client_id"] == registered.client_id
    assert asked["redirect_uri"] == REDIRECT
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"].split() == ["openid", "email", "profile"]
    assert len(asked["state"]) >= 43
    assert len(asked["nonce"]) >= 43
    kept = " ".join(str(tuple(row)) for row in suite.rows("SELECT pending_sign_in::text FROM pending_sign_in"))
    assert asked["state"] not in kept
    assert begun.browser_secret not in kept


def test_a_person_is_known_by_the_verified_address_and_later_by_the_subject(suite, provider):
    registered = add(suite, provider)
    user, subject = somebody(suite, provider)
    pair = sign_in(suite, provider, registered, subject)
    assert suite.me(bearer(pair.access_token)).name == user.name
    assert pair.refresh_token
    provider.person(subject, email="renamed@example.com", email_verified=False)
    assert suite.me(bearer(sign_in(suite, provider, registered, subject).access_token)).name == user.name
    assert "user.link_identity" in suite.audited(user.name)


def test_the_address_may_come_from_the_user_info(suite, provider):
    registered = add(suite, provider)
    user, subject = somebody(suite, provider)

    def without_address(claims, private_key):
        return signed({name: claims[name] for name in claims if not name.startswith("email")}, private_key)

    provider.forge = without_address
    assert suite.me(bearer(sign_in(suite, provider, registered, subject).access_token)).name == user.name
    assert "/userinfo" in provider.requests


@pytest.mark.parametrize("verified", [False, None, "true"])
def test_an_unverified_address_opens_nothing(suite, provider, verified):
    registered = add(suite, provider, auto_provision=True, default_department=suite.root.name)
    user, _ = somebody(suite, provider)
    claims = {"email": user.email} | ({} if verified is None else {"email_verified": verified})
    thief = provider.person("thief", **claims)
    with refused("UNAUTHENTICATED", "EMAIL_NOT_VERIFIED"):
        sign_in(suite, provider, registered, thief)


def test_only_addresses_of_the_domains_named(suite, provider):
    registered = add(suite, provider, email_domains=["Example.com"])
    assert registered.email_domains == ["example.com"]
    user, subject = somebody(suite, provider)
    assert sign_in(suite, provider, registered, subject).access_token
    for address in ("a@evil.com", "a@notexample.com", "a@sub.example.com", "a@example.com.evil.com"):
        other = provider.person(key(), email=address, email_verified=True)
        with refused("UNAUTHENTICATED", "EMAIL_DOMAIN_NOT_ALLOWED"):
            sign_in(suite, provider, registered, other)
    provider.person(subject, email=user.email, email_verified=False)
    with refused("UNAUTHENTICATED", "EMAIL_NOT_VERIFIED"):
        sign_in(suite, provider, registered, subject)


def test_somebody_unknown_stays_outside(suite, provider):
    registered = add(suite, provider)
    stranger = provider.person("stranger", email="stranger@example.com", email_verified=True)
    with refused("UNAUTHENTICATED", "IDENTITY_UNKNOWN"):
        sign_in(suite, provider, registered, stranger)


def test_somebody_who_was_dismissed_stays_outside(suite, provider):
    registered = add(suite, provider)
    user, subject = somebody(suite, provider)
    sign_in(suite, provider, registered, subject)
    suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_DEACTIVATED), "state")
    with refused("UNAUTHENTICATED", "IDENTITY_UNKNOWN"):
        sign_in(suite, provider, registered, subject)


def test_somebody_new_is_made_a_user_where_that_is_wanted(suite, provider):
    department, role = suite.department(), suite.role(grant("user.read"))
    registered = add(
        suite,
        provider,
        auto_provision=True,
        default_department=department.name,
        default_roles=[role.name],
        matching=identity_provider_pb2.USER_MATCHING_LINKED,
    )
    subject = provider.person(
        "new-1", email="New.Person@example.com", email_verified=True, name="新人", preferred_username="new.person"
    )
    first, second = (sign_in(suite, provider, registered, subject) for _ in range(2))
    user = suite.me(bearer(first.access_token))
    assert (user.username, user.display_name, user.email) == ("new.person", "新人", "new.person@example.com")
    assert (user.department, list(user.roles)) == (department.name, [role.name])
    assert suite.me(bearer(second.access_token)).name == user.name
    for password in ("", suite.password):
        with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
            suite.login("new.person", password)
    taken = provider.person("new-2", email="other@example.com", email_verified=True, preferred_username="new.person")
    with refused("ALREADY_EXISTS", "USERNAME_TAKEN"):
        sign_in(suite, provider, registered, taken)


def test_known_by_the_login_name_or_by_a_link_alone(suite, provider):
    by_name = add(suite, provider, matching=USERNAME)
    user, other = suite.user(), suite.user()
    subject = provider.person("named", preferred_username=user.username)
    assert suite.me(bearer(sign_in(suite, provider, by_name, subject).access_token)).name == user.name
    linked = update(suite, by_name, matching=identity_provider_pb2.USER_MATCHING_LINKED)
    unknown = provider.person("linked", preferred_username=other.username)
    with refused("UNAUTHENTICATED", "IDENTITY_UNKNOWN"):
        sign_in(suite, provider, linked, unknown)
    link = admin_pb.LinkIdentityRequest(
        identity_provider=linked.name, user=other.name, subject="linked", request_id=key()
    )
    suite.providers.LinkIdentity(link, metadata=suite.admin)
    assert suite.me(bearer(sign_in(suite, provider, linked, unknown).access_token)).name == other.name
    with refused("ALREADY_EXISTS", "IDENTITY_TAKEN"):
        suite.providers.LinkIdentity(
            admin_pb.LinkIdentityRequest(
                identity_provider=linked.name, user=user.name, subject="linked", request_id=key()
            ),
            metadata=suite.admin,
        )
    suite.providers.UnlinkIdentity(
        admin_pb.UnlinkIdentityRequest(identity_provider=linked.name, user=other.name, request_id=key()),
        metadata=suite.admin,
    )
    with refused("UNAUTHENTICATED", "IDENTITY_UNKNOWN"):
        sign_in(suite, provider, linked, unknown)


def test_a_sign_in_is_finished_once_by_the_browser_that_began_it(suite, provider):
    registered = add(suite, provider)
    _, subject = somebody(suite, provider)
    begun, other = begin(suite, registered), begin(suite, registered)
    back = provider.approve(begun.authorization_url, subject)
    for replaced in ({"browser_secret": other.browser_secret}, {"browser_secret": ""}, {"state": "made up"}):
        with refused("UNAUTHENTICATED", "INVALID_SIGN_IN"):
            complete(suite, begun, back, **replaced)
    assert complete(suite, begun, back).access_token
    with refused("UNAUTHENTICATED", "INVALID_SIGN_IN"):
        complete(suite, begun, back)


def test_a_code_of_another_sign_in_is_refused(suite, provider):
    registered = add(suite, provider)
    _, subject = somebody(suite, provider)
    mine, theirs = begin(suite, registered), begin(suite, registered)
    stolen = provider.approve(theirs.authorization_url, subject)["code"]
    own = provider.approve(mine.authorization_url, subject)
    with refused("UNAUTHENTICATED", "IDENTITY_NOT_PROVEN"):
        complete(suite, mine, own, code=stolen)


def test_a_sign_in_must_be_finished_in_time(suite, provider, monkeypatch):
    registered = add(suite, provider)
    _, subject = somebody(suite, provider)
    begun = begin(suite, registered)
    back = provider.approve(begun.authorization_url, subject)
    monkeypatch.setattr(
        "identity.usecases.complete_oidc_sign_in.system_clock",
        lambda: system_clock() + timedelta(minutes=10, seconds=1),
    )
    with refused("UNAUTHENTICATED", "INVALID_SIGN_IN"):
        complete(suite, begun, back)


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
    "another nonce": lambda claims, key: signed({**claims, "nonce": "replayed"}, key),
    "no nonce": lambda claims, key: signed({k: v for k, v in claims.items() if k != "nonce"}, key),
    "another audience": lambda claims, key: signed({**claims, "aud": "another client"}, key),
    "several audiences without us as the party": lambda claims, key: signed(
        {**claims, "aud": [claims["aud"], "other"], "azp": "other"}, key
    ),
    "another issuer": lambda claims, key: signed({**claims, "iss": "https://evil.example.com"}, key),
    "no issuer": lambda claims, key: signed({k: v for k, v in claims.items() if k != "iss"}, key),
    "expired": lambda claims, key: signed({**claims, "exp": time.time() - 120, "iat": time.time() - 600}, key),
    "issued in the future": lambda claims, key: signed({**claims, "iat": time.time() + 3600}, key),
    "not valid yet": lambda claims, key: signed({**claims, "nbf": time.time() + 3600}, key),
    "no subject": lambda claims, key: signed({k: v for k, v in claims.items() if k != "sub"}, key),
    "unsigned": lambda claims, key: jwt.encode(claims, None, algorithm="none"),
    "signed with the public key as a secret": public_key_as_secret,
    "signed by a stranger": lambda claims, key: signed(claims, STRANGER),
    "signed by a stranger with an unknown key id": lambda claims, key: signed(claims, STRANGER, kid="../../etc/passwd"),
    "with a key of its own": lambda claims, key: signed(
        claims, STRANGER, jwk=jwt.algorithms.RSAAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True)
    ),
    "a wrong access token hash": lambda claims, key: signed({**claims, "at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, key),
    "nonsense": lambda claims, key: "nonsense",
    "nothing": lambda claims, key: "",
    "far too long": lambda claims, key: "a" * 40_000,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_id_token_proves_nothing(suite, provider, forgery):
    registered = add(suite, provider)
    _, subject = somebody(suite, provider)
    assert sign_in(suite, provider, registered, subject).access_token
    provider.forge = FORGERIES[forgery]
    with refused("UNAUTHENTICATED", "IDENTITY_NOT_PROVEN"):
        sign_in(suite, provider, registered, subject)
    provider.forge = lambda claims, key: signed(claims, key)
    assert sign_in(suite, provider, registered, subject).access_token


def test_a_mixed_up_issuer_is_noticed(suite, fresh):
    provider = fresh
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    registered = add(suite, provider)
    _, subject = somebody(suite, provider)
    for issuer in ("https://evil.example.com", ""):
        begun = begin(suite, registered)
        back = provider.approve(begun.authorization_url, subject)
        with refused("UNAUTHENTICATED", "IDENTITY_NOT_PROVEN"):
            complete(suite, begun, back, issuer=issuer)
    begun = begin(suite, registered)
    back = provider.approve(begun.authorization_url, subject)
    assert complete(suite, begun, back, issuer=provider.issuer).access_token


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
    registered = add(suite, fresh)
    with refused("UNAVAILABLE", "IDENTITY_PROVIDER_UNAVAILABLE"):
        begin(suite, registered)


def test_redirects_are_not_followed(suite, fresh):
    fresh.redirecting = True
    with refused("UNAVAILABLE", "IDENTITY_PROVIDER_UNAVAILABLE"):
        begin(suite, add(suite, fresh))


def test_a_provider_that_is_away_is_said_to_be(suite):
    with running_provider() as gone:
        registered = add(suite, gone)
    with refused("UNAVAILABLE", "IDENTITY_PROVIDER_UNAVAILABLE"):
        begin(suite, registered)


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
        add(suite, provider, issuer=issuer)


def test_http_is_for_development_alone(make_database, provider):
    with running_suite(make_database("identity", SERVICE.migrations)) as strict:
        with refused("INVALID_ARGUMENT", "INVALID_URL"):
            add(strict, provider)
        assert add(strict, provider, issuer="https://idp.example.com/realms/a").name


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"redirect_uris": []}, "REQUIRED"),
        ({"redirect_uris": ["/relative"]}, "INVALID_REDIRECT_URI"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "INVALID_REDIRECT_URI"),
        ({"redirect_uris": ["https://crm.example.com/#a"]}, "INVALID_REDIRECT_URI"),
        ({"redirect_uris": [f"https://{n}.example.com" for n in range(21)]}, "TOO_MANY_ITEMS"),
        ({"scopes": ["two words"]}, "INVALID_OIDC_SCOPE"),
        ({"email_domains": ["no domain"]}, "INVALID_EMAIL_DOMAIN"),
        ({"client_id": " "}, "REQUIRED"),
        ({"display_name": ""}, "INVALID_DISPLAY_NAME"),
        ({"auto_provision": True}, "REQUIRED"),
        ({"matching": 99}, "INVALID_MATCHING"),
        ({"default_roles": [f"roles/{uuid4()}"]}, "UNKNOWN_ROLE"),
    ],
)
def test_a_provider_that_cannot_work_is_refused(suite, provider, fields, reason):
    with refused("INVALID_ARGUMENT", reason):
        add(suite, provider, **fields)


def test_a_provider_is_managed(suite, provider):
    registered = add(suite, provider)
    assert not registered.client_secret
    with refused("ALREADY_EXISTS", "IDENTITY_PROVIDER_NAME_TAKEN"):
        add(suite, provider, display_name=registered.display_name)
    with refused("ALREADY_EXISTS", "IDENTITY_PROVIDER_TAKEN"):
        add(suite, provider, client_id=registered.client_id)
    get = admin_pb.GetIdentityProviderRequest(name=registered.name)
    assert suite.providers.GetIdentityProvider(get, metadata=suite.admin) == registered
    public = suite.oidc.ListSignInProviders(pb.ListSignInProvidersRequest(page_size=200)).providers
    assert (registered.name, registered.display_name) in [(each.name, each.display_name) for each in public]
    changed = update(suite, registered, disabled=True)
    assert changed.etag != registered.etag
    public = suite.oidc.ListSignInProviders(pb.ListSignInProvidersRequest(page_size=200)).providers
    assert registered.name not in [each.name for each in public]
    with refused("NOT_FOUND", "IDENTITY_PROVIDER_NOT_FOUND"):
        begin(suite, registered)
    stale = admin_pb.DeleteIdentityProviderRequest(name=registered.name, etag=registered.etag, request_id=key())
    with refused("ABORTED", "STALE_ETAG"):
        suite.providers.DeleteIdentityProvider(stale, metadata=suite.admin)
    listed = admin_pb.ListIdentityProvidersRequest(page_size=200)
    assert changed in suite.providers.ListIdentityProviders(listed, metadata=suite.admin).identity_providers
    suite.providers.DeleteIdentityProvider(
        admin_pb.DeleteIdentityProviderRequest(name=registered.name, request_id=key()), metadata=suite.admin
    )
    with refused("NOT_FOUND", "IDENTITY_PROVIDER_NOT_FOUND"):
        suite.providers.GetIdentityProvider(get, metadata=suite.admin)
    actions = ["identity_provider.create", "identity_provider.update", "identity_provider.delete"]
    assert suite.audited(registered.name) == actions


def test_the_client_secret_is_sealed_and_kept_unless_it_is_given(suite, provider):
    registered = add(suite, provider)
    update(suite, registered, display_name=suite.unique("改名"))
    _, subject = somebody(suite, provider)
    sign_in(suite, provider, registered, subject)
    assert provider.credentials == [(registered.client_id, "told by the provider")]
    for table in ("identity_provider", "audit_entry", "idempotency_claim"):
        kept = " ".join(row[0] for row in suite.rows(f"SELECT {table}::text FROM {table}"))
        assert "told by the provider" not in kept
        assert b"told by the provider".hex() not in kept


def test_a_redirect_to_elsewhere_is_refused(suite, provider):
    registered = add(suite, provider)
    for elsewhere in ("https://evil.example.com", f"{REDIRECT}/", ""):
        with refused("INVALID_ARGUMENT", "INVALID_REDIRECT_URI"):
            begin(suite, registered, elsewhere)


def test_nobody_gives_by_a_provider_more_than_they_hold(suite, provider):
    _, manager = suite.somebody(grant("identity_provider.create"), grant("identity_provider.update"))
    role = suite.role(grant("role.delete"))
    draft = identity_provider_pb2.IdentityProvider(
        display_name="越权",
        issuer=provider.issuer,
        client_id="mine",
        redirect_uris=[REDIRECT],
        auto_provision=True,
        default_department=suite.root.name,
        default_roles=[role.name],
    )
    request = admin_pb.CreateIdentityProviderRequest(identity_provider=draft, request_id=key())
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.providers.CreateIdentityProvider(request, metadata=manager)
    registered = add(suite, provider)
    link = admin_pb.LinkIdentityRequest(
        identity_provider=registered.name, user=suite.admin_name, subject="me", request_id=key()
    )
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.providers.LinkIdentity(link, metadata=manager)


def test_a_department_that_providers_name_can_be_deleted(suite, provider):
    department = suite.department()
    registered = add(suite, provider, auto_provision=True, default_department=department.name)
    request = department_service_pb2.DeleteDepartmentRequest(name=department.name, request_id=key())
    suite.departments.DeleteDepartment(request, metadata=suite.admin)
    subject = provider.person("late", email="late@example.com", email_verified=True)
    assert outcome(lambda: sign_in(suite, provider, registered, subject)) == "IDENTITY_UNKNOWN"
