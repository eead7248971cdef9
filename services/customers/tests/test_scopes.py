"""One scope, the same records, whichever way they are asked for."""

from uuid import UUID

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import NotFound
from chassis.names import new_id
from crm.common.v1.filter_pb2 import Filter
from customers import queries
from customers.model import Contact, Customer
from customers.usecases.create_customer import CustomerDraft, new_customer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT, EAST, WEST, TEAM = (str(UUID(int=n)) for n in range(1, 5))
PATHS = [f"{ROOT}/", f"{ROOT}/{EAST}/", f"{ROOT}/{WEST}/", f"{ROOT}/{EAST}/{TEAM}/"]
USERS = [UUID(int=100 + n) for n in range(4)]

owners = st.tuples(st.sampled_from([None, *USERS]), st.sampled_from([None, *PATHS]))
grants = st.lists(
    st.builds(
        Grant, st.just("customer.read"), st.sampled_from(list(Reach)), st.lists(st.sampled_from(PATHS)).map(tuple)
    ),
    min_size=1,
    max_size=3,
)
PERMISSIONS = ("customer.read", "contact.read")


@pytest.fixture
def populate(database, organisation):
    def fill(placed):
        """Customers of these owners, each with a contact."""
        with database.write(organisation.boss.caller()) as session:
            session.query(Customer).delete()
            made = {}
            for number, (owner, path) in enumerate(placed):
                customer = new_customer(session, CustomerDraft({"display_name": f"华诚{number}号公司"}, {}))
                customer.owner_id, customer.owner_department_path = owner, path
                made[customer.id] = (owner, path)
                session.add(customer)
                session.flush()
                session.add(
                    Contact(
                        customer_id=customer.id,
                        display_name="王",
                        phones=[],
                        emails=[],
                        is_primary=False,
                        version=1,
                        create_time=session.now,
                        update_time=session.now,
                    )
                )
        return made

    return fill


def ids_listed(session, search=""):
    found, token = set(), ""
    while True:
        page = queries.list_customers(
            session, conditions=Filter(), query=search, order_by=[], page_size=3, page_token=token
        )
        found |= {row.id for row in page.rows}
        token = page.next_token
        if not token:
            return found


def is_found(get, *arguments):
    try:
        get(*arguments)
    except NotFound:
        return False
    return True


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    placed=st.lists(owners, max_size=8),
    held=grants,
    user=st.sampled_from([*USERS, None]),
    own_path=st.sampled_from([*PATHS, ""]),
)
def test_every_way_to_a_customer_keeps_to_the_scope(database, populate, placed, held, user, own_path):
    made = populate(placed)
    granted = dict.fromkeys(PERMISSIONS, tuple(held))
    caller = Caller(f"users/{user}" if user else f"clients/{new_id()}", user, own_path, granted)
    scope = caller.scope("customer.read")
    expected = {key for key, (owner, path) in made.items() if scope.reaches(owner, path)}
    with database.read(caller) as session:
        assert ids_listed(session) == expected
        assert ids_listed(session, "华诚") == expected
        assert queries.count_customers(session, conditions=Filter(), query="") == len(expected)
        assert queries.count_customers(session, conditions=Filter(), query="华诚") == len(expected)
        assert {row.id for row in queries.batch_get_customers(session, list(made))} == expected
        assert {key for key in made if is_found(queries.get_customer, session, key)} == expected
        assert {row.id for row in session.scalars(queries.select_customers(session, Filter(), ""))} == expected
        if made:
            page = queries.list_contacts(session, list(made), page_size=200, page_token="")
            assert {row.customer_id for row in page.rows} == expected
