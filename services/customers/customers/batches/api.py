"""The gRPC methods of CustomerBatchService."""

import io
import tempfile
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from chassis import audit, paging
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Exhausted, Invalid
from chassis.jobs import Job, cancel_job, create_job, first_refused, get_job, refused_rows, store_file, visible_jobs
from chassis.names import parse_name
from chassis.paging import SortKey
from chassis.tabular import CsvWriter
from crm.common.v1 import job_pb2
from crm.customers.v1 import customer_batch_service_pb2 as pb
from crm.customers.v1 import customer_batch_service_pb2_grpc as pb_grpc
from sqlalchemy import ColumnElement, select

from customers import queries
from customers.batches import BATCHES, mapping
from customers.batches.orders import Action, Order, judged
from customers.batches.running import write_ids
from customers.mapping import parse_names
from customers.model import Customer
from customers.pools.access import pool_of_member, require_administrator
from customers.pools.queries import listed_in_pool

MOST, MOST_NAMES, MOST_FIRST_REFUSALS = 200_000, 10_000, 20
ERROR_COLUMNS = ("row", "reason", "message", "customer")
_READ = "customer.read"
_PIECE_BYTES = 1 << 17
_NEWEST = [
    SortKey(column, descending=True, nullable=False) for column in (Job.__table__.c.create_time, Job.__table__.c.id)
]


class CustomerBatchServicer(pb_grpc.CustomerBatchServiceServicer):
    """Implements CustomerBatchService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def StartCustomerBatch(self, request: pb.StartCustomerBatchRequest, context: Any) -> pb.CustomerBatch:
        stated = mapping.order_from_proto(request)
        names = parse_names("customers", request.names, field="names")
        if len(names) > MOST_NAMES:
            raise Invalid("TOO_MANY_NAMES", f"name at most {MOST_NAMES:,} customers, or use a filter", field="names")

        def start(session: ServiceSession) -> pb.CustomerBatch:
            order = judged(session, stated)
            with tempfile.TemporaryFile() as file:
                ids = iter(dict.fromkeys(names)) if names else _meant(session, order, request)
                count = write_ids(ids, file)
                if count > MOST:
                    raise Exhausted(
                        "TOO_MANY_CUSTOMERS",
                        f"more than {MOST:,} customers are meant: narrow the filter",
                        field="filter",
                    )
                options = {"order": order.to_json(), "count": count}
                job = create_job(session, BATCHES, options, input_file=store_file(session, file))
            return mapping.batch_to_proto(job, [])

        return self.calls.write(request, pb.CustomerBatch, start)

    def GetCustomerBatch(self, request: pb.GetCustomerBatchRequest, context: Any) -> pb.CustomerBatch:
        with self.calls.read() as session:
            return _batches(session, [get_job(session, BATCHES, parse_name(BATCHES, request.name), _READ)])[0]

    def ListCustomerBatches(
        self, request: pb.ListCustomerBatchesRequest, context: Any
    ) -> pb.ListCustomerBatchesResponse:
        size = paging.page_size(request.page_size)
        with self.calls.read() as session:
            statement = visible_jobs(session, BATCHES, _READ)
            page = paging.fetch_page(session, statement, _NEWEST, size, request.page_token, BATCHES)
            batches = _batches(session, page.rows)
        return pb.ListCustomerBatchesResponse(customer_batches=batches, next_page_token=page.next_token)

    def CancelCustomerBatch(self, request: pb.CancelCustomerBatchRequest, context: Any) -> pb.CustomerBatch:
        job_id = parse_name(BATCHES, request.name)
        return self.calls.write(
            request,
            pb.CustomerBatch,
            lambda session: _batches(session, [cancel_job(session, BATCHES, job_id, _READ)])[0],
        )

    def DownloadCustomerBatchErrors(
        self, request: pb.DownloadCustomerBatchErrorsRequest, context: Any
    ) -> Iterator[job_pb2.FileChunk]:
        with self.calls.read() as session:
            job = get_job(session, BATCHES, parse_name(BATCHES, request.name), _READ)
            with self.calls.transaction() as noting:
                audit.record(noting, "customer.download_batch_errors", job.name, None, {"rows": job.processed})
            yield job_pb2.FileChunk(file_name=f"batch-{job.id}-errors.csv", content_type="text/csv; charset=utf-8")
            for piece in _error_file(session, job.id):
                yield job_pb2.FileChunk(data=piece)


def _meant(session: ServiceSession, order: Order, request: pb.StartCustomerBatchRequest) -> Iterator[UUID]:
    """The customers that a filter finds now, one more than allowed at most. Raises Invalid NOTHING_CHOSEN without
    any condition, so that a forgotten filter does nothing to everybody."""
    if not request.HasField("filter") and not request.search.strip():
        raise Invalid("NOTHING_CHOSEN", "say which customers: by names, a filter or a search", field="filter")
    statement = select(Customer.id).where(_chosen(session, order, request)).order_by(Customer.id).limit(MOST + 1)
    return iter(session.scalars(statement.execution_options(yield_per=5_000)))


def _chosen(session: ServiceSession, order: Order, request: pb.StartCustomerBatchRequest) -> ColumnElement[bool]:
    if order.action is not Action.ASSIGN:
        return queries.listed(session, request.filter, request.search)
    if order.pool_id is None:
        raise Invalid("REQUIRED", "say from which pool the customers are assigned", field="pool")
    pool = pool_of_member(session, order.pool_id)
    require_administrator(pool)
    return listed_in_pool(session, pool, request.filter, request.search)


def _batches(session: ServiceSession, jobs: list[Job]) -> list[pb.CustomerBatch]:
    refused = first_refused(session, [job.id for job in jobs], MOST_FIRST_REFUSALS)
    return [mapping.batch_to_proto(job, refused[job.id]) for job in jobs]


def _error_file(session: ServiceSession, job_id: UUID) -> Iterator[bytes]:
    buffer = io.BytesIO()
    writer = CsvWriter(buffer, ERROR_COLUMNS)
    for row in refused_rows(session, job_id):
        [problem] = row.problems
        writer.write([str(row.row), problem["reason"], problem["message"], row.cells[0]])
        if buffer.tell() > _PIECE_BYTES:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    writer.close()
    yield buffer.getvalue()
