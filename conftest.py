import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The folder `gateway/` bears the name of the package in it. Tests are imported by their paths, which would make the
# folder a package of its own and hide the real one, unless that is there first.
import gateway  # noqa: F401

pytest_plugins = ["local_suite.features"]

# All that is collected stays: looking for garbage in it again and again is a tenth of what tests compute.
gc.disable()

# How long an example takes says more of the machine than of the code. A change is judged by the same examples each
# time; new ones are looked for by whoever runs the tests by hand.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("unhurried")

HERE = Path(__file__).parent
ON_ONE_SUITE = (
    (
        "tests/faults/test_capture.py",
        "tests/faults/test_claims.py",
        "tests/faults/test_conversions.py",
        "tests/faults/test_follow_ups.py",
        "tests/faults/test_offboarding.py",
        "tests/faults/test_late_service.py",
        "tests/e2e/test_import.py",
    ),
    ("tests/contracts/", "tests/e2e/"),
)
"""Tests on a running suite that they share, by how their paths begin. Each group is for one process, as it takes longer
to start one more suite than to test on it. What leaves many customers comes last: who goes through all that there is,
as timers do when the clock is moved, and jobs when a tier or a formula changes, has little to go through before."""
ORDER = (
    "tests/contracts",
    "tests/e2e/test_personal_data.py",
    "tests/e2e",
    "tests/e2e/test_pool_allocation.py",
    "tests/e2e/test_batches.py",
    "libs",
    "gateway",
    *ON_ONE_SUITE[0],
    "deploy/local/tests/test_suite.py",
    "tests/faults",
    "",
)
"""In which order files are tested, by how their paths begin. What takes longest comes early on, so that no process is
left with it when the other has nothing to do; and tests that wait much, beside those that compute much."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Let one process take the tests of a file, or of all those that share a suite."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            group = next((group for group in ON_ONE_SUITE if nodeid.startswith(group)), None)
            return group[0] if group else super()._split_scope(nodeid)

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the files into order, and mark those that share a suite."""
    items.sort(key=_place)
    for item in items:
        for number, group in enumerate(ON_ONE_SUITE):
            if item.nodeid.startswith(group):
                item.add_marker(pytest.mark.on_one_suite(number))
                break


def pytest_collection_finish() -> None:
    """Look for garbage in what comes from now on, as seldom as servers do."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


def pytest_sessionfinish() -> None:
    """Let pytest find nothing to look through at the end: it would take some seconds."""
    gc.freeze()


def _place(item: pytest.Item) -> int:
    path = str(item.path.relative_to(HERE))
    fitting = [start for start in ORDER if path.startswith(start)]
    return ORDER.index(max(fitting, key=len))
