"""Positions on the earth: distances, and the datum of Chinese maps."""

import math
from dataclasses import dataclass
from enum import StrEnum

from chassis.errors import Invalid, Violation

EARTH_METRES = 6_371_008.8
"""The mean radius R1 of the earth, by the IUGG (Moritz, Geodetic Reference System 1980)."""
MAX_ACCURACY = 100_000.0
"""A device that knows no better than that knows nothing."""


class Datum(StrEnum):
    """What degrees refer to. The names are those of `crm.leads.v1.Datum`."""

    WGS84 = "WGS84"
    GCJ02 = "GCJ02"


@dataclass(frozen=True)
class Position:
    """A position, WGS 84 in degrees."""

    latitude: float
    longitude: float
    accuracy_metres: float = 0.0
    """The radius that it is within, at the confidence of 68 % by which devices state it."""


def position(
    latitude: float, longitude: float, accuracy_metres: float, datum: Datum = Datum.WGS84, *, field: str = "position"
) -> Position:
    """A position as somebody states it. Raises Invalid for what is none; what is not a number is none, either."""
    faults = []
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        faults.append(Violation(field, "INVALID_POSITION", "latitudes go to 90 degrees, longitudes to 180"))
    if not 0 < accuracy_metres <= MAX_ACCURACY:
        message = f"say how exact the position is, from above 0 to {MAX_ACCURACY:,.0f} metres"
        faults.append(Violation(f"{field}.accuracy_metres", "OUT_OF_RANGE", message))
    if faults:
        raise Invalid(faults[0].reason, faults[0].message, field=faults[0].field, violations=faults)
    if datum is Datum.GCJ02:
        latitude, longitude = from_gcj02(latitude, longitude)
    return Position(latitude, longitude, accuracy_metres)


def distance(one: Position, other: Position) -> float:
    """The great-circle distance in metres, by the haversine formula on a sphere.

    Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (2), 1984, p. 159. The earth's flattening
    makes it wrong by 0.6 % at most, which is no metre within a fence.
    """
    first, second = math.radians(one.latitude), math.radians(other.latitude)
    half_rise = (second - first) / 2
    half_turn = math.radians(other.longitude - one.longitude) / 2
    haversine = math.sin(half_rise) ** 2 + math.cos(first) * math.cos(second) * math.sin(half_turn) ** 2
    return 2 * EARTH_METRES * math.asin(min(1.0, math.sqrt(haversine)))


_AXIS, _ECCENTRICITY_SQUARED = 6_378_245.0, 0.006_693_421_622_965_943
"""The Krasovsky 1940 ellipsoid, on which GCJ-02 is reckoned."""
_ROUNDS, _EXACT_DEGREES = 30, 1e-9


def to_gcj02(latitude: float, longitude: float) -> tuple[float, float]:
    """WGS 84 to GCJ-02, the obfuscated datum (国测局坐标) of maps in mainland China; as it is elsewhere.

    The state has not published the formula. This is the polynomial and sine series that is in general use since it
    became known in 2010, good to a metre or so; the constants are listed at
    https://en.wikipedia.org/wiki/Restrictions_on_geographic_data_in_China#GCJ-02.
    """
    if not (0.8293 <= latitude <= 55.8271 and 72.004 <= longitude <= 137.8347):
        return latitude, longitude
    x, y = longitude - 105.0, latitude - 35.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north += _waves(x, (6, 20.0), (2, 20.0)) + _waves(y, (1, 20.0), (1 / 3, 40.0), (1 / 12, 160.0), (1 / 30, 320.0))
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east += _waves(x, (6, 20.0), (2, 20.0), (1, 20.0), (1 / 3, 40.0), (1 / 12, 150.0), (1 / 30, 300.0))
    radians = math.radians(latitude)
    magic = 1 - _ECCENTRICITY_SQUARED * math.sin(radians) ** 2
    meridian = _AXIS * (1 - _ECCENTRICITY_SQUARED) / (magic * math.sqrt(magic))
    parallel = _AXIS / math.sqrt(magic) * math.cos(radians)
    return latitude + math.degrees(north / meridian), longitude + math.degrees(east / parallel)


def from_gcj02(latitude: float, longitude: float) -> tuple[float, float]:
    """GCJ-02 to WGS 84: the fixed point of `to_gcj02`, which has no closed inverse."""
    guess = latitude, longitude
    for _ in range(_ROUNDS):
        moved = to_gcj02(*guess)
        error = moved[0] - latitude, moved[1] - longitude
        guess = guess[0] - error[0], guess[1] - error[1]
        if max(abs(error[0]), abs(error[1])) < _EXACT_DEGREES:
            break
    return guess


def _waves(value: float, *parts: tuple[float, float]) -> float:
    """Two thirds of a sum of sines: of multiples of π × value, each with its amplitude."""
    return sum(amplitude * math.sin(multiple * math.pi * value) for multiple, amplitude in parts) * 2.0 / 3.0
