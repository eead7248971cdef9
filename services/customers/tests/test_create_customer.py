"""Creating customers."""

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import Denied, Duplicate, Invalid
from chassis.names import new_id
from customers.model import Customer, KnownUser
from customers.usecases.create_customer import CustomerDraft, create_customer
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
