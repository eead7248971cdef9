"""The process that does jobs: `python -m chassis.jobs.run <service>`. It ends when no job has waited for a while.

It is a fresh interpreter, since `work` is patched by eventlet, where a long computation would hold up every
event handler. It ends with the process that started it, whose end it notices by the end of its standard input. Each
line that comes there before tells it to look for jobs.
"""

import gc
import logging
import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from uuid import UUID

from sqlalchemy import Connection, text

from chassis import logs, stacks, telemetry
from chassis.callers import service_caller
from chassis.cli import make_runtime
from chassis.errors import DomainError, Unavailable
from chassis.jobs.running import Cancelled, JobKind, JobRun
from chassis.jobs.store import take, unpack_caller
from chassis.jobs.waiting import waiting_jobs
from chassis.service import Runtime, Service
from chassis.settings import Settings

MOST_STALLS = 5
"""A job whose process dies this often without a checkpoint between is given up."""

LINGER_SECONDS = 10.0
"""How long a process without a job stays, unless its second argument says otherwise: jobs often come one after the
other, and its start takes longer than most of them."""

SWITCH_SECONDS = 0.0005
"""How long a thread that computes may keep one waiting that has the next rows for the database. At Python's own 5 ms,
paid for every block of rows, PostgreSQL is idle for a tenth of an import that reads ahead."""

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Do the jobs of a service, one after the other, until none has waited for a while."""
    told = threading.Event()
    threading.Thread(target=_follow_parent, args=[told], daemon=True).start()
    # Jobs make many small objects and few cycles; looking for cycles as often as usual takes a quarter of the time.
    gc.set_threshold(500_000, 50, 100)
    service = find_service(arguments[0])
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = Settings.read()
    logs.start(settings, f"{service.name}-jobs")
    stacks.tell_when_asked()
    telemetry.start(settings, f"{service.name}-jobs")
    runtime = make_runtime(settings, service)
    linger = float(arguments[1]) if arguments[1:] else LINGER_SECONDS
    try:
        while True:
            told.clear()  # before the look: whoever tells of a job after it is heard
            if not run_next(service, runtime):
                runtime.database.engine.dispose()  # a server that goes away meanwhile is no failure
                if not told.wait(linger):
                    break
    except Exception:
        # The supervisor starts another process, which takes the job up at its checkpoint.
        log.exception("job process breaks off")
        return 1
    finally:
        runtime.database.dispose()
        telemetry.stop()
    return 0


def find_service(name: str) -> Service:
    """The service that the module `<name>.main` declares."""
    found = [value for value in vars(import_module(f"{name}.main")).values() if isinstance(value, Service)]
    if len(found) != 1:
        raise LookupError(f"{name}.main declares {len(found)} services, not one")
    return found[0]


def run_next(service: Service, runtime: Runtime) -> bool:
    """Do the job that has waited longest. False if none waits that no other process works on."""
    kinds = {kind.name: kind for kind in service.jobs(runtime)}
    with runtime.database.read(service_caller(service.name)) as session:
        waiting = waiting_jobs(session)
    for job_id, lock_key in waiting:
        with runtime.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as lock:
            lock.detach()  # closed in the end, not pooled: an advisory lock lives as long as its connection
            if _lock(lock, lock_key):
                try:
                    return _run_locked(service, runtime, kinds, job_id)
                finally:
                    _unlock(lock, lock_key)  # the end of the connection would do so, but only some time later
    return False


def _run_locked(service: Service, runtime: Runtime, kinds: dict[str, JobKind], job_id: UUID) -> bool:
    with runtime.database.write(service_caller(service.name)) as session:
        job = take(session, job_id)
    if job is None:
        return True
    run = JobRun(
        runtime=runtime,
        job_id=job.id,
        kind=job.kind,
        attempt=job.attempt,
        caller=unpack_caller(job.caller),
        options=job.options,
        input_file=job.input_file,
        checkpoint=job.checkpoint,
        processed=job.processed,
        counters=job.counters,
    )
    with telemetry.span_from(job.traceparent, f"job {job.kind}"):
        _attempt(run, kinds.get(job.kind), job.stalls)
    return True


def _attempt(run: JobRun, kind: JobKind | None, stalls: int) -> None:
    try:
        if kind is None:
            return _fail(run, "UNKNOWN_JOB_KIND", f"this service does no {run.kind}")
        if stalls > MOST_STALLS:
            return _fail(run, "JOB_CRASHED", "the job broke down several times; tell the administrator", kind)
        kind.run(run)
        log.info("job done", extra={"job": run.name, "processed": run.processed})
    except Cancelled:
        log.info("job stopped", extra={"job": run.name})
    except Unavailable:
        raise
    except DomainError as error:
        _fail(run, error.reason, error.message, kind)
    return None


def _fail(run: JobRun, reason: str, message: str, kind: JobKind | None = None) -> None:
    log.info("job failed", extra={"job": run.name, "reason": reason})
    try:
        with run.transaction() as session:
            run.fail(session, reason, message)
            if kind is not None and kind.failed is not None:
                kind.failed(run, session, reason, message)
    except Cancelled:
        log.info("job stopped", extra={"job": run.name})


def _lock(connection: Connection, key: int) -> bool:
    """Take the job's lock for as long as the connection lasts."""
    return bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}))


def _unlock(connection: Connection, key: int) -> None:
    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _follow_parent(told: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        told.set()
    # No clean-up: what is not committed must not be, and the next process takes the job up at its checkpoint.
    os._exit(75)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
