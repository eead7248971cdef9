"""Sorting customers into tiers by rules."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Denied, Duplicate, Invalid, NotFound
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from customers.first_pages import first_entries
from customers.model import Aspect
from customers.queries import get_customer
from customers.tiers.evaluating import Evaluation
from customers.timeline_queries import list_timeline
from customers.usecases.create_tier import create_tier
from customers.usecases.delete_customer import delete_customer
from customers.usecases.lock_customer_tier import LockDraft, lock_customer_tier, unlock_customer_tier
from customers.usecases.merge_customers import MergeDraft, merge_customers
from customers.usecases.undo_merge import undo_merge
from customers.usecases.update_customer import CustomerPatch, update_customer
from customers.usecases.update_tier import update_tier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from .conftest import over

MUCH, SOME = over("ordered_amount", "GREATER_OR_EQUAL", 1000), over("ordered_amount", "GREATER_OR_EQUAL", 100)


def lock(market, customer, *, level="", until=None, reason="董事长的朋友"):
    with market.database.write(market.boss) as session:
        lock_customer_tier(session, LockDraft(customer, level, until, reason))


def update(market, customer, **values):
    with market.database.write(market.boss) as session:
        update_customer(session, customer, CustomerPatch(values))


def test_the_first_rule_that_is_met_decides(market, clock, facts):
    rich, middling, new = market.customer(), market.customer(), market.customer()
    market.buys(rich, clock.now, 1500)
    market.buys(middling, clock.now, 150)
    market.rules({"A": MUCH, "B": SOME, "E": {}})
    assert market.evaluate() == (3, 3)
    assert market.rows("level") == {rich: "A", middling: "B", new: "E"}
    assert market.evaluate() == (0, 0), "an evaluation changes nothing twice"
    [entry] = market.history(rich, Aspect.TIER)
    assert (entry.before, entry.after, entry.origin) == (None, "A", "RULE")
    [event] = [data for name, data in facts() if name == "CustomerTierChanged"]
    assert {(one["customer"], one["before"], one["after"]) for one in event["changes"]} == {
        (f"customers/{rich}", "", "A"), (f"customers/{middling}", "", "B"), (f"customers/{new}", "", "E"),
    }  # fmt: skip
    with market.database.read(market.boss) as session:
        told = list_timeline(session, rich, kinds=["TIER_CHANGED"], page_size=9, page_token="").rows
    assert [(entry.summary, entry.details["after"]) for entry in told] == [("– → A", "A")]


def test_changes_of_fields_that_are_kept_from_the_caller_do_not_show_in_the_timeline(market, clock):
    customer = market.customer(level="B")
    update(market, customer, level="A")
    market.evaluate()
    market.buys(customer, clock.now)
    market.evaluate()
    every = {"TIER_CHANGED", "LIFECYCLE_CHANGED", "CUSTOMER_CREATED"}
    for hidden, kinds in (
        ((), every),
        (("level",), every - {"TIER_CHANGED"}),
        (("lifecycle_stage",), every - {"LIFECYCLE_CHANGED"}),
        (("level", "lifecycle_stage"), {"CUSTOMER_CREATED"}),
    ):
        reader = replace(market.boss, field_rules={"customer": dict.fromkeys(hidden, FieldEffect.HIDE)})
        with market.database.read(reader) as session:
            listed = list_timeline(session, customer, kinds=(), page_size=20, page_token="").rows
            first = first_entries(session, get_customer(session, customer), 20).rows
        assert {entry.kind for entry in listed} == {entry.kind for entry in first} == kinds


def test_a_new_customers_level_is_told_by_its_state_and_later_ones_by_events(market, facts):
    customer = market.customer(level="B")
    assert [(name, data["state"]["level"]) for name, data in facts()] == [("CustomerCreated", "B")]
    update(market, customer, level="A")
    names = [name for name, _ in facts()]
    assert names == ["CustomerCreated", "CustomerTierChanged", "CustomerUpdated"]
    assert facts()[1][1] == {
        "customer": f"customers/{customer}",
        "changes": [{"customer": f"customers/{customer}", "before": "B", "after": "A"}],
        "origin": "MANUAL", "reason": "", "actor": market.boss.subject,
    }  # fmt: skip
    assert facts()[2][1]["state"]["level"] == "A"


def test_rules_move_neither_versions_nor_etags(market):
    customer = market.customer()
    before = market.rows("version, update_time")
    market.rules({"E": {}})
    market.evaluate()
    assert market.rows("level")[customer] == "E"
    assert market.rows("version, update_time") == before


def test_who_meets_no_rule_keeps_what_people_gave_and_loses_what_a_rule_gave(market, clock):
    chosen, earned = market.customer(level="C"), market.customer()
    market.buys(earned, clock.now, 1000)
    market.rules({"A": MUCH})
    market.evaluate()
    assert market.rows("level") == {chosen: "C", earned: "A"}
    market.rules({"A": over("ordered_amount", "GREATER", 5000)})
    assert market.evaluate() == (1, 0)
    assert market.rows("level") == {chosen: "C", earned: None}
    assert [(one.before, one.after) for one in market.history(earned, Aspect.TIER)] == [("A", None), (None, "A")]


def test_a_lock_holds_to_the_end_of_its_last_day(market, clock, audited):
    customer = market.customer()
    market.rules({"E": {}})
    lock(market, customer, level="A", until=date(2026, 3, 3))
    [entry] = market.history(customer, Aspect.TIER)
    assert (entry.after, entry.origin, entry.reason) == ("A", "MANUAL", "董事长的朋友")
    clock.advance(timedelta(days=1))
    assert market.evaluate()[0] == 0
    clock.advance(timedelta(days=1))
    assert market.evaluate()[0] == 1
    assert market.rows("level")[customer] == "E"
    [entry] = [entry for entry in audited() if entry.action == "tier.lock"]
    assert entry.after["until"] == "2026-03-03"


def test_a_lock_without_end_holds_until_it_is_taken_back(market, clock, organisation):
    customer = market.customer(level="B")
    market.rules({"E": {}})
    lock(market, customer)
    clock.advance(timedelta(days=3000))
    assert market.evaluate()[0] == 0
    update(market, customer, level="C")
    assert market.evaluate()[0] == 0, "people may still change what rules may not"
    with market.database.write(market.boss) as session:
        unlock_customer_tier(session, customer)
    assert (market.evaluate()[0], market.rows("level")[customer]) == (1, "E")


def test_who_may_not_lock_is_refused(market, organisation):
    customer = market.customer(level="B")
    stranger = organisation.zhao.caller("tier.lock", "customer.read", reach=Reach.SELF)
    with pytest.raises(NotFound), market.database.write(stranger) as session:
        lock_customer_tier(session, LockDraft(customer, "A", None, "x"))
    for level, until, reason, expected in [
        ("A", None, " ", "REQUIRED"), ("A", date(2026, 3, 1), "x", "INVALID_DATE"), ("Z", None, "x", "INVALID_LEVEL"),
    ]:  # fmt: skip
        with pytest.raises(Invalid) as refused:
            lock(market, customer, level=level, until=until, reason=reason)
        assert expected in {refused.value.reason, *(one.reason for one in refused.value.violations)}


def test_who_may_not_change_a_tier_neither_locks_nor_unlocks_it(market):
    customer = market.customer(level="B")
    lock(market, customer)
    reader = replace(market.boss, field_rules={"customer": {"level": FieldEffect.READ_ONLY}})
    for change in (
        lambda session: lock_customer_tier(session, LockDraft(customer, "", None, "x")),
        lambda session: unlock_customer_tier(session, customer),
    ):
        with pytest.raises(Denied, match="level"), market.database.write(reader) as session:
            change(session)


def test_a_preview_tells_what_an_evaluation_does_and_does_nothing(market, clock):
    moving = [market.customer(level="C") for _ in range(7)]
    market.buys(moving[0], clock.now, 2000)
    market.customer(level="E")
    market.rules({"E": {}})
    with market.database.read(market.boss) as session:
        total, groups = Evaluation(session).preview()
        tried, drafted = Evaluation(session, {"A": MUCH, "E": None}).preview()
    assert (total, [(one.before, one.after, one.customers) for one in groups]) == (8, [("C", "E", 7)])
    assert (len(groups[0].examples), set(groups[0].examples) <= set(moving)) == (5, True)
    assert (tried, [(one.before, one.after, one.customers) for one in drafted]) == (8, [("C", "A", 1)])
    assert set(market.rows("level").values()) == {"C", "E"}
    assert market.evaluate()[0] == sum(one.customers for one in groups)


def test_a_rule_may_ask_for_stage_score_and_own_record_but_not_for_the_level(market, clock, organisation):
    active, lost = market.customer(industry="光电"), market.customer(industry="光电")
    market.buys(active, clock.now - timedelta(days=40))
    market.buys(active, clock.now - timedelta(days=1))
    market.buys(lost, clock.now - timedelta(days=400))
    both = {"all": {"filters": [over("lifecycle_stage", "EQUAL", "ACTIVE"), over("industry", "EQUAL", "光电")]}}
    market.rules({"A": both, "D": over("days_since_purchase", "GREATER", 300)})
    market.evaluate()
    assert market.rows("level") == {active: "A", lost: "D"}, "the stage of now decides, not that of the last evaluation"
    for rule, reason in [
        (over("level", "EQUAL", "A"), "RULE_OF_ITSELF"), (over("shoe", "EQUAL", "A"), "UNKNOWN_FIELD"),
        (over("rfm_segment", "EQUAL", "RICH"), "INVALID_VALUE"),
    ]:  # fmt: skip
        with pytest.raises(Invalid) as refused:
            market.rules({"B": rule})
        assert refused.value.reason == reason


def test_a_company_defines_its_own_tiers(market, organisation):
    with market.database.write(market.boss) as session:
        tier = create_tier(session, {"code": "vip", "display_name": "战略客户", "colour": "#ff0000", "rule": {}})
        assert (tier.code, tier.position, tier.colour) == ("VIP", 6, "#FF0000")
        key = tier.id
    customer = market.customer(level="vip")
    assert market.rows("level")[customer] == "VIP"
    with market.database.write(market.boss) as session:
        update_tier(session, key, {"archived": True})
    update(market, customer, level="VIP", remark="仍是")
    assert market.evaluate()[0] == 0, "an archived tier is given to nobody, and stays where it is"
    other = market.customer()
    with pytest.raises(Invalid) as refused:
        update(market, other, level="VIP")
    assert [one.reason for one in refused.value.violations] == ["INVALID_LEVEL"]


def test_tiers_are_refused_for_what_is_wrong_with_them(market, organisation):
    for values, reason in [
        ({"code": ""}, "REQUIRED"), ({"code": "a b"}, "INVALID_LEVEL"), ({"code": "a"}, "DUPLICATE_TIER"),
        ({"code": "F", "position": 1}, "DUPLICATE_POSITION"), ({"code": "F", "position": -1}, "OUT_OF_RANGE"),
        ({"code": "F", "colour": "red"}, "INVALID_COLOUR"),
    ]:  # fmt: skip
        with pytest.raises((Invalid, Duplicate)) as refused, market.database.write(market.boss) as session:
            create_tier(session, values)
        assert refused.value.reason == reason
    narrow = organisation.li.caller("tier.configure", reach=Reach.DEPARTMENT)
    with pytest.raises(Denied), market.database.write(narrow) as session:
        create_tier(session, {"code": "F"})
    with pytest.raises(NotFound), market.database.write(market.boss) as session:
        update_tier(session, new_id(), {"colour": ""})


def test_a_rule_that_makes_no_sense_any_more_stops_evaluations_and_no_merge(market):
    one, other = market.customer(), market.customer(level="C")
    with market.database.engine.begin() as connection:
        rule = json.dumps(over("custom.gone", "EQUAL", "x"))
        connection.execute(text("UPDATE tier SET rule = CAST(:rule AS jsonb) WHERE code = 'B'"), {"rule": rule})
    with pytest.raises(Invalid) as refused:
        market.evaluate()
    assert (refused.value.reason, refused.value.field) == ("UNKNOWN_FIELD", "rules.B.condition.field")
    with market.database.write(market.boss) as session:
        merge_customers(session, MergeDraft(one, [other]))
    assert market.rows("level") == {one: "C"}


def test_a_merge_moves_the_tier_and_what_rules_make_of_it_since_is_no_reason_to_keep_it(market, clock):
    one, other = market.customer(), market.customer(level="C")
    market.buys(one, clock.now, 600)
    market.buys(other, clock.now, 600)
    market.rules({"A": MUCH})
    with market.database.write(market.boss) as session:
        merge = merge_customers(session, MergeDraft(one, [other])).merge.id
    assert market.rows("level") == {one: "C"}
    market.evaluate()
    assert market.rows("level") == {one: "A"}, "together they bought enough"
    with market.database.write(market.boss) as session:
        undo_merge(session, merge)
    assert market.rows("level") == {one: "A", other: "C"}
    market.evaluate()
    assert market.rows("level") == {one: None, other: "C"}
    for key in (one, other):
        assert market.history(key, Aspect.TIER)[0].after == market.rows("level")[key]


def test_history_goes_with_its_customer(market):
    customer = market.customer(level="A")
    with market.database.write(market.boss) as session:
        delete_customer(session, customer)
    with market.database.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM classification_change")) == 0


AMOUNTS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 600)), max_size=3)
LEVELS = st.sampled_from(["", "A", "B", "C"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["rules", "set", "lock", "buy", "evaluate"]), st.integers(0, 3), st.integers(0, 900)),
    max_size=6,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(st.tuples(LEVELS, AMOUNTS), min_size=4, max_size=4), steps=STEPS)
def test_whatever_happens_the_tier_is_that_of_the_first_rule_and_the_end_of_the_history(market, clock, made, steps):
    with market.database.engine.begin() as connection:
        connection.execute(text("TRUNCATE customer, purchase, purchase_total, classification_change CASCADE"))
    market.rules(dict.fromkeys("ABC"))
    ids = [market.customer(level=level) for level, _ in made]
    total, manual, locked = dict.fromkeys(ids, 0), {}, set()
    for (level, amounts), key in zip(made, ids, strict=True):
        manual[key] = level or None
        for days, amount in amounts:
            market.buys(key, clock.now - timedelta(days=days), amount)
            total[key] += amount
    bounds: dict[str, int] = {}
    for step, which, amount in [*steps, ("evaluate", 0, 0)]:
        key = ids[which]
        if step == "rules":
            bounds = {"A": amount, "C": amount // 2}
            market.rules({code: over("ordered_amount", "GREATER", bound) for code, bound in bounds.items()})
        elif step == "set":
            update(market, key, level="B")
            manual[key] = "B"
        elif step == "lock":
            lock(market, key, level="C")
            manual[key] = "C"
            locked.add(key)
        elif step == "buy":
            market.buys(key, clock.now, amount)
            total[key] += amount
        else:
            market.evaluate()
            for one in ids:
                met = [code for code in sorted(bounds) if total[one] > bounds[code]] if one not in locked else []
                manual[one] = None if met else manual[one]
                expected = met[0] if met else manual[one]
                assert market.rows("level")[one] == expected
                assert (market.history(one, Aspect.TIER) or [None])[0] is None or (
                    market.history(one, Aspect.TIER)[0].after == expected
                )
            assert market.evaluate() == (0, 0)
    with market.database.read(market.boss) as session:
        assert session.scalars(select(text("count(*) FROM customer"))).one() == 4
