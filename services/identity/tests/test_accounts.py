"""Invitations, forgotten passwords, what is asked of passwords, and who may sign in by what."""

import email
import email.policy
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import grpc
import pytest
from chassis.bus.handlers import Received
from chassis.callers import service_caller
from chassis.mail.delivery import Delivery
from chassis.mail.transports import MailFolder, MailSettings, address
from chassis.names import new_id
from chassis.testing import eventually
from chassis.testing.edge import bearer
from crm.identity.v1 import account_pb2, auth_service_pb2, user_pb2, user_service_pb2
from crm.identity.v1 import account_service_pb2 as pb
from crm.identity.v1.account_service_pb2_grpc import AccountServiceStub
from identity import account_consumers, passwords
from identity.testing import grant, outcome, refused

NEW = "quite another password"
LINK = re.compile(r"https://crm\.example\.com/(?:activate|reset-password)#token=(\S+)")


@pytest.fixture(scope="module")
def accounts(suite):
    return AccountServiceStub(suite.channel)


@pytest.fixture
def mails(suite, tmp_path):
    """Delivers what waits, and returns the messages for an address."""
    folder = MailFolder(tmp_path / "mails")

    def read(to):
        for subscription in account_consumers.subscriptions(suite.runtime):
            hear(suite, subscription)
        delivery = Delivery(suite.runtime.database, MailSettings(folder, address("crm@example.com")))
        while delivery.deliver_next(folder):
            pass
        paths = sorted(folder.path.iterdir()) if folder.path.exists() else []
        read_all = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]
        return [message for message in read_all if message["To"] == to]

    return read


def hear(suite, subscription):
    """Handle the events of a subscription as the worker does, each once."""
    if subscription.source != "identity":
        return
    with suite.runtime.database.write(service_caller("identity")) as session:
        for row in suite.rows("SELECT event_id, type, subject, time, data FROM outbox ORDER BY position"):
            if row.type.rpartition(".")[2] in subscription.events and (subscription.queue, row.event_id) not in HEARD:
                HEARD.add((subscription.queue, row.event_id))
                received = Received(row.event_id, row.type, "identity", row.subject, row.time, "", row.data)
                subscription.handle(session, received)


HEARD: set[tuple[str, UUID]] = set()


def draft(suite, **fields):
    fields.setdefault("username", suite.unique("guest"))
    return user_pb2.User(display_name="王芳", department=suite.root.name, **fields)


def invite(suite, accounts, request_id="", as_caller=(), **fields):
    request = pb.InviteUserRequest(user=draft(suite, **fields), request_id=request_id or str(uuid4()))
    return accounts.InviteUser(request, metadata=as_caller or suite.admin)


def activate(accounts, token, password=NEW, request_id=""):
    accounts.ActivateAccount(pb.ActivateAccountRequest(token=token, password=password, request_id=request_id))


def forget(accounts, login):
    return accounts.RequestPasswordReset(pb.RequestPasswordResetRequest(login=login))


def reset(accounts, token, password=NEW):
    accounts.CompletePasswordReset(pb.CompletePasswordResetRequest(token=token, password=password))


def change(suite, metadata, current, new):
    request = auth_service_pb2.ChangePasswordRequest(
        current_password=current, new_password=new, request_id=str(uuid4())
    )
    return suite.auth.ChangePassword(request, metadata=metadata)


def token_in(message):
    return LINK.search(message.get_content())[1]


def set_rules(suite, accounts, *paths, as_caller=(), **rules):
    request = pb.UpdatePasswordRulesRequest(password_rules=account_pb2.PasswordRules(**rules), request_id=str(uuid4()))
    request.update_mask.paths.extend(paths or list(rules))
    return accounts.UpdatePasswordRules(request, metadata=as_caller or suite.admin)


@pytest.fixture
def rules(suite, accounts):
    """Sets rules, and the usual ones again afterwards."""
    yield lambda **given: set_rules(suite, accounts, **given)
    usual = {"min_length": 10, "required_classes": [], "history_count": 5, "expire_days": 0}
    set_rules(suite, accounts, *usual, **usual)


def test_an_invited_person_sets_a_password_and_signs_in(suite, accounts, mails):
    invitation = invite(suite, accounts, email="Wang.Fang@Example.com", phone="138 0000 0001", locale="zh-CN")
    user = invitation.user
    assert (invitation.mailed, invitation.activation_link) == (True, "")
    assert user.state == user_pb2.USER_STATE_INVITED
    assert timedelta(days=6) < invitation.expire_time.ToDatetime(UTC) - datetime.now(UTC) <= timedelta(days=7)
    assert suite.events("UserChanged")[-1]["active"] is False
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login(user.username, "")
    (message,) = mails("wang.fang@example.com")
    assert user.username in message.get_content()
    token = token_in(message)
    request_id = str(uuid4())
    activate(accounts, token, request_id=request_id)
    activate(accounts, token, request_id=request_id)
    for login in (user.username, "wang.fang@example.com", "138-0000-0001", "+86 138 0000 0001"):
        assert suite.me(suite.sign_in(login, NEW)).name == user.name
    with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
        activate(accounts, token)
    assert suite.me(suite.sign_in(user.username, NEW)).state == user_pb2.USER_STATE_ACTIVE
    assert suite.audited(user.name)[:4] == ["user.create", "user.invite", "user.login_refused", "user.activate"]


def test_who_has_only_a_phone_is_told_the_link_by_the_inviter_once(suite, accounts):
    request_id, username = str(uuid4()), suite.unique("guest")
    first = invite(suite, accounts, request_id, username=username, phone="13800000002")
    again = invite(suite, accounts, request_id, username=username, phone="13800000002")
    assert not first.mailed
    assert (again.user, again.activation_link) == (first.user, "")
    activate(accounts, first.activation_link.partition("#token=")[2])
    assert suite.login("13800000002", NEW).access_token


def test_no_token_is_kept_where_it_can_be_read(suite, accounts):
    link = invite(suite, accounts, phone="13800000003").activation_link
    invite(suite, accounts, email="kept@example.com")
    token = link.partition("#token=")[2]
    tables = ("account_token", "outgoing_mail", "outbox", "idempotency_claim", "audit_entry")
    for table in tables:
        kept = " ".join(row.row for row in suite.rows(f"SELECT {table}::text AS row FROM {table}"))
        assert token not in kept
        assert "#token" not in kept


def test_a_new_invitation_makes_the_former_useless(suite, accounts):
    invitation = invite(suite, accounts, phone="13800000004")
    request = pb.ResendInvitationRequest(name=invitation.user.name, request_id=str(uuid4()))
    second = accounts.ResendInvitation(request, metadata=suite.admin)
    with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
        activate(accounts, invitation.activation_link.partition("#token=")[2])
    activate(accounts, second.activation_link.partition("#token=")[2])
    request = pb.ResendInvitationRequest(name=invitation.user.name, request_id=str(uuid4()))
    with refused("FAILED_PRECONDITION", "ALREADY_ACTIVATED"):
        accounts.ResendInvitation(request, metadata=suite.admin)


def test_an_expired_invitation_opens_nothing(suite, accounts):
    invitation = invite(suite, accounts, phone="13800000005")
    with suite.runtime.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE account_token SET expire_time = now() - interval '1 second'")
    with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
        activate(accounts, invitation.activation_link.partition("#token=")[2])


def test_state_of_an_invited_person_changes_by_invitations_alone(suite, accounts):
    user = invite(suite, accounts, phone="13800000006").user
    with refused("FAILED_PRECONDITION", "NOT_ACTIVATED"):
        suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_ACTIVE), "state")
    suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_DEACTIVATED), "state")
    again = accounts.ResendInvitation(
        pb.ResendInvitationRequest(name=user.name, request_id=str(uuid4())), metadata=suite.admin
    )
    assert again.user.state == user_pb2.USER_STATE_INVITED
    active = suite.user()
    with refused("INVALID_ARGUMENT", "INVALID_STATE"):
        suite.update(user_pb2.User(name=active.name, state=user_pb2.USER_STATE_INVITED), "state")
    with refused("INVALID_ARGUMENT", "INVALID_STATE"):
        suite.user(state=user_pb2.USER_STATE_INVITED)


def test_a_deactivated_invitation_opens_nothing(suite, accounts):
    invitation = invite(suite, accounts, phone="13800000007")
    suite.update(user_pb2.User(name=invitation.user.name, state=user_pb2.USER_STATE_DEACTIVATED), "state")
    with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
        activate(accounts, invitation.activation_link.partition("#token=")[2])


def test_whoever_invites_can_give_no_more_than_they_hold(suite, accounts):
    _, clerk = suite.somebody(grant("user.create"), grant("user.update"))
    boss = suite.role(grant("customer.delete"))
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        invite(suite, accounts, as_caller=clerk, phone="13800000008", roles=[boss.name])
    invited = invite(suite, accounts, phone="13800000009", roles=[boss.name]).user
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        accounts.ResendInvitation(pb.ResendInvitationRequest(name=invited.name), metadata=clerk)


def test_nobody_is_invited_without_a_way_to_reach_them(suite, accounts):
    with refused("INVALID_ARGUMENT", "REQUIRED"):
        invite(suite, accounts)


def test_a_phone_number_is_one_persons(suite, accounts):
    invite(suite, accounts, phone="13800000010")
    with refused("ALREADY_EXISTS", "PHONE_TAKEN"):
        suite.user(phone="+8613800000010")
    other = suite.user(phone="13800000011")
    with refused("ALREADY_EXISTS", "PHONE_TAKEN"):
        suite.update(user_pb2.User(name=other.name, phone="13800000010"), "phone")
    suite.update(user_pb2.User(name=other.name), "phone")
    assert suite.user(phone="13800000011").phone == "+8613800000011"


def test_a_login_name_goes_before_the_number_that_it_looks_like(suite):
    named = suite.user(username="13800000012")
    numbered = suite.user(phone="13800000012")
    assert suite.me(suite.sign_in("13800000012")).name == named.name
    assert suite.me(suite.sign_in("+8613800000012")).name == numbered.name


def test_a_forgotten_password_is_replaced_and_ends_all_sessions(suite, accounts, mails):
    user = suite.user(email="forgot@example.com", locale="en")
    pair = suite.login(user.username)
    forget(accounts, "Forgot@Example.com")
    forget(accounts, user.username)
    messages = mails("forgot@example.com")
    assert len(messages) == 2
    assert messages[0]["Subject"] == "Set a new password"
    working = [token for token in map(token_in, messages) if reset_works(suite, token)]
    assert len(working) == 1
    reset(accounts, working[0])
    eventually(lambda: outcome(lambda: suite.me(bearer(pair.access_token))) == "TOKEN_REVOKED")
    with refused("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"):
        suite.auth.RefreshTokens(auth_service_pb2.RefreshTokensRequest(refresh_token=pair.refresh_token))
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login(user.username)
    assert suite.login(user.username, NEW).access_token
    with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
        reset(accounts, working[0], "yet another password")
    assert [m["Subject"] for m in mails("forgot@example.com")].count("Your password was changed") == 1


def reset_works(suite, token):
    import hashlib

    digest = hashlib.sha256(token.encode()).digest()
    return bool(suite.rows("SELECT 1 FROM account_token WHERE digest = :digest", digest=digest))


def test_asking_for_a_new_password_tells_nothing(suite, accounts, mails):
    user = suite.user(email="quiet@example.com")
    gone = suite.user(email="gone@example.com")
    suite.update(user_pb2.User(name=gone.name, state=user_pb2.USER_STATE_DEACTIVATED), "state")
    statements = []
    for login in (user.username, gone.username, "nobody@example.com", "13900000000", ""):
        before = len(suite.events("PasswordResetRequested"))
        assert forget(accounts, login) == forget(accounts, "somebody-else-" + str(uuid4()))
        statements.append(len(suite.events("PasswordResetRequested")) - before)
    assert statements == [2] * 5
    assert len(mails("quiet@example.com")) == 1
    assert mails("gone@example.com") == []


def test_asking_for_new_passwords_is_braked(suite, accounts):
    user, stranger = suite.user(email="flood@example.com").username, suite.unique("stranger")
    for login in (user, stranger):
        for _ in range(5):
            forget(accounts, login)
        with refused("RESOURCE_EXHAUSTED", "TOO_MANY_ATTEMPTS"):
            forget(accounts, login)
    assert suite.login(user).access_token


def test_a_reset_token_activates_nothing_and_the_other_way_round(suite, accounts, mails):
    invitation = invite(suite, accounts, phone="13800000013").activation_link.partition("#token=")[2]
    suite.user(email="cross@example.com", username="cross")
    forget(accounts, "cross")
    (message,) = mails("cross@example.com")
    with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
        reset(accounts, invitation)
    with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
        activate(accounts, token_in(message))
    for token in ("", "made up"):
        with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
            reset(accounts, token)


def test_an_admins_reset_makes_links_useless(suite, accounts, mails):
    user = suite.user(email="both@example.com")
    forget(accounts, user.username)
    (message,) = mails("both@example.com")
    request = user_service_pb2.ResetUserPasswordRequest(name=user.name, password=NEW, request_id=str(uuid4()))
    suite.users.ResetUserPassword(request, metadata=suite.admin)
    with refused("INVALID_ARGUMENT", "INVALID_ACCOUNT_TOKEN"):
        reset(accounts, token_in(message), "yet another password")


@pytest.mark.parametrize(
    ("given", "password", "reason"),
    [
        ({"min_length": 14}, "only-13-chars", "PASSWORD_TOO_SHORT"),
        ({"required_classes": ["UPPER"]}, "no capital letter 1", "PASSWORD_TOO_SIMPLE"),
        ({"required_classes": ["DIGIT", "SYMBOL"]}, "noSymbolAtAll42", "PASSWORD_TOO_SIMPLE"),
        ({"required_classes": ["LOWER", "UPPER", "DIGIT", "SYMBOL"]}, "Every-kind-is-in-4", ""),
    ],
)
def test_the_organisations_rules_hold_for_each_way_to_set_a_password(suite, accounts, rules, given, password, reason):
    user = suite.user()
    signed_in = suite.sign_in(user.username)
    link = invite(suite, accounts, phone=f"1380001{len(password):04d}").activation_link
    if "required_classes" in given:
        given = {"required_classes": [f"CHARACTER_CLASS_{name}" for name in given["required_classes"]]}
    rules(**given)
    request = user_service_pb2.ResetUserPasswordRequest(name=user.name, password=password, request_id=str(uuid4()))
    ways = [
        lambda: activate(accounts, link.partition("#token=")[2], password),
        lambda: change(suite, signed_in, suite.password, password),
        lambda: suite.users.ResetUserPassword(request, metadata=suite.admin),
    ]
    found = [outcome(way) for way in ways]
    assert [each if isinstance(each, str) else "" for each in found] == [reason] * 3


def test_password_rules_are_read_by_anyone_and_changed_by_few(suite, accounts, rules):
    read = accounts.GetPasswordRules(pb.GetPasswordRulesRequest())
    assert (read.min_length, read.history_count, read.expire_days) == (10, 5, 0)
    _, clerk = suite.somebody(grant("password_rules.update", "SELF"))
    with refused("PERMISSION_DENIED", "SCOPE_TOO_NARROW"):
        set_rules(suite, accounts, as_caller=clerk, min_length=12)
    for wrong in ({"min_length": 7}, {"min_length": 65}, {"history_count": 25}, {"expire_days": -1}):
        with refused("INVALID_ARGUMENT", "INVALID_PASSWORD_RULES"):
            rules(**wrong)
    changed = rules(min_length=12)
    assert (changed.min_length, changed.history_count) == (12, 5)
    with refused("ABORTED", "STALE_ETAG"):
        set_rules(suite, accounts, "min_length", min_length=11, etag=read.etag)
    assert suite.audited("passwordRules")[-1] == "password_rules.update"


def test_former_passwords_are_refused_as_far_back_as_the_rules_say(suite, rules):
    rules(history_count=2)
    user = suite.user()
    signed_in = suite.sign_in(user.username)
    change(suite, signed_in, suite.password, "second fine password")
    with refused("INVALID_ARGUMENT", "PASSWORD_REUSED"):
        change(suite, signed_in, "second fine password", suite.password)
    change(suite, signed_in, "second fine password", "third fine password")
    change(suite, signed_in, "third fine password", suite.password)
    assert suite.rows("SELECT count(*) AS n FROM former_password WHERE user_id = :id", id=user.name[6:])[0].n == 2


def test_a_password_that_somebody_else_chose_opens_nothing_but_the_way_to_another(suite):
    role = suite.role(grant("user.read"))
    user = suite.user(roles=[role])
    request = user_service_pb2.ResetUserPasswordRequest(
        name=user.name, password="given by the office", must_change_password=True, request_id=str(uuid4())
    )
    suite.users.ResetUserPassword(request, metadata=suite.admin)
    pair = suite.login(user.username, "given by the office")
    assert pair.must_change_password
    limited = bearer(pair.access_token)
    with refused("PERMISSION_DENIED", "PASSWORD_CHANGE_REQUIRED"):
        suite.users.ListUsers(user_service_pb2.ListUsersRequest(), metadata=limited)
    assert suite.me(limited).name == user.name
    change(suite, limited, "given by the office", NEW)
    renewed = suite.auth.RefreshTokens(auth_service_pb2.RefreshTokensRequest(refresh_token=pair.refresh_token))
    assert not renewed.must_change_password
    assert suite.users.ListUsers(user_service_pb2.ListUsersRequest(), metadata=bearer(renewed.access_token)).users


def test_an_expired_password_must_be_changed(suite, rules):
    user = suite.user()
    rules(expire_days=90)
    assert not suite.login(user.username).must_change_password
    with suite.runtime.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE user_account SET password_time = now() - interval '91 days' WHERE id = %s", (user.name[6:],)
        )
    assert suite.login(user.username).must_change_password
    rules(expire_days=0)
    assert not suite.login(user.username).must_change_password


def test_an_admin_unlocks_who_was_braked(suite, accounts):
    user = suite.user()
    for _ in range(10):
        outcome(lambda: suite.login(user.username, "wrong password"))
    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_ATTEMPTS"):
        suite.login(user.username)
    _, nobody = suite.somebody(grant("user.update", "SELF"))
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        accounts.UnlockUser(pb.UnlockUserRequest(name=user.name), metadata=nobody)
    accounts.UnlockUser(pb.UnlockUserRequest(name=user.name), metadata=suite.admin)
    assert suite.login(user.username).access_token
    assert "user.unlock" in suite.audited(user.name)


def test_an_unknown_name_costs_as_much_hashing_as_a_wrong_password(suite, accounts, monkeypatch):
    # Counted rather than timed: the number of hashes verified is what takes the time.
    invited = invite(suite, accounts, phone="13800000014").user
    done = []
    verify = passwords._hasher.verify

    class Counting:
        def verify(self, kept, given):
            done.append(kept.split("$")[:4])
            return verify(kept, given)

    known = suite.user()
    monkeypatch.setattr(passwords, "_hasher", Counting())
    work = []
    for name in (known.username, invited.username, "nobody.at.all", "13911111111", "no-such@example.com"):
        done.clear()
        with pytest.raises(grpc.RpcError) as caught:
            suite.login(name, "wrong password")
        work.append((list(map(tuple, done)), caught.value.code(), caught.value.details()))
    assert len(work[0][0]) == 1
    assert all(each == work[0] for each in work)


def test_switched_on_notifications_are_mailed(suite, mails):
    from crm.identity.v1.settings_service_pb2 import UpdateMySettingsRequest
    from crm.identity.v1.settings_service_pb2_grpc import SettingsServiceStub

    user = suite.user(email="told@example.com", locale="zh-TW")
    request = UpdateMySettingsRequest(request_id=str(uuid4()))
    request.settings.notification_switches.add(
        kind="FOLLOW_UP_DUE", channel=account_pb2.NOTIFICATION_CHANNEL_MAIL, enabled=True
    )
    SettingsServiceStub(suite.channel).UpdateMySettings(request, metadata=suite.sign_in(user.username))
    leads = next(each for each in account_consumers.subscriptions(suite.runtime) if each.source == "leads")
    for kind in ("FOLLOW_UP_DUE", "CUSTOMER_SHARED"):
        data = {"id": str(uuid4()), "recipient": user.name, "kind": kind, "resource": "followUps/1"}
        received = Received(new_id(), "crm.common.v1.NotificationRaised", "leads", "", datetime.now(UTC), "", data)
        with suite.runtime.database.write(service_caller("identity")) as session:
            leads.handle(session, received)
    assert [message["Subject"] for message in mails("told@example.com")] == ["到了約定的聯絡時間"]
