"""Logging follow-ups and reading them back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import Denied, Invalid, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import Filter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leads import queries
from leads.model import FollowUp
from leads.usecases.learn_customers import forget_customer
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from sqlalchemy import select


@pytest.fixture
def log(database, directory):
    def write(caller, customer_id, content="谈妥了价格", method="CALL", **values):
        with database.write(caller) as session:
            return log_follow_up(session, FollowUpDraft(customer_id, method, content, **values), directory)

    return write


def test_a_follow_up_is_kept_and_announced(database, log, known, facts, clock):
    me = make_caller()
    customer = known(me.user_id)
    content = "第一行\r\n" + "话" * 300
    logged = log(me, customer, f"  {content} ", occur_time=clock.now - timedelta(hours=2))
    assert logged.author == me.subject
    assert logged.content == content.replace("\r\n", "\n")
    [(kind, data)] = facts()
    assert kind == "FollowUpLogged"
    assert data["customer"] == f"customers/{customer}"
    assert len(data["summary"]) == 200
    with database.read(me) as session:
        assert queries.get_follow_up(session, logged.id).content == logged.content


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"method": "UNSPECIFIED"}, "method", "REQUIRED"),
        ({"content": " \n"}, "content", "REQUIRED"),
        ({"content": "x" * 5001}, "content", "TOO_LONG"),
        ({"content": "a\x00b"}, "content", "INVALID_TEXT"),
        ({"occur_time": timedelta(minutes=6)}, "occur_time", "TIME_IN_FUTURE"),
        ({"occur_time": datetime(1, 1, 1, tzinfo=UTC)}, "occur_time", "OUT_OF_RANGE"),
        ({"next_contact_time": timedelta(hours=-1)}, "next_contact_time", "INVALID_NEXT_CONTACT_TIME"),
    ],
)
def test_what_cannot_be_right_is_refused(log, known, clock, facts, values, field, reason):
    values = {key: clock.now + value if isinstance(value, timedelta) else value for key, value in values.items()}
    with pytest.raises(Invalid) as caught:
        log(make_caller(), known(), **values)
    assert [(fault.field, fault.reason) for fault in caught.value.violations] == [(field, reason)]
    assert facts() == []


def test_all_faults_are_told_together(log, known):
    with pytest.raises(Invalid) as caught:
        log(make_caller(), known(), content="", method="")
    assert {fault.field for fault in caught.value.violations} == {"method", "content"}


def test_a_client_clock_somewhat_ahead_counts_as_now(log, known, clock):
    assert log(make_caller(), known(), occur_time=clock.now + timedelta(minutes=4)).occur_time == clock.now


def test_a_customer_out_of_reach_is_not_there(log, known, facts):
    customer = known(new_id(), "root/west/")
    near = make_caller(reach=Reach.DEPARTMENT_TREE, department_path="root/west/")
    far = make_caller(reach=Reach.DEPARTMENT_TREE, department_path="root/east/")
    log(near, customer)
    with pytest.raises(NotFound):
        log(far, customer)
    may_log, may_read = Grant("follow_up.create", Reach.ALL), Grant("customer.read", Reach.SELF)
    half = Caller("users/x", new_id(), "", {"follow_up.create": (may_log,), "customer.read": (may_read,)})
    with pytest.raises(NotFound):
        log(half, customer)
    with pytest.raises(Denied):
        log(Caller("users/x", new_id(), "", {"follow_up.create": (may_log,)}), customer)
    assert len(facts()) == 1


def test_a_customer_not_known_yet_is_asked_for(log, directory, facts):
    me = make_caller(reach=Reach.SELF)
    mine, other = new_id(), new_id()
    directory.owners = {mine: me.user_id, other: new_id()}
    log(me, mine)
    for customer in (other, new_id()):
        with pytest.raises(NotFound):
            log(me, customer)
    assert len(facts()) == 1


def test_a_deleted_customer_takes_no_follow_ups(database, log, known, directory):
    me = make_caller()
    customer = known(me.user_id)
    directory.owners = {customer: me.user_id}
    with database.write(me) as session:
        forget_customer(session, customer, 1)
    with pytest.raises(NotFound):
        log(me, customer)


PATHS = ["r/", "r/e/", "r/w/", "r/e/t/"]
USERS = [UUID(int=100 + n) for n in range(3)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    placed=st.lists(st.tuples(st.sampled_from([None, *USERS]), st.sampled_from([None, *PATHS])), max_size=5),
    authors=st.lists(st.sampled_from(USERS), min_size=5, max_size=5),
    reaches=st.lists(st.sampled_from(list(Reach)), min_size=1, max_size=2),
    custom=st.lists(st.sampled_from(PATHS)).map(tuple),
    path=st.sampled_from(PATHS),
)
def test_own_follow_ups_and_those_in_scope_are_seen(database, log, known, placed, authors, reaches, custom, path):
    with database.write(make_caller()) as session:
        session.query(FollowUp).delete()
    made = {}
    for (owner, place), author in zip(placed, authors, strict=False):
        logged = log(make_caller(user_id=author), known(owner, place))
        made[logged.id] = (owner, place, author)
    grants = tuple(Grant("follow_up.read", reach, custom) for reach in reaches)
    caller = Caller(f"users/{USERS[0]}", USERS[0], path, {"follow_up.read": grants})
    scope = caller.scope("follow_up.read")
    expected = {
        key for key, (owner, place, author) in made.items() if author == USERS[0] or scope.reaches(owner, place)
    }
    with database.read(caller) as session:
        page = queries.list_follow_ups(session, conditions=Filter(), order_by=[], page_size=200, page_token="")
        assert {row.id for row in page.rows} == expected
        for key in made:
            if key in expected:
                assert queries.get_follow_up(session, key).id == key
            else:
                with pytest.raises(NotFound):
                    queries.get_follow_up(session, key)


def test_a_list_is_filtered_sorted_and_paged(database, log, known, clock):
    me = make_caller()
    first, second = known(me.user_id), known(me.user_id)
    for hours, customer in enumerate((first, second, first, first)):
        log(me, customer, f"{hours}", occur_time=clock.now - timedelta(hours=hours))
    from crm.common.v1 import filter_pb2

    mine = filter_pb2.Filter(
        condition=filter_pb2.Condition(
            field="customer",
            operator=filter_pb2.OPERATOR_EQUAL,
            values=[filter_pb2.FilterValue(text=f"customers/{first}")],
        )
    )
    contents, token = [], ""
    with database.read(me) as session:
        while True:
            page = queries.list_follow_ups(session, conditions=mine, order_by=[], page_size=1, page_token=token)
            contents += [row.content for row in page.rows]
            token = page.next_token
            if not token:
                break
        assert session.scalar(select(FollowUp.id).limit(1))
    assert contents == ["0", "2", "3"]
