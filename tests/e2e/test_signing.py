"""Second factors, sessions, single sign-on and forged tokens, as a client of the gateway meets them."""

import base64
import hashlib
import hmac
import json
import time
from uuid import uuid4

import jwt
import pyotp
import pytest
from chassis.testing import eventually
from chassis.tokens import SigningKeys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from identity.testing_oidc import running_provider
from local_suite.graphql import GraphQLClient, GraphQLError

LOGIN = """mutation($input: LoginInput!) { login(input: $input) {
  accessToken refreshToken secondFactorChallenge secondFactorMissing } }"""
COMPLETE = "mutation($input: CompleteLoginInput!) { completeLogin(input: $input) { accessToken refreshToken } }"
REFRESH = "mutation($input: RefreshTokenInput!) { refreshTokens(input: $input) { accessToken refreshToken } }"
BEGIN = "mutation { beginTotpEnrolment(input: {}) { uri secret expireTime } }"
CONFIRM = "mutation($input: TotpCodeInput!) { confirmTotp(input: $input) }"
SESSIONS = "{ mySessions { nodes { id agent address method secondFactor current createTime lastUseTime } } }"
REVOKE = "mutation($input: RevokeSessionInput!) { revokeSession(input: $input) }"
REQUIRE = "mutation($input: UpdateRoleInput!) { updateRole(input: $input) { id requireSecondFactor } }"


CREATE_USER = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
PASSWORD = f"Pass-{uuid4().hex}"


def somebody(organisation, *roles):
    """The login name of a new user."""
    username = f"user-{uuid4().hex[:8]}"
    values = {"username": username, "name": "测试员", "departmentId": organisation.root, "roleIds": list(roles)}
    organisation.admin.run(CREATE_USER, input={**values, "password": PASSWORD})
    return username


def reasons(client, document, **variables):
    with pytest.raises(GraphQLError) as caught:
        client.run(document, **variables)
    return caught.value.reasons


class App:
    """An authenticator app, used faster than a person could: each code is of a newer step than the last, and is taken
    for half a minute at least."""

    def __init__(self, secret):
        self.totp, self.last = pyotp.TOTP(secret), 0

    def code(self):
        self.last = max(self.last + 1, int(time.time()) // 30)
        while self.last > int(time.time()) // 30 + 1:
            time.sleep(0.2)
        return self.totp.generate_otp(self.last)


class Browser(GraphQLClient):
    """A client with a name, as browsers have."""

    def named(self, agent):
        self.http.headers["user-agent"] = agent
        return self

    def as_(self, token):
        other = Browser(self.url, token)
        return other.named(self.http.headers["user-agent"])

    def login(self, username):
        return self.run(LOGIN, input={"username": username, "password": PASSWORD})["login"]


@pytest.fixture
def browser(suite):
    return Browser(suite.gateway_url).named("Firefox/140")


def test_second_factor_and_sessions(browser, organisation, suite):
    role = organisation.role("ALL", "user.read")
    name = somebody(organisation, role)
    assert organisation.admin.run(REQUIRE, input={"id": role, "requireSecondFactor": True})["updateRole"]

    pair = browser.login(name)
    assert pair["secondFactorMissing"]
    mine = browser.as_(pair["accessToken"])
    assert reasons(mine, "{ users { nodes { id } } }") == ["SECOND_FACTOR_REQUIRED"]
    begun = mine.run(BEGIN)["beginTotpEnrolment"]
    assert begun["uri"].startswith("otpauth://totp/")
    app = App(begun["secret"])
    codes = mine.run(CONFIRM, input={"code": app.code()})["confirmTotp"]
    assert len(codes) == 10
    pair = mine.run(REFRESH, input={"refreshToken": pair["refreshToken"]})["refreshTokens"]
    mine = browser.as_(pair["accessToken"])
    assert mine.run("{ users { nodes { id } } }")["users"]["nodes"]

    def sign_in(agent, code):
        client = Browser(suite.gateway_url).named(agent)
        answered = client.login(name)
        assert answered["accessToken"] is None
        asked = {"challenge": answered["secondFactorChallenge"], "code": code}
        return client.run(COMPLETE, input=asked)["completeLogin"]

    used = app.code()
    phone = sign_in("GuanxiApp/3", used)
    for code in ("000000", used):
        with pytest.raises(GraphQLError) as refused:
            sign_in("Thief/1", code)
        assert refused.value.reasons == ["BAD_CODE"]
    assert sign_in("Safari/19", codes[0])["accessToken"]
    with pytest.raises(GraphQLError) as refused:
        sign_in("Safari/19", codes[0])
    assert refused.value.reasons == ["BAD_CODE"]
    assert mine.run("{ mySecondFactor { enabled required recoveryCodesLeft } }")["mySecondFactor"] == {
        "enabled": True,
        "required": True,
        "recoveryCodesLeft": 9,
    }

    listed = mine.run(SESSIONS)["mySessions"]["nodes"]
    assert [each["agent"] for each in listed] == ["Safari/19", "GuanxiApp/3", "Firefox/140"]
    assert {each["address"] for each in listed} == {"127.0.0.1"}
    assert [each["current"] for each in listed] == [False, False, True]
    assert all(each["secondFactor"] and each["method"] == "PASSWORD" for each in listed)
    assert mine.run(REVOKE, input={"id": listed[1]["id"], "requestId": str(uuid4())})["revokeSession"]
    assert reasons(browser, REFRESH, input={"refreshToken": phone["refreshToken"]}) == ["INVALID_REFRESH_TOKEN"]
    lost = browser.as_(phone["accessToken"])
    eventually(
        lambda: (
            lost.answer("{ me { id } }").get("errors", [{}])[0].get("extensions", {}).get("reason") == "TOKEN_REVOKED"
        )
    )
    assert mine.run("{ me { id } }")["me"]["id"]


def test_a_refresh_token_that_is_used_twice_ends_its_session(browser, organisation):
    name = somebody(organisation)
    first = browser.login(name)
    second = browser.run(REFRESH, input={"refreshToken": first["refreshToken"]})["refreshTokens"]
    for token, reason in (
        (first["refreshToken"], "REFRESH_TOKEN_REUSED"),
        (second["refreshToken"], "INVALID_REFRESH_TOKEN"),
        (second["accessToken"], "INVALID_REFRESH_TOKEN"),
    ):
        assert reasons(browser, REFRESH, input={"refreshToken": token}) == [reason]
    lost = browser.as_(second["accessToken"])
    eventually(lambda: "errors" in lost.answer("{ me { id } }"))
    assert reasons(lost, "{ me { id } }") == ["TOKEN_REVOKED"]


CREATE_PROVIDER = "mutation($input: CreateIdentityProviderInput!) { createIdentityProvider(input: $input) { id } }"
BEGIN_OIDC = """mutation($input: BeginOidcSignInInput!) { beginOidcSignIn(input: $input) {
  authorizationUrl browserSecret expireTime } }"""
COMPLETE_OIDC = """mutation($input: CompleteOidcSignInInput!) { completeOidcSignIn(input: $input) {
  accessToken refreshToken } }"""
REDIRECT = "https://crm.example.com/signed-in"


def test_sign_in_by_another_system(browser, admin):
    department = admin.run("{ departments(first: 1) { nodes { id } } }")["departments"]["nodes"][0]["id"]
    with running_provider() as provider:
        address = f"{uuid4().hex[:12]}@example.com"
        subject = provider.person(
            "p-1", email=address, email_verified=True, name="单点", preferred_username=address[:12]
        )
        registered = admin.run(
            CREATE_PROVIDER,
            input={
                "name": f"统一认证 {uuid4().hex[:6]}",
                "issuer": provider.issuer,
                "clientId": "crm",
                "clientSecret": "told by the provider",
                "redirectUris": [REDIRECT],
                "matching": "EMAIL",
                "emailDomains": ["example.com"],
                "autoProvision": True,
                "defaultDepartmentId": department,
            },
        )["createIdentityProvider"]["id"]
        offered = browser.run("{ signInProviders(first: 200) { nodes { id name } } }")["signInProviders"]["nodes"]
        assert registered in [each["id"] for each in offered]

        def begin():
            asked = {"identityProviderId": registered, "redirectUri": REDIRECT}
            return browser.run(BEGIN_OIDC, input=asked)["beginOidcSignIn"]

        begun, other = begin(), begin()
        back = provider.approve(begun["authorizationUrl"], subject)
        given = {"state": back["state"], "code": back["code"], "browserSecret": begun["browserSecret"]}
        stolen = {**given, "browserSecret": other["browserSecret"]}
        assert reasons(browser, COMPLETE_OIDC, input=stolen) == ["INVALID_SIGN_IN"]
        pair = browser.run(COMPLETE_OIDC, input=given)["completeOidcSignIn"]
        mine = browser.as_(pair["accessToken"])
        assert mine.run("{ me { name email } }")["me"] == {"name": "单点", "email": address}
        assert mine.run(SESSIONS)["mySessions"]["nodes"][0]["method"] == "OIDC"
        assert reasons(browser, COMPLETE_OIDC, input=given) == ["INVALID_SIGN_IN"]
        provider.forge = lambda claims, key: jwt.encode({**claims, "nonce": "replayed"}, key, algorithm="RS256")
        back = provider.approve(other["authorizationUrl"], subject)
        given = {"state": back["state"], "code": back["code"], "browserSecret": other["browserSecret"]}
        assert reasons(browser, COMPLETE_OIDC, input=given) == ["IDENTITY_NOT_PROVEN"]


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def shared_secret(public, kid, claims):
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{encoded({'iss': 'crm', 'aud': 'crm', **claims})}"
    signature = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_forged_tokens_are_refused(browser, suite):
    keys = SigningKeys.from_pem(suite.environment["TOKEN_SIGNING_KEY"])
    published = browser.http.get("/.well-known/jwks.json").json()["keys"][0]
    kid, x = published["kid"], published["x"]
    raw = base64.urlsafe_b64decode(x + "=")
    admin = browser.run(LOGIN, input={"username": "admin", "password": suite.admin_password})["login"]
    honest = jwt.decode(admin["accessToken"], options={"verify_signature": False})
    head, payload, signature = admin["accessToken"].split(".")
    now = time.time()
    foreign = SigningKeys([Ed25519PrivateKey.generate()])
    claims = {key: honest[key] for key in honest if key not in ("iss", "aud")}
    forged = {
        "unsigned": f"{encoded({'alg': 'none'})}.{payload}.",
        "unsigned with the signature left": f"{encoded({'alg': 'None', 'kid': kid})}.{payload}.{signature}",
        "without signature": f"{head}.{payload}.",
        "public key as a secret": shared_secret(raw, kid, claims),
        "public key as a secret, as published": shared_secret(x.encode(), kid, claims),
        "changed claims": f"{head}.{encoded({**honest, 'exp': now + 9e6})}.{signature}",
        "key id that is a path": foreign.sign(claims, headers={"kid": "../../../../dev/null"}),
        "key id that is SQL": foreign.sign(claims, headers={"kid": "' UNION SELECT 'key' --"}),
        "key id that is ours": foreign.sign(claims, headers={"kid": kid}),
        "unknown key id": foreign.sign(claims),
        "key id that is no text": foreign.sign(claims, headers={"kid": ""}),
        "key of its own": foreign.sign(claims, headers={"jwk": json.loads(foreign.key_set())["keys"][0]}),
        "key at an address": foreign.sign(claims, headers={"jku": f"{suite.gateway_url}/.well-known/jwks.json"}),
        "another audience": keys.sign({**claims, "aud": "another"}),
        "another issuer": keys.sign({**claims, "iss": "another"}),
        "issued in the future": keys.sign({**claims, "iat": now + 3600}),
        "not valid yet": keys.sign({**claims, "nbf": now + 3600}),
        "without expiry": keys.sign({key: claims[key] for key in claims if key != "exp"}),
        "of nobody": keys.sign({**claims, "sub": "services/identity"}),
        "refresh token": admin["refreshToken"],
        "far too long": "a" * 20_000,
    }
    for how, token in forged.items():
        assert reasons(browser.as_(token), "{ users { nodes { id } } }") == ["INVALID_TOKEN"], how
    expired = keys.sign({**claims, "iat": now - 700, "exp": now - 1})
    assert reasons(browser.as_(expired), "{ users { nodes { id } } }") == ["TOKEN_EXPIRED"]
    assert browser.as_(admin["accessToken"]).run("{ users { nodes { id } } }")["users"]["nodes"]
