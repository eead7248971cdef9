"""Only tokens that the authority signed for us, and that are good now, name a caller."""

import base64
import hashlib
import hmac
import json
import time
from contextlib import suppress
from uuid import uuid4

import jwt
import pytest
from chassis import policy as policy_module
from chassis.authentication import Authenticator
from chassis.callers import Grant, Reach
from chassis.errors import Denied, Invalid, Unauthenticated, Unavailable
from chassis.policy import PolicyCache
from chassis.testing import eventually
from chassis.testing.edge import LocalAuthority
from chassis.tokens import SigningKeys, key_id, read_key_set, verify
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def pem(key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture
def authenticator(authority: LocalAuthority) -> Authenticator:
    return Authenticator(PolicyCache(authority))


def reason_for(authenticator: Authenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        authenticator.caller(token)
    return caught.value.reason


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_user_is_known_by_the_claims_and_the_policy(authority, authenticator):
    user = uuid4()
    grants = {"probe.read": (Grant("probe.read", Reach.CUSTOM, ("/a/", "/b/")), Grant("probe.read", Reach.SELF))}
    caller = authenticator.caller(authority.token(user, "/hq/", grants))
    assert (caller.subject, caller.user_id, caller.department_path) == (f"users/{user}", user, "/hq/")
    assert caller.scope("probe.read").trees == ("/a/", "/b/")
    assert caller.scope("probe.read").owner == user


def test_a_machine_has_no_user_and_the_grants_of_its_client(authority, authenticator):
    caller = authenticator.caller(authority.client_token(uuid4(), {"x.read": Reach.ALL}))
    assert caller.user_id is None
    assert caller.scope("x.read").everything


def test_an_unsigned_token_is_refused(authority, authenticator):
    claims = authority.claims()
    for header in ({"alg": "none"}, {"alg": "none", "kid": authority.keys.key_ids[0]}):
        assert reason_for(authenticator, f"{encoded(header)}.{encoded(claims)}.") == "INVALID_TOKEN"


def test_the_public_key_is_no_shared_secret(authority, authenticator):
    kid = authority.keys.key_ids[0]
    public = json.loads(authority.key_set())["keys"][0]["x"]
    for secret in (public.encode(), base64.urlsafe_b64decode(public + "=")):
        signed = f"{encoded({'alg': 'HS256', 'kid': kid})}.{encoded(authority.claims())}"
        signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        token = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        assert reason_for(authenticator, token) == "INVALID_TOKEN"


def test_a_changed_claim_breaks_the_signature(authority, authenticator):
    head, _, signature = authority.token().split(".")
    assert reason_for(authenticator, f"{head}.{encoded(authority.claims())}.{signature}") == "INVALID_TOKEN"


def test_another_key_is_refused_whatever_id_it_claims(authority, authenticator):
    assert reason_for(authenticator, authority.foreign_token()) == "INVALID_TOKEN"
    foreign = SigningKeys([Ed25519PrivateKey.generate()])
    assert reason_for(authenticator, foreign.sign(authority.claims())) == "INVALID_TOKEN"
    missing = jwt.encode(authority.claims(), Ed25519PrivateKey.generate(), algorithm="EdDSA")
    assert reason_for(authenticator, missing) == "INVALID_TOKEN"


@pytest.mark.parametrize(
    "kid",
    ["", "../../../dev/null", "/dev/null", "' UNION SELECT 'key' --", "unknown", "\x00", "a" * 5000, 7, None, ["x"]],
)
def test_a_key_id_is_nothing_but_a_key_of_a_table(authority, authenticator, kid):
    """Whatever a token names as its key: nothing is read, asked or run by it."""
    mine = Ed25519PrivateKey.generate()
    signed = f"{encoded({'alg': 'EdDSA', 'kid': kid})}.{encoded(authority.claims())}"
    signature = base64.urlsafe_b64encode(mine.sign(signed.encode())).rstrip(b"=").decode()
    assert reason_for(authenticator, f"{signed}.{signature}") == "INVALID_TOKEN"


def test_a_key_that_a_token_brings_along_is_not_used(authority, authenticator):
    foreign = SigningKeys([Ed25519PrivateKey.generate()])
    brought = json.loads(foreign.key_set())["keys"][0]
    for headers in (
        {"jwk": brought},
        {"jwk": brought, "kid": authority.keys.key_ids[0]},
        {"jku": "https://evil.example.com/keys", "kid": authority.keys.key_ids[0]},
        {"x5u": "https://evil.example.com/cert", "kid": authority.keys.key_ids[0]},
    ):
        token = foreign.sign({"iss": "crm", "aud": "crm", **authority.claims()}, headers=headers)
        assert reason_for(authenticator, token) == "INVALID_TOKEN"


@pytest.mark.parametrize(
    "token", ["opaque-refresh-token", "a.b", "a.b.c", "..", "a" * 20_000, "e30.e30.", "\u00e9.b.c"]
)
def test_what_is_no_access_token_is_none(authenticator, token):
    assert reason_for(authenticator, token) == "INVALID_TOKEN"


def test_a_token_without_a_second_factor_grants_nothing(authority, authenticator):
    caller = authenticator.caller(authority.token(grants={"x.read": Reach.ALL}, sfm=True))
    assert not caller.granted("x.read")
    with pytest.raises(Denied) as caught:
        caller.scope("x.read")
    assert caught.value.reason == "SECOND_FACTOR_REQUIRED"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "other"}, "INVALID_TOKEN"),
        ({"aud": "other"}, "INVALID_TOKEN"),
        ({"exp": time.time() - 0.5}, "TOKEN_EXPIRED"),
        ({"exp": "soon"}, "INVALID_TOKEN"),
        ({"exp": True}, "INVALID_TOKEN"),
        ({"nbf": time.time() + 86_400}, "INVALID_TOKEN"),
        ({"iat": time.time() + 86_400}, "INVALID_TOKEN"),
        ({"iat": "then"}, "INVALID_TOKEN"),
        ({"sub": "services/customers"}, "INVALID_TOKEN"),
        ({"sub": "users/me"}, "INVALID_TOKEN"),
        ({"roles": "roles/1"}, "INVALID_TOKEN"),
        ({"pv": "new"}, "INVALID_TOKEN"),
        ({"jti": None}, "INVALID_TOKEN"),
    ],
)
def test_each_claim_must_be_right(authority, authenticator, claims, reason):
    assert reason_for(authenticator, authority.token(**claims)) == reason


@pytest.mark.parametrize("claim", ["exp", "iat", "sub", "jti"])
def test_no_claim_may_be_missing(authority, authenticator, claim):
    claims = authority.claims()
    del claims[claim]
    assert reason_for(authenticator, authority.keys.sign(claims)) == "INVALID_TOKEN"


def test_a_token_that_is_remembered_expires_all_the_same(authority, authenticator):
    def remembered() -> str:
        token = authority.token(exp=time.time() + 1)
        with suppress(Unauthenticated):  # on a machine that stood still for so long
            assert authenticator.caller(token)
            return token
        return ""

    token = eventually(remembered)
    time.sleep(1.05)  # what is tested is the passing of real time
    assert reason_for(authenticator, token) == "TOKEN_EXPIRED"


def test_a_revocation_counts_fractions_of_a_second(authority):
    policy = PolicyCache(authority)
    authenticator = Authenticator(policy)
    policy.start()
    try:
        user = uuid4()
        before = authority.token(user)
        authority.revoke(f"users/{user}")
        after = authority.token(user)
        eventually(lambda: policy.snapshot().revocations)
        assert reason_for(authenticator, before) == "TOKEN_REVOKED"
        assert authenticator.caller(after).user_id == user
    finally:
        policy.stop()


def test_keys_can_change_without_a_gap():
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    before, after = SigningKeys.from_pem(pem(old)), SigningKeys.from_pem(pem(new) + "\n" + pem(old))
    claims = LocalAuthority().claims()
    keys = read_key_set(after.key_set())
    for signer in (before, after):
        token = signer.sign(claims)
        assert verify(token, keys[key_id(token)]).subject == claims["sub"]
    assert before.key_ids[0] != after.key_ids[0]


def test_a_new_key_is_fetched_when_a_token_names_it(authority):
    policy = PolicyCache(authority)
    authenticator = Authenticator(policy)
    authenticator.caller(authority.token())
    authority.keys = SigningKeys([Ed25519PrivateKey.generate()])
    time.sleep(0.25)  # longer than the shortest time between two fetches that calls bring about
    assert authenticator.caller(authority.token())


def test_when_a_key_is_taken_away_the_tokens_that_are_remembered_go_with_it(authority, monkeypatch):
    monkeypatch.setattr(policy_module, "KEYS_SECONDS", 0.0)
    policy = PolicyCache(authority)
    authenticator = Authenticator(policy)
    old = authority.keys
    remembered = authority.token()
    policy.start()
    try:
        assert authenticator.caller(remembered)
        new = Ed25519PrivateKey.generate()
        authority.keys = SigningKeys([new])
        eventually(lambda: not policy.knows_key(old.key_ids[0]), 3)
        assert reason_for(authenticator, remembered) == "INVALID_TOKEN"
        assert authenticator.caller(authority.token())
        authority.keys = old
        eventually(lambda: policy.knows_key(old.key_ids[0]), 3)
        assert authenticator.caller(remembered), "it is judged by the keys as they are"
    finally:
        policy.stop()


def test_a_signing_key_of_another_kind_is_a_wrong_setting():
    for text in (pem(generate_private_key(65537, 2048)), "", "nonsense"):
        with pytest.raises(Invalid) as caught:
            SigningKeys.from_pem(text)
        assert caught.value.reason == "INVALID_SETTING"


class Flaky:
    """An authority that may be away."""

    def __init__(self, behind: LocalAuthority) -> None:
        self.behind = behind
        self.away = False

    def key_set(self) -> str:
        self._reach()
        return self.behind.key_set()

    def policy(self, known_version: int):
        self._reach()
        return self.behind.policy(known_version)

    def _reach(self) -> None:
        if self.away:
            raise ConnectionError("away")


def test_without_any_policy_nobody_is_judged(authority):
    flaky = Flaky(authority)
    flaky.away = True
    policy = PolicyCache(flaky)
    with pytest.raises(Unavailable) as caught:
        Authenticator(policy).caller(authority.token())
    assert caught.value.reason == "POLICY_UNAVAILABLE"
    assert policy.problem()


def test_the_last_policy_holds_while_the_authority_is_away(authority):
    flaky = Flaky(authority)
    authenticator = Authenticator(PolicyCache(flaky))
    token = authority.token(grants={"x.read": Reach.ALL})
    authenticator.caller(token)
    flaky.away = True
    assert authenticator.caller(token).scope("x.read").everything
    newer = authority.token(grants={"y.read": Reach.ALL})
    assert not authenticator.caller(newer).granted("y.read")


def test_a_partner_reaches_their_own_records_whatever_the_role_says(authority, authenticator):
    user, partner = uuid4(), uuid4()
    grants = {"lead.read": Reach.ALL, "*": (Grant("*", Reach.CUSTOM, ("/a/",)), Grant("*", Reach.DEPARTMENT_TREE))}
    caller = authenticator.caller(authority.token(user, "/hq/", grants, partner=f"partners/{partner}"))
    assert caller.partner_id == partner
    for permission in ("lead.read", "other.read"):
        scope = caller.scope(permission)
        assert scope.reaches(user, None)
        assert not scope.everything
        assert not scope.reaches(uuid4(), "/hq/")
    assert authenticator.caller(authority.token(user, "/hq/", grants)).scope("lead.read").everything
