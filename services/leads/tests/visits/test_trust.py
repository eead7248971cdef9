"""How far check-ins are to be trusted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import Invalid
from hypothesis import given
from hypothesis import strategies as st
from leads.geo import Position, distance
from leads.model import Geofence
from leads.visits.trust import WEIGHTS, Evidence, Seen, TrustReason, VisitRules, fence, impossible, judge, score

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
RULES = VisitRules()
SHANGHAI, BEIJING = Position(31.2304, 121.4737, 20), Position(39.9042, 116.4074, 20)
HERE = Seen(SHANGHAI, NOON)
FINE = Evidence(HERE, Geofence.INSIDE)
metres = st.floats(0, 1_000_000)


@pytest.mark.parametrize(
    ("far", "accuracy", "state"),
    [
        (80, 20, "INSIDE"),
        (200, 0, "INSIDE"),
        (230, 40, "INSIDE"),  # it may be within 200 m
        (230, 20, "OUT_OF_RANGE"),
        (450, 20, "OUT_OF_RANGE"),
        (450, 5_000, "OUT_OF_RANGE"),  # who states to be anywhere is not everywhere
        (None, 20, "UNKNOWN"),
    ],
)
def test_a_fence_gives_the_benefit_of_the_doubt_up_to_an_allowance(far, accuracy, state):
    assert fence(RULES, far, accuracy) == state


@given(metres, metres, st.floats(0, 10_000))
def test_nobody_gets_out_of_a_fence_by_coming_closer(one, other, accuracy):
    near, far = sorted((one, other))
    if fence(RULES, far, accuracy) is Geofence.INSIDE:
        assert fence(RULES, near, accuracy) is Geofence.INSIDE


def test_nothing_speaks_against_a_plain_check_in():
    assert judge(RULES, FINE) == ()
    assert score(RULES, ()) == 100


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (replace(FINE, here=Seen(replace(SHANGHAI, accuracy_metres=151), NOON)), "POOR_ACCURACY"),
        (replace(FINE, mock_location=True), "MOCK_LOCATION"),
        (replace(FINE, before=Seen(BEIJING, NOON - timedelta(minutes=30))), "IMPOSSIBLE_TRAVEL"),
        (replace(FINE, repeated_photo=True), "REPEATED_PHOTO"),
        (replace(FINE, device_time=NOON - timedelta(seconds=301)), "DEVICE_TIME_OFF"),
        (replace(FINE, device_time=NOON + timedelta(seconds=301)), "DEVICE_TIME_OFF"),
        (replace(FINE, geofence=Geofence.OUT_OF_RANGE), "OUT_OF_RANGE"),
        (replace(FINE, shared_device=True), "SHARED_DEVICE"),
    ],
)
def test_each_reason_is_told_and_lowers_the_score_by_its_weight(evidence, reason):
    assert judge(RULES, evidence) == (reason,)
    assert score(RULES, [reason]) == 100 - WEIGHTS[reason]


def test_what_is_just_right_is_no_reason():
    right = replace(
        FINE,
        here=Seen(replace(SHANGHAI, accuracy_metres=150), NOON),
        device_time=NOON - timedelta(seconds=300),
        geofence=Geofence.UNKNOWN,
        before=Seen(BEIJING, NOON - timedelta(hours=3)),
    )
    assert judge(RULES, right) == ()


def test_800_km_in_half_an_hour_are_impossible_and_in_a_day_are_not():
    far = Position(SHANGHAI.latitude + 800_000 / 111_195.0802, SHANGHAI.longitude, 20)
    assert distance(SHANGHAI, far) == pytest.approx(800_000, rel=1e-6)
    assert impossible(RULES, Seen(far, NOON - timedelta(minutes=30)), HERE)
    assert not impossible(RULES, Seen(far, NOON - timedelta(hours=3)), HERE)
    assert not impossible(replace(RULES, max_speed_kmh=1_700), Seen(far, NOON - timedelta(minutes=30)), HERE)


def test_two_inexact_positions_at_once_are_no_journey():
    near = Position(SHANGHAI.latitude + 0.0003, SHANGHAI.longitude, 20)
    assert not impossible(RULES, Seen(near, NOON), HERE)
    assert impossible(RULES, Seen(replace(near, latitude=SHANGHAI.latitude + 0.1), NOON), HERE)


@given(st.sets(st.sampled_from(TrustReason)), st.dictionaries(st.sampled_from(TrustReason), st.integers(0, 100)))
def test_a_score_is_from_0_to_100_and_more_reasons_never_raise_it(reasons, weights):
    rules = replace(RULES, weights={**WEIGHTS, **weights}).checked()
    assert 0 <= score(rules, reasons) <= 100
    for reason in TrustReason:
        assert score(rules, {*reasons, reason}) <= score(rules, reasons)


@given(st.integers(10, 50_000), st.integers(0, 100))
def test_rules_are_stored_and_read_back(radius, weight):
    rules = replace(RULES, radius_metres=radius, weights={TrustReason.OUT_OF_RANGE: weight}).checked()
    assert VisitRules.from_json(rules.to_json()) == rules


def test_rules_that_cannot_be_are_refused_with_every_field():
    with pytest.raises(Invalid) as caught:
        replace(RULES, radius_metres=9, max_speed_kmh=0, weights={"HUNGER": 5}).checked()
    told = {(fault.field, fault.reason) for fault in caught.value.violations}
    assert told == {("radius_metres", "OUT_OF_RANGE"), ("max_speed_kmh", "OUT_OF_RANGE"), ("weights", "INVALID_VALUE")}
