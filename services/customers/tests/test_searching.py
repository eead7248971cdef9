"""One search over customers and contacts, and why something was found."""

from dataclasses import replace

import pytest
from chassis.callers import Grant, Reach
from chassis.errors import Invalid
from chassis.field_rules import FieldEffect
from crm.common.v1.filter_pb2 import Filter
from customers.queries import count_customers, list_customers
from customers.searching import rebuilding
from customers.searching.queries import search_records
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.update_contact import update_contact
from sqlalchemy import text

NAME = "华诚科技"
CODE = "91110000600037341L"


@pytest.fixture
def people(database, organisation):
    """华诚科技 with 王芳, and others that are not to be found."""
    with database.write(organisation.li.caller()) as session:
        values = {
            "display_name": NAME, "phones": ["021-58034749"], "emails": ["info@hctech.example"], "credit_code": CODE,
        }  # fmt: skip
        customer = create_customer(session, CustomerDraft(values, {}))
        contact = {"display_name": "王芳", "phones": ["13912345678"], "emails": ["fang.w@corp.example"]}
        contact = create_contact(session, customer.id, contact)
        other = create_customer(session, CustomerDraft({"display_name": "远景能源", "phones": ["13800138000"]}, {}))
        create_contact(session, other.id, {"display_name": "李雷"})
    return customer, contact


@pytest.fixture
def find(database, organisation):
    def search(query, caller=None, limit=0):
        with database.read(caller or organisation.li.caller()) as session:
            return search_records(session, query, limit)

    return search


def told(hits):
    return [(hit.row.display_name, [str(one) for one in hit.matches]) for hit in hits]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("华诚", "NAME"), ("诚科技", "NAME"), ("hckj", "PINYIN"), ("hcke", "PINYIN"), ("huacheng", "PINYIN"),
        ("huachengkeji", "PINYIN"), ("huachengk", "PINYIN"), ("4749", "PHONE"), ("021-58034749", "PHONE"),
        ("5803", "PHONE"), ("info@hct", "EMAIL"), (CODE.lower(), "CREDIT_CODE"),
    ],
)  # fmt: skip
def test_a_customer_is_found_by_whatever_is_known_of_it(find, people, query, reason):
    found = find(query)
    assert told(found.customers) == [(NAME, [reason])]
    assert (found.contacts, found.more_customers, found.more_contacts) == ([], False, False)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("王芳", "NAME"), ("wangfang", "PINYIN"), ("wangf", "PINYIN"), ("5678", "PHONE"), ("139 1234 5678", "PHONE"),
        ("fang.w@", "EMAIL"),
    ],
)  # fmt: skip
def test_a_customer_is_found_by_its_contacts(find, people, query, reason):
    found = find(query)
    assert told(found.contacts) == [("王芳", [reason])]
    assert told(found.customers) == [(NAME, ["CONTACT"])]


def test_what_is_called_so_comes_before_what_begins_so_and_that_before_the_rest(database, organisation, find):
    names = ("华诚科技", "华诚科技园", "中国华诚科技", "新华诚科技厂", "老华诚科技厂")
    with database.write(organisation.li.caller()) as session:
        customers = [create_customer(session, CustomerDraft({"display_name": name}, {})).id for name in names]
        for name in ("欧阳", "欧阳修", "小欧阳"):
            create_contact(session, customers[0], {"display_name": name})
    found = find("华诚科技", limit=3)
    assert [hit.row.display_name for hit in found.customers] == ["华诚科技", "华诚科技园", "老华诚科技厂"]
    assert found.more_customers
    assert [hit.row.display_name for hit in find("欧阳", limit=3).contacts] == ["欧阳", "欧阳修", "小欧阳"]


def listed(database, caller, query):
    with database.read(caller) as session:
        page = list_customers(session, conditions=Filter(), query=query, order_by=[], page_size=10, page_token="")
        assert count_customers(session, conditions=Filter(), query=query) == len(page.rows)
    return [row.display_name for row in page.rows]


def test_a_list_of_customers_is_searched_by_their_contacts_as_far_as_these_may_be_seen(database, organisation, people):
    caller = organisation.li.caller()
    for query in ("王芳", "wangfang", "5678", "fang.w@"):
        assert listed(database, caller, query) == [NAME], query
    masked = replace(caller, field_rules={"contact": {"phones": FieldEffect.MASK}})
    assert (listed(database, masked, "5678"), listed(database, masked, "wangfang")) == ([], [NAME])
    assert listed(database, organisation.li.caller("customer.read"), "王芳") == []
    narrow = {
        "customer.read": (Grant("customer.read", Reach.ALL),),
        "contact.read": (Grant("contact.read", Reach.SELF),),
    }
    stranger = replace(organisation.zhao.caller(), grants=narrow)
    assert (listed(database, stranger, "华诚"), listed(database, stranger, "王芳")) == ([NAME], [])


def test_all_words_must_be_there_and_each_has_its_reason(find, people):
    assert told(find("hcke 4749").customers) == [(NAME, ["PINYIN", "PHONE"])]
    assert find("hcke 4748").customers == []


def test_a_contact_is_found_by_what_it_is_now(database, organisation, find, people):
    with database.write(organisation.li.caller()) as session:
        update_contact(session, people[1].id, {"display_name": "赵敏", "phones": ["13700007777"]})
    assert find("王芳").contacts == []
    assert find("5678").contacts == []
    assert told(find("zhaomin 7777").contacts) == [("赵敏", ["PINYIN", "PHONE"])]


def test_a_search_finds_what_the_caller_reaches(find, people, organisation):
    for query in ("华诚", "王芳", "5678"):
        found = find(query, organisation.zhao.caller(reach=Reach.SELF))
        assert (found.customers, found.contacts) == ([], [])
        found = find(query, organisation.li.caller("customer.read", reach=Reach.SELF))
        assert found.contacts == []
    assert told(find("华诚", organisation.li.caller("customer.read", reach=Reach.SELF)).customers) == [(NAME, ["NAME"])]


def test_what_is_kept_from_the_caller_is_not_found_by(find, people, organisation):
    masked = {entity: {"phones": FieldEffect.MASK} for entity in ("customer", "contact")}
    caller = replace(organisation.li.caller(), field_rules=masked)
    for query in ("4749", "5678", "13912345678", "info@hct", "fang.w@"):
        found = find(query, caller)
        assert (found.customers, found.contacts) == ([], []), query
    assert told(find("huacheng", caller).customers) == [(NAME, ["PINYIN"])]
    assert told(find("wangfang", caller).contacts) == [("王芳", ["PINYIN"])]


def test_there_may_be_more_than_fit(database, organisation, find):
    with database.write(organisation.li.caller()) as session:
        for number in range(3):
            customer = create_customer(session, CustomerDraft({"display_name": f"华诚{number}厂"}, {}))
            create_contact(session, customer.id, {"display_name": "王芳"})
    found = find("华诚", limit=2)
    assert (len(found.customers), found.more_customers, found.more_contacts) == (2, True, False)
    found = find("王芳", limit=2)
    assert (len(found.customers), len(found.contacts), found.more_customers, found.more_contacts) == (2, 2, True, True)


def test_what_was_written_before_is_found_once_it_is_rebuilt(database, find, people, monkeypatch):
    monkeypatch.setattr(rebuilding, "PART", 1)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE customer SET search_text = lower(display_name), grams = '{}'"))
        connection.execute(text("UPDATE contact SET search_text = DEFAULT, grams = DEFAULT"))
    assert find("huacheng").customers == []
    assert rebuilding.rebuild(database) == 4
    assert told(find("huacheng").customers) == [(NAME, ["PINYIN"])]
    assert told(find("wangfang").contacts) == [("王芳", ["PINYIN"])]
    assert rebuilding.rebuild(database) == 0


@pytest.mark.parametrize(("query", "limit", "reason"), [(" ", 0, "REQUIRED"), ("华" * 101, 0, "SEARCH_TOO_LONG"),
                                                        ("华诚", 51, "OUT_OF_RANGE")])  # fmt: skip
def test_a_search_has_bounds(find, organisation, query, limit, reason):
    with pytest.raises(Invalid) as caught:
        find(query, limit=limit)
    assert (caught.value.reason, caught.value.field) == (reason, "limit" if limit else "query")
