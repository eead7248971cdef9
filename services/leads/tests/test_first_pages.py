"""The newest follow-ups of a customer are those of the list, whoever asks, and the list goes on from them."""

from datetime import timedelta
from uuid import UUID

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import Denied, Invalid
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from chassis.sharing import ShareFacts, keep
from chassis.testing import make_caller
from chassis.testing.statements import sent_statements
from crm.common.v1 import filter_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leads import first_pages, queries
from leads.model import CUSTOMER, FollowUp, KnownCustomer, KnownTheatre
from sqlalchemy import text

DEPARTMENTS = [UUID(int=200 + n) for n in range(4)]
ROOT, EAST, WEST, TEAM = DEPARTMENTS
PATHS = [f"{ROOT}/", f"{ROOT}/{EAST}/", f"{ROOT}/{WEST}/", f"{ROOT}/{EAST}/{TEAM}/"]
THEATRES = [f"departments/{EAST}", f"departments/{WEST}"]
USERS = [UUID(int=100 + n) for n in range(3)]
CUSTOMERS = [UUID(int=300 + n) for n in range(2)]
GRANTEES = [*(f"users/{user}" for user in USERS), *(f"departments/{key}" for key in DEPARTMENTS)]

holders = st.tuples(st.sampled_from([None, *USERS]), st.sampled_from([None, *PATHS]))
notes = st.tuples(
    st.sampled_from(CUSTOMERS), st.sampled_from(USERS), st.sampled_from([None, *THEATRES]), st.integers(0, 3)
)
followings = st.dictionaries(
    st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(THEATRES)),
    st.tuples(st.sampled_from(USERS), st.sampled_from([None, *PATHS]), st.booleans()),
    max_size=3,
)
shares = st.dictionaries(
    st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(GRANTEES)),
    st.sampled_from([None, -1, 1]),
    max_size=2,
)
callers = st.builds(
    lambda reaches, trees, path, partner: Caller(
        f"users/{USERS[0]}",
        USERS[0],
        path,
        {queries.READ: tuple(Grant(queries.READ, reach, trees) for reach in reaches)},
        partner_id=partner,
    ),
    st.lists(st.sampled_from(list(Reach)), min_size=1, max_size=2),
    st.lists(st.sampled_from(PATHS), max_size=2).map(tuple),
    st.sampled_from(["", *PATHS]),
    st.sampled_from([None, None, None, new_id()]),
)


def of(customer, operator=filter_pb2.OPERATOR_EQUAL):
    values = [filter_pb2.FilterValue(text=customer)]
    return filter_pb2.Filter(condition=filter_pb2.Condition(field="customer", operator=operator, values=values))


def note(customer_id, author, occur_time, joint_theatre=None):
    return FollowUp(
        customer_id=customer_id,
        method="CALL",
        content="谈妥了价格",
        author=f"users/{author}",
        occur_time=occur_time,
        create_time=occur_time,
        reminder_open=False,
        joint_theatre=joint_theatre,
        check_in={"time": occur_time.isoformat(), "latitude": 31.2, "longitude": 121.5, "accuracy_metres": 9},
        verdict="INEFFECTIVE",
        verdict_reasons=["BOILERPLATE"],
    )


def pages(session, customer_id, **asked):
    asked = {"conditions": of(f"customers/{customer_id}"), "order_by": [], "page_token": "", **asked}
    return first_pages.list_follow_ups(session, **asked), queries.list_follow_ups(session, **asked)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.one_of(st.none(), holders), logged=st.lists(notes, max_size=6), followed=followings, shared=shares,
    caller=callers,
)  # fmt: skip
def test_a_first_page_is_that_of_the_list(database, clock, held, logged, followed, shared, caller):
    with database.write(make_caller()) as session:
        session.execute(text("TRUNCATE follow_up, known_customer, known_theatre, record_share"))
        if held is not None:
            session.add(_known(CUSTOMERS[0], *held))
        for (customer, theatre), (owner, path, active) in followed.items():
            session.add(
                KnownTheatre(
                    customer_id=customer,
                    theatre=theatre,
                    owner_id=owner,
                    owner_department_path=path,
                    active=active,
                    version=1,
                )
            )
        for (customer, grantee), hours in shared.items():
            expiry = clock.now + timedelta(hours=hours) if hours is not None else None
            keep(session, ShareFacts(CUSTOMER, customer, grantee, "READ_ONLY", expiry, active=True, version=1))
        for customer, author, theatre, hours in logged:
            session.add(note(customer, author, clock.now - timedelta(hours=hours), theatre))
    with database.read(caller) as session:
        for size in (1, 2, 50):
            page, listed = pages(session, CUSTOMERS[0], page_size=size)
            columns = FollowUp.__table__.columns.keys()
            shown = [[getattr(row, column) for column in columns] for row in page.rows]
            assert shown == [[getattr(row, column) for column in columns] for row in listed.rows]
            assert page.next_token == listed.next_token


def _known(customer_id, owner, path):
    return KnownCustomer(
        id=customer_id, version=1, display_name="华诚", owner_id=owner, owner_department_path=path, deleted=False
    )


@pytest.fixture
def me(database, clock):
    """Who has logged three follow-ups on the first customer."""
    me = make_caller("follow_up.read", reach=Reach.DEPARTMENT_TREE, department_path=PATHS[1])
    with database.write(me) as session:
        session.add_all(note(CUSTOMERS[0], me.user_id, clock.now - timedelta(hours=hours)) for hours in range(3))
    return me


def test_it_takes_one_statement_whatever_the_scope(database, me):
    for caller in (me, make_caller()):
        with database.read(caller) as session, sent_statements() as sent:
            page = first_pages.list_follow_ups(
                session, conditions=of(f"customers/{CUSTOMERS[0]}"), order_by=[], page_size=2, page_token=""
            )
        assert (len(page.rows), len(sent)) == (2, 1)


def test_the_list_goes_on_from_it(database, me):
    with database.read(me) as session:
        first, _ = pages(session, CUSTOMERS[0], page_size=2)
        rest, listed = pages(session, CUSTOMERS[0], page_size=2, page_token=first.next_token)
    assert [row.id for row in rest.rows] == [row.id for row in listed.rows]
    assert len({row.id for row in (*first.rows, *rest.rows)}) == 3


def test_whatever_else_is_asked_for_the_list_answers(database, me):
    newest_last = [filter_pb2.OrderBy(field="occur_time")]
    either = filter_pb2.Filter(any=filter_pb2.FilterList(filters=[of(f"customers/{key}") for key in CUSTOMERS]))
    others = of(f"customers/{CUSTOMERS[0]}", filter_pb2.OPERATOR_NOT_EQUAL)
    with database.read(me) as session:
        for asked, count in (
            ({"order_by": newest_last}, 3), ({"conditions": either}, 3), ({"conditions": others}, 0),
            ({"conditions": filter_pb2.Filter()}, 3),
        ):  # fmt: skip
            page, listed = pages(session, CUSTOMERS[0], page_size=9, **asked)
            assert [row.id for row in page.rows] == [row.id for row in listed.rows]
            assert len(page.rows) == count


def test_it_is_refused_as_the_list_is(database, me):
    hidden = Caller(me.subject, me.user_id, grants=me.grants, field_rules={"follow_up": {"customer": FieldEffect.MASK}})
    for caller, refusal, reason, asked in (
        (me, Invalid, "INVALID_VALUE", {"conditions": of("customers/1")}),
        (me, Invalid, "PAGE_SIZE_OUT_OF_RANGE", {"page_size": 201}),
        (make_caller("customer.read"), Denied, "PERMISSION_DENIED", {}),
        (hidden, Denied, "FIELD_NOT_READABLE", {}),
    ):
        asked = {"conditions": of(f"customers/{CUSTOMERS[0]}"), "page_size": 1} | asked
        for listed in (first_pages.list_follow_ups, queries.list_follow_ups):
            with database.read(caller) as session, pytest.raises(refusal) as caught:
                listed(session, order_by=[], page_token="", **asked)
            assert caught.value.reason == reason
