"""People see the sessions they have open, and end them."""

from uuid import uuid4

import pytest
from chassis.origins import Origin, metadata_for
from chassis.testing import eventually
from chassis.testing.edge import bearer
from crm.identity.v1 import auth_service_pb2
from crm.identity.v1 import session_service_pb2 as pb
from identity.main import SERVICE
from identity.testing import grant, outcome, refused, running_suite
from identity.usecases.open_session import MAXIMUM_SESSIONS

SECRET = "shared-by-gateway-and-services"
BROWSER = metadata_for(Origin("203.0.113.7", "Firefox/140"), SECRET)
PHONE = metadata_for(Origin("198.51.100.9", "GuanxiApp/3"), SECRET)


@pytest.fixture(scope="module")
def suite(make_database):
    with running_suite(make_database("identity", SERVICE.migrations), GATEWAY_SECRET=SECRET) as running:
        yield running


def login(suite, user, origin=()):
    request = auth_service_pb2.LoginRequest(username=user.username, password=suite.password)
    return suite.auth.Login(request, metadata=origin)


def refresh(suite, pair, origin=()):
    request = auth_service_pb2.RefreshTokensRequest(refresh_token=pair.refresh_token)
    return suite.auth.RefreshTokens(request, metadata=origin)


def listed(suite, pair, size=0, token=""):
    request = pb.ListMySessionsRequest(page_size=size, page_token=token)
    return suite.sessions.ListMySessions(request, metadata=bearer(pair.access_token))


def revoke(suite, pair, name):
    request = pb.RevokeSessionRequest(name=name, request_id=str(uuid4()))
    suite.sessions.RevokeSession(request, metadata=bearer(pair.access_token))


def ended(suite, pair):
    return outcome(lambda: suite.me(bearer(pair.access_token))) == "TOKEN_REVOKED"


def test_one_sees_where_one_is_signed_in(suite):
    user = suite.user()
    first, second = login(suite, user, BROWSER), login(suite, user, PHONE)
    newest, oldest = listed(suite, first).sessions
    assert (oldest.agent, oldest.address, oldest.current) == ("Firefox/140", "203.0.113.7", True)
    assert (newest.agent, newest.address, newest.current) == ("GuanxiApp/3", "198.51.100.9", False)
    assert oldest.method == pb.SIGN_IN_METHOD_PASSWORD
    assert not oldest.second_factor
    assert [each.current for each in listed(suite, second).sessions] == [True, False]
    moved = refresh(suite, first, PHONE)
    after = listed(suite, moved).sessions[1]
    assert (after.agent, after.address) == ("Firefox/140", "198.51.100.9")
    assert after.last_use_time.ToNanoseconds() > oldest.last_use_time.ToNanoseconds()


def test_the_list_comes_in_pages(suite):
    user = suite.user()
    pair, *_ = [login(suite, user) for _ in range(5)]
    names, token = [], ""
    while True:
        page = listed(suite, pair, 2, token)
        names += [each.name for each in page.sessions]
        token = page.next_page_token
        if not token:
            break
    assert len(names) == len(set(names)) == 5


def test_to_end_one_leaves_the_others(suite):
    user = suite.user()
    kept, lost = login(suite, user), login(suite, user)
    name = next(each.name for each in listed(suite, lost).sessions if each.current)
    revoke(suite, kept, name)
    eventually(lambda: ended(suite, lost))
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        refresh(suite, lost)
    assert not ended(suite, kept)
    assert [each.name for each in listed(suite, kept).sessions] != [name]
    with refused("NOT_FOUND", "SESSION_NOT_FOUND"):
        revoke(suite, kept, name)
    assert suite.audited(user.name)[-1] == "user.session_revoked"


def test_nobody_ends_or_sees_another_ones(suite):
    mine, theirs = login(suite, suite.user()), login(suite, suite.user())
    name = listed(suite, theirs).sessions[0].name
    assert name not in [each.name for each in listed(suite, mine).sessions]
    with refused("NOT_FOUND", "SESSION_NOT_FOUND"):
        revoke(suite, mine, name)
    assert not ended(suite, theirs)


def test_an_administrator_ends_all_of_a_user(suite):
    user = suite.user()
    pairs = [login(suite, user) for _ in range(3)]
    request = pb.RevokeUserSessionsRequest(name=user.name, request_id=str(uuid4()))
    suite.sessions.RevokeUserSessions(request, metadata=suite.admin)
    for pair in pairs:
        eventually(lambda pair=pair: ended(suite, pair))
        with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
            refresh(suite, pair)
    assert login(suite, user).access_token


def test_nobody_ends_the_sessions_of_whoever_may_do_more(suite):
    _, helper = suite.somebody(grant("user.update"))
    request = pb.RevokeUserSessionsRequest(name=suite.admin_name, request_id=str(uuid4()))
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.sessions.RevokeUserSessions(request, metadata=helper)


def test_one_session_too_many_ends_the_one_unused_for_longest(suite):
    user = suite.user()
    oldest, unused = login(suite, user), login(suite, user)
    others = [login(suite, user) for _ in range(MAXIMUM_SESSIONS - 2)]
    oldest = refresh(suite, oldest)
    newest = login(suite, user)
    eventually(lambda: ended(suite, unused))
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        refresh(suite, unused)
    assert not any(ended(suite, pair) for pair in (oldest, newest, *others))
    assert len(listed(suite, newest, 200).sessions) == MAXIMUM_SESSIONS
