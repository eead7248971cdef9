"""Logging several follow-ups at once: what comes of them is what would come of logging one after the other."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import DomainError, Exhausted, Invalid, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from chassis.testing.statements import sent_statements
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leads.drafts import FollowUpDraft
from leads.effectiveness import CheckIn
from leads.model import FollowUp
from leads.usecases.learn_organisation import learn_department
from leads.usecases.log_follow_up import log_follow_up
from leads.usecases.log_follow_ups import MAX_BATCH, log_follow_ups
from leads.usecases.update_follow_up_rules import update_follow_up_rules
from sqlalchemy import select, text

from .conftest import NOON

NOTES = ("张总说下周定合同，价格再谈两个点", "李经理确认了样品规格和交货时间", "再联系", "")
PLACE = CheckIn(31.2, 121.4, 20, NOON)


@pytest.fixture
def log(database, directory):
    def write(caller, *drafts):
        with database.write(caller) as session:
            return log_follow_ups(session, drafts, directory)

    return write


@pytest.fixture
def theatres(database):
    """Somebody of each of three theatres."""
    people = []
    with database.write(make_caller()) as session:
        for _ in range(3):
            theatre = new_id()
            learn_department(session, theatre, 1, f"{theatre}/", theatre=True)
            people.append(make_caller(user_id=new_id(), department_path=f"{theatre}/"))
    return people


def test_each_is_judged_by_itself(log, known, directory, facts):
    me = make_caller(user_id=new_id(), reach=Reach.SELF)
    mine, strange, unknown = known(me.user_id), known(new_id()), new_id()
    directory.owners = {unknown: me.user_id}
    broken = Invalid("INVALID_NAME", "no", field="customer")
    outcomes = log(
        me,
        FollowUpDraft(mine, "CALL", NOTES[0]),
        FollowUpDraft(strange, "CALL", NOTES[0]),
        broken,
        FollowUpDraft(mine, "CALL", ""),
        FollowUpDraft(unknown, "VISIT", NOTES[1]),
        FollowUpDraft(new_id(), "VISIT", NOTES[1]),
    )
    kinds = [FollowUp, NotFound, Invalid, Invalid, FollowUp, NotFound]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert outcomes[2] is broken
    told = [data["follow_up"] for _, data in facts()]
    assert told == [one.name for one in outcomes if isinstance(one, FollowUp)]


def test_a_copy_within_the_batch_is_one_and_a_later_contact_settles_an_earlier_plan(log, known, clock):
    me = make_caller()
    customer, hour = known(), timedelta(hours=1)
    first, second, third = log(
        me,
        *[
            FollowUpDraft(customer, "WECHAT", note, occur_time=clock.now - ago, next_contact_time=clock.now + hour)
            for note, ago in ((NOTES[0], 3 * hour), (NOTES[0], 2 * hour), (NOTES[1], 4 * hour))
        ],
    )
    assert [one.verdict for one in (first, second, third)] == ["EFFECTIVE", "NOT_EFFECTIVE", "EFFECTIVE"]
    assert [one.reminder_open for one in (first, second, third)] == [False, True, False]


def test_the_cap_refuses_those_beyond_it_and_keeps_the_rest(log, known, theatres, database, clock):
    with database.write(make_caller()) as session:
        update_follow_up_rules(session, {"contact_cap": 1}, "")
    one, other = known(company_key="华诚"), known(company_key="远大")
    [logged] = log(theatres[0], FollowUpDraft(one, "CALL", NOTES[0]))
    assert isinstance(logged, FollowUp)
    outcomes = log(
        theatres[1],
        FollowUpDraft(one, "CALL", NOTES[0]),
        FollowUpDraft(other, "CALL", NOTES[0]),
        FollowUpDraft(one, "CALL", NOTES[1], occur_time=clock.now - timedelta(days=2)),
    )
    assert isinstance(outcomes[0], Exhausted)
    assert [type(outcome) for outcome in outcomes[1:]] == [FollowUp, FollowUp]


@pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
def test_a_batch_has_bounds(log, known, count):
    customer = known()
    with pytest.raises(Invalid) as caught:
        log(make_caller(), *[FollowUpDraft(customer, "CALL", NOTES[0])] * count)
    assert (caught.value.reason, caught.value.field) == ("TOO_MANY", "follow_ups")


def test_two_batches_at_once_with_the_same_companies_do_not_lock_each_other_out(log, known, theatres):
    customers = [known(company_key=f"公司{number}") for number in range(20)]
    orders = (customers, customers[::-1], customers[::2] + customers[1::2])

    def run(caller, order):
        return log(caller, *[FollowUpDraft(customer, "CALL", NOTES[0]) for customer in order])

    with ThreadPoolExecutor(3) as pool:
        outcomes = [outcome for batch in pool.map(run, theatres, orders) for outcome in batch]
    assert [type(outcome) for outcome in outcomes] == [FollowUp] * 60


DRAFTS = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.integers(0, 1),
            "customer": st.integers(0, 2),
            "method": st.sampled_from(("CALL", "WECHAT", "VISIT")),
            "content": st.sampled_from(NOTES),
            "hours": st.integers(0, 60),
            "plan": st.sampled_from((None, 5, 20)),
            "check_in": st.sampled_from((None, None, PLACE)),
        }
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stated=DRAFTS, cut=st.integers(0, 6))
def test_a_batch_comes_to_what_single_follow_ups_come_to(database, directory, known, theatres, clock, stated, cut):
    with database.write(make_caller()) as session:
        update_follow_up_rules(session, {"contact_cap": 1, "compare_count": 2, "compare_days": 1}, "")

    def drafts(customers):
        return [
            FollowUpDraft(
                customers[one["customer"]],
                one["method"],
                one["content"],
                occur_time=clock.now - timedelta(hours=one["hours"]),
                next_contact_time=clock.now + timedelta(hours=one["plan"]) if one["plan"] else None,
                check_in=one["check_in"],
            )
            for one in stated
        ]

    def told(outcome):
        if isinstance(outcome, DomainError):
            return outcome.reason, outcome.field
        return outcome.verdict, tuple(outcome.verdict_reasons)

    def one_by_one(caller, some):
        for draft in some:
            try:
                with database.write(caller) as session:
                    yield log_follow_up(session, draft, directory)
            except DomainError as error:
                yield error

    def at_once(caller, some):
        with database.write(caller) as session:
            return log_follow_ups(session, some, directory) if some else []

    results = []
    for run in (one_by_one, at_once):
        with database.write(make_caller()) as session:
            session.execute(text("TRUNCATE follow_up"))
        # Two records of one company, and one of another.
        customers = [known(company_key=key) for key in (f"甲{run}", f"甲{run}", f"乙{run}")]
        # The other theatre is in touch first, so that the cap has something to count.
        # It plans nothing: open plans count as they stood before the batch, whatever of it settles them.
        earlier = [replace(draft, next_contact_time=None) for draft in drafts(customers)[:cut]]
        later = drafts(customers)[cut:]
        found = [*map(told, run(theatres[1], earlier)), *map(told, run(theatres[0], later))]
        with database.read(make_caller()) as session:
            rows = session.scalars(select(FollowUp).order_by(FollowUp.id)).all()
            kept = [(customers.index(row.customer_id), row.occur_time, row.reminder_open, row.verdict) for row in rows]
        results.append((found, kept))
    assert results[0] == results[1]


@pytest.mark.parametrize("size", [1, 100])
def test_however_many_it_takes_few_statements(log, known, size):
    me = make_caller()
    customers = [known() for _ in range(5)]
    with sent_statements() as sent:
        log(me, *[FollowUpDraft(customers[number % 5], "CALL", f"{NOTES[0]}{number}") for number in range(size)])
    # What they rest on, their history, themselves, the audit log and the outbox.
    assert len(sent) <= 5
