"""Changing customers."""

from datetime import timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Duplicate, Invalid, NotFound, Stale
from chassis.etags import etag
from chassis.names import new_id
from chassis.testing.statements import sent_statements
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.update_customer import CustomerPatch, update_customer

CODE = "91110000600037341L"


@pytest.fixture
def customer(database, organisation):
    with database.write(organisation.li.caller()) as session:
        values = {"display_name": "上海华诚科技有限公司", "address.city": "上海", "tags": ["重点"]}
        return create_customer(session, CustomerDraft(values, {}))


def change(database, caller, customer_id, **values):
    with database.write(caller) as session:
        return update_customer(session, customer_id, CustomerPatch(values=values))


def test_a_change_counts_up_and_is_announced_and_audited(database, organisation, customer, clock, facts, audited):
    clock.advance(timedelta(hours=1))
    changed = change(database, organisation.wang.caller(), customer.id, level="a", status="ENGAGED")
    assert (changed.level, changed.status, changed.version) == ("A", "ENGAGED", 2)
    assert changed.update_time == clock.now
    kind, data = facts()[-1]
    assert (kind, data["version"], data["changed_fields"]) == ("CustomerUpdated", 2, ["level", "status"])
    assert data["state"]["status"] == "ENGAGED"
    entry = audited()[-1]
    assert entry.before == {"level": None, "status": "POTENTIAL"}
    assert entry.after["level"] == "A"
    assert entry.actor == organisation.wang.name


def test_a_change_that_changes_nothing_leaves_no_trace(database, organisation, customer, facts, audited):
    same = change(database, organisation.li.caller(), customer.id, display_name=" 上海华诚科技有限公司", tags=["重点"])
    assert same.version == 1
    assert len(facts()) == 1
    assert len(audited()) == 1


def test_a_stale_etag_is_refused(database, organisation, customer):
    change(database, organisation.li.caller(), customer.id, level="B")
    with pytest.raises(Stale), database.write(organisation.li.caller()) as session:
        update_customer(session, customer.id, CustomerPatch({"level": "C"}, etag=etag(1)))


def test_it_takes_few_statements(database, organisation, customer):
    with database.write(organisation.li.caller()) as session, sent_statements() as sent:
        update_customer(session, customer.id, CustomerPatch({"website": "https://a.example", "remark": "老客户"}))
    # Itself, what the company has set, the change, the audit log and the outbox.
    assert len(sent) <= 5


def test_a_customer_out_of_reach_is_not_there(database, organisation, customer):
    with pytest.raises(NotFound):
        change(database, organisation.zhao.caller(reach=Reach.DEPARTMENT_TREE), customer.id, level="B")
    with pytest.raises(NotFound):
        change(database, organisation.boss.caller(), new_id(), level="B")
    assert change(database, organisation.wang.caller(reach=Reach.DEPARTMENT_TREE), customer.id, level="B").level == "B"


def test_a_change_into_another_customer_is_refused(database, organisation, customer):
    with database.write(organisation.zhao.caller()) as session:
        create_customer(session, CustomerDraft({"display_name": "另一家", "credit_code": CODE}, {}))
    with pytest.raises(Duplicate) as caught:
        change(database, organisation.li.caller(), customer.id, credit_code=CODE)
    assert caught.value.field == "credit_code"
    with pytest.raises(Duplicate):
        change(database, organisation.li.caller(), customer.id, display_name="另一 家")


def test_the_parts_of_an_address_change_one_by_one(database, organisation, customer, facts):
    changed = change(database, organisation.li.caller(), customer.id, **{"address.street": "南京路1号"})
    assert (changed.country, changed.city, changed.street) == ("CN", "上海", "南京路1号")
    assert facts()[-1][1]["changed_fields"] == ["address"]
    with pytest.raises(Invalid) as caught:
        change(database, organisation.li.caller(), customer.id, **{"address.country": "Zhongguo"})
    assert caught.value.field == "address.country"


def test_a_new_name_is_found_by_search(database, organisation, customer):
    changed = change(database, organisation.li.caller(), customer.id, display_name="北京远景能源有限公司")
    assert "远景" in changed.search_text
    assert changed.name_key == "北京远景能源有限公司"
