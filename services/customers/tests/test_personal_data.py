"""What this service finds of a person, and what is left after an erasure."""

from datetime import timedelta
from decimal import Decimal

import pytest
from chassis import personal_data
from chassis.custom_fields import CustomFieldDraft
from chassis.db import Database
from chassis.encryption import DataKeys, new_key
from chassis.errors import Conflict, Invalid
from chassis.names import new_id
from chassis.personal_data import KnownLegalHold, Person, deleted
from chassis.testing.personal_data import process, search_database
from crm.identity.v1.events_pb2 import LegalHoldChanged
from customers.main import SERVICE
from customers.model.purchases import Purchase
from customers.model.tiers import TierLock
from customers.personal_data import PERSONAL_DATA
from customers.usecases.create_contact import create_contact
from customers.usecases.create_custom_field import create_custom_field
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_contact import delete_contact
from customers.usecases.delete_customer import delete_customer
from customers.usecases.merge_customers import MergeDraft, merge_customers
from customers.usecases.record_interactions import InteractionDraft, record_interactions
from customers.usecases.transfer_customer import transfer_customer
from customers.usecases.undo_merge import undo_merge
from customers.usecases.update_contact import update_contact
from customers.usecases.update_customer import CustomerPatch, update_customer
from sqlalchemy import text

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


def processed(session):
    """What the service told last of a request."""
    statement = text("SELECT data FROM outbox WHERE type LIKE '%PersonalDataProcessed' ORDER BY position DESC LIMIT 1")
    return session.scalar(statement)


def told_anywhere(session, *markers):
    """The columns that tell one of the markers, in this transaction."""
    session.flush()
    found = search_database(session.connection().connection.driver_connection, markers)
    return {trace.where for trace in found}


def test_erasing_leaves_nothing_that_tells_the_person(session, company, contact):
    company.remark = "找欧阳娜 138-0013-8000 或 OUYANG@person.example"
    session.flush()
    person = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    process(session, PERSONAL_DATA, "ERASE", person)
    assert processed(session)["erased"].items() >= {"contact": 1, "customer.remark": 1}.items()
    assert contact.display_name == f"「已删除」{contact.id.hex[-8:]}"
    assert (contact.phones, contact.emails, contact.wechat) == ([], [], None)
    session.refresh(company)
    assert company.remark == "找「已删除」 「已删除」 或 「已删除」"
    [left] = PERSONAL_DATA.find(session, person)
    assert left.values.keys() == {"display_name", "is_primary", "customer", "version"}
    assert told_anywhere(session, "欧阳娜", MOBILE, "138-0013-8000", MAIL, "wx_ouyang") == set()


def test_nothing_is_left_of_what_people_other_systems_and_jobs_say_of_the_person(session, organisation, company):
    for entity in ("customer", "contact"):
        create_custom_field(session, CustomFieldDraft(entity, "note", "备注", "TEXT"))
    own = {"note": f"欧阳娜 {MAIL}"}
    values = {"display_name": "欧阳娜", "phones": [MOBILE], "emails": [MAIL], "identity_number": "11010519491231002X"}
    contact = create_contact(session, company.id, values, own)
    human = create_customer(session, CustomerDraft({**values, "kind": "PERSON", "remark": "爱喝茶"}, own))
    update_customer(session, company.id, CustomerPatch({"remark": "欧阳娜负责"}, {"note": "找欧阳娜"}))
    transfer_customer(session, company.id, organisation.li.id, reason="欧阳娜要求，13800138000")
    for customer in (company, human):
        draft = InteractionDraft(customer.name, "MAIL", "mail", MAIL, "", "给欧阳娜报价", {"to": [MAIL]}, session.now)
        [told] = record_interactions(session, [draft])
        assert told.created, told
    lock = TierLock(customer_id=company.id, reason="欧阳娜说的", locker="users/1", lock_time=session.now, until=None)
    session.add(lock)
    markers = ("欧阳娜", "13800138000", MAIL, "爱喝茶", "11010519491231002X")
    before = told_anywhere(session, *markers)
    assert before >= {
        "contact.custom", "contact.search_text", "customer.custom", "customer.remark", "customer.search_text",
        "holding_change.note", "timeline_entry.summary", "timeline_entry.resource", "tier_lock.reason", "outbox.data",
        "audit_entry.after",
    }  # fmt: skip
    person = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    person = person.merged(PERSONAL_DATA.describe(session, person))
    assert person.records >= {contact.name, human.name}
    process(session, PERSONAL_DATA, "ERASE", person)
    assert told_anywhere(session, *markers) == set()


def test_former_numbers_go_too_unless_they_are_somebody_elses(session, company, contact):
    update_contact(session, contact.id, {"phones": ["13900139000"]})
    elsewhere = create_customer(session, CustomerDraft({"display_name": "乙公司", "remark": "原号 13800138000"}, {}))
    person = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    assert person.phones >= {MOBILE, "+8613900139000"}
    process(session, PERSONAL_DATA, "ERASE", person)
    session.refresh(elsewhere)
    assert elsewhere.remark == "原号 「已删除」"
    heir = create_contact(session, company.id, {"display_name": "王芳", "phones": ["13800138000"]})
    again = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    assert MOBILE not in again.phones
    assert heir.phones == [MOBILE]


def test_what_undoes_a_merge_goes_with_the_person(session, company, contact):
    twin = create_customer(session, CustomerDraft({"display_name": "甲公司分部"}, {}))
    create_contact(session, twin.id, {"display_name": "欧阳娜", "phones": ["13800138000"], "remark": "分部"})
    merge = merge_customers(session, MergeDraft(company.id, [twin.id])).merge
    assert "customer_merge.snapshot" in told_anywhere(session, MOBILE)
    person = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    process(session, PERSONAL_DATA, "ERASE", person)
    assert told_anywhere(session, "欧阳娜", MOBILE, MAIL) == set()
    with pytest.raises(Conflict) as caught:
        undo_merge(session, merge.id)
    assert caught.value.reason == "MERGE_ERASED"


def test_purchases_are_told_and_kept(session, company):
    person = create_customer(
        session, CustomerDraft({"display_name": "欧阳娜", "kind": "PERSON", "phones": [MOBILE]}, {})
    )
    purchase = Purchase(
        customer_id=person.id, source="shop", external_id="1", kind="ORDER", time=session.now, amount=Decimal(5),
        currency="CNY", base_amount=Decimal(5), recorder="clients/1", record_time=session.now,
    )  # fmt: skip
    session.add(purchase)
    session.flush()
    known = PERSONAL_DATA.describe(session, Person(records=frozenset({person.name})))
    process(session, PERSONAL_DATA, "ERASE", known)
    told = processed(session)
    assert told["found"]["purchase"] == 1
    assert "purchase" not in told["erased"] | told["held"] | told["kept"]
    assert session.get(Purchase, purchase.id, populate_existing=True).amount == 5


def test_a_hold_that_comes_with_the_request_keeps_the_data(session, contact):
    mark = personal_data.digests(session.data_keys, {MAIL})
    hold = LegalHoldChanged(hold=f"legalHolds/{new_id()}", version=1, digests=mark, active=True)
    person = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    process(session, PERSONAL_DATA, "ERASE", person, [hold])
    assert processed(session)["held"] == {"contact": 1}
    assert contact.display_name == "欧阳娜"


def test_what_was_deleted_just_before_a_hold_is_kept_as_long_as_the_hold_is(session, company, contact):
    delete_contact(session, contact.id)
    person = PERSONAL_DATA.describe(session, Person(records=frozenset({contact.name})))
    assert person.names == {"欧阳娜"}
    keep = KnownLegalHold(
        id=new_id(), version=1, records=[], digests=personal_data.digests(session.data_keys, {MAIL}),
        expire_time=None, active=True,
    )  # fmt: skip
    personal_data.keep_hold(session, keep)
    session.now += deleted.KEPT + timedelta(days=1)
    personal_data.purge(session)
    process(session, PERSONAL_DATA, "ERASE", person.merged(Person(emails=frozenset({MAIL}))))
    assert processed(session)["held"] == {"deleted_record": 1}
    [kept] = deleted.find(session, person)
    assert kept.values["phones"] == [MOBILE, SWITCHBOARD]
    lifted = KnownLegalHold(id=keep.id, version=2, records=[], digests=keep.digests, expire_time=None, active=False)
    personal_data.keep_hold(session, lifted)
    session.expire_all()
    personal_data.purge(session)
    assert list(deleted.find(session, person)) == []


def test_a_deleted_record_is_erased_with_the_person(session, company, contact):
    delete_contact(session, contact.id)
    process(session, PERSONAL_DATA, "ERASE", Person(names=frozenset({"欧阳娜"}), emails=frozenset({MAIL})))
    assert processed(session)["erased"].items() >= {"deleted_record": 1}.items()
    assert session.scalar(text("SELECT count(*) FROM deleted_record")) == 0
    assert told_anywhere(session, "欧阳娜", MOBILE, MAIL) == set()


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


def test_a_held_customer_or_contact_becomes_one_with_no_other(session, company, contact):
    twin = create_customer(session, CustomerDraft({"display_name": "甲公司分部"}, {}))
    create_contact(session, twin.id, {"display_name": "欧阳娜", "phones": ["13800138000"], "emails": ["o@b.example"]})
    held = personal_data.digests(session.data_keys, {"o@b.example"})
    hold = KnownLegalHold(id=new_id(), version=1, records=[], digests=held, expire_time=None, active=True)
    personal_data.keep_hold(session, hold)
    with pytest.raises(Conflict) as caught, session.begin_nested():
        merge_customers(session, MergeDraft(company.id, [twin.id]))
    assert caught.value.reason == "LEGAL_HOLD"


def test_what_a_merge_did_away_with_is_there_for_a_hold_that_comes_later_until_it_is_taken_back(session, company):
    twin = create_customer(session, CustomerDraft({"display_name": "甲公司分部", "emails": ["b@b.example"]}, {}))
    merge = merge_customers(session, MergeDraft(company.id, [twin.id])).merge
    gone = Person(records=frozenset({twin.name}))
    [kept] = deleted.find(session, gone)
    assert kept.values["emails"] == ["b@b.example"]
    undo_merge(session, merge.id)
    assert list(deleted.find(session, gone)) == []
