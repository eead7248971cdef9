"""Who gets how many customers, and which: fair in each run, and over all runs together.

Counts. Everybody is entitled to a share by weight; who would get more than there is room for gets what there is room
for, and the others share the rest. Everybody receives the share rounded down or up (the quota rule of the largest
remainder method, Hamilton 1792). Who is rounded up: those to whom former runs owe most. That is the fairness debt of
the carpool problem (Fagin & Williams, "A Fair Carpool Scheduling Algorithm", IBM J. Res. Dev. 27, 1983): for each run
in which somebody takes part, the entitlement minus what was received. Who is absent takes no part and is owed nothing.
Equal debts are ordered by the seed, never by who came first.

Values. With the numbers of customers fixed, whoever lacks most of the entitled value receives the most valuable
customer that is left: the longest-processing-time rule under cardinality constraints (Babel, Kellerer & Kotov, "The
k-partitioning problem", Math. Methods Oper. Res. 47, 1998). Exchanges of one customer for another between who is the
furthest above and who is the furthest below then level what is left of the difference.

Everything here is exact: shares are fractions, and values are whole millionths.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from random import Random
from typing import Generic, TypeVar

K = TypeVar("K")

MILLIONTHS = 1_000_000
_CLOSE = 10_000
"""Differences below this part of an average share are not worth another exchange."""
_EXCHANGES = 12
"""At most so many exchanges per receiver."""


@dataclass(frozen=True)
class Receiver(Generic[K]):
    """Somebody who takes part in a run."""

    key: K
    weight: int = 1
    room: int = 1_000_000
    """The most customers that can be given."""
    count_debt: Fraction = Fraction(0)
    """How many customers former runs owe; negative for who got more than the share."""
    value_debt: int = 0
    """The value that former runs owe, in millionths."""


@dataclass(frozen=True)
class Share:
    """What somebody is to get in a run."""

    entitled: Fraction
    count: int


def entitlements(total: int, receivers: Sequence[Receiver[K]]) -> list[Fraction]:
    """The share of each by weight, at most the room of each: together all that can be given."""
    shares = [Fraction(0)] * len(receivers)
    left, weights = Fraction(total), sum(one.weight for one in receivers)
    tightest = sorted(range(len(receivers)), key=lambda at: Fraction(receivers[at].room, receivers[at].weight))
    for at in tightest:
        shares[at] = min(left * receivers[at].weight / weights, Fraction(receivers[at].room))
        left -= shares[at]
        weights -= receivers[at].weight
    return shares


def apportion(total: int, receivers: Sequence[Receiver[K]], rng: Random) -> list[Share]:
    """How many customers each gets: the share rounded down, or up for those to whom most is owed."""
    shares = entitlements(total, receivers)
    counts = [floor(share) for share in shares]
    chance = {at: rng.random() for at in range(len(receivers))}
    broken = [at for at, share in enumerate(shares) if share > counts[at]]
    owed = {at: round(shares[at] - counts[at] + receivers[at].count_debt, 6) for at in broken}
    broken.sort(key=lambda at: (-owed[at], chance[at]))
    for at in broken[: int(sum(shares)) - sum(counts)]:
        counts[at] += 1
    return [Share(share, count) for share, count in zip(shares, counts, strict=True)]


def deal_evenly(shares: Sequence[Share], rng: Random) -> list[int]:
    """Which receiver, by place, gets each of the customers, at random."""
    places = [at for at, share in enumerate(shares) for _ in range(share.count)]
    rng.shuffle(places)
    return places


def value_targets(values: Sequence[int], shares: Sequence[Share], receivers: Sequence[Receiver[K]]) -> list[int]:
    """The value that each should get: the share of what is given, and what former runs owe. In millionths."""
    total, given = sum(values), sum(share.entitled for share in shares)
    return [
        round(total * share.entitled / given) + receiver.value_debt if given else 0
        for share, receiver in zip(shares, receivers, strict=True)
    ]


def deal_by_value(
    values: Sequence[int], shares: Sequence[Share], receivers: Sequence[Receiver[K]], rng: Random
) -> list[int]:
    """Which receiver, by place, gets each of the customers with these values, so that all get what is due to them.

    There are as many values as the shares' counts together.
    """
    targets = value_targets(values, shares, receivers)
    places = [-1] * len(values)
    order = list(range(len(values)))
    rng.shuffle(order)
    order.sort(key=lambda item: -values[item])
    room = [share.count for share in shares]
    lacking = [(-targets[at], rng.random(), at) for at in range(len(shares)) if room[at]]
    heapq.heapify(lacking)
    for item in order:
        lack, chance, at = lacking[0]
        places[item] = at
        room[at] -= 1
        if room[at]:
            heapq.heapreplace(lacking, (lack + values[item], chance, at))
        else:
            heapq.heappop(lacking)
    _level(values, places, targets)
    return places


def _level(values: Sequence[int], places: list[int], targets: Sequence[int]) -> None:
    """Exchange customers between who is furthest above and who is furthest below the target while that helps."""
    held: list[list[tuple[int, int]]] = [[] for _ in targets]
    above = [-target for target in targets]
    for item, at in enumerate(places):
        held[at].append((values[item], item))
        above[at] += values[item]
    for one in held:
        one.sort()
    taking = [at for at in range(len(targets)) if held[at]]
    if len(taking) < 2:
        return
    close = max(1, sum(values) // (len(taking) * _CLOSE))
    for _ in range(_EXCHANGES * len(taking)):
        high, low = max(taking, key=above.__getitem__), min(taking, key=above.__getitem__)
        found = _exchange(held[high], held[low], above[high] - above[low])
        if above[high] - above[low] <= close or found is None:
            return
        given, taken = found
        for source, target, pair in ((high, low, given), (low, high, taken)):
            del held[source][bisect_left(held[source], pair)]
            insort(held[target], pair)
            above[source] -= pair[0]
            above[target] += pair[0]
            places[pair[1]] = target


def _exchange(
    high: Sequence[tuple[int, int]], low: Sequence[tuple[int, int]], difference: int
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The customers whose exchange brings two receivers closest together; None if none brings them closer."""
    best: tuple[tuple[int, int], tuple[int, int]] | None = None
    distance = difference
    for given in high:
        at = bisect_left(low, (given[0] - difference // 2, 0))
        for taken in low[max(0, at - 1) : at + 1]:
            left = abs(difference - 2 * (given[0] - taken[0]))
            if left < distance:
                best, distance = (given, taken), left
    return best


def jain(received: Sequence[Fraction]) -> Fraction:
    """How even something is received: 1 if all get the same, 1/n if one of n gets it all (Jain, Chiu & Hawe, "A
    Quantitative Measure of Fairness and Discrimination", DEC-TR-301, 1984). 1 if nobody gets anything."""
    squares = len(received) * sum(one * one for one in received)
    return Fraction(sum(received)) ** 2 / squares if squares else Fraction(1)
