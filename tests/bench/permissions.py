"""What it costs to judge one call: who calls, what the policy grants, and whether a record is reached. No network.

    python tests/bench/permissions.py

The floor is an empty call of a function in the same run. Exits with 1 if a target is missed.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from uuid import uuid4

from chassis.authentication import Authenticator
from chassis.callers import Grant, Reach
from chassis.names import new_id
from chassis.policy import PolicyCache
from chassis.testing.edge import LocalAuthority

TARGET_MS = 0.2
ROUNDS, CALLS = 15, 2_000
PERMISSIONS = 40
"""Granted by each of four roles, with different reaches."""


def microseconds(call: Callable[[], object]) -> float:
    """The median over some rounds of what one call takes."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        took.append((time.perf_counter() - began) / CALLS * 1e6)
    return median(took)


def nothing() -> None:
    """The floor."""


def main() -> int:
    """Measure and print. Returns 1 if the target is missed."""
    authority = LocalAuthority()
    path = "".join(f"{uuid4()}/" for _ in range(6))
    named = tuple(f"{path}{uuid4()}/" for _ in range(10))
    claims = [
        authority.claims(new_id(), path, {f"entity{at}.read": Grant("", reach, named) for at in range(PERMISSIONS)})
        for reach in (Reach.SELF, Reach.DEPARTMENT, Reach.DEPARTMENT_TREE, Reach.CUSTOM)
    ]
    token = authority.keys.sign({**claims[0], "roles": [role for each in claims for role in each["roles"]]})
    cache = PolicyCache(authority)
    cache.start()
    authenticator = Authenticator(cache)
    stranger, elsewhere = new_id(), f"{uuid4()}/{uuid4()}/"

    def judge() -> bool:
        """What the edge and a read of one record ask."""
        return authenticator.caller(token).scope("entity7.read").reaches(stranger, elsewhere)

    def judge_anew() -> bool:
        """The same after a change of the policy, when nothing is remembered but the token."""
        authenticator._verified[token].decided = None
        return judge()

    try:
        if judge():
            raise AssertionError("the record lies in no scope")
        floor, usual, anew = microseconds(nothing), microseconds(judge), microseconds(judge_anew)
    finally:
        cache.stop()
    print(f"  judging a call: {usual:.1f} µs, {usual / floor:.0f} × an empty call (under {TARGET_MS * 1000:.0f} µs)")
    print(f"  once per caller after each change of the policy: {anew:.1f} µs, {anew / floor:.0f} × an empty call")
    return 0 if usual < TARGET_MS * 1000 else 1


if __name__ == "__main__":
    sys.exit(main())
