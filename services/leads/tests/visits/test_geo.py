"""Distances and datums."""

import math

import pytest
from chassis.errors import Invalid
from hypothesis import given
from hypothesis import strategies as st
from leads.geo import EARTH_METRES, Datum, Position, distance, from_gcj02, position, to_gcj02

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
points = st.builds(Position, latitudes, longitudes)


def test_distances_are_those_of_the_sphere():
    degree = math.pi * EARTH_METRES / 180
    assert distance(Position(0, 0), Position(0, 1)) == pytest.approx(degree)
    assert distance(Position(10, 5), Position(11, 5)) == pytest.approx(degree)
    assert distance(Position(0, 0), Position(0, 180)) == pytest.approx(math.pi * EARTH_METRES)
    assert distance(Position(90, 0), Position(-90, 77)) == pytest.approx(math.pi * EARTH_METRES)
    # Beijing to Shanghai, by the spherical law of cosines
    beijing, shanghai = Position(39.9042, 116.4074), Position(31.2304, 121.4737)
    angle = math.acos(
        math.sin(math.radians(39.9042)) * math.sin(math.radians(31.2304))
        + math.cos(math.radians(39.9042)) * math.cos(math.radians(31.2304)) * math.cos(math.radians(5.0663))
    )
    assert distance(beijing, shanghai) == pytest.approx(angle * EARTH_METRES, rel=1e-9)


@given(points, points, points)
def test_distances_are_a_metric(one, other, third):
    assert distance(one, one) == 0
    assert distance(one, other) == pytest.approx(distance(other, one), abs=1e-6)
    assert distance(one, third) <= distance(one, other) + distance(other, third) + 1e-3
    assert 0 <= distance(one, other) <= math.pi * EARTH_METRES + 1e-6


@pytest.mark.parametrize(
    ("wgs84", "gcj02"),
    [
        ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
        ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
        ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
    ],
)
def test_the_datum_of_chinese_maps_is_converted(wgs84, gcj02):
    assert to_gcj02(*wgs84) == pytest.approx(gcj02, abs=1e-9)
    assert from_gcj02(*gcj02) == pytest.approx(wgs84, abs=1e-8)
    stated = position(*gcj02, 20, Datum.GCJ02)
    assert distance(stated, Position(*wgs84)) < 0.01
    assert distance(stated, Position(*gcj02)) > 300


@given(st.floats(18, 53), st.floats(74, 134))
def test_in_china_the_conversion_is_undone(latitude, longitude):
    assert from_gcj02(*to_gcj02(latitude, longitude)) == pytest.approx((latitude, longitude), abs=1e-7)


def test_outside_china_both_datums_are_one():
    assert to_gcj02(48.8566, 2.3522) == (48.8566, 2.3522)
    assert from_gcj02(48.8566, 2.3522) == (48.8566, 2.3522)


@pytest.mark.parametrize(("latitude", "longitude"), [(90.1, 0), (0, -180.1), (math.nan, 0), (0, math.inf)])
def test_what_is_no_position_is_refused(latitude, longitude):
    with pytest.raises(Invalid) as caught:
        position(latitude, longitude, 10)
    assert (caught.value.reason, caught.value.field) == ("INVALID_POSITION", "position")


@pytest.mark.parametrize("accuracy", [0, -1, math.nan, math.inf])
def test_what_is_no_accuracy_is_refused(accuracy):
    with pytest.raises(Invalid) as caught:
        position(1, 1, accuracy)
    assert (caught.value.reason, caught.value.field) == ("OUT_OF_RANGE", "position.accuracy_metres")
