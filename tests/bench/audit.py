"""What it costs to record changes in the audit log, to seal them and to verify the chain.

    python tests/bench/audit.py

The floor is COPY of the same rows into a table without indexes, in the same run. Exits with 1 if a target is missed.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from chassis import audit
from chassis.audit import Change
from chassis.callers import service_caller
from chassis.copying import copy_cells
from chassis.db import Database
from chassis.migrations import create_chassis_tables
from embedded import postgres

ENTRIES = 50_000
TARGET_RATIO = 0.05
STATE = {
    "name": "上海华诚科技有限公司",
    "phones": ["+8613800138000"],
    "status": "WON",
    "owner": "users/5",
    "version": 3,
}


def rate(work: Callable[[], object]) -> float:
    """Entries a second."""
    began = time.perf_counter()
    work()
    return ENTRIES / (time.perf_counter() - began)


def main() -> int:
    """Measure and print. Returns 1 if the target is missed."""
    with tempfile.TemporaryDirectory() as folder:
        server = postgres.start(Path(folder) / "postgres")
        try:
            return measure(server.url("postgres"))
        finally:
            postgres.remove(Path(folder) / "postgres")


def measure(url: str) -> int:
    """Measure on a server."""
    database = Database("bench", url)
    with database.engine.begin() as connection:
        create_chassis_tables(connection)
    changes = [Change("thing.update", f"things/{n}", {**STATE, "status": "LOST"}, STATE) for n in range(ENTRIES)]

    def record() -> None:
        with database.write(service_caller("bench")) as session:
            audit.record_all(session, changes)

    def seal() -> None:
        with database.write(service_caller("bench")) as session:
            while audit.seal(session):
                pass

    def verify() -> None:
        with database.read(service_caller("bench")) as session:
            assert audit.verify(session) is None

    floor = rate(lambda: copy_plain(url, changes))
    recorded, sealed, verified = rate(record), rate(seal), rate(verify)
    database.dispose()
    met = recorded / floor >= TARGET_RATIO
    print(f"  COPY of the same rows {floor:,.0f}/s (floor)")
    print(f"{'  ' if met else '✗ '}recorded {recorded:,.0f}/s, {recorded / floor:.2f} of COPY; target {TARGET_RATIO}")
    print(f"  sealed {sealed:,.0f}/s, verified {verified:,.0f}/s")
    return 0 if met else 1


def copy_plain(url: str, changes: list[Change]) -> None:
    """Bring the same values in by COPY, with nothing else around."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE floor (action text, resource text, before text, after text)")
        with connection.cursor().copy("COPY floor FROM STDIN") as copy:
            for change in changes:
                cells = [change.action, change.resource, str(change.before), str(change.after)]
                copy.write(copy_cells(cells) + "\n")


if __name__ == "__main__":
    sys.exit(main())
