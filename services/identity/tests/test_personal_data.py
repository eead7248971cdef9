"""Requests for personal data and legal holds, decided here, and what is left of users who have left."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from chassis import personal_data
from chassis.encryption import DataKeys, new_key
from chassis.errors import Conflict
from chassis.names import parse_name
from chassis.personal_data import KnownLegalHold, Person
from chassis.testing import make_caller
from chassis.testing.personal_data import process, search_database
from crm.identity.v1 import user_pb2, user_service_pb2
from identity import mails
from identity.model import LegalHold, Partner, RequestKind, User
from identity.personal_data import PERSONAL_DATA
from identity.saved_views import ViewDraft
from identity.testing import refused
from identity.usecases.create_personal_data_request import create_personal_data_request
from identity.usecases.create_saved_view import create_saved_view
from identity.usecases.keep_legal_hold import create_legal_hold, delete_legal_hold
from identity.usecases.renew_seals import renew_holds, renew_seals, unknown_marks
from sqlalchemy import delete

MAIL = "ouyang@person.example"
OUYANG = Person(names=frozenset({"欧阳娜"}), emails=frozenset({MAIL}))


@pytest.fixture
def database(suite):
    with suite.runtime.database.write(make_caller()) as session:
        for entity in (LegalHold, KnownLegalHold):
            session.execute(delete(entity))
    return suite.runtime.database


def erase(session, person=OUYANG, subject=""):
    return create_personal_data_request(session, RequestKind.ERASE, subject, person, "本人要求")


def last_request(suite):
    return suite.events("PersonalDataRequested")[-1]


def test_an_erasure_is_refused_while_a_legal_hold_keeps_the_person(suite, database):
    with database.write(make_caller()) as session:
        hold = create_legal_hold(session, "", OUYANG, "案号 2026-1", None)
    with pytest.raises(Conflict) as caught, database.write(make_caller()) as session:
        erase(session)
    assert caught.value.reason == "LEGAL_HOLD"
    with database.write(make_caller()) as session:
        create_personal_data_request(session, RequestKind.EXPORT, "", OUYANG, "本人要求")
        delete_legal_hold(session, hold.id, "")
    with database.write(make_caller()) as session:
        assert erase(session).state == "RUNNING"


def test_a_request_carries_the_holds_in_force_to_services_that_have_not_heard_of_them(suite, database):
    end = datetime(2999, 1, 1, tzinfo=UTC)
    somebody = Person(records=frozenset({f"contacts/{uuid4()}"}), phones=frozenset({"+8613800138000"}))
    with database.write(make_caller()) as session:
        kept = create_legal_hold(session, "", somebody, "案号 2026-2", end)
        lifted = create_legal_hold(session, "", somebody, "案号 2026-3", None)
        delete_legal_hold(session, lifted.id, "")
        erase(session)
    [carried] = last_request(suite)["legal_holds"]
    assert (carried["hold"], carried["records"], carried["active"]) == (kept.name, sorted(somebody.records), True)
    assert datetime.fromisoformat(carried["expire_time"]) == end


def test_holds_are_found_under_a_new_data_key_once_they_are_renewed(suite, database, monkeypatch):
    with database.write(make_caller()) as session:
        hold = create_legal_hold(session, "", OUYANG, "案号 2026-4", None)
        before = hold.version
    old = suite.runtime.settings.environment["DATA_KEYS"]
    new = f"next:{new_key()}"
    monkeypatch.setattr(database, "data_keys", DataKeys.parse(f"{new},{old}"))
    with database.write(make_caller()) as session:
        assert personal_data.current_holds(session).keep((), {MAIL})
        assert (renew_holds(session, 10), renew_holds(session, 10)) == (1, 0)
    told = suite.events("LegalHoldChanged")[-1]
    assert (told["hold"], told["version"], len(told["digests"])) == (hold.name, before + 1, 2)
    monkeypatch.setattr(database, "data_keys", DataKeys.parse(new))
    with database.write(make_caller()) as session:
        assert personal_data.current_holds(session).keep((), {MAIL})
        session.get(LegalHold, hold.id).sealed_marks = None
        session.flush()
        assert unknown_marks(session) == 1


def test_a_hold_that_no_key_opens_does_not_keep_others_from_being_renewed(suite, database, monkeypatch):
    known = suite.runtime.settings.environment["DATA_KEYS"]
    for keys in (f"lost:{new_key()}", known):
        monkeypatch.setattr(database, "data_keys", DataKeys.parse(keys))
        with database.write(make_caller()) as session:
            create_legal_hold(session, "", OUYANG, "案号 2026-5", None)
    monkeypatch.setattr(database, "data_keys", DataKeys.parse(f"next:{new_key()},{known}"))
    with database.write(make_caller()) as session:
        renew_seals(session)
        assert unknown_marks(session) == 1
        assert renew_holds(session, 10) == 0


def test_a_user_who_may_sign_in_is_not_erased_and_the_refusal_says_what_to_do(suite, database):
    user = suite.user(display_name="欧阳娜")
    person = Person(records=frozenset({user.name}))
    with pytest.raises(Conflict) as caught, database.write(make_caller()) as session:
        erase(session, person, user.name)
    assert caught.value.reason == "USER_ACTIVE"
    assert "OffboardUser" in caught.value.message
    with database.write(make_caller()) as session:
        process(session, PERSONAL_DATA, "ERASE", PERSONAL_DATA.describe(session, person))
    processed = suite.rows("SELECT data FROM outbox WHERE type LIKE '%Processed' ORDER BY position DESC LIMIT 1")
    assert processed[0].data["kept"]["user"] == 1
    assert (
        suite.users.GetUser(user_service_pb2.GetUserRequest(name=user.name), metadata=suite.admin).email == user.email
    )


@pytest.fixture
def leaver(suite):
    """Somebody who has signed in, saved a view, got a mail, was written about, and has left."""
    mark = uuid4().hex[:8]
    user = suite.user(
        username=f"oy.{mark}",
        display_name=f"欧阳{mark}",
        email=f"oy.{mark}@crm.example",
        phone=f"139{uuid4().int % 10**8:08d}",
    )
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login(user.username, "not the password")
    suite.sign_in(user.username)
    with suite.runtime.database.write(make_caller(user_id=UUID(user.name.partition("/")[2]))) as session:
        create_saved_view(
            session,
            ViewDraft("customer", f"{user.display_name}的客户", {}, (), (), is_default=False, department_id=None),
        )
        mails.send(session, session.get(User, session.caller.user_id), "notification", title="1", link="/")
        partner = Partner(
            display_name=suite.unique("合作伙伴"), contact_name=user.display_name, contact_email=user.email,
            remark=f"{user.username} 介绍，电话 {user.phone}", version=1, create_time=session.now,
            update_time=session.now,
        )  # fmt: skip
        session.add(partner)
        session.flush()
    suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_DEACTIVATED))
    return user, partner


def test_nothing_tells_of_somebody_who_has_left_once_the_person_is_erased(suite, leaver):
    user, partner = leaver
    markers = {user.username, user.display_name, user.email, user.phone.removeprefix("+86")}
    with suite.runtime.database.write(make_caller()) as session:
        person = PERSONAL_DATA.describe(session, Person(records=frozenset({user.name})))
        connection = session.connection().connection.driver_connection
        assert {trace.marker for trace in search_database(connection, markers)} == markers
        process(session, PERSONAL_DATA, "ERASE", person)
        session.flush()
        assert search_database(connection, markers) == []
        erased = session.get(User, parse_name("users", user.name), populate_existing=True)
        assert erased.display_name == f"「已删除」{erased.id.hex[-8:]}"
        assert (erased.password_hash, erased.roles, erased.active) == (None, [], False)
        left = session.get(Partner, partner.id, populate_existing=True)
        assert (left.contact_name, left.contact_email, left.display_name) == (None, None, partner.display_name)
    told = suite.events("UserChanged")[-1]
    assert (told["user"], told["display_name"], told["active"]) == (user.name, erased.display_name, False)
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login(user.username)
