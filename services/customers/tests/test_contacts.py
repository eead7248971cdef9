"""Contacts of customers."""

from dataclasses import replace

import pytest
from chassis import paging
from chassis.callers import Reach
from chassis.errors import Conflict, Invalid, NotFound, Stale
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from chassis.testing import make_caller
from customers import queries
from customers.decisions import chain
from customers.decisions.chain import decision_chain
from customers.model import Contact
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_contact import delete_contact
from customers.usecases.merge_customers import MergeDraft, merge_customers
from customers.usecases.undo_merge import undo_merge
from customers.usecases.update_contact import update_contact


@pytest.fixture
def customer(database, organisation):
    with database.write(organisation.li.caller()) as session:
        return create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))


@pytest.fixture
def add(database, organisation, customer):
    def create(name, **values):
        with database.write(organisation.li.caller()) as session:
            return create_contact(session, customer.id, {"display_name": name} | values)

    return create


def listed(database, caller, *customer_ids, size=50):
    with database.read(caller) as session:
        page = queries.list_contacts(session, customer_ids, page_size=size, page_token="")
        rows = list(page.rows)
        while page.next_token:
            page = queries.list_contacts(session, customer_ids, page_size=size, page_token=page.next_token)
            rows += page.rows
    return [row.display_name for row in rows]


def test_the_primary_contact_comes_first_and_there_is_one(database, organisation, add, customer, audited):
    add("甲", primary=True)
    add("乙")
    third = add("丙", primary=True)
    assert listed(database, organisation.li.caller(), customer.id) == ["丙", "甲", "乙"]
    assert listed(database, organisation.li.caller(), customer.id, size=1) == ["丙", "甲", "乙"]
    demoted = [entry for entry in audited() if entry.action == "contact.update"]
    assert [entry.before for entry in demoted] == [{"is_primary": True}]
    with database.write(organisation.li.caller()) as session:
        update_contact(session, third.id, {"primary": False})
    assert listed(database, organisation.li.caller(), customer.id) == ["甲", "乙", "丙"]


def test_another_contact_can_become_the_primary_one(database, organisation, add, customer):
    add("甲", primary=True)
    second = add("乙")
    with database.write(organisation.li.caller()) as session:
        changed = update_contact(session, second.id, {"primary": True, "job_title": "采购经理"})
    assert (changed.is_primary, changed.job_title, changed.version) == (True, "采购经理", 2)
    assert listed(database, organisation.li.caller(), customer.id) == ["乙", "甲"]


def test_a_contact_is_changed_and_deleted_under_its_etag(database, organisation, add, audited):
    contact = add("甲", phones=["13800138000"])
    with database.write(organisation.li.caller()) as session:
        assert update_contact(session, contact.id, {"wechat": "jia"}, etag="v1").version == 2
        assert update_contact(session, contact.id, {"wechat": "jia"}).version == 2
    with pytest.raises(Stale), database.write(organisation.li.caller()) as session:
        delete_contact(session, contact.id, etag="v1")
    with database.write(organisation.li.caller()) as session:
        delete_contact(session, contact.id, etag="v2")
    with pytest.raises(NotFound), database.read(organisation.li.caller()) as session:
        queries.get_contact(session, contact.id)
    assert audited()[-1].before["wechat"] == "jia"


def test_contacts_are_reached_by_their_own_permissions_through_the_customer(database, organisation, add, customer):
    contact = add("甲")
    near = organisation.wang.caller(reach=Reach.DEPARTMENT_TREE)
    far = organisation.zhao.caller(reach=Reach.DEPARTMENT_TREE)
    assert listed(database, near, customer.id, new_id()) == ["甲"]
    assert listed(database, far, customer.id) == []
    with database.read(near) as session:
        assert queries.get_contact(session, contact.id).display_name == "甲"
    with pytest.raises(NotFound), database.read(far) as session:
        queries.get_contact(session, contact.id)
    for attempt in (
        lambda session: create_contact(session, customer.id, {"display_name": "乙"}),
        lambda session: update_contact(session, contact.id, {"display_name": "乙"}),
        lambda session: delete_contact(session, contact.id),
    ):
        with pytest.raises(NotFound), database.write(far) as session:
            attempt(session)


def test_bad_contacts_are_refused_with_every_fault(database, organisation, customer):
    with pytest.raises(Invalid) as caught, database.write(organisation.li.caller()) as session:
        create_contact(session, customer.id, {"phones": ["abc"], "emails": ["x"]})
    assert {(fault.field, fault.reason) for fault in caught.value.violations} == {
        ("display_name", "REQUIRED"),
        ("phones", "INVALID_PHONE"),
        ("emails", "INVALID_EMAIL"),
    }


def test_a_list_names_its_customers(database, organisation):
    with database.read(organisation.li.caller()) as session:
        for ids in ([], [new_id() for _ in range(201)]):
            with pytest.raises(Invalid) as caught:
                queries.list_contacts(session, ids, page_size=0, page_token="")
            assert caught.value.field == "customers"
        with pytest.raises(Invalid):
            queries.list_contacts(session, [new_id()], page_size=201, page_token="")
    assert paging.page_size(0) == 50


@pytest.fixture
def chain_of(database, organisation, customer):
    def read(caller=None):
        with database.read(caller or organisation.li.caller()) as session:
            return decision_chain(session, customer.id)

    return read


def told(found):
    return [(node.contact.display_name, node.depth) for node in found.nodes]


def test_the_decision_chain_is_a_tree_by_whom_people_report_to(add, chain_of, organisation):
    boss = add("总经理", decision_role="DECISION_MAKER", influence=5, stance="NEUTRAL")
    head = add("总监", decision_role="INFLUENCER", influence=3, reports_to=boss.name)
    add("工程师", stance="SUPPORTER", reports_to=head.name)
    add("采购", decision_role="BUYER", influence=4, stance="OPPONENT", reports_to=boss.name)
    add("前台")
    found = chain_of()
    assert told(found) == [("总经理", 0), ("采购", 1), ("总监", 1), ("工程师", 2)]
    assert not found.truncated
    top = found.nodes[0].contact
    assert (top.decision_role, top.influence, top.stance) == ("DECISION_MAKER", 5, "NEUTRAL")
    with pytest.raises(NotFound):
        chain_of(organisation.zhao.caller(reach=Reach.SELF))


def test_judgements_that_are_kept_from_the_caller_do_not_show_in_the_chain(add, chain_of, organisation):
    add("甲", stance="OPPONENT")
    boss = add("乙", influence=1)
    add("丙", influence=4, reports_to=boss.name)
    add("丁", influence=5, reports_to=boss.name)
    hidden = {"contact": {"stance": FieldEffect.HIDE, "influence": FieldEffect.HIDE}}
    assert told(chain_of(replace(organisation.li.caller(), field_rules=hidden))) == [("乙", 0), ("丙", 1), ("丁", 1)]
    hidden = {"contact": {"stance": FieldEffect.HIDE}}
    assert told(chain_of(replace(organisation.li.caller(), field_rules=hidden)))[0] == ("乙", 0)


def test_a_decision_chain_says_if_it_does_not_fit(add, chain_of, monkeypatch):
    for name in "甲乙丙":
        add(name, stance="UNKNOWN")
    monkeypatch.setattr(chain, "MOST_NODES", 2)
    found = chain_of()
    assert (len(found.nodes), found.truncated) == (2, True)


def test_nobody_reports_to_themselves_or_to_strangers(database, organisation, add):
    first = add("甲")
    second = add("乙", reports_to=first.name)
    third = add("丙", reports_to=second.name)
    with database.write(organisation.li.caller()) as session:
        elsewhere = create_customer(session, CustomerDraft({"display_name": "别处"}, {}))
        stranger = create_contact(session, elsewhere.id, {"display_name": "外人"})
    for superior, error, reason in (
        (first.name, Conflict, "REPORTING_CYCLE"),
        (third.name, Conflict, "REPORTING_CYCLE"),
        (stranger.name, Invalid, "UNKNOWN_SUPERIOR"),
        (f"contacts/{new_id()}", Invalid, "UNKNOWN_SUPERIOR"),
    ):
        with pytest.raises(error) as caught, database.write(organisation.li.caller()) as session:
            update_contact(session, first.id, {"reports_to": superior})
        assert (caught.value.reason, caught.value.field) == (reason, "reports_to")


def test_who_reported_to_somebody_who_goes_reports_to_the_next_above(database, organisation, add, audited):
    first = add("甲")
    second = add("乙", reports_to=first.name)
    third = add("丙", reports_to=second.name)
    with database.write(organisation.li.caller()) as session:
        delete_contact(session, second.id)
    with database.read(organisation.li.caller()) as session:
        row = queries.get_contact(session, third.id)
    assert (row.reports_to_id, row.version) == (first.id, 2)
    [lifted] = [entry for entry in audited() if entry.resource == third.name and entry.action == "contact.update"]
    assert (lifted.before["reports_to"], lifted.after["reports_to"]) == (second.name, first.name)


def test_judgements_on_people_have_bounds(database, organisation, add):
    contact = add("甲", decision_role="USER", influence=1, birthday="1980-05-01")
    wrong = {"decision_role": "KING", "influence": 6, "stance": "FAN", "birthday": "1880-01-01"}
    with pytest.raises(Invalid) as caught, database.write(organisation.li.caller()) as session:
        update_contact(session, contact.id, wrong)
    assert {(fault.field, fault.reason) for fault in caught.value.violations} == {
        ("decision_role", "INVALID_DECISION_ROLE"),
        ("influence", "OUT_OF_RANGE"),
        ("stance", "INVALID_STANCE"),
        ("birthday", "INVALID_DATE"),
    }
    with pytest.raises(Invalid), database.write(organisation.li.caller()) as session:
        update_contact(session, contact.id, {"birthday": "2026-03-05"})  # three days ahead
    with database.write(organisation.li.caller()) as session:
        cleared = update_contact(session, contact.id, {"decision_role": "UNSPECIFIED", "influence": 0, "birthday": ""})
    assert (cleared.decision_role, cleared.influence, cleared.birthday) == (None, None, None)


def test_several_contacts_are_read_at_once_as_far_as_they_are_visible(database, organisation, add):
    first, second = add("甲"), add("乙")
    wanted = [second.id, new_id(), first.id, second.id]
    with database.read(organisation.li.caller()) as session:
        assert [row.id for row in queries.batch_get_contacts(session, wanted)] == [second.id, first.id]
        with pytest.raises(Invalid):
            queries.batch_get_contacts(session, [new_id() for _ in range(201)])
    with database.read(organisation.zhao.caller(reach=Reach.SELF)) as session:
        assert queries.batch_get_contacts(session, wanted) == []


def test_lines_of_reporting_follow_a_merge_and_come_back(database, organisation, add, customer):
    kept = add("甲", phones=["13800138000"])
    with database.write(organisation.li.caller()) as session:
        other = create_customer(session, CustomerDraft({"display_name": "另一家"}, {}))
        twin = create_contact(session, other.id, {"display_name": "甲", "phones": ["13800138000"]})
        follower = create_contact(session, other.id, {"display_name": "乙", "reports_to": twin.name})
    with database.write(organisation.boss.caller()) as session:
        merge = merge_customers(session, MergeDraft(customer.id, [other.id])).merge
    assert superior_of(database, follower.id) == kept.id
    with database.write(organisation.boss.caller()) as session:
        undo_merge(session, merge.id)
    assert superior_of(database, follower.id) == twin.id


def superior_of(database, contact_id):
    with database.read(make_caller()) as session:
        return session.get_one(Contact, contact_id).reports_to_id
