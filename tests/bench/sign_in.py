"""Whether the time of a refused sign-in tells that a name exists: unknown names beside wrong passwords of known ones.

    python tests/bench/sign_in.py

Pairs of attempts, in random order within each pair. Whether the medians differ by more than chance is judged by
shuffling which attempt of a pair was which (a permutation test). Exits with 1 if they do.
"""

import sys
import time
from contextlib import ExitStack
from random import Random
from statistics import median
from uuid import uuid4

from crm.identity.v1 import auth_service_pb2 as pb
from databases import fresh_database
from identity.main import SERVICE
from identity.testing import Suite, outcome, running_suite

USERS = 20
ATTEMPTS = 8
"""Of each user, so that the brake on guessing stays away."""
SHUFFLES = 5_000
LEAST_CHANCE = 0.01
"""Less likely than this, a difference is taken for real."""

Pair = tuple[float, float]
"""What an unknown name and a wrong password took, in milliseconds."""


def milliseconds(suite: Suite, username: str) -> float:
    """What a sign-in with a wrong password takes."""
    request = pb.LoginRequest(username=username, password="no such password")
    began = time.perf_counter()
    refused = outcome(lambda: suite.auth.Login(request))
    took = (time.perf_counter() - began) * 1000
    if refused != "BAD_CREDENTIALS":
        raise AssertionError(f"expected BAD_CREDENTIALS, found {refused}")
    return took


def measure(suite: Suite, dice: Random) -> list[Pair]:
    """Pairs of attempts at the same time and under the same load."""
    names = [suite.user().username for _ in range(USERS)] * ATTEMPTS
    dice.shuffle(names)
    pairs = []
    for name in names:
        took = {}
        for known in dice.sample([False, True], k=2):
            took[known] = milliseconds(suite, name if known else f"nobody-{uuid4().hex[:10]}")
        pairs.append((took[False], took[True]))
    return pairs


def apart(pairs: list[Pair]) -> float:
    """How far the medians are apart, in milliseconds."""
    unknown, wrong = zip(*pairs, strict=True)
    return abs(median(unknown) - median(wrong))


def chance(pairs: list[Pair], dice: Random) -> float:
    """How often the medians lie as far apart when it is left to chance which attempt of a pair was which."""
    observed = apart(pairs)
    shuffled = (apart([pair if dice.random() < 0.5 else pair[::-1] for pair in pairs]) for _ in range(SHUFFLES))
    return sum(each >= observed for each in shuffled) / SHUFFLES


def judge(suite: Suite) -> bool:
    """Measure and print. Returns whether the times tell nothing."""
    dice = Random(1)
    for _ in range(3):  # the first calls find nothing warm
        milliseconds(suite, f"nobody-{uuid4().hex[:10]}")
    pairs = measure(suite, dice)
    unknown, wrong = (median(times) for times in zip(*pairs, strict=True))
    probability = chance(pairs, dice)
    print(
        f"  {len(pairs)} pairs: an unknown name {unknown:.1f} ms, a wrong password {wrong:.1f} ms, ratio"
        f" {unknown / wrong:.3f}; as far apart by chance in {probability:.0%} of shuffles (over {LEAST_CHANCE:.0%})"
    )
    return probability >= LEAST_CHANCE


def main() -> int:
    """Run the benchmark; 1 if the times tell who has an account."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        return 0 if judge(stack.enter_context(running_suite(url))) else 1


if __name__ == "__main__":
    sys.exit(main())
