"""Signing in, staying signed in, and being signed out."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import grpc
import jwt
import pytest
from chassis.testing import FixedClock, eventually
from chassis.testing.edge import bearer
from chassis.tokens import key_id, read_key_set, verify
from crm.identity.v1 import auth_service_pb2 as pb
from crm.identity.v1 import user_pb2, user_service_pb2
from identity.main import SERVICE
from identity.testing import grant, outcome, pem_key, reason_of, refused, running_suite


def refresh(suite, pair):
    return suite.auth.RefreshTokens(pb.RefreshTokensRequest(refresh_token=pair.refresh_token))


def logout(suite, pair):
    suite.auth.Logout(pb.LogoutRequest(refresh_token=pair.refresh_token))


def is_refused(suite, pair):
    return outcome(lambda: suite.me(bearer(pair.access_token))) == "TOKEN_REVOKED"


def change_password(suite, pair, current, new, request_id=""):
    request = pb.ChangePasswordRequest(
        current_password=current, new_password=new, request_id=request_id or str(uuid4())
    )
    return suite.auth.ChangePassword(request, metadata=bearer(pair.access_token))


def test_login_by_name_or_address_whatever_the_case(suite):
    user = suite.user(username="Zhao.Min", email="Zhao.Min@Example.com")
    for login in ("zhao.min", "ZHAO.MIN", "zhao.min@example.COM", " zhao.min "):
        assert suite.me(suite.sign_in(login)).name == user.name


def test_token_says_who_and_is_verified_by_the_published_keys(suite):
    department = suite.department()
    role = suite.role(grant("customer.read", "SELF"))
    user = suite.user(department.name, [role])
    pair = suite.login(user.username)
    keys = read_key_set(suite.auth.GetKeySet(pb.GetKeySetRequest()).jwks_json)
    claims = verify(pair.access_token, keys[key_id(pair.access_token)])
    assert claims.subject == user.name
    assert claims.department_path == department.path
    assert claims.roles == (role.name,)
    assert claims.policy_version > 0
    assert claims.session_id
    assert claims.expires_at - claims.issued_at == pytest.approx(600)
    assert pair.expire_time.seconds == int(claims.expires_at)
    plain = jwt.decode(pair.access_token, options={"verify_signature": False})
    assert plain["dept"] == department.name
    assert (plain["iss"], plain["aud"]) == ("crm", "crm")


def test_login_is_recorded(suite):
    user = suite.user()
    assert not user.HasField("last_login_time")
    me = suite.me(suite.sign_in(user.username))
    assert me.HasField("last_login_time")
    assert me.etag == user.etag
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login(user.username, "wrong password")
    assert suite.audited(user.name) == ["user.create", "user.login", "user.login_refused"]


def test_every_refusal_looks_the_same(suite):
    user, gone = suite.user(), suite.user()
    suite.update(user_pb2.User(name=gone.name, state=user_pb2.USER_STATE_DEACTIVATED), "state")
    answers = set()
    for username, password in [
        (user.username, "wrong password"),
        ("nobody.at.all", "wrong"),
        (gone.username, suite.password),
    ]:
        with pytest.raises(grpc.RpcError) as caught:
            suite.login(username, password)
        answers.add((caught.value.code(), reason_of(caught.value), caught.value.details()))
    assert len(answers) == 1
    assert answers.pop()[:2] == (grpc.StatusCode.UNAUTHENTICATED, "BAD_CREDENTIALS")


def test_an_unknown_name_takes_as_long_as_a_wrong_password(suite, costly_passwords):
    user = suite.user()

    def seconds(username):
        began = time.process_time()  # the server is in this process; what others do does not count
        with pytest.raises(grpc.RpcError):
            suite.login(username, "wrong password")
        return time.process_time() - began

    known, unknown = [], []
    for number in range(8):
        known.append(seconds(user.username))
        unknown.append(seconds(f"nobody{number}"))
    assert 0.5 < statistics.median(known) / statistics.median(unknown) < 2


@pytest.mark.parametrize("known", [True, False])
def test_guessing_is_braked_also_for_names_that_nobody_has(suite, known):
    username = suite.user(email="brake@example.com").username if known else suite.unique("stranger")
    for _ in range(10):
        with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
            suite.login(username, "wrong password")
    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_ATTEMPTS"):
        suite.login(username)
    if known:
        with refused("RESOURCE_EXHAUSTED", "TOO_MANY_ATTEMPTS"):
            suite.login("brake@example.com")


def test_parallel_guesses_do_not_outrun_the_brake(suite):
    user = suite.user()

    with ThreadPoolExecutor(16) as pool:
        reasons = list(
            pool.map(lambda n: outcome(lambda: suite.login(user.username, f"wrong password {n}")), range(24))
        )
    assert (reasons.count("BAD_CREDENTIALS"), reasons.count("TOO_MANY_ATTEMPTS")) == (10, 14)


def test_right_passwords_do_not_count(suite):
    user = suite.user()
    for _ in range(12):
        suite.login(user.username)


def test_refresh_token_works_once_and_its_reuse_ends_the_session(suite):
    user = suite.user()
    other = suite.login(user.username)
    first = suite.login(user.username)
    second = refresh(suite, first)
    assert suite.me(bearer(second.access_token)).name == user.name
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        refresh(suite, first)
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        refresh(suite, second)
    eventually(lambda: is_refused(suite, second))
    assert not is_refused(suite, other)
    assert refresh(suite, other).access_token
    assert suite.audited(user.name)[-1] == "user.session_revoked"


def test_of_two_refreshes_at_once_one_wins_and_the_session_ends(suite):
    pair = suite.login(suite.user().username)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: outcome(lambda: refresh(suite, pair)), range(4)))
    winners = [result for result in results if not isinstance(result, str)]
    assert len(winners) == 1
    assert sorted(result for result in results if isinstance(result, str)) == [
        "INVALID_REFRESH_TOKEN",
        "INVALID_REFRESH_TOKEN",
        "REFRESH_TOKEN_REUSED",
    ]
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        refresh(suite, winners[0])


def test_refreshed_token_carries_what_changed_meanwhile(suite):
    user = suite.user()
    pair = suite.login(user.username)
    department = suite.department()
    suite.update(user_pb2.User(name=user.name, department=department.name), "department")
    eventually(lambda: is_refused(suite, pair))
    renewed = refresh(suite, pair)
    assert jwt.decode(renewed.access_token, options={"verify_signature": False})["path"] == department.path
    assert not is_refused(suite, renewed)


def test_no_secret_is_kept(suite):
    pair = suite.login(suite.user().username)
    kept = " ".join(str(tuple(row)) for row in suite.rows("SELECT encode(digest, 'escape') FROM refresh_token"))
    audit = " ".join(str(tuple(row)) for row in suite.rows("SELECT before, after FROM audit_entry"))
    assert pair.refresh_token not in kept
    assert "argon2" not in audit
    assert pair.refresh_token not in audit
    assert suite.password not in audit


def test_logout_ends_this_session_and_no_other(suite):
    user = suite.user()
    pair, other = suite.login(user.username), suite.login(user.username)
    logout(suite, pair)
    logout(suite, pair)
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        refresh(suite, pair)
    eventually(lambda: is_refused(suite, pair))
    assert not is_refused(suite, other)
    assert suite.audited(user.name)[-1] == "user.logout"


def test_made_up_refresh_tokens_open_nothing(suite):
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        refresh(suite, pb.TokenPair(refresh_token="made up"))
    logout(suite, pb.TokenPair(refresh_token="made up"))


def test_change_of_password_ends_other_sessions_and_keeps_this_one(suite):
    user = suite.user()
    pair, other = suite.login(user.username), suite.login(user.username)
    request_id = str(uuid4())
    change_password(suite, pair, suite.password, "another fine password", request_id)
    change_password(suite, pair, suite.password, "another fine password", request_id)
    eventually(lambda: is_refused(suite, other))
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        refresh(suite, other)
    assert not is_refused(suite, pair)
    assert refresh(suite, pair).access_token
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login(user.username)
    assert suite.login(user.username, "another fine password").access_token


@pytest.mark.parametrize(
    ("current", "new", "reason"),
    [
        ("wrong password", "another fine password", "WRONG_PASSWORD"),
        (None, "short", "PASSWORD_TOO_SHORT"),
        (None, "qwertyuiop123", "PASSWORD_TOO_COMMON"),
        (None, None, "PASSWORD_UNCHANGED"),
    ],
)
def test_refused_change_of_password_changes_nothing(suite, current, new, reason):
    user = suite.user()
    pair = suite.login(user.username)
    with refused("INVALID_ARGUMENT", reason):
        change_password(suite, pair, current or suite.password, new or suite.password)
    assert suite.login(user.username).access_token


def test_reset_of_password_ends_all_sessions(suite):
    user = suite.user()
    pair = suite.login(user.username)
    request = user_service_pb2.ResetUserPasswordRequest(
        name=user.name, password="given by the office", request_id=str(uuid4())
    )
    suite.users.ResetUserPassword(request, metadata=suite.admin)
    eventually(lambda: is_refused(suite, pair))
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        refresh(suite, pair)
    assert suite.login(user.username, "given by the office").access_token


def test_login_at_once_after_revocation_is_good(suite):
    user = suite.user()
    for number in range(3):
        request = user_service_pb2.ResetUserPasswordRequest(
            name=user.name, password=f"given by the office {number}", request_id=str(uuid4())
        )
        suite.users.ResetUserPassword(request, metadata=suite.admin)
        assert suite.me(suite.sign_in(user.username, f"given by the office {number}")).name == user.name


def test_machine_signs_in_by_its_credentials(suite):
    request = pb.IssueClientTokenRequest(client_id="svc-customers", client_secret=suite.service_secret)
    pair = suite.auth.IssueClientToken(request)
    assert not pair.refresh_token
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        suite.me(bearer(pair.access_token))
    for client_id, secret in [("svc-customers", "wrong"), ("nobody", suite.service_secret), ("nobody", "")]:
        with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
            suite.auth.IssueClientToken(pb.IssueClientTokenRequest(client_id=client_id, client_secret=secret))


def test_token_given_out_during_deactivation_is_refused(suite):
    deactivated = user_pb2.USER_STATE_DEACTIVATED
    for _ in range(6):
        user = suite.user()
        pair = suite.login(user.username)
        with ThreadPoolExecutor(3) as pool:
            given = [
                pool.submit(outcome, lambda pair=pair: refresh(suite, pair)),
                pool.submit(outcome, lambda user=user: suite.login(user.username)),
            ]
            pool.submit(suite.update, user_pb2.User(name=user.name, state=deactivated)).result()
            pairs = [result.result() for result in given if not isinstance(result.result(), str)]
        for good_once in (pair, *pairs):
            eventually(lambda found=good_once: is_refused(suite, found))


def test_tokens_keep_to_the_real_time(suite):
    user = suite.user()
    clock = suite.runtime.database.clock
    suite.runtime.database.clock = FixedClock(datetime(2020, 1, 1, tzinfo=UTC))
    try:
        pair = suite.login(user.username)
        me = suite.me(bearer(pair.access_token))
        pair = refresh(suite, pair)
    finally:
        suite.runtime.database.clock = clock
    assert me.last_login_time.ToDatetime(UTC).year == 2020
    assert not is_refused(suite, pair)
    assert abs(pair.expire_time.seconds - 600 - time.time()) < 60
    assert refresh(suite, pair).access_token


def test_keys_change_without_a_gap(make_database):
    url, old, new = make_database("identity", SERVICE.migrations), pem_key(), pem_key()
    with running_suite(url, TOKEN_SIGNING_KEY=old) as suite:
        token = suite.login("admin", suite.admin_password).access_token
    with running_suite(url, TOKEN_SIGNING_KEY=new + old) as suite:
        assert suite.me(bearer(token)).username == "admin"
        newer = suite.login("admin", suite.admin_password).access_token
        assert key_id(newer) != key_id(token)
    with running_suite(url, TOKEN_SIGNING_KEY=new.replace("\n", "\\n")) as suite:
        assert suite.me(bearer(newer)).username == "admin"
        with refused("UNAUTHENTICATED", "INVALID_TOKEN"):
            suite.me(bearer(token))
