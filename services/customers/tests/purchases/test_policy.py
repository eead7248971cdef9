"""What is analysed every night, and which analyses are kept."""

from datetime import date, timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Denied, Invalid
from customers.model.purchases import RfmRun, RfmScore, RfmState
from customers.purchases import policy
from customers.purchases.rfm import RfmParameters
from customers.usecases.record_purchases import PurchaseDraft
from customers.usecases.run_rfm import do_rfm, queue_rfm
from customers.usecases.update_rfm_policy import update_rfm_policy
from sqlalchemy import func, select

ME = service_caller("customers")


def runs(shop):
    with shop.database.read(ME) as session:
        return list(session.scalars(select(RfmRun).order_by(RfmRun.analysis_date)))


@pytest.fixture
def bought(shop, clock):
    customer = shop.customer("甲有限公司")
    time = clock.now - timedelta(days=1)
    shop.record(PurchaseDraft(f"customers/{customer}", "erp", "1", "ORDER", time, "CNY", "1", ""))


def change(shop, **changes):
    with shop.database.write(shop.organisation.boss.caller()) as session:
        return update_rfm_policy(session, changes, "")


def test_every_night_the_day_that_ended_is_analysed(shop, clock, bought):
    with shop.database.write(ME) as session:
        policy.start_nightly(session, clock.now)
    [run] = runs(shop)
    assert (run.analysis_date, run.state, run.period_days) == (date(2026, 3, 1), RfmState.QUEUED, 365)
    change(shop, nightly=False)
    with shop.database.write(ME) as session:
        policy.start_nightly(session, clock.now)
    assert len(runs(shop)) == 1


def test_a_company_without_purchases_analyses_nothing(shop, clock):
    with shop.database.write(ME) as session:
        policy.start_nightly(session, clock.now)
    assert runs(shop) == []


def test_old_analyses_go_but_for_the_last_days_of_months_and_the_newest(shop, clock, bought):
    days = [date(2023, 12, 31), date(2024, 3, 31), date(2026, 1, 15), date(2026, 1, 31), date(2026, 2, 20)]
    for day in days:
        with shop.database.write(shop.organisation.boss.caller()) as session:
            run = queue_rfm(session, day, RfmParameters())
            do_rfm(session, run.id)
    change(shop, keep_days=20, keep_months=24)
    with shop.database.write(ME) as session:
        policy.purge(session, clock.now)
    assert [run.analysis_date for run in runs(shop)] == days[1:2] + days[3:]
    clock.advance(timedelta(days=2000))
    with shop.database.write(ME) as session:
        policy.purge(session, clock.now)
    assert [run.analysis_date for run in runs(shop)] == days[-1:], "the newest is always kept"
    with shop.database.read(ME) as session:
        kept = session.scalars(select(RfmScore.run_id).distinct()).all()
        assert set(kept) <= {run.id for run in runs(shop)}
        assert session.scalar(select(func.count()).select_from(RfmRun)) == 1


def test_the_policy_is_kept_within_bounds_and_by_those_who_may(shop, organisation):
    for changes, field in [
        ({"keep_days": 0}, "policy.keep_days"), ({"keep_months": -1}, "policy.keep_months"),
        ({"period_days": 5000}, "policy.parameters.period_days"),
    ]:  # fmt: skip
        with pytest.raises(Invalid) as refused:
            change(shop, **changes)
        assert (refused.value.reason, refused.value.field) == ("OUT_OF_RANGE", field)
    with pytest.raises(Denied), shop.database.write(organisation.li.caller(reach=Reach.SELF)) as session:
        update_rfm_policy(session, {"keep_days": 1}, "")
