"""The stage of a customer's life, compared with what the policy says reckoned in Python."""

from datetime import date, timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Denied, Invalid
from customers.model import Aspect, LifecyclePolicy
from customers.tiers.stages import policy_row
from customers.usecases.record_follow_ups import FollowUp, record_follow_ups
from customers.usecases.update_lifecycle_policy import update_lifecycle_policy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from .conftest import Market


def policy(market: Market, **changes):
    with market.database.write(market.boss) as session:
        return update_lifecycle_policy(session, changes, "")


def expected(rule: LifecyclePolicy, today: date, bought: list[date], followed: date | None, created: date) -> str:
    """The stage by the words of the contract."""
    if not bought:
        silent = (today - (followed or created)).days
        return "LOST" if rule.prospect_days and silent > rule.prospect_days else "PROSPECT"
    alive = max([*bought, followed]) if rule.follow_ups_count and followed else max(bought)
    if (today - alive).days > rule.dormant_days:
        return "LOST"
    if (today - alive).days > rule.active_days:
        return "DORMANT"
    for earlier, later in zip(sorted(bought), sorted(bought)[1:], strict=False):
        if (later - earlier).days > rule.dormant_days and (today - later).days < rule.won_back_days:
            return "WON_BACK"
    return "NEW" if (today - min(bought)).days < rule.new_days else "ACTIVE"


DAYS = st.integers(0, 60)
POLICIES = st.fixed_dictionaries(
    {
        "new_days": st.integers(0, 20), "active_days": st.integers(1, 20), "dormant_days": st.integers(20, 40),
        "won_back_days": st.integers(0, 20), "prospect_days": st.integers(0, 30), "follow_ups_count": st.booleans(),
    }
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rule=POLICIES,
    lives=st.lists(st.tuples(st.lists(DAYS, max_size=4), st.none() | DAYS), min_size=1, max_size=6),
)
def test_the_stage_is_what_the_policy_says_and_ends_the_history(market, clock, rule, lives):
    with market.database.engine.begin() as connection:
        connection.execute(text("TRUNCATE customer, purchase, purchase_total, classification_change CASCADE"))
    kept = policy(market, **rule)
    today, wanted = clock.now.date(), {}
    for bought, followed in lives:
        key = market.customer()
        for day in bought:
            market.buys(key, clock.now - timedelta(days=day))
        if followed is not None:
            follow_up(market, key, clock.now - timedelta(days=followed))
        days = [today - timedelta(days=day) for day in bought]
        touched = None if followed is None else today - timedelta(days=followed)
        wanted[key] = expected(kept, today, days, touched, today)
    market.evaluate()
    assert market.rows("lifecycle_stage") == wanted
    for key, stage in wanted.items():
        assert [one.after for one in market.history(key, Aspect.STAGE)] == [stage]
    assert market.evaluate() == (0, 0)


def follow_up(market, customer, when):
    facts = FollowUp(customer, customer, "leads", "followUps/x", "users/x", "CALL", "好", when, effective=True)
    with market.database.write(market.caller) as session:
        record_follow_ups(session, [facts])


def test_a_life_is_told_as_it_goes_on(market, clock, facts):
    customer = market.customer()
    market.evaluate()
    steps = [
        (0, True, "NEW"),
        (40, False, "ACTIVE"),
        (60, False, "DORMANT"),
        (300, False, "LOST"),
        (1, True, "WON_BACK"),
    ]
    for days, buys, stage in [*steps, (90, True, "ACTIVE")]:
        clock.advance(timedelta(days=days))
        if buys:
            market.buys(customer, clock.now)
        market.evaluate()
        assert market.rows("lifecycle_stage")[customer] == stage
    told = [data["changes"][0] for name, data in facts() if name == "CustomerLifecycleChanged"]
    assert [one["after"] for one in told] == [
        "PROSPECT", "NEW", "ACTIVE", "DORMANT", "LOST", "WON_BACK", "ACTIVE",
    ]  # fmt: skip
    assert [one["before"] for one in told[1:]] == [one["after"] for one in told[:-1]]


def test_the_policy_is_kept_within_bounds_and_by_those_who_may(market, organisation):
    for changes, field in [
        ({"active_days": 0}, "policy.active_days"), ({"dormant_days": 30}, "policy.dormant_days"),
        ({"new_days": 4000}, "policy.new_days"),
    ]:  # fmt: skip
        with pytest.raises(Invalid) as refused:
            policy(market, **changes)
        assert (refused.value.reason, refused.value.field) == ("OUT_OF_RANGE", field)
    narrow = organisation.li.caller("tier.configure", reach=Reach.DEPARTMENT)
    with pytest.raises(Denied), market.database.write(narrow) as session:
        update_lifecycle_policy(session, {"new_days": 1}, "")
    with market.database.read(market.boss) as session:
        assert policy_row(session).version == 0
