"""The job that does a batch."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import BinaryIO
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Unavailable
from chassis.jobs import JobRun, RefusedRow
from chassis.tabular import Problem
from sqlalchemy.exc import DBAPIError

from customers.batches.actions import act
from customers.batches.orders import Order

CHUNK = 500
"""Customers in one transaction, and so the most that one event tells of."""

ATTEMPTS = 10
_LOST_RACES = ("40001", "40P01")  # serialization failure, deadlock
_ID_BYTES = 16


def write_ids(ids: Iterator[UUID], file: BinaryIO) -> int:
    """Keep which customers are meant. Returns how many."""
    count = 0
    for customer_id in ids:
        file.write(customer_id.bytes)
        count += 1
    return count


def run_batch(run: JobRun) -> None:
    """Do the job's order to its customers, from its checkpoint on."""
    order = Order.from_json(run.options["order"])
    run.announce(total=run.options["count"], result={})
    with run.input_path() as path, closing(path.open("rb")) as file:
        file.seek(run.processed * _ID_BYTES)
        while ids := [UUID(bytes=raw) for raw in islice(iter(lambda: file.read(_ID_BYTES), b""), CHUNK)]:
            _chunk(run, order, ids)
    with run.transaction() as session:
        run.succeed(session)


def _chunk(run: JobRun, order: Order, ids: list[UUID]) -> None:
    """Do a chunk, again if it loses against a concurrent call."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311
        try:
            with run.transaction() as session:
                _chunk_once(session, run, order, ids)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _LOST_RACES:
                raise
        else:
            return
    raise Unavailable("TOO_MUCH_CONTENTION", "others keep changing the same customers; the batch goes on shortly")


def _chunk_once(session: ServiceSession, run: JobRun, order: Order, ids: list[UUID]) -> None:
    result = act(session, order, ids)
    steps = {
        "changed": result.changed,
        "refused": len(result.refused),
        "unchanged": len(ids) - result.changed - len(result.refused),
    }
    refused = [
        RefusedRow(row, [Problem("", *result.refused[customer_id], "")], [f"customers/{customer_id}"])
        for row, customer_id in enumerate(ids, run.processed + 1)
        if customer_id in result.refused
    ]
    run.advance(
        session,
        processed=run.processed + len(ids),
        counters={name: run.counters.get(name, 0) + step for name, step in steps.items()},
        checkpoint={},
        refused=refused,
    )
