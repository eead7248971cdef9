"""The first pages that the whole picture shows are those of the lists, and the lists go on from them."""

from datetime import timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.names import new_id
from customers import first_pages, queries
from customers.timeline_queries import list_timeline
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.record_follow_ups import FollowUp, record_follow_ups


@pytest.fixture
def customer_id(database, organisation, clock):
    with database.write(organisation.li.caller()) as session:
        customer = create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))
        for name in ("李娜", "王芳", "赵磊"):
            create_contact(session, customer.id, {"display_name": name, "phones": ["13700001111"]}, {})
    with database.write(service_caller("customers")) as session:
        for day in range(1, 4):
            follow_up = FollowUp(
                event_id=new_id(),
                customer_id=customer.id,
                source="leads",
                resource=f"followUps/{new_id()}",
                actor=organisation.li.name,
                method="CALL",
                summary=f"第 {day} 次",
                occur_time=clock.now + timedelta(days=day),
                effective=True,
            )
            record_follow_ups(session, [follow_up])
    return customer.id


def listed_contacts(session, customer_id, size, token=""):
    return queries.list_contacts(session, [customer_id], page_size=size, page_token=token)


def listed_entries(session, customer_id, size, token=""):
    return list_timeline(session, customer_id, kinds=(), page_size=size, page_token=token)


@pytest.mark.parametrize(
    ("first", "listed", "count"),
    [(first_pages.first_contacts, listed_contacts, 3), (first_pages.first_entries, listed_entries, 4)],
)
def test_a_first_page_is_that_of_the_list(database, organisation, customer_id, first, listed, count):
    with database.read(organisation.li.caller()) as session:
        row = queries.get_customer(session, customer_id)
        for size in (1, count - 1, count, 20):
            page, expected = first(session, row, size), listed(session, customer_id, size)
            shown = [found._asdict() for found in page.rows]
            assert shown == [{key: getattr(found, key) for key in shown[0]} for found in expected.rows]
            assert page.next_token == expected.next_token
            assert bool(page.next_token) == (size < count)


def test_a_list_goes_on_from_a_first_page(database, organisation, customer_id):
    with database.read(organisation.li.caller()) as session:
        row = queries.get_customer(session, customer_id)
        page = first_pages.first_entries(session, row, 3)
        [last] = listed_entries(session, customer_id, 3, page.next_token).rows
    assert last.kind == "CUSTOMER_CREATED"
    assert last.id not in {found.id for found in page.rows}


def test_contacts_are_for_those_whose_permission_reaches_the_customer(database, organisation, customer_id):
    with database.read(organisation.li.caller("contact.read")) as session:
        row = queries.any_customer(session, customer_id)
        assert len(first_pages.first_contacts(session, row, 20).rows) == 3
    with database.read(organisation.zhao.caller("contact.read", reach=Reach.SELF)) as session:
        assert first_pages.first_contacts(session, row, 20).rows == []
