"""A service with nothing but a job that counts, as fast as a test lets it."""

import os
import time
from pathlib import Path

from chassis.errors import Invalid
from chassis.jobs import JobKind, JobRun, RefusedRow
from chassis.service import Service
from chassis.tabular import Problem
from sqlalchemy import text


def count(run: JobRun) -> None:
    """Write the numbers up to `to`, one per transaction, none beyond what the file `limit` says."""
    to, limit = int(run.options["to"]), Path(run.options["limit"])
    if run.options.get("refuse"):
        raise Invalid("CANNOT_COUNT", "there is nothing to count")
    if run.options.get("die"):
        os.abort()
    run.announce(total=to, result={})
    for number in range(run.checkpoint.get("number", 0) + 1, to + 1):
        while int(limit.read_text() or 0) < number:
            time.sleep(0.01)
        with run.transaction() as session:
            session.execute(
                text("INSERT INTO counted (number, pid) VALUES (:n, :pid)"), {"n": number, "pid": os.getpid()}
            )
            refused = [RefusedRow(number, [Problem("n", "ODD", "odd", str(number))], [str(number), "\0\\t"])]
            run.advance(
                session,
                processed=number,
                counters={"counted": number},
                checkpoint={"number": number},
                refused=refused if number % 2 else (),
            )
    with run.transaction() as session:
        run.succeed(session)


SERVICE = Service(
    name="jobprobe",
    migrations=Path(__file__).parent,
    servicers=lambda runtime: (),
    jobs=lambda runtime: (JobKind("countJobs", count),),
)
