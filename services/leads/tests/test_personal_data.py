"""What this service finds of a person, and what is left after an erasure."""

from dataclasses import replace

import pytest
from chassis.errors import Conflict
from chassis.names import new_id
from chassis.personal_data import KnownLegalHold, Person, deleted, digests, keep_hold
from chassis.testing import make_caller
from chassis.testing.personal_data import process, search_database
from leads.model import FollowUp, KnownCustomer
from leads.personal_data import PERSONAL_DATA
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.delete_lead import delete_lead
from leads.usecases.learn_customers import CustomerFacts, forget_customer, learn_customers
from sqlalchemy import select

NAME, MOBILE, MAIL = "欧阳娜", "+8613800138000", "ouyang@person.example"
VALUES = {"contact_name": NAME, "phones": ["138 0013 8000"], "emails": [MAIL], "wechat": "wx_ouyang"}


@pytest.fixture
def session(database):
    with database.write(make_caller()) as session:
        for table in ("known_legal_hold", "deleted_record", "erased_person"):
            session.connection().exec_driver_sql(f"TRUNCATE {table}")
        yield session


def left_of(session, *markers):
    session.flush()
    connection = session.connection().connection.driver_connection
    return {trace.where for trace in search_database(connection, markers)}


def follow_up(session, content, **values):
    made = FollowUp(
        customer_id=new_id(), method="CALL", content=content, occur_time=session.now, author="users/1",
        reminder_open=False, create_time=session.now, check_in={"latitude": 31.2, "longitude": 121.5},
    )  # fmt: skip
    for key, value in values.items():
        setattr(made, key, value)
    session.add(made)
    session.flush()
    return made


def test_a_lead_its_follow_ups_and_what_others_say_of_the_person_go(session):
    lead = create_lead(session, LeadDraft({**VALUES, "company_name": "甲公司", "remark": "爱喝茶"}))
    other = create_lead(session, LeadDraft({"company_name": "乙公司", "requirement": "原联系人 138-0013-8000"}))
    contact = new_id()
    own = follow_up(session, f"{NAME}说家里有事", contact_id=contact)
    elsewhere = follow_up(session, f"打 13800138000 找人，{NAME}不在")
    known = PERSONAL_DATA.describe(session, Person(records=frozenset({lead.name})))
    process(session, PERSONAL_DATA, "ERASE", known.merged(Person(records=frozenset({f"contacts/{contact}"}))))
    for row in (lead, other, own, elsewhere):
        session.refresh(row)
    assert (lead.company_name, lead.phones, lead.wechat, lead.remark) == ("甲公司", [], None, None)
    assert other.requirement == "原联系人 「已删除」"
    assert (own.content, own.check_in) == ("「已删除」", None)
    assert elsewhere.content == f"打 「已删除」 找人，{NAME}不在", "a name alone tells nobody where nobody is known"
    assert elsewhere.check_in is not None
    assert left_of(session, MOBILE, "13800138000", MAIL, "wx_ouyang") == set()


def test_a_deleted_lead_waits_for_a_hold_that_comes_later(session):
    lead = create_lead(session, LeadDraft(VALUES))
    delete_lead(session, lead.id)
    hold = KnownLegalHold(
        id=new_id(), version=1, records=[lead.name], digests=[], expire_time=None, active=True
    )  # fmt: skip
    keep_hold(session, hold)
    person = PERSONAL_DATA.describe(session, Person(records=frozenset({lead.name})))
    assert person.names == {NAME}
    process(session, PERSONAL_DATA, "ERASE", person)
    [kept] = deleted.find(session, person)
    assert kept.values["phones"] == [MOBILE]


def test_a_lead_that_is_deleted_while_its_person_is_erased_is_not_kept(database):
    with database.write(make_caller()) as session:
        lead = create_lead(session, LeadDraft({**VALUES, "company_name": "丙公司"}))

    def erase(session, person, findings):
        with database.write(make_caller()) as other:
            delete_lead(other, lead.id)
        PERSONAL_DATA.erase(session, person, findings)

    with database.write(make_caller()) as session:
        process(session, replace(PERSONAL_DATA, erase=erase), "ERASE", Person(records=frozenset({lead.name})))
        assert left_of(session, MOBILE, "13800138000", MAIL, "wx_ouyang") == set()
        assert lead.name not in session.scalars(select(deleted.DeletedRecord.record)).all()


def test_a_held_lead_is_not_deleted(session):
    lead = create_lead(session, LeadDraft(VALUES))
    held = digests(session.data_keys, {MAIL})
    keep_hold(session, KnownLegalHold(id=new_id(), version=1, records=[], digests=held, expire_time=None, active=True))
    with pytest.raises(Conflict) as caught:
        delete_lead(session, lead.id)
    assert caught.value.reason == "LEGAL_HOLD"


def test_of_a_customer_that_is_gone_no_name_is_left(session):
    key = new_id()
    learn_customers(session, [CustomerFacts(key, 1, NAME, None, None, credit_code="91110000600037341L")])
    forget_customer(session, key, 2)
    gone = session.get(KnownCustomer, key, populate_existing=True)
    assert (gone.display_name, gone.credit_code, gone.deleted) == ("", None, True)
    assert "known_customer.display_name" not in left_of(session, NAME)
