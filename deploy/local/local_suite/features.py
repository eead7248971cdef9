"""Which rows of the feature catalogue are accepted by which tests, and how those tests last went.

A pytest plugin notes the rows that each test names with `@pytest.mark.feature("B3", …)` and the outcome of each
run; `python -m local_suite.features` prints the whole catalogue with both.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = ROOT / "docs" / "features.csv"
RESULTS = ROOT / ".run" / "features.json"
PROPERTY = "feature_rows"


def read_catalogue() -> dict[str, str]:
    """The rows of the catalogue: id → title."""
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        return {row["row"]: row["feature"] for row in csv.DictReader(file)}


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Note the rows that each test accepts. A row that the catalogue does not have is an error."""
    catalogue = read_catalogue()
    accepted: dict[str, list[str]] = {}
    for item in items:
        rows = [row for mark in item.iter_markers("feature") for row in mark.args]
        unknown = [row for row in rows if row not in catalogue]
        if unknown:
            raise pytest.UsageError(f"{item.nodeid} names rows that {CATALOGUE.name} does not have: {unknown}")
        if rows:
            item.user_properties.append((PROPERTY, rows))
            accepted[item.nodeid] = rows
    if not hasattr(config, "workerinput"):
        _note({test: {"rows": rows} for test, rows in accepted.items()})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test went."""
    rows = dict(report.user_properties).get(PROPERTY)
    ended = report.when == "call" or report.outcome != "passed"
    if rows and ended and "PYTEST_XDIST_WORKER" not in os.environ:
        _note({report.nodeid: {"rows": rows, "outcome": report.outcome}})


def _read_results() -> dict[str, dict[str, object]]:
    if not RESULTS.exists():
        return {}
    results: dict[str, dict[str, object]] = json.loads(RESULTS.read_text())
    return results


def _note(entries: dict[str, dict[str, object]]) -> None:
    results = _read_results()
    for test, entry in entries.items():
        results[test] = {**results.get(test, {}), **entry}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True))


def main() -> int:
    """Print every row of the catalogue with its tests and how they last went."""
    collect = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if collect.returncode:
        sys.stderr.write(collect.stdout + collect.stderr)
        return collect.returncode
    existing = set(collect.stdout.splitlines())
    results = {test: entry for test, entry in _read_results().items() if test in existing}
    built = 0
    for row, title in read_catalogue().items():
        tests = {test: entry for test, entry in results.items() if row in _rows(entry)}
        built += bool(tests) and all(entry.get("outcome") == "passed" for entry in tests.values())
        sys.stdout.write(f"{row:4} {title}\n")
        for test, entry in sorted(tests.items()):
            sys.stdout.write(f"       {entry.get('outcome', 'not run yet'):11} {test}\n")
    sys.stdout.write(f"{built} of {len(read_catalogue())} rows have tests that all passed when last run\n")
    return 0


def _rows(entry: dict[str, object]) -> list[str]:
    rows = entry["rows"]
    return [str(row) for row in rows] if isinstance(rows, list) else []


if __name__ == "__main__":
    sys.exit(main())
