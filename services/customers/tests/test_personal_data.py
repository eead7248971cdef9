"""What this service finds of a person, and what is left after an erasure."""

import pytest
from chassis import personal_data
from chassis.db import Database
from chassis.encryption import DataKeys, new_key
from chassis.errors import Conflict, Invalid
from chassis.names import new_id
from chassis.personal_data import KnownLegalHold, Person
from customers.main import SERVICE
from customers.personal_data import PERSONAL_DATA
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_contact import delete_contact
from customers.usecases.delete_customer import delete_customer

SWITCHBOARD, MOBILE, MAIL = "+862158034749", "+8613800138000", "ouyang@person.example"


@pytest.fixture(scope="module")
def module_database(make_database, clock):
    keys = DataKeys.parse(f"test:{new_key()}")
    database = Database("customers", make_database("customers", SERVICE.migrations), clock=clock, data_keys=keys)
    yield database
    database.dispose()


@pytest.fixture
def session(database, organisation):
    with database.write(organisation.boss.caller()) as session:
        session.begin_nested()
        yield session


@pytest.fixture
def company(session):
    return create_customer(session, CustomerDraft({"display_name": "甲公司", "phones": [SWITCHBOARD]}, {}))


@pytest.fixture
def contact(session, company):
    values = {"display_name": "欧阳娜", "phones": [MOBILE, SWITCHBOARD], "emails": [MAIL], "wechat": "wx_ouyang"}
    return create_contact(session, company.id, values)


def test_what_others_bear_as_well_tells_nobody(session, company, contact):
    other = create_contact(session, company.id, {"display_name": "王芳", "phones": [SWITCHBOARD]})
    known = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    assert known.records == {contact.name}
    assert known.places == {company.name}
    assert (known.phones, known.emails) == ({MOBILE}, {MAIL})
    assert other.name not in {finding.name for finding in PERSONAL_DATA.find(session, known)}


def test_a_company_is_no_person(session, company):
    with pytest.raises(Invalid) as caught:
        PERSONAL_DATA.describe(session, Person(records=frozenset({company.name})))
    assert caught.value.reason == "SUBJECT_NOT_A_PERSON"


def test_whoever_shares_a_number_under_another_name_is_somebody_else(session, company, contact):
    person = Person(names=frozenset({"欧阳娜"}), phones=frozenset({MOBILE}))
    namesake = create_contact(session, company.id, {"display_name": "欧阳 娜", "phones": ["13800138000"]})
    create_contact(session, company.id, {"display_name": "王芳", "phones": ["13800138000"]})
    assert {found.name for found in PERSONAL_DATA.find(session, person)} == {contact.name, namesake.name}


def test_erasing_leaves_nothing_that_tells_the_person(session, company, contact):
    company.remark = "找欧阳娜 138-0013-8000 或 OUYANG@person.example"
    session.flush()
    person = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    findings = PERSONAL_DATA.find(session, person)
    assert {found.kind for found in findings} == {"contact", "remark"}
    PERSONAL_DATA.erase(session, person, findings)
    assert contact.display_name == f"「已删除」{contact.id.hex[-8:]}"
    assert (contact.phones, contact.emails, contact.wechat) == ([], [], None)
    assert company.remark == "找欧阳娜 「已删除」 或 「已删除」"
    [left] = PERSONAL_DATA.find(session, person)
    assert left.values.keys() == {"display_name", "is_primary", "customer", "version"}


def test_a_legal_hold_keeps_contacts_and_their_customers_from_deletion(session, company, contact):
    held = personal_data.digests(session.data_keys, {MAIL})
    hold = KnownLegalHold(id=new_id(), version=2, records=[], digests=held, expire_time=None, active=True)
    personal_data.keep_hold(session, hold)
    for delete in (lambda: delete_contact(session, contact.id), lambda: delete_customer(session, company.id)):
        with pytest.raises(Conflict) as caught:
            delete()
        assert caught.value.reason == "LEGAL_HOLD"
    older = KnownLegalHold(id=hold.id, version=1, records=[], digests=[], expire_time=None, active=False)
    personal_data.keep_hold(session, older)
    with pytest.raises(Conflict):
        delete_contact(session, contact.id)
    lifted = KnownLegalHold(id=hold.id, version=3, records=[], digests=held, expire_time=None, active=False)
    personal_data.keep_hold(session, lifted)
    session.expire_all()
    delete_contact(session, contact.id)
