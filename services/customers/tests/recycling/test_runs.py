"""The nightly run: who falls back, on which day, into which pool, and who does not."""

import threading
from datetime import date, timedelta

import pytest
from chassis.callers import service_caller
from chassis.jobs import Job
from customers.model import ChangeKind, CustomerStanding, HoldingChange, RecycleRun
from customers.pools.rules import PoolRules, Protection, RecycleRule, Trigger
from customers.recycling import running
from customers.recycling.queries import explain_recycling
from customers.usecases.lock_customer import lock_customer
from customers.usecases.recycle_customers import recycle_customers
from customers.usecases.set_customer_standing import Standing, set_customer_standing
from customers.usecases.transfer_customer import transfer_customer
from sqlalchemy import func, select

LEVELS = RecycleRule(days_by_level={"A": 7, "C": 30}, ceiling_days=90)


def pool(play, rule, **values):
    return play.pool("回收公海", PoolRules(recycle=rule), **values)


def standing(play, customer, **counts):
    values = {"open_opportunities": 0, "overdue_receivables": 0, "open_tickets": 0, "last_opportunity_time": None}
    known = Standing(source="opportunities", version=1, **values | counts)
    play.write(play.organisation.boss.caller(), set_customer_standing, customer, known)


def clock(play, customer):
    with play.database.read(play.organisation.boss.caller()) as session:
        return explain_recycling(session, customer)[1]


def test_on_day_eight_and_not_on_day_seven_with_reason_rule_and_former_owner(
    play, clockwork, in_pool, organisation, facts
):
    east = pool(play, LEVELS)
    important, usual = play.customer("甲公司", level="A"), play.customer("丙公司", level="C")
    clockwork.pass_days(7)
    clockwork.run()
    assert in_pool(important) is None
    clockwork.pass_days(1)
    clockwork.run()
    assert (in_pool(important), in_pool(usual)) == (east, None)
    with play.database.read(organisation.boss.caller()) as session:
        [change] = session.scalars(select(HoldingChange))
    assert (change.kind, change.reason, change.rule) == (ChangeKind.RECYCLED, "NO_FOLLOW_UP", f"pools/{east}/rules/1")
    assert (change.previous_user_id, change.actor) == (organisation.li.id, "services/customers")
    [event] = [data for name, data in facts() if name == "CustomersHandedOver"]
    assert (event["kind"], event["changes"][0]["previous_owner"]) == ("RECYCLED", organisation.li.name)


def test_days_are_those_of_the_calendar_and_a_follow_up_starts_the_clock_anew(play, clockwork, in_pool):
    pool(play, LEVELS)
    customer = play.customer("甲公司", level="A")
    play.database.clock.advance(timedelta(hours=11, minutes=59))  # 23:59 in Shanghai
    clockwork.followed(customer)
    clockwork.pass_days(7)
    assert clock(play, customer).due_date == clockwork.today() + timedelta(days=1)
    clockwork.run()
    assert in_pool(customer) is None
    play.database.clock.advance(timedelta(minutes=2))
    clockwork.run()
    assert in_pool(customer) is not None


def test_a_new_owner_has_the_whole_time(play, clockwork, in_pool, organisation):
    pool(play, LEVELS)
    customer = play.customer("甲公司", level="A")
    clockwork.followed(customer)
    clockwork.pass_days(6)
    play.write(organisation.boss.caller(), transfer_customer, customer, organisation.wang.id)
    clockwork.pass_days(7)
    clockwork.run()
    assert in_pool(customer) is None
    clockwork.pass_days(1)
    clockwork.run()
    assert in_pool(customer) is not None


@pytest.mark.parametrize("protection", list(Protection))
def test_what_protects_keeps_and_the_ceiling_overrides_the_soft_ones(
    play, clockwork, in_pool, organisation, protection
):
    pool(play, LEVELS)
    customer = play.customer("甲公司", level="A", status="WON" if protection is Protection.WON else "POTENTIAL")
    counts = {
        Protection.OPEN_OPPORTUNITY: {"open_opportunities": 1},
        Protection.OVERDUE_RECEIVABLE: {"overdue_receivables": 2},
        Protection.OPEN_TICKET: {"open_tickets": 1},
    }
    if protection is Protection.LOCKED:
        play.write(organisation.li.caller(), lock_customer, customer, locked=True, etag="")
    elif protection in counts:
        standing(play, customer, **counts[protection])
    clockwork.pass_days(90)
    clockwork.run()
    assert in_pool(customer) is None
    assert clock(play, customer).protections == [protection]
    clockwork.pass_days(1)
    clockwork.run()
    assert (in_pool(customer) is not None) is (protection in counts)
    if protection in counts:
        with play.database.read(organisation.boss.caller()) as session:
            assert session.scalar(select(HoldingChange.reason)) == "CEILING"


def test_what_a_rule_says_does_not_protect_does_not(play, clockwork, in_pool):
    rule = RecycleRule(days=10, unprotected=(Protection.WON, Protection.OPEN_TICKET))
    pool(play, rule)
    won, busy = play.customer("成交公司", status="WON"), play.customer("工单公司")
    standing(play, busy, open_tickets=3)
    clockwork.pass_days(11)
    clockwork.run()
    assert None not in (in_pool(won), in_pool(busy))


@pytest.mark.parametrize("trigger", [Trigger.NO_OPPORTUNITY, Trigger.NOT_WON])
def test_other_triggers_have_clocks_of_their_own(play, clockwork, in_pool, trigger):
    pool(play, RecycleRule(trigger=trigger, days=10, unprotected=(Protection.WON,)))
    followed, active = play.customer("跟进公司"), play.customer("商机公司")
    won = play.customer("成交公司", status="WON")
    clockwork.pass_days(5)
    clockwork.followed(followed)
    standing(play, active, last_opportunity_time=play.database.clock())
    clockwork.pass_days(6)
    clockwork.run()
    assert in_pool(followed) is not None
    assert (in_pool(active) is None) is (trigger is Trigger.NO_OPPORTUNITY)
    assert (in_pool(won) is None) is (trigger is Trigger.NOT_WON)


def test_the_first_pool_that_suits_decides_even_if_it_takes_nothing(play, clockwork, in_pool, organisation):
    important = {"condition": {"field": "level", "operator": "OPERATOR_EQUAL", "values": [{"text": "A"}]}}
    play.pool("重点", PoolRules(), condition=important)
    east = play.pool("华东", PoolRules(recycle=RecycleRule(days=3)), departments=[play.department(organisation.east)])
    rest = play.pool("其他", PoolRules(recycle=RecycleRule(days=5)))
    kept, eastern = play.customer("重点公司", level="A"), play.customer("华东公司", level="B")
    western = play.customer("华西公司", organisation.zhao)
    clockwork.pass_days(4)
    clockwork.run()
    assert (in_pool(kept), in_pool(eastern), in_pool(western)) == (None, east, None)
    clockwork.pass_days(2)
    clockwork.run()
    assert (in_pool(kept), in_pool(western)) == (None, rest)


def test_a_run_that_dies_goes_on_and_takes_each_once(play, clockwork, organisation, monkeypatch):
    pool(play, RecycleRule(days=3))
    ids = [play.customer(f"公司{number}") for number in range(12)]
    clockwork.pass_days(4)
    steps = []

    def dying(session, day, after, *, wait):
        part = recycle_customers(session, day, after, wait=wait, most=5)
        steps.append(part.taken)
        if len(steps) == 2:
            raise KeyboardInterrupt  # as if the process was killed before the commit
        return part

    monkeypatch.setattr(running, "recycle_customers", dying)
    with pytest.raises(KeyboardInterrupt):
        clockwork.run()
    with play.database.read(organisation.boss.caller()) as session:
        run = session.get_one(RecycleRun, clockwork.today())
        assert (run.recycled, run.position) == (5, ids[4])
    clockwork.work()
    with play.database.read(organisation.boss.caller()) as session:
        changes = session.scalars(select(HoldingChange.customer_id).order_by(HoldingChange.id)).all()
        run = session.get_one(RecycleRun, clockwork.today())
        assert session.scalar(select(func.count()).select_from(Job)) == 1
    assert changes == ids
    assert (run.state, run.recycled) == ("SUCCEEDED", 12)


def test_a_customer_that_somebody_is_just_following_up_is_waited_for_and_kept(play, clockwork, in_pool):
    pool(play, RecycleRule(days=3))
    first, second = play.customer("公司1"), play.customer("公司2")
    clockwork.pass_days(4)
    holds, may_end = threading.Event(), threading.Event()

    def follow():
        with play.database.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE customer SET last_effective_follow_up_time = %s WHERE id = %s", (play.database.clock(), first)
            )
            holds.set()
            may_end.wait(60)

    thread = threading.Thread(target=follow)
    thread.start()
    holds.wait(60)
    with play.database.write(service_caller("customers")) as session:
        part = recycle_customers(session, clockwork.today())
    assert (part.taken, part.last) == (1, second)
    threading.Timer(0.3, may_end.set).start()
    with play.database.write(service_caller("customers")) as session:
        assert recycle_customers(session, clockwork.today(), wait=True).taken == 0
    thread.join()
    assert in_pool(first) is None


def test_the_rules_of_the_day_decide_also_after_downtime(play, clockwork, in_pool, organisation):
    pool(play, RecycleRule(days=3))
    customer = play.customer("公司")
    clockwork.pass_days(6)
    clockwork.run(date(2026, 3, 5))
    assert in_pool(customer) is None
    clockwork.run(date(2026, 3, 6))
    assert in_pool(customer) is not None


def test_an_older_state_of_a_source_changes_nothing(play, clockwork, organisation):
    customer = play.customer("公司")

    def note(version, tickets, source="tickets"):
        known = Standing(source, version, 0, 0, tickets, None)
        return play.write(organisation.boss.caller(), set_customer_standing, customer, known).open_tickets

    assert (note(2, 5), note(1, 9), note(2, 9), note(3, 0)) == (5, 5, 5, 0)
    assert note(1, 7, "other") == 7
    with play.database.read(organisation.boss.caller()) as session:
        assert session.scalar(select(func.sum(CustomerStanding.open_tickets))) == 7
