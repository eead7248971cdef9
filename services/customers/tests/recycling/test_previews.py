"""What a run would take is what it takes; drafts say what they would change, now and in the past."""

from datetime import timedelta

import pytest
from chassis.errors import Denied, Invalid, NotFound
from chassis.names import new_id
from customers.model import CustomerStatus, HoldingChange, TimelineEntry, TimelineKind
from customers.pools.rules import PoolRules, Protection, RecycleRule, Trigger
from customers.recycling import previews
from customers.recycling.history import history
from customers.usecases.create_pool import PoolDraft
from customers.usecases.release_customer import release_customer
from customers.usecases.update_pool import update_pool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

RULE = RecycleRule(days_by_level={"A": 7, "C": 30})


def previewed(play, day=None, pool=None, drafts=None, size=200):
    """The customers that a preview lists over all pages."""
    found, token = [], ""
    with play.database.read(play.organisation.boss.caller()) as session:
        day = day or previews.next_run(session)
        while True:
            _, page = previews.preview(session, day, pool, drafts or {}, page_size=size, page_token=token)
            found += [row.id for row in page.rows]
            token = page.next_token
            if not token:
                return found


def recycled(play):
    with play.database.read(play.organisation.boss.caller()) as session:
        return list(session.scalars(select(HoldingChange.customer_id).order_by(HoldingChange.customer_id)))


rules = st.builds(
    RecycleRule,
    trigger=st.sampled_from(Trigger),
    days=st.integers(1, 12),
    days_by_level=st.dictionaries(st.sampled_from("ABC"), st.integers(1, 12)),
    ceiling_days=st.sampled_from([0, 5, 10]),
    unprotected=st.lists(st.sampled_from(Protection), unique=True).map(tuple),
)
customers = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", None]), st.sampled_from(["WON", "POTENTIAL"]), st.booleans(), st.integers(0, 14)
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(now=rules, tomorrow=rules, made=customers)
def test_the_preview_of_the_evening_is_the_run_of_the_night(play, clockwork, now, tomorrow, made):
    clockwork.empty()
    pool = play.pool("回收", PoolRules(recycle=now))
    for number, (level, status, locked, followed) in enumerate(made):
        key = play.customer(f"公司{number}", status=status, level=level or "")
        moment = play.database.clock() + timedelta(days=followed)
        clockwork.touch(key, locked=locked, last_effective_follow_up_time=moment if followed else None)
    clockwork.pass_days(14)
    play.write(play.organisation.boss.caller(), update_pool, pool, PoolDraft({}, PoolRules(recycle=tomorrow)), "")
    play.database.clock.advance(timedelta(hours=8))  # 20:00 in Shanghai
    foreseen = previewed(play, size=3)
    play.database.clock.advance(timedelta(hours=7))
    clockwork.run()
    assert foreseen == recycled(play)


def test_counts_and_pages_tell_the_same(play, clockwork, organisation):
    east = play.pool("华东", PoolRules(recycle=RULE), departments=[play.department(organisation.east)])
    play.pool("其他", PoolRules(recycle=RecycleRule(days=3)))
    eastern = [play.customer(f"东{number}公司", level="A") for number in range(3)]
    western = play.customer("西公司", organisation.zhao)
    clockwork.pass_days(8)
    with play.database.read(organisation.boss.caller()) as session:
        counts = previews.count(session, clockwork.today(), None, {})
    assert dict(counts["level"]) == {"A": 3, None: 1}
    assert dict(counts["owner"]) == {organisation.li.id: 3, organisation.zhao.id: 1}
    assert sorted(number for _, number in counts["rule"]) == [1, 3]
    assert previewed(play, pool=east) == eastern
    assert set(previewed(play)) == {*eastern, western}


def test_a_comparison_lists_who_is_gained_and_who_is_lost(play, clockwork, organisation):
    pool = play.pool("回收", PoolRules(recycle=RULE))
    lost, kept, gained = (play.customer(f"{name}公司", level=name) for name in "ABC")
    clockwork.touch(kept, status=CustomerStatus.WON)
    clockwork.pass_days(8)
    draft = {pool: RecycleRule(days_by_level={"A": 20, "C": 5})}
    with play.database.read(organisation.boss.caller()) as session:
        day = clockwork.today()
        _, _, page, totals = previews.compare(session, day, draft, page_size=50, page_token="")
        _, _, none, _ = previews.compare(session, day, {pool: RULE}, page_size=50, page_token="")
        _, _, never, _ = previews.compare(session, day, {pool: None}, page_size=50, page_token="")
    assert {row.id: row.gained for row in page.rows} == {lost: False, gained: True}
    assert totals == (1, 1)
    assert none.rows == []
    assert [row.id for row in never.rows] == [lost]


def test_history_counts_each_holding_once_and_goes_by_the_follow_ups_of_then(play, clockwork, organisation):
    pool = play.pool("回收", PoolRules())
    often, _, released = (play.customer(f"{name}公司", level="A") for name in ("常", "无", "退"))
    begun = clockwork.today()
    for _ in range(3):  # followed up on days 6, 12 and 18: due on day 26
        clockwork.pass_days(6)
        follow_up(play, clockwork, often)
        if clockwork.today() == begun + timedelta(days=6):
            options = {"pool_id": pool, "reason": "NO_BUDGET", "note": "", "etag": ""}
            play.write(organisation.li.caller(), release_customer, released, **options)
    clockwork.pass_days(12)
    with play.database.read(organisation.boss.caller()) as session:
        days = history(session, 31, {pool: RULE})
        shorter = history(session, 31, {pool: RecycleRule(days=5)})
        nobody = history(session, 31, {})
    assert {(day - begun).days: number for day, number, _ in days if number} == {8: 1, 26: 1}
    assert {(day - begun).days: number for day, number, _ in shorter if number} == {6: 3}
    assert not any(number for _, number, _ in nobody)


def follow_up(play, clockwork, customer):
    clockwork.followed(customer)
    with play.database.write(play.organisation.boss.caller()) as session:
        session.add(
            TimelineEntry(
                id=new_id(),
                customer_id=customer,
                kind=TimelineKind.FOLLOW_UP_LOGGED,
                source="leads",
                resource="",
                actor="",
                summary="",
                details={},
                occur_time=session.now,
            )
        )


def test_a_draft_names_levels_that_there_are_as_the_rule_itself_must(play, clockwork, organisation):
    drafts = {play.pool("试算", PoolRules(recycle=RULE)): RecycleRule(days_by_level={"A": 3, "Z": 5})}
    with play.database.read(organisation.boss.caller("pool.monitor")) as session:
        for tried in (
            lambda: previews.compare(session, clockwork.today(), drafts, page_size=1, page_token=""),
            lambda: previews.count(session, clockwork.today(), None, drafts),
            lambda: history(session, 3, drafts),
        ):
            with pytest.raises(Invalid, match="'Z'") as refused:
                tried()
            assert (refused.value.reason, refused.value.field) == ("INVALID_LEVEL", "drafts")


def test_previews_are_for_who_sees_the_whole_and_for_pools_that_are(play, clockwork, organisation):
    with play.database.read(organisation.boss.caller("pool.monitor")) as session:
        with pytest.raises(NotFound):
            previews.count(session, clockwork.today(), new_id(), {})
        with pytest.raises(Invalid):
            previews.count(session, clockwork.today() - timedelta(days=1), None, {})
    with play.database.read(organisation.boss.caller("customer.read")) as session, pytest.raises(Denied):
        history(session, 5, {})
