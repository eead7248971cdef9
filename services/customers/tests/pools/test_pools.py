"""Pools themselves: who belongs to them, which one a customer falls into, their rules and their flow."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Conflict, Denied, Duplicate, Invalid, NotFound
from chassis.field_rules import FieldEffect
from crm.common.v1.filter_pb2 import Condition, Filter
from customers.holders import Held, Holder
from customers.model import ChangeKind
from customers.pools import queries
from customers.pools.access import pool_of_member
from customers.pools.flow import flow
from customers.pools.mapping import pooled_to_proto
from customers.pools.precedence import explain
from customers.pools.rules import PlanPolicy, PoolRules, RecycleRule
from customers.usecases.claim_customers import claim_customers
from customers.usecases.create_pool import PoolDraft, create_pool
from customers.usecases.create_tier import create_tier
from customers.usecases.delete_pool import delete_pool
from customers.usecases.lock_customer import lock_customer
from customers.usecases.release_customer import recall_customer, release_customer
from customers.usecases.transfer_customers import transfer_customers
from customers.usecases.update_pool import update_pool
from sqlalchemy import text


def test_rules_go_to_storage_and_back():
    rules = PoolRules(
        hold_limit=3, plans=PlanPolicy.KEEP, recycle=RecycleRule(days_by_level={"A": 7}, warning_days=(5, 2))
    )
    assert PoolRules.from_json(rules.to_json()) == rules


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: PoolRules(hold_limit=-1), "rules.hold_limit"),
        (lambda: RecycleRule(days=0), "rules.recycle.days"),
        (lambda: RecycleRule(days_by_level={"A": 0}), "rules.recycle.days_by_level.A"),
    ],
)
def test_rules_that_cannot_be_are_refused_by_field(make, field):
    with pytest.raises(Invalid) as caught:
        make()
    assert [violation.field for violation in caught.value.violations] == [field]


def test_changed_rules_hold_from_the_next_day_on(play, east, organisation):
    draft = PoolDraft({}, PoolRules(hold_limit=1))
    play.write(organisation.boss.caller(), update_pool, east, draft, "")
    assert rules(play, east).hold_limit == 50
    play.database.clock.advance(timedelta(days=1))
    assert rules(play, east).hold_limit == 1


def test_rules_tell_only_levels_apart_that_there_are(play, east, organisation):
    draft = PoolDraft({"display_name": "乙"}, PoolRules(recycle=RecycleRule(days_by_level={"Z": 3})))
    for refused in (
        lambda: play.write(organisation.boss.caller(), create_pool, draft),
        lambda: play.write(organisation.boss.caller(), update_pool, east, PoolDraft({}, draft.rules), ""),
    ):
        with pytest.raises(Invalid) as caught:
            refused()
        assert (caught.value.reason, caught.value.field) == ("INVALID_LEVEL", "rules.recycle.days_by_level")
    values = {"code": "Z", "display_name": "战略"}
    play.write(organisation.boss.caller(), create_tier, values)
    play.write(organisation.boss.caller(), update_pool, east, PoolDraft({}, draft.rules), "")


def rules(play, pool):
    with play.database.read(play.organisation.boss.caller()) as session:
        return pool_of_member(session, pool).rules


def test_a_pool_is_refused_for_what_is_wrong_with_it(play, east, organisation):
    for values, reason in [
        ({"display_name": "华东公海"}, "DUPLICATE_POOL"),
        ({"display_name": "甲", "precedence": -1}, "OUT_OF_RANGE"),
        ({"display_name": " "}, "REQUIRED"),
        ({"display_name": "甲", "members": ["cats/1"]}, "INVALID_NAME"),
        ({"display_name": "甲", "members": ["users/00000000-0000-7000-8000-000000000000"]}, "UNKNOWN_MEMBER"),
        ({"display_name": "甲", "hidden_fields": ["display_name"]}, "UNKNOWN_FIELD"),
        ({"display_name": "甲", "condition": {"condition": {"field": "shoe"}}}, "UNKNOWN_FIELD"),
    ]:
        with pytest.raises((Invalid, Duplicate)) as caught:
            play.write(organisation.boss.caller(), create_pool, PoolDraft(values))
        assert reason in {caught.value.reason, *[one.reason for one in getattr(caught.value, "violations", ())]}


def test_the_first_pool_that_suits_takes_a_customer_and_says_why(play, organisation):
    important = {"condition": {"field": "level", "operator": "OPERATOR_EQUAL", "values": [{"text": "A"}]}}
    off = play.pool("停用", precedence=1, disabled=True)
    west = play.pool("华西", precedence=2, departments=[play.department(organisation.west)])
    key = play.pool("重点", precedence=3, condition=important)
    east = play.pool("华东", precedence=4, departments=[play.department(organisation.east)])
    rest = play.pool("其他", precedence=5)
    customer = play.customer("普通公司", organisation.li)
    assert verdicts(play, customer) == {
        off: "DISABLED",
        west: "OTHER_DEPARTMENT",
        key: "CONDITION_NOT_MET",
        east: "CHOSEN",
        rest: "LATER",
    }
    assert verdicts(play, play.customer("重点公司", organisation.li, level="A"))[key] == "CHOSEN"
    play.write(organisation.li.caller(), release_customer, customer, pool_id=None, reason="BUSY", note="", etag="")
    assert play.row(customer).pool_id == east


def verdicts(play, customer):
    with play.database.read(play.organisation.boss.caller()) as session:
        return {one.pool.id: one.verdict for one in explain(session, Held.of(play.row(customer)))}


def test_without_a_pool_that_suits_a_release_is_refused(play, organisation):
    customer = play.customer("无处公司")
    with pytest.raises(Conflict) as caught:
        play.write(organisation.li.caller(), release_customer, customer, pool_id=None, reason="BUSY", note="", etag="")
    assert caught.value.reason == "NO_POOL_SUITS"


def test_a_manager_recalls_what_the_team_holds_and_nobody_else(play, east, organisation):
    customer = play.customer("召回公司", organisation.li)
    options = {"pool_id": east, "reason": "NOT_FOLLOWED_UP", "note": "", "etag": ""}
    manager = organisation.wang.caller("customer.recall", "customer.read", reach=Reach.DEPARTMENT_TREE)
    stranger = organisation.zhao.caller("customer.recall", "customer.read", reach=Reach.DEPARTMENT_TREE)
    with pytest.raises(NotFound):
        play.write(stranger, recall_customer, customer, **options)
    play.write(manager, recall_customer, customer, **options)
    assert play.row(customer).pool_id == east


def test_members_see_the_pool_without_its_hidden_fields_and_cannot_ask_for_them(play, organisation):
    pool = play.pool(
        "藏",
        members=[play.department(organisation.east)],
        administrators=[organisation.boss.name],
        hidden_fields=["phones", "remark"],
    )
    customer = play.customer("藏号公司", organisation.boss, phones=["13800138000"], remark="秘密")
    play.put([customer], Holder(pool_id=pool), ChangeKind.RELEASED)
    asked = Filter(condition=Condition(field="remark", operator="OPERATOR_EQUAL"))
    asked.condition.values.add(text="秘密")
    with play.database.read(organisation.li.caller("pool.read")) as session:
        opened, page = queries.list_pool_customers(
            session, pool, conditions=Filter(), query="藏号", page_size=0, page_token=""
        )
        [shown] = [pooled_to_proto(row, queries.hidden_fields(opened)) for row in page.rows]
        assert (shown.display_name, list(shown.phones), shown.remark) == ("藏号公司", [], "")
        assert queries.count_pool_customers(session, pool, conditions=Filter(), query="8000") == 0
        with pytest.raises(Invalid) as caught:
            queries.count_pool_customers(session, pool, conditions=asked, query="")
        assert caught.value.reason == "UNKNOWN_FIELD"
    with play.database.read(organisation.boss.caller("pool.read")) as session:
        assert queries.count_pool_customers(session, pool, conditions=asked, query="8000") == 1
    with pytest.raises(Denied), play.database.read(organisation.zhao.caller("pool.read")) as session:
        pool_of_member(session, pool)


def test_members_find_nothing_in_a_pool_by_what_their_own_roles_keep_from_them(play, organisation):
    pool = play.pool("不藏", members=[play.department(organisation.east)])
    customer = play.customer("露号公司", organisation.boss, phones=["13800138000"])
    play.put([customer], Holder(pool_id=pool), ChangeKind.RELEASED)
    member = organisation.li.caller("pool.read")
    for rules, found in (({}, [1, 1]), ({"customer": {"phones": FieldEffect.MASK}}, [1, 0])):
        with play.database.read(replace(member, field_rules=rules)) as session:
            counted = [
                queries.count_pool_customers(session, pool, conditions=Filter(), query=query)
                for query in ("露号", "8000")
            ]
        assert counted == found


def test_a_pool_with_customers_stays(play, east, organisation):
    [customer] = play.pooled(east, 1)
    with pytest.raises(Conflict):
        play.write(organisation.boss.caller(), delete_pool, east, "")
    play.write(organisation.li.caller(), claim_customers, [customer])
    play.write(organisation.boss.caller(), delete_pool, east, "")


def test_locks_are_limited(play, organisation):
    play.pool("锁", PoolRules(lock_limit=1))
    first, second = play.customer("锁一公司"), play.customer("锁二公司")
    lock = {"locked": True, "etag": ""}
    play.write(organisation.li.caller(), lock_customer, first, **lock)
    with pytest.raises(Exception, match="1 customers are locked"):
        play.write(organisation.li.caller(), lock_customer, second, **lock)
    play.write(organisation.li.caller(), lock_customer, first, locked=False, etag="")
    play.write(organisation.li.caller(), lock_customer, second, **lock)


def test_locks_go_along_as_far_as_the_new_owner_may_have_so_many(play, organisation):
    play.pool("锁", PoolRules(lock_limit=2))
    theirs = play.customer("王的公司", organisation.wang)
    given = [play.customer(f"交出{number}公司") for number in range(3)]
    play.write(organisation.wang.caller(), lock_customer, theirs, locked=True, etag="")
    for customer in given[:2]:
        play.write(organisation.li.caller(), lock_customer, customer, locked=True, etag="")
    play.write(organisation.boss.caller(), transfer_customers, given, organisation.wang.id)
    assert [play.row(customer).locked for customer in (theirs, *given)] == [True, True, False, False]
    with play.database.read(organisation.boss.caller()) as session:
        ended = "SELECT resource FROM audit_entry WHERE action = 'customer.lock' AND after = '{\"locked\": false}'"
        assert list(session.scalars(text(ended))) == [f"customers/{given[1]}"]


def test_the_flow_balances_for_every_pool_and_owner(play, east, organisation):
    clock = play.database.clock
    first = [play.customer(f"流{number}公司") for number in range(3)]
    day = date(2026, 3, 2)
    clock.advance(timedelta(days=1))
    play.put(first[:2], Holder(pool_id=east), ChangeKind.RECALLED)
    clock.advance(timedelta(days=1))
    play.write(organisation.wang.caller(), claim_customers, first[:1])
    clock.advance(timedelta(days=1))
    later = play.customer("后来公司")
    with play.database.read(organisation.boss.caller()) as session:
        flows = flow(session, day + timedelta(days=1), day + timedelta(days=2))
        whole = flow(session, day, day + timedelta(days=30))
    lines = {line.holder: (line.opening, line.came, line.went, line.closing) for line in [*flows.pools, *flows.owners]}
    assert lines == {
        f"pools/{east}": (0, 2, 1, 1),
        organisation.li.name: (3, 0, 2, 1),
        organisation.wang.name: (0, 1, 0, 1),
    }
    assert flows.pools[0].incoming == {"RECALLED": 2}
    closing = {line.holder: line.closing for line in [*whole.pools, *whole.owners]}
    assert closing == {f"pools/{east}": 1, organisation.li.name: 2, organisation.wang.name: 1}
    assert all(line.opening == 0 for line in [*whole.pools, *whole.owners])
    assert later
