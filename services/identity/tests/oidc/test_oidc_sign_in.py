"""People sign in by another system that knows them, and nobody else does."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from chassis.clock import system_clock
from chassis.testing.edge import bearer
from crm.identity.v1 import identity_provider_pb2, user_pb2
from crm.identity.v1 import identity_provider_service_pb2 as admin_pb
from identity.testing import grant, refused
from identity.testing_oidc import (
    REDIRECT,
    USERNAME,
    add_provider,
    begin_sign_in,
    complete_sign_in,
    person_with_account,
    sign_claims,
    sign_in_by,
    update_provider,
)


def test_the_way_there_carries_state_nonce_and_pkce(suite, provider):
    registered = add_provider(suite, provider)
    begun = begin_sign_in(suite, registered)
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
    registered = add_provider(suite, provider)
    user, subject = person_with_account(suite, provider)
    pair = sign_in_by(suite, provider, registered, subject)
    assert suite.me(bearer(pair.access_token)).name == user.name
    assert pair.refresh_token
    provider.person(subject, email="renamed@example.com", email_verified=False)
    assert suite.me(bearer(sign_in_by(suite, provider, registered, subject).access_token)).name == user.name
    assert "user.link_identity" in suite.audited(user.name)


def test_the_address_may_come_from_the_user_info(suite, provider):
    registered = add_provider(suite, provider)
    user, subject = person_with_account(suite, provider)

    def without_address(claims, private_key):
        return sign_claims({name: claims[name] for name in claims if not name.startswith("email")}, private_key)

    provider.forge = without_address
    assert suite.me(bearer(sign_in_by(suite, provider, registered, subject).access_token)).name == user.name
    assert "/userinfo" in provider.requests


@pytest.mark.parametrize("verified", [False, None, "true"])
def test_an_unverified_address_opens_nothing(suite, provider, verified):
    registered = add_provider(suite, provider, auto_provision=True, default_department=suite.root.name)
    user, _ = person_with_account(suite, provider)
    claims = {"email": user.email} | ({} if verified is None else {"email_verified": verified})
    thief = provider.person("thief", **claims)
    with refused("UNAUTHENTICATED", "EMAIL_NOT_VERIFIED"):
        sign_in_by(suite, provider, registered, thief)


def test_only_addresses_of_the_domains_named(suite, provider):
    registered = add_provider(suite, provider, email_domains=["Example.com"])
    assert registered.email_domains == ["example.com"]
    user, subject = person_with_account(suite, provider)
    assert sign_in_by(suite, provider, registered, subject).access_token
    for address in ("a@evil.com", "a@notexample.com", "a@sub.example.com", "a@example.com.evil.com"):
        other = provider.person(str(uuid4()), email=address, email_verified=True)
        with refused("UNAUTHENTICATED", "EMAIL_DOMAIN_NOT_ALLOWED"):
            sign_in_by(suite, provider, registered, other)
    provider.person(subject, email=user.email, email_verified=False)
    with refused("UNAUTHENTICATED", "EMAIL_NOT_VERIFIED"):
        sign_in_by(suite, provider, registered, subject)


def test_somebody_unknown_stays_outside(suite, provider):
    registered = add_provider(suite, provider)
    stranger = provider.person("stranger", email="stranger@example.com", email_verified=True)
    with refused("UNAUTHENTICATED", "IDENTITY_UNKNOWN"):
        sign_in_by(suite, provider, registered, stranger)


def test_somebody_who_was_dismissed_stays_outside(suite, provider):
    registered = add_provider(suite, provider)
    user, subject = person_with_account(suite, provider)
    sign_in_by(suite, provider, registered, subject)
    suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_DEACTIVATED), "state")
    with refused("UNAUTHENTICATED", "IDENTITY_UNKNOWN"):
        sign_in_by(suite, provider, registered, subject)


def test_somebody_new_is_made_a_user_where_that_is_wanted(suite, provider):
    department, role = suite.department(), suite.role(grant("user.read"))
    registered = add_provider(
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
    first, second = (sign_in_by(suite, provider, registered, subject) for _ in range(2))
    user = suite.me(bearer(first.access_token))
    assert (user.username, user.display_name, user.email) == ("new.person", "新人", "new.person@example.com")
    assert (user.department, list(user.roles)) == (department.name, [role.name])
    assert suite.me(bearer(second.access_token)).name == user.name
    for password in ("", suite.password):
        with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
            suite.login("new.person", password)
    taken = provider.person("new-2", email="other@example.com", email_verified=True, preferred_username="new.person")
    with refused("ALREADY_EXISTS", "USERNAME_TAKEN"):
        sign_in_by(suite, provider, registered, taken)


def test_known_by_the_login_name_or_by_a_link_alone(suite, provider):
    by_name = add_provider(suite, provider, matching=USERNAME)
    user, other = suite.user(), suite.user()
    subject = provider.person("named", preferred_username=user.username)
    assert suite.me(bearer(sign_in_by(suite, provider, by_name, subject).access_token)).name == user.name
    linked = update_provider(suite, by_name, matching=identity_provider_pb2.USER_MATCHING_LINKED)
    unknown = provider.person("linked", preferred_username=other.username)
    with refused("UNAUTHENTICATED", "IDENTITY_UNKNOWN"):
        sign_in_by(suite, provider, linked, unknown)
    link = admin_pb.LinkIdentityRequest(
        identity_provider=linked.name, user=other.name, subject="linked", request_id=str(uuid4())
    )
    suite.providers.LinkIdentity(link, metadata=suite.admin)
    assert suite.me(bearer(sign_in_by(suite, provider, linked, unknown).access_token)).name == other.name
    with refused("ALREADY_EXISTS", "IDENTITY_TAKEN"):
        suite.providers.LinkIdentity(
            admin_pb.LinkIdentityRequest(
                identity_provider=linked.name, user=user.name, subject="linked", request_id=str(uuid4())
            ),
            metadata=suite.admin,
        )
    suite.providers.UnlinkIdentity(
        admin_pb.UnlinkIdentityRequest(identity_provider=linked.name, user=other.name, request_id=str(uuid4())),
        metadata=suite.admin,
    )
    with refused("UNAUTHENTICATED", "IDENTITY_UNKNOWN"):
        sign_in_by(suite, provider, linked, unknown)


def test_a_sign_in_is_finished_once_by_the_browser_that_began_it(suite, provider):
    registered = add_provider(suite, provider)
    _, subject = person_with_account(suite, provider)
    begun, other = begin_sign_in(suite, registered), begin_sign_in(suite, registered)
    back = provider.approve(begun.authorization_url, subject)
    for replaced in ({"browser_secret": other.browser_secret}, {"browser_secret": ""}, {"state": "made up"}):
        with refused("UNAUTHENTICATED", "INVALID_SIGN_IN"):
            complete_sign_in(suite, begun, back, **replaced)
    assert complete_sign_in(suite, begun, back).access_token
    with refused("UNAUTHENTICATED", "INVALID_SIGN_IN"):
        complete_sign_in(suite, begun, back)


def test_a_code_of_another_sign_in_is_refused(suite, provider):
    registered = add_provider(suite, provider)
    _, subject = person_with_account(suite, provider)
    mine, theirs = begin_sign_in(suite, registered), begin_sign_in(suite, registered)
    stolen = provider.approve(theirs.authorization_url, subject)["code"]
    own = provider.approve(mine.authorization_url, subject)
    with refused("UNAUTHENTICATED", "IDENTITY_NOT_PROVEN"):
        complete_sign_in(suite, mine, own, code=stolen)


def test_a_sign_in_must_be_finished_in_time(suite, provider, monkeypatch):
    registered = add_provider(suite, provider)
    _, subject = person_with_account(suite, provider)
    begun = begin_sign_in(suite, registered)
    back = provider.approve(begun.authorization_url, subject)
    monkeypatch.setattr(
        "identity.usecases.complete_oidc_sign_in.system_clock",
        lambda: system_clock() + timedelta(minutes=10, seconds=1),
    )
    with refused("UNAUTHENTICATED", "INVALID_SIGN_IN"):
        complete_sign_in(suite, begun, back)
