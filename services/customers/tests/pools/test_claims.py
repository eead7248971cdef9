"""Taking customers out of pools: who may, how many, and how often."""

import itertools
import threading
from datetime import timedelta

import pytest
from chassis.errors import Denied, Exhausted, Invalid, NotFound
from chassis.names import new_id
from crm.common.v1.filter_pb2 import Condition, Filter
from customers.model import Customer, HoldingChange, Pool
from customers.pools.claiming import Refusal
from customers.pools.rules import PoolRules
from customers.usecases.assign_pool_customers import assign_pool_customers
from customers.usecases.claim_customers import claim_customers
from customers.usecases.claim_next_customers import claim_next_customers, see
from customers.usecases.move_pool_customers import move_pool_customers
from customers.usecases.release_customer import release_customer
from customers.usecases.view_pool_customer import view_pool_customer
from sqlalchemy import func, select, update


def claim(play, person, *ids):
    return [one.refusal for one in play.write(person.caller(), claim_customers, list(ids))]


def next_ones(play, person, pool, count=1, condition=None):
    def claim_next(session):
        return [row.id for row in claim_next_customers(session, see(session, pool), count, condition or Filter())]

    return play.write(person.caller(), claim_next)


def release(play, person, customer, **options):
    values = {"pool_id": None, "reason": "NO_BUDGET", "note": "", "etag": ""} | options
    play.write(person.caller(), release_customer, customer, **values)


def test_a_member_claims_and_becomes_the_owner(play, east, organisation, facts, audited):
    [customer] = play.pooled(east, 1)
    assert claim(play, organisation.li, customer) == [None]
    row = play.row(customer)
    assert (row.owner_id, row.owner_department_path, row.pool_id) == (organisation.li.id, organisation.li.path, None)
    name, event = facts()[-1]
    assert (name, event["kind"], event["changes"][0]["state"]["owner"]) == (
        "CustomersHandedOver",
        "CLAIMED",
        organisation.li.name,
    )
    entry = audited()[-1]
    assert (entry.action, entry.after["owner"]) == ("customer.claim", organisation.li.name)


def test_each_claim_of_a_batch_is_judged_by_itself(play, east, organisation):
    [customer] = play.pooled(east, 1)
    owned = play.customer("有主公司")
    assert claim(play, organisation.li, owned, customer, new_id()) == [
        Refusal.NOT_IN_POOL,
        None,
        Refusal.NOT_IN_POOL,
    ]
    assert claim(play, organisation.zhao, *play.pooled(east, 1, "西")) == [Refusal.NOT_A_MEMBER]
    with pytest.raises(Invalid):
        claim(play, organisation.li, customer, customer)


def test_of_fifty_parallel_claims_one_succeeds(play, east, organisation):
    [customer] = play.pooled(east, 1)
    people = [organisation.li, organisation.wang]
    outcomes, barrier = [], threading.Barrier(10)

    def run(person):
        barrier.wait()
        outcomes.extend(claim(play, person, customer) for _ in range(5))

    threads = [threading.Thread(target=run, args=(people[at % 2],)) for at in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count([None]) == 1
    assert len(outcomes) == 50


def test_claims_count_gross(play, organisation):
    pool = play.pool(
        "两次", PoolRules(daily_claim_limit=2, former_owner_wait_days=0), members=[play.department(organisation.east)]
    )
    first, second = play.pooled(pool, 2)
    assert claim(play, organisation.li, first) == [None]
    release(play, organisation.li, first, pool_id=pool)
    assert claim(play, organisation.li, first) == [None]
    assert claim(play, organisation.li, second) == [Refusal.DAILY_CLAIM_LIMIT_REACHED]
    with pytest.raises(Exhausted) as caught:
        next_ones(play, organisation.li, pool)
    assert caught.value.reason == "DAILY_CLAIM_LIMIT_REACHED"
    play.database.clock.advance(timedelta(days=1))
    assert claim(play, organisation.li, second) == [None]


def test_nobody_holds_more_than_the_limit_and_won_customers_do_not_count(play, organisation):
    pool = play.pool("少", PoolRules(hold_limit=2), members=[play.department(organisation.east)])
    play.customer("已成交公司", status="WON")
    ids = play.pooled(pool, 3)
    assert claim(play, organisation.li, *ids) == [None, None, Refusal.HOLD_LIMIT_REACHED]
    with pytest.raises(Exhausted):
        next_ones(play, organisation.li, pool)


def test_every_former_owner_waits_and_says_until_when(play, east, organisation):
    customer = play.customer("前主公司", organisation.li)
    release(play, organisation.li, customer, pool_id=east)
    [outcome] = play.write(organisation.li.caller(), claim_customers, [customer])
    assert outcome.refusal is Refusal.FORMER_OWNER_WAIT
    assert outcome.retry_time == play.database.clock() + timedelta(days=7)
    assert next_ones(play, organisation.li, east) == []
    assert next_ones(play, organisation.wang, east) == [customer]
    release(play, organisation.wang, customer, pool_id=east)
    assert claim(play, organisation.li, customer) == [Refusal.FORMER_OWNER_WAIT]
    play.database.clock.advance(timedelta(days=7))
    assert claim(play, organisation.li, customer) == [None]


def test_a_new_entry_waits_from_its_entry_whatever_is_edited(play, organisation):
    pool = play.pool("等", PoolRules(entry_wait_hours=24), members=[play.department(organisation.east)])
    [customer] = play.pooled(pool, 1)
    play.database.clock.advance(timedelta(hours=23))
    with play.database.engine.begin() as connection:
        connection.execute(update(Customer).values(remark="改", update_time=play.database.clock()))
    assert claim(play, organisation.li, customer) == [Refusal.ENTRY_WAIT]
    play.database.clock.advance(timedelta(hours=1))
    assert claim(play, organisation.li, customer) == [None]


def test_the_next_are_those_that_waited_longest_and_fulfil_the_condition(play, east, organisation):
    first, second, third = play.pooled(east, 3)
    condition = Filter(condition=Condition(field="display_name", operator="OPERATOR_EQUAL"))
    condition.condition.values.add(text="客户2公司")
    assert next_ones(play, organisation.li, east, 5, condition) == [third]
    assert next_ones(play, organisation.li, east) == [first]
    assert next_ones(play, organisation.wang, east, 5) == [second]
    assert next_ones(play, organisation.wang, east) == []


def test_administrators_assign_without_waiting_but_not_beyond_the_limit(play, organisation):
    pool = play.pool(
        "分配",
        PoolRules(hold_limit=1, entry_wait_hours=24, daily_claim_limit=0),
        members=[play.department(organisation.east)],
        administrators=[organisation.boss.name],
    )
    ids = play.pooled(pool, 2)
    outcomes = play.write(organisation.boss.caller(), assign_pool_customers, ids, organisation.li.id, "新人")
    assert [one.refusal for one in outcomes] == [None, Refusal.HOLD_LIMIT_REACHED]
    assert play.row(ids[0]).owner_id == organisation.li.id
    outcomes = play.write(organisation.wang.caller(), assign_pool_customers, [ids[1]], organisation.wang.id, "")
    assert outcomes[0].refusal is Refusal.NOT_A_MEMBER


def test_administrators_of_both_pools_move_customers(play, east, organisation):
    west = play.pool("华西公海", administrators=[organisation.boss.name])
    [customer] = play.pooled(east, 1)
    outcomes = play.write(organisation.boss.caller(), move_pool_customers, [customer], west, "")
    assert outcomes[0].refusal is None
    assert play.row(customer).pool_id == west
    with pytest.raises(Denied):
        play.write(organisation.wang.caller(), move_pool_customers, [customer], east, "")


def test_a_disabled_pool_lets_nothing_out_or_in(play, east, organisation):
    [customer] = play.pooled(east, 1)
    owned = play.customer("有主公司")
    with play.database.engine.begin() as connection:
        connection.execute(update(Pool).values(disabled=True))
    assert claim(play, organisation.li, customer) == [Refusal.POOL_DISABLED]
    with pytest.raises(Denied) as caught:
        release(play, organisation.li, owned, pool_id=east)
    assert caught.value.reason == "POOL_DISABLED"


def test_views_are_limited_by_day_and_counted_once_per_customer(play, organisation):
    pool = play.pool("看", PoolRules(daily_view_limit=2), members=[play.department(organisation.east)])
    first, second, third = play.pooled(pool, 3)
    for customer in (first, first, second, first):
        row, _ = play.write(organisation.li.caller(), view_pool_customer, customer)
        assert row.id == customer
    with pytest.raises(Exhausted) as caught:
        play.write(organisation.li.caller(), view_pool_customer, third)
    assert caught.value.reason == "VIEW_LIMIT_REACHED"
    with pytest.raises(NotFound):
        play.write(organisation.li.caller(), view_pool_customer, new_id())
    with pytest.raises(Denied):
        play.write(organisation.zhao.caller("pool.read"), view_pool_customer, first)


def test_the_ledger_tells_every_holder_without_gap(play, east, organisation):
    customer = play.customer("全程公司", organisation.li)
    release(play, organisation.li, customer, pool_id=east)
    claim(play, organisation.wang, customer)
    release(play, organisation.wang, customer, pool_id=east)
    with play.database.read(organisation.boss.caller()) as session:
        changes = session.scalars(select(HoldingChange).order_by(HoldingChange.id)).all()
        now = session.get_one(Customer, customer)
        assert session.scalar(select(func.count()).select_from(HoldingChange)) == 3
    holders = [(one.previous_user_id, one.previous_pool_id) for one in changes]
    assert holders == [(organisation.li.id, None), (None, east), (organisation.wang.id, None)]
    for before, after in itertools.pairwise(changes):
        assert (before.user_id, before.pool_id, before.time) == (
            after.previous_user_id,
            after.previous_pool_id,
            after.previous_since,
        )
    assert (now.owner_id, now.pool_id, now.held_since) == (None, east, changes[-1].time)
