"""Claims made offline: the earliest that can be verified wins, whoever hands in first."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from chassis.encryption import DataKeys
from chassis.errors import Conflict, Invalid
from chassis.names import new_id
from customers.offline.beacons import SKEW, claim_time, make_beacon
from customers.pools.rules import PoolRules
from customers.usecases.claim_customers import claim_customers
from customers.usecases.settle_offline_claims import settle_due
from customers.usecases.submit_offline_claims import Intent, submit_offline_claims
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

GRACE = 30
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
seconds = st.integers(-100_000, 100_000).map(lambda number: timedelta(seconds=number))


@pytest.fixture
def pool(play, organisation):
    play.database.data_keys = DataKeys({"one": b"k" * 32})
    with play.database.engine.begin() as connection:
        connection.execute(text("TRUNCATE offline_claim"))
    members = [play.department(organisation.east)]
    return play.pool("离线", PoolRules(offline_grace_minutes=GRACE, former_owner_wait_days=0), members=members)


class Device:
    """A person's device: it fetches a beacon, goes offline, and claims a while later."""

    def __init__(self, play, person):
        self.play, self.person = play, person
        with play.database.read(person.caller()) as session:
            self.beacon = make_beacon(session, person.id)
        self.fetched = play.database.clock()

    def claim(self, customer, minutes=0, **values):
        return Intent(new_id(), customer, self.beacon, timedelta(minutes=minutes), **values)

    def submit(self, *intents):
        return self.play.write(self.person.caller(), submit_offline_claims, list(intents))


def settle(play, minutes):
    play.database.clock.advance(timedelta(minutes=minutes))
    play.write(play.organisation.boss.caller(), settle_due)


def states(play, device, *intents):
    return [(one.state, one.reason) for one in device.submit(*intents)]


def test_the_earliest_wins_although_it_comes_in_last(play, pool, organisation):
    [customer] = play.pooled(pool, 1)
    li, wang = Device(play, organisation.li), Device(play, organisation.wang)
    later, earlier = wang.claim(customer, 8), li.claim(customer, 5)
    play.database.clock.advance(timedelta(minutes=10))
    assert states(play, wang, later) == [("PENDING", "")]
    play.database.clock.advance(timedelta(minutes=10))
    [claim] = li.submit(earlier)
    assert (claim.state, claim.beacon_accepted, claim.claim_time) == ("PENDING", True, NOON + timedelta(minutes=5))
    settle(play, 14)
    assert states(play, li, earlier) == [("PENDING", "")], "another could still come in"
    settle(play, 1)
    assert play.row(customer).owner_id == organisation.li.id
    assert states(play, li, earlier) == [("WON", "")]
    assert states(play, wang, later) == [("REFUSED", "ALREADY_CLAIMED_EARLIER")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_no_order_of_arrival_changes_who_wins(play, pool, organisation, order):
    [customer] = play.pooled(pool, 1)
    devices = [Device(play, person) for person in (organisation.li, organisation.wang, organisation.li)]
    intents = [device.claim(customer, minutes) for device, minutes in zip(devices, (7, 3, 5), strict=True)]
    play.database.clock.advance(timedelta(minutes=9))
    for number in order:
        devices[number].submit(intents[number])
    settle(play, GRACE)
    assert [states(play, devices[at], intents[at])[0][0] for at in range(3)] == ["REFUSED", "WON", "REFUSED"]


def test_who_cannot_take_it_leaves_it_to_the_next(play, pool, organisation):
    play.database.data_keys = DataKeys({"one": b"k" * 32})
    small = PoolRules(offline_grace_minutes=GRACE, daily_claim_limit=1, former_owner_wait_days=0)
    other = play.pool("少", small, members=[play.department(organisation.east)])
    first, second = play.pooled(other, 2)
    li, wang = Device(play, organisation.li), Device(play, organisation.wang)
    one, two, third = li.claim(first, 1), li.claim(second, 2), wang.claim(second, 3)
    play.database.clock.advance(timedelta(minutes=4))
    li.submit(one, two)
    wang.submit(third)
    settle(play, GRACE)
    assert states(play, li, one, two) == [("WON", ""), ("REFUSED", "DAILY_CLAIM_LIMIT_REACHED")]
    assert states(play, wang, third) == [("WON", "")]


def test_a_claim_online_is_for_good(play, pool, organisation):
    [customer, free] = play.pooled(pool, 2)
    li = Device(play, organisation.li)
    before, after = li.claim(customer, 1), li.claim(free, 20)
    play.database.clock.advance(timedelta(minutes=2))
    play.write(organisation.wang.caller(), claim_customers, [customer, free])
    play.database.clock.advance(timedelta(minutes=20))
    assert states(play, li, before, after) == [("REFUSED", "NOT_IN_POOL"), ("REFUSED", "ALREADY_CLAIMED_EARLIER")]


def test_beacons_of_others_and_ids_of_others_are_refused(play, pool, organisation):
    [customer, other] = play.pooled(pool, 2)
    li, wang = Device(play, organisation.li), Device(play, organisation.wang)
    for beacon in (wang.beacon, "x", li.beacon[:-8] + "AAAAAAA="):
        with pytest.raises(Invalid) as caught:
            li.submit(Intent(new_id(), customer, beacon))
        assert caught.value.reason == "INVALID_BEACON"
    intent = li.claim(customer)
    li.submit(intent)
    with pytest.raises(Conflict):
        wang.submit(intent)
    with pytest.raises(Conflict):
        li.submit(Intent(intent.id, other, li.beacon))


def test_without_a_grace_claims_are_decided_as_they_come(play, pool, organisation):
    now = play.pool("即时", PoolRules(), members=[play.department(organisation.east)])
    [customer] = play.pooled(now, 1)
    li, wang = Device(play, organisation.li), Device(play, organisation.wang)
    play.database.clock.advance(timedelta(minutes=2))
    assert states(play, wang, wang.claim(customer, 1)) == [("WON", "")]
    assert states(play, li, li.claim(customer, 0)) == [("REFUSED", "NOT_IN_POOL")]


@given(beacon=seconds, elapsed=seconds, grace=st.integers(0, 1440).map(lambda number: timedelta(minutes=number)))
def test_no_statement_counts_outside_the_grace_or_in_the_future(beacon, elapsed, grace):
    made = claim_time(NOON, NOON + beacon, elapsed, grace)
    assert NOON - grace <= made.time <= NOON
    if made.by_beacon:
        assert made.time >= NOON + beacon - SKEW
    else:
        assert made.time == NOON
