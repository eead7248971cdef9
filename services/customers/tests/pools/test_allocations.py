"""Sharing out customers of a pool: who gets how many, what is owed afterwards, and what stays in the pool."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace

import pytest
from chassis.errors import Conflict, Denied, Invalid, NotFound
from chassis.jobs import JobKind, JobRun
from chassis.jobs.store import take
from chassis.names import new_id
from customers.holders import Holder
from customers.model import ChangeKind, Customer, KnownUser, PoolAllocation, PoolAllocationItem, PoolFairness
from customers.pools import allocating
from customers.pools.allocation_job import JOB_KIND
from customers.pools.allocation_order import Order, Strategy, Wanted
from customers.pools.rules import PoolRules
from customers.pools.schedules import Schedule
from customers.pools.shares import AllocationShare, Evenness
from customers.usecases import allocate_pool_customers as module
from customers.usecases.allocate_by_schedule import allocate_by_schedule
from customers.usecases.allocate_pool_customers import AllocationDraft, allocate_pool_customers
from customers.usecases.cancel_pool_allocation import cancel_pool_allocation
from customers.usecases.update_allocation_settings import SettingsDraft, update_allocation_settings
from sqlalchemy import select, text, update

FIELD = "custom.expected_value"


@pytest.fixture
def team(play, organisation):
    """Ten people of the eastern team."""
    people = [new_id() for _ in range(10)]
    with play.database.write(organisation.boss.caller()) as session:
        key = play.department(organisation.east_team).partition("/")[2]
        for at, one in enumerate(people):
            session.add(
                KnownUser(
                    id=one, username=f"rep{at}", display_name=f"销售{at}", department_id=key,
                    department_path=organisation.east_team, active=True, version=1,
                )
            )  # fmt: skip
    return people


@pytest.fixture
def pool(play, organisation):
    return play.pool("大公海", PoolRules(hold_limit=5000), administrators=[organisation.boss.name])


def fill(play, pool_id, count, values=()):
    """Put customers into a pool by the hundred, as no test needs their past."""
    with play.database.engine.begin() as connection:
        made = [new_id() for _ in range(count)]
        worth = [str(value) for value in values] or [None] * count
        connection.execute(
            text(
                """
                INSERT INTO customer (id, kind, display_name, name_key, status, phones, emails, tags, custom,
                  search_text, grams, pool_id, pool_entry_time, held_since, creator, version, create_time, update_time)
                SELECT id, 'COMPANY', '客户' || id, id::text, 'POTENTIAL', '{}', '{}', '{}',
                  CASE WHEN worth IS NULL THEN '{}' ELSE jsonb_build_object('expected_value', worth) END,
                  '', '{}', :pool, :now, :now, '', 1, :now, :now
                FROM unnest(CAST(:ids AS uuid[]), CAST(:worth AS numeric[])) AS made (id, worth)
                """
            ),
            {"ids": made, "worth": worth, "pool": pool_id, "now": play.database.clock()},
        )
    return made


def allocate(play, pool_id, users, strategy=Strategy.EVEN_RANDOM, **options):
    """Allocate, and return the allocation with its shares by user."""
    order = {key: options.pop(key) for key in ("customer_ids", "most") if key in options}
    wanted = [one if isinstance(one, Wanted) else Wanted(one) for one in users]
    draft = AllocationDraft(pool_id, Order(wanted, **order), strategy, **options)
    return play.write(play.organisation.boss.caller(), allocate_pool_customers, draft)


def shares_of(allocation):
    return {one.user_id: one for one in map(AllocationShare.from_json, allocation.shares)}


def owned(play):
    with play.database.read(play.organisation.boss.caller()) as session:
        return Counter(session.scalars(select(Customer.owner_id).where(Customer.owner_id.is_not(None))))


def run_job(play, allocation_id, steps=None):
    """Do the job as its process would; with `steps`, die after so many."""
    with play.database.write(play.organisation.boss.caller()) as session:
        job = take(session, allocation_id)
        run = JobRun(
            SimpleNamespace(database=play.database), job.id, job.kind, job.attempt,
            play.organisation.boss.caller(), job.options, None, dict(job.checkpoint), job.processed,
        )  # fmt: skip
    assert isinstance(JOB_KIND, JobKind)
    if steps is None:
        JOB_KIND.run(run)
    else:
        from customers.pools.allocation_job import _step

        for _ in range(steps):
            _step(run)
    return run


def row(play, allocation_id):
    with play.database.read(play.organisation.boss.caller()) as session:
        return session.get_one(PoolAllocation, allocation_id)


def test_over_ten_runs_of_103_customers_ten_people_get_equally_many(play, pool, team):
    for _ in range(10):
        fill(play, pool, 103)
        allocation = allocate(play, pool, team)
        assert (allocation.state, allocation.total, allocation.given) == ("SUCCEEDED", 103, 103)
        assert {share.count for share in shares_of(allocation).values()} == {10, 11}
    assert set(owned(play).values()) == {103}
    assert len(owned(play)) == 10


def test_the_absent_get_nothing_and_are_owed_nothing(play, pool, team):
    people = team[:5]
    for day in range(6):
        fill(play, pool, 7)
        away = people[day % 5]
        shares = shares_of(allocate(play, pool, [Wanted(one, absent=one == away) for one in people]))
        assert (shares[away].count, shares[away].skipped) == (0, "ABSENT")
        assert shares[away].count_debt == shares[away].count_debt_before
        assert sum(share.count for share in shares.values()) == 7
    with play.database.read(play.organisation.boss.caller()) as session:
        debts = list(session.scalars(select(PoolFairness.count_debt)))
    assert abs(sum(debts)) < Decimal("1e-6")
    assert max(map(abs, debts)) < 2


def test_a_dry_run_tells_what_the_same_seed_then_does(play, pool, team):
    fill(play, pool, 23)
    tried = allocate(play, pool, team, seed=7, dry_run=True)
    assert owned(play) == {}
    done = allocate(play, pool, team, seed=7)
    counts = [{key: one.count for key, one in shares_of(each).items()} for each in (tried, done)]
    assert counts[0] == counts[1] == owned(play)
    with play.database.read(play.organisation.boss.caller()) as session:
        pairs = select(PoolAllocationItem.customer_id, PoolAllocationItem.user_id)
        planned, given = (
            {tuple(row) for row in session.execute(pairs.where(PoolAllocationItem.allocation_id == one.id))}
            for one in (tried, done)
        )
        held = {tuple(row) for row in session.execute(select(Customer.id, Customer.owner_id))}
    assert planned == given == held


def test_who_is_full_gets_no_more_and_the_rest_stays(play, organisation, team):
    pool = play.pool("小", PoolRules(hold_limit=3), administrators=[organisation.boss.name])
    ids = fill(play, pool, 12)
    play.write(organisation.boss.caller(), update_users, team[2])
    play.put(ids[:2], Holder(owner=owner(play, team[0])), ChangeKind.ASSIGNED)
    strangers = [team[0], team[1], team[2], new_id()]
    allocation = allocate(play, pool, strangers)
    shares = shares_of(allocation)
    assert [(shares[one].count, shares[one].skipped) for one in strangers] == [
        (1, ""),
        (3, ""),
        (0, "INACTIVE_OWNER"),
        (0, "UNKNOWN_OWNER"),
    ]
    assert (allocation.total, allocation.given) == (10, 4)
    assert all(not share.count_debt for share in shares.values())
    with play.database.read(organisation.boss.caller()) as session:
        reasons = Counter(session.scalars(select(PoolAllocationItem.reason)))
    assert reasons == {"": 4, "HOLD_LIMIT_REACHED": 6}
    with pytest.raises(Conflict) as caught:
        allocate(play, pool, team[:2])
    assert caught.value.reason == "NO_RECEIVERS"


def update_users(session, user_id):
    session.execute(update(KnownUser).where(KnownUser.id == user_id).values(active=False))


def owner(play, user_id):
    from customers.owners import find_owner

    return play.write(play.organisation.boss.caller(), find_owner, user_id)


def test_by_capacity_weights_are_met_over_time(play, pool, team):
    wanted = [Wanted(team[0], 5), Wanted(team[1], 3), Wanted(team[2], 1)]
    for _ in range(9):
        fill(play, pool, 10)
        allocate(play, pool, wanted, Strategy.BY_CAPACITY)
    assert [owned(play)[one.user_id] for one in wanted] == [50, 30, 10]


def value_by(play, organisation, pool):
    with play.database.engine.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO pool_allocation_setting (pool_id, value_field, schedule, since, version)
                VALUES (:pool, :field, NULL, :now, 1)
                """
            ),
            {"pool": pool, "field": FIELD, "now": play.database.clock()},
        )


def test_by_value_everybody_gets_as_much_and_as_many(play, organisation, pool, team):
    value_by(play, organisation, pool)
    rng = Random(5)
    for _ in range(3):
        fill(play, pool, 203, [round(rng.lognormvariate(8, 1), 2) for _ in range(203)])
        allocation = allocate(play, pool, team, Strategy.BY_VALUE)
        even = Evenness.of(shares_of(allocation).values())
        assert even.value_jain > 0.98
        assert even.count_spread <= 1
        assert sum(share.value_debt for share in shares_of(allocation).values()) <= 10
    counts = owned(play)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_many_customers_are_given_by_a_job_that_goes_on_after_its_death(play, pool, team, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 10)
    monkeypatch.setattr(allocating, "PART", 8)
    ids = fill(play, pool, 30)
    queued = allocate(play, pool, team[:3])
    assert queued.state == "QUEUED"
    with pytest.raises(Conflict):
        allocate(play, pool, team[:3])
    run_job(play, queued.id, steps=2)
    assert (row(play, queued.id).processed, owned(play).total()) == (8, 8)
    claimed = next(one for one in ids if play.row(one).pool_id)
    play.put([claimed], Holder(owner=owner(play, team[9])), ChangeKind.CLAIMED)
    run_job(play, queued.id)
    done = row(play, queued.id)
    assert (done.state, done.processed, done.given) == ("SUCCEEDED", 30, 29)
    assert sum(one.count_debt for one in shares_of(done).values()) == 0
    assert owned(play)[team[9]] == 1


def test_who_cancels_keeps_what_was_given_and_what_is_owed(play, organisation, pool, team, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 10)
    monkeypatch.setattr(allocating, "PART", 8)
    fill(play, pool, 30)
    queued = allocate(play, pool, team[:3])
    run_job(play, queued.id, steps=2)
    play.write(organisation.boss.caller(), cancel_pool_allocation, queued.id)
    ended = row(play, queued.id)
    assert (ended.state, ended.given, owned(play).total()) == ("CANCELLED", 8, 8)
    debts = {key: share.count_debt for key, share in shares_of(ended).items()}
    assert debts == {key: pytest.approx(8 / 3 - owned(play)[key]) for key in team[:3]}
    with pytest.raises(Conflict):
        play.write(organisation.boss.caller(), cancel_pool_allocation, queued.id)


def test_only_administrators_allocate_and_see_what_was_allocated(play, organisation, pool, team):
    fill(play, pool, 1)
    draft = AllocationDraft(pool, Order([Wanted(team[0])]), Strategy.EVEN_RANDOM)
    with pytest.raises(Denied):
        play.write(organisation.li.caller("pool.assign"), allocate_pool_customers, draft)
    done = allocate(play, pool, team[:1])
    with pytest.raises(NotFound):
        play.write(organisation.li.caller("pool.assign"), cancel_pool_allocation, done.id)


def test_bad_orders_are_refused(team):
    for wanted in ([], [Wanted(team[0])] * 2, [Wanted(team[0], 0)]):
        with pytest.raises(Invalid):
            Order(wanted)
    with pytest.raises(Invalid):
        Order([Wanted(team[0])], most=200_001)
    for values in ({"at": "8:30"}, {"at": "08:30", "weekdays": (8,)}, {"at": "08:30", "most": 0}):
        with pytest.raises(Invalid):
            Schedule(Strategy.EVEN_RANDOM, **values)


def test_a_schedule_allocates_each_week_among_the_department(play, organisation, pool, team):
    schedule = Schedule(
        Strategy.EVEN_RANDOM, "08:30", weekdays=(1,), most=20, receivers=(play.department(organisation.east_team),)
    )
    play.write(organisation.boss.caller(), update_allocation_settings, pool, SettingsDraft("", schedule), "")
    fill(play, pool, 60)

    def tick():
        with play.database.write(organisation.boss.caller()) as session:
            allocate_by_schedule(session, play.database.clock())
        with play.database.read(organisation.boss.caller()) as session:
            return list(session.scalars(select(PoolAllocation.id).where(PoolAllocation.state == "QUEUED")))

    assert tick() == []  # Monday noon: half past eight was before there was a schedule
    play.database.clock.advance(timedelta(days=6, hours=20, minutes=29))
    assert tick() == []
    play.database.clock.advance(timedelta(minutes=1))
    [first] = tick()
    assert tick() == [first]
    run_job(play, first)
    done = row(play, first)
    assert (done.given, done.total) == (20, 20)
    assert len(shares_of(done)) == 11  # the team and li
    assert tick() == []
    play.database.clock.advance(timedelta(days=15))  # two were missed: the later one is made up for
    [second] = tick()
    run_job(play, second)
    assert owned(play).total() == 40
    assert max(owned(play).values()) - min(owned(play).values()) <= 1
