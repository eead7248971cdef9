"""The process that does jobs: `python -m chassis.jobs.run <service>`. It ends when no job waits.

It is a fresh interpreter, since `work` is patched by eventlet, where a long computation would hold up every
event handler. It ends with the process that started it, whose end it notices by the end of its standard input.
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

from chassis import logs, telemetry
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

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Do the waiting jobs of a service, one after the other."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    service = find_service(arguments[0])
    _collect_garbage_seldom()
    settings = Settings.read()
    logs.start(settings, f"{service.name}-jobs")
    telemetry.start(settings, f"{service.name}-jobs")
    runtime = make_runtime(settings, service)
    try:
        while run_next(service, runtime):
            pass
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
                return _run_locked(service, runtime, kinds, job_id)
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


def _collect_garbage_seldom() -> None:
    # Jobs make many small objects and few cycles; looking for cycles as often as usual takes a quarter of the time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    # No clean-up: what is not committed must not be, and the next process takes the job up at its checkpoint.
    os._exit(75)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
