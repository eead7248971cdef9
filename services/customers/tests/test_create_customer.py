"""Creating customers."""

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.custom_fields import CustomFieldDraft
from chassis.errors import Denied, Duplicate, Invalid
from chassis.names import new_id
from chassis.testing.statements import sent_statements
from customers.duplicate_finding.settings import set_policy
from customers.model import Customer, KnownUser, Tier
from customers.usecases.create_custom_field import create_custom_field
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.create_tag import TagDraft, create_tag
from customers.usecases.set_field_template import set_field_template
from customers.usecases.set_quality_weights import set_quality_weights
from sqlalchemy import update

CODE = "91110000600037341L"
OTHER_CODE = "91310000132212766M"


def company(name="上海华诚科技有限公司", owner_id=None, custom=None, **values):
    return CustomerDraft({"display_name": name} | values, custom or {}, owner_id)


def person(name, *phones):
    return CustomerDraft({"kind": "PERSON", "display_name": name, "phones": list(phones)}, {})


def create(database, caller, draft):
    with database.write(caller) as session:
        return create_customer(session, draft)


def test_the_creator_owns_a_new_customer(database, organisation, facts, audited):
    li = organisation.li
    customer = create(database, li.caller(), company(credit_code=CODE, phones=["13800138000"], tags=["b", "a"]))
    assert (customer.kind, customer.status, customer.version) == ("COMPANY", "POTENTIAL", 1)
    assert customer.owner_id == li.id
    assert customer.owner_department_path == li.path
    assert customer.owner_department_id is not None
    assert customer.phones == ["+8613800138000"]
    assert customer.tags == ["a", "b"]
    assert customer.creator == li.name
    [(kind, data)] = facts()
    assert kind == "CustomerCreated"
    assert data["state"]["owner"] == li.name
    assert data["state"]["owner_department_path"] == li.path
    [entry] = audited()
    assert (entry.action, entry.resource, entry.before) == ("customer.create", customer.name, None)
    assert entry.after["credit_code"] == CODE


def test_a_user_whose_event_is_still_on_its_way_can_create(database, organisation):
    stranger = type(organisation.li)(new_id(), organisation.east, "new")
    customer = create(database, stranger.caller(), company())
    assert customer.owner_id == stranger.id
    assert customer.owner_department_path == organisation.east
    assert str(customer.owner_department_id) in organisation.east


def test_a_machine_leaves_a_customer_without_owner_or_names_one(database, organisation):
    grants = {name: (Grant(name, Reach.ALL),) for name in ("customer.create", "customer.transfer")}
    machine = Caller(f"clients/{new_id()}", grants=grants)
    assert create(database, machine, company("甲公司")).owner_id is None
    assert create(database, machine, company("乙公司", owner_id=organisation.li.id)).owner_id == organisation.li.id


def test_naming_another_owner_needs_the_permission_to_transfer(database, organisation):
    draft = company(owner_id=organisation.wang.id)
    with pytest.raises(Denied):
        create(database, organisation.li.caller("customer.create", "customer.read"), draft)
    customer = create(database, organisation.li.caller("customer.create", "customer.transfer"), draft)
    assert customer.owner_id == organisation.wang.id


def test_an_owner_must_be_an_active_user(database, organisation):
    with pytest.raises(Invalid) as caught:
        create(database, organisation.boss.caller(), company(owner_id=new_id()))
    assert (caught.value.reason, caught.value.field) == ("UNKNOWN_OWNER", "owner")
    with database.write(organisation.boss.caller()) as session:
        session.execute(update(KnownUser).where(KnownUser.id == organisation.li.id).values(active=False))
    with pytest.raises(Invalid) as caught:
        create(database, organisation.boss.caller(), company(owner_id=organisation.li.id))
    assert caught.value.reason == "INACTIVE_OWNER"


def test_nothing_is_kept_of_a_customer_that_is_refused(database, organisation, facts, audited):
    with pytest.raises(Invalid) as caught:
        create(database, organisation.li.caller(), company("", phones=["1"], credit_code="9", custom={"nowhere": 1}))
    assert {violation.field for violation in caught.value.violations} == {
        "display_name",
        "phones",
        "credit_code",
        "custom_fields.nowhere",
    }
    assert facts() == []
    assert audited() == []


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        (company("华诚"), company("华诚 "), "display_name"),
        (company("华诚", credit_code=CODE), company("华诚"), "display_name"),
        (company("华诚"), company("华诚", credit_code=CODE), "display_name"),
        (company("华诚", credit_code=CODE), company("另名", credit_code=CODE), "credit_code"),
        (company("华诚", external_id="K1"), company("另名", external_id="K1"), "external_id"),
        (person("李明", "13800138000"), person("李明", "13800138000", "13900139000"), "display_name"),
        (person("李明"), person("李 明"), "display_name"),
    ],
)
def test_the_same_customer_is_not_created_twice(database, organisation, first, second, field):
    existing = create(database, organisation.li.caller(), first)
    with pytest.raises(Duplicate) as caught:
        create(database, organisation.li.caller(), second)
    assert (caught.value.reason, caught.value.field) == ("DUPLICATE_CUSTOMER", field)
    assert caught.value.details["existing"] == existing.name


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (company("华诚", credit_code=CODE), company("华诚", credit_code=OTHER_CODE)),
        (person("李明", "13800138000"), person("李明", "13900139000")),
        (person("李明", "13800138000"), person("李明")),
        (company("李明"), person("李明")),
    ],
)
def test_namesakes_are_different_customers(database, organisation, first, second):
    create(database, organisation.li.caller(), first)
    create(database, organisation.li.caller(), second)


def test_a_duplicate_out_of_sight_is_not_named(database, organisation):
    create(database, organisation.zhao.caller(), company())
    with pytest.raises(Duplicate) as caught:
        create(database, organisation.li.caller(reach=Reach.DEPARTMENT_TREE), company())
    assert "existing" not in caught.value.details
    with pytest.raises(Duplicate) as caught:
        create(database, organisation.li.caller("customer.create"), company())
    assert "existing" not in caught.value.details


def test_of_two_at_the_same_time_one_is_refused(database, organisation):
    """The other transaction commits between the check and the insert, as far as this one can see."""
    from customers.duplicates import refusing_duplicates
    from customers.usecases.create_customer import new_customer

    with database.write(organisation.li.caller()) as session:
        customer = new_customer(session, company(credit_code=CODE))
        create(database, organisation.zhao.caller(), company(credit_code=CODE))
        session.add(customer)
        with pytest.raises(Duplicate), refusing_duplicates():
            session.flush()
        session.rollback()
    with database.read(organisation.li.caller()) as session:
        assert session.query(Customer).count() == 1


@pytest.fixture
def settle(database, organisation):
    """Sets all that bears on new companies."""

    def run():
        rule = {"condition": {"field": "industry", "operator": "OPERATOR_EQUAL", "values": [{"text": "软件"}]}}
        with database.write(organisation.boss.caller()) as session:
            create_custom_field(session, CustomFieldDraft("customer", "region", "大区", "TEXT", default_value="华东"))
            set_field_template(session, "customer", "COMPANY", [("website", True), ("industry", False)])
            set_quality_weights(session, "COMPANY", [("website", 1)])
            set_policy(session, "REFUSE")
            create_tag(session, TagDraft("软件商", rule=rule))
            session.execute(update(Tier).where(Tier.code == "C").values(archived=True))

    return run


def test_it_takes_few_statements(database, organisation):
    with database.write(organisation.li.caller()) as session, sent_statements() as sent:
        create_customer(session, company(website="https://a.example", level="A", industry="软件"))
    # The owner, what the company has set, whether it is there already, itself, the tier that it begins with, the audit
    # log and the outbox. Calls add two for their request ids.
    assert len(sent) <= 7


def test_what_the_company_sets_holds_for_the_next_customer(database, organisation, settle):
    boss = organisation.boss.caller()
    before = create(database, boss, company(industry="软件", level="C", phones=["02168880000"]))
    assert (before.tags, before.custom, before.level) == ([], {}, "C")
    assert before.quality_score < 100
    settle()
    site = {"website": "https://a.example"}
    after = create(database, boss, company("乙公司", industry="软件", **site))
    assert (after.tags, after.custom, after.quality_score) == (["软件商"], {"region": "华东"}, 100)
    with pytest.raises(Invalid) as caught:
        create(database, boss, company("丙公司", level="C"))
    assert {(one.field, one.reason) for one in caught.value.violations} == {
        ("level", "INVALID_LEVEL"),
        ("website", "REQUIRED"),
    }
    assert create(database, boss, person("李明")).quality_score < 100
    with pytest.raises(Duplicate) as caught:
        create(database, boss, company("华诚科技(上海)公司", phones=["02168880000"], **site))
    assert caught.value.reason == "LIKELY_DUPLICATE"
