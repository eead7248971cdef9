"""The ownership passport: who owned a customer, and what former owners are due."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from chassis.callers import Reach
from chassis.errors import Denied, Invalid, NotFound, Stale
from chassis.names import new_id
from customers.holders import Holder, Occasion
from customers.holding import hand_over, lock_held
from customers.model import ChangeKind, Customer, HoldingChange
from customers.model.ownership import OwnershipPolicy
from customers.owners import Owner
from customers.ownership import Span, decayed, passport, spans_of, spans_until, tenures_of
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.update_ownership_policy import update_ownership_policy
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


@pytest.fixture
def customer(database, organisation, clock):
    with database.write(organisation.li.caller()) as session:
        made = create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))
    clock.advance(timedelta(hours=1))
    return made


@pytest.fixture
def give(database, organisation, customer):
    """Gives the customer to a person, or to nobody."""

    def to(person):
        owner = Owner(person.id, person.username, new_id(), person.path) if person else None
        with database.write(organisation.boss.caller()) as session:
            held = lock_held(session, Customer.id == customer.id)
            hand_over(session, held, Holder(owner), Occasion(ChangeKind.TRANSFERRED))

    return to


@pytest.fixture
def shown(database, organisation, customer):
    """The passport as (owner, credit, days since) at a moment."""

    def read(at=None):
        with database.read(organisation.boss.caller()) as session:
            held = passport(session, customer.id, at)
        names = {person.id: person.username for person in vars(organisation).values() if hasattr(person, "username")}
        return [(names[one.owner_id], one.credit, one.days_since) for one in held.tenures]

    return read


def test_who_lost_a_customer_ten_days_ago_has_twenty_thirtieths_of_the_share(give, shown, organisation, clock):
    give(organisation.wang)
    lost = clock.now
    clock.advance(timedelta(days=10))
    expected = [("wang.fang", Decimal("0.8"), 0), ("li.wei", Decimal("0.2"), 10)]
    assert shown() == expected
    assert expected[1][1] == Decimal("0.3") * 20 / 30
    clock.advance(timedelta(days=20))
    assert shown() == [("wang.fang", Decimal(1), 0), ("li.wei", Decimal(0), 30)]
    assert shown(lost + timedelta(days=10)) == expected
    assert shown(lost - timedelta(seconds=1)) == [("li.wei", Decimal(1), 0)]
    assert shown(NOON - timedelta(seconds=1)) == []


def test_days_are_those_of_the_calendar(give, shown, organisation, clock):
    clock.set(datetime(2026, 3, 2, 15, 59, tzinfo=UTC))  # a minute before midnight in Shanghai
    give(organisation.wang)
    clock.advance(timedelta(minutes=2))
    assert shown()[1] == ("li.wei", Decimal("0.29"), 1)


def test_pools_own_nothing_and_who_comes_back_is_due_nothing_as_a_former_owner(give, shown, organisation, clock):
    for person in (organisation.wang, None, organisation.zhao, organisation.li):
        clock.advance(timedelta(days=1))
        give(person)
    assert shown() == [
        ("li.wei", 1 - Decimal("0.3") * 28 / 30 - Decimal("0.3"), 0),
        ("zhao.lei", Decimal("0.3"), 0),
        ("wang.fang", Decimal("0.3") * 28 / 30, 2),
        ("li.wei", Decimal(0), 3),
    ]


def test_only_who_sees_the_customer_sees_its_passport(database, organisation, customer):
    stranger = organisation.zhao.caller("customer.read", reach=Reach.SELF)
    with database.read(stranger) as session, pytest.raises(NotFound):
        passport(session, customer.id)
    with database.read(organisation.boss.caller()) as session, pytest.raises(Invalid):
        passport(session, customer.id, NOON + timedelta(days=1))


def test_the_company_sets_what_former_owners_are_due(database, organisation, give, shown, clock):
    boss = organisation.boss.caller()
    with database.write(boss) as session:
        made = update_ownership_policy(session, {"former_owner_share": Decimal("0.5"), "decay_days": 10}, "v0")
        assert made.version == 1
    give(organisation.wang)
    clock.advance(timedelta(days=4))
    assert shown()[1] == ("li.wei", Decimal("0.3"), 4)
    narrow = organisation.boss.caller("ownership.configure", reach=Reach.DEPARTMENT)
    for caller, changes, etag, error in (
        (boss, {"decay_days": 0}, "", Invalid),
        (boss, {"former_owner_share": Decimal("1.1")}, "", Invalid),
        (boss, {"former_owner_share": Decimal("0.1234567")}, "", Invalid),
        (boss, {"decay_days": 20}, "v0", Stale),
        (narrow, {"decay_days": 20}, "", Denied),
    ):
        with pytest.raises(error), database.write(caller) as session:
            update_ownership_policy(session, changes, etag)


USERS = [new_id() for _ in range(4)]


@given(
    holders=st.lists(st.sampled_from([None, *USERS]), min_size=1, max_size=8),
    gaps=st.lists(st.integers(0, 40), min_size=8, max_size=8),
    asked=st.integers(0, 200),
    share=st.decimals(0, 1, places=3),
    decay_days=st.integers(1, 60),
)
def test_credits_are_fractions_that_make_one_while_somebody_owns_it(holders, gaps, asked, share, decay_days):
    times = [NOON]
    for gap in gaps[: len(holders) - 1]:
        times.append(times[-1] + timedelta(days=gap))
    changes = [
        HoldingChange(previous_user_id=holders[i], previous_since=times[i], user_id=holders[i + 1], time=times[i + 1])
        for i in range(len(holders) - 1)
    ]
    at = NOON + timedelta(days=asked)
    spans = spans_until(spans_of(changes, Span(holders[-1], times[-1], None)), at)
    ends = [(span.to_time or at).date() for span in spans]
    policy = OwnershipPolicy(former_owner_share=share, decay_days=decay_days)
    tenures = tenures_of(spans, at.date(), ends, policy)
    assert all(0 <= one.credit <= 1 for one in tenures)
    owned = bool(spans) and spans[-1].to_time is None and spans[-1].owner_id is not None
    total = sum(one.credit for one in tenures)
    assert abs(total - 1) < Decimal("1e-20") if owned else total < 1 + Decimal("1e-20")
    for span in spans[1:]:
        assert span.from_time == spans[spans.index(span) - 1].to_time


@given(share=st.decimals(0, 1, places=4), decay_days=st.integers(1, 400), days=st.integers(0, 500))
def test_a_share_decays_in_a_line_to_nothing(share, decay_days, days):
    left = decayed(share, days, decay_days)
    assert decayed(share, 0, decay_days) == share
    assert left == 0 if days >= decay_days else abs(left * decay_days - share * (decay_days - days)) < Decimal("1e-20")
    assert decayed(share, days + 1, decay_days) <= left
