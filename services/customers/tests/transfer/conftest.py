"""A running server, and one who uploads and downloads files there."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import grpc
import pytest
from chassis.callers import Reach
from chassis.db import Database
from chassis.jobs.run import run_next
from chassis.testing.edge import Edge, Metadata, running
from crm.common.v1 import job_pb2
from crm.customers.v1 import transfer_service_pb2 as pb
from crm.customers.v1.transfer_service_pb2_grpc import TransferServiceStub
from customers.main import SERVICE
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy import text

CODES = ("91110000600037341L", "91310000132212766M", "91440300MA5JJF171N", "93340828574414712U")
PERMISSIONS = ("customer.import", "customer.export", "customer.read", "customer.update", "customer.transfer")
ALL = dict.fromkeys(PERMISSIONS, Reach.ALL)


def to_csv(rows: Sequence[Sequence[str]], encoding: str = "utf-8-sig") -> bytes:
    """Rows as a CSV file."""
    content = io.StringIO(newline="")
    csv.writer(content).writerows(rows)
    return content.getvalue().encode(encoding)


def from_csv(content: bytes) -> list[list[str]]:
    """The rows of a CSV file that the suite wrote."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


HEADING = [
    "客户名称",
    "统一社会信用代码",
    "电话",
    "邮箱",
    "行业",
    "标签",
    "省",
    "市",
    "地址",
    "联系人",
    "联系电话",
    "职务",
    "外部编号",
]


def a_row(number, **cells):
    row = dict.fromkeys(HEADING, "") | {
        "客户名称": f"上海华诚科技{number}有限公司",
        "电话": f"1380000{number:04}",
        "邮箱": f"info{number}@example.com",
        "行业": "制造业",
        "标签": "重点；老客户",
        "市": "上海",
        "联系人": "王芳",
        "联系电话": "010-88886666",
        "职务": "采购经理",
        "外部编号": f"K{number}",
    }
    return list((row | cells).values())


def counts(job):
    return job.created_rows, job.updated_rows, job.unchanged_rows, job.failed_rows


def reason_of(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    details = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    for detail in status_pb2.Status.FromString(details).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return caught.value.code(), info.reason
    raise AssertionError("no reason")


@pytest.fixture(scope="module")
def edge(module_database: Database) -> Iterator[Edge]:
    url = module_database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with running([SERVICE], {"customers": url}, environment={"IMPORT_MAX_MIB": "3"}) as edge:
        yield edge


class Client:
    """A user of TransferService."""

    def __init__(self, edge: Edge, metadata: Metadata) -> None:
        self.edge = edge
        self.metadata = metadata
        self.stub = TransferServiceStub(edge.channel)

    def upload(self, content: bytes | Sequence[Sequence[str]], file_name: str = "customers.csv", **options: Any) -> Any:
        """Upload a file, and return the queued job."""
        data = content if isinstance(content, bytes) else to_csv(content)

        def chunks() -> Iterator[job_pb2.UploadChunk]:
            yield job_pb2.UploadChunk(options=job_pb2.ImportOptions(file_name=file_name, **options))
            for start in range(0, len(data), 1 << 20):
                yield job_pb2.UploadChunk(data=data[start : start + (1 << 20)])

        return self.stub.ImportCustomers(chunks(), metadata=self.metadata)

    def bring_in(
        self, content: bytes | Sequence[Sequence[str]], file_name: str = "customers.csv", **options: Any
    ) -> Any:
        """Upload a file, have it imported, and return the job."""
        return self.finish(self.upload(content, file_name, **options))

    def update(self, content: Sequence[Sequence[str]], **options: Any) -> Any:
        """The same in the mode that changes existing customers."""
        return self.bring_in(content, mode=job_pb2.IMPORT_MODE_ADD_OR_UPDATE, **options)

    def finish(self, job: Any) -> Any:
        """Do all waiting jobs, and return this one."""
        while run_next(SERVICE, self.edge.runtimes["customers"]):
            pass
        return self.get(job.name)

    def get(self, name: str) -> Any:
        """An import or export."""
        if name.startswith("importJobs/"):
            return self.stub.GetImportJob(pb.GetImportJobRequest(name=name), metadata=self.metadata)
        return self.stub.GetExportJob(pb.GetExportJobRequest(name=name), metadata=self.metadata)

    def error_file(self, job: Any) -> bytes:
        """The file of refused rows."""
        request = pb.DownloadImportErrorsRequest(name=job.name)
        return b"".join(chunk.data for chunk in self.stub.DownloadImportErrors(request, metadata=self.metadata))

    def export(self, **request: Any) -> tuple[Any, bytes]:
        """Export customers: the finished job and its file."""
        queued = self.stub.ExportCustomers(
            pb.ExportCustomersRequest(request_id=str(uuid4()), **request), metadata=self.metadata
        )
        job = self.finish(queued)
        chunks = self.stub.DownloadExport(pb.DownloadExportRequest(name=job.name), metadata=self.metadata)
        return job, b"".join(chunk.data for chunk in chunks)


@pytest.fixture
def client_of(edge: Edge, database: Database) -> Any:
    """Makes a client for a person of the organisation."""
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE job, job_file, job_error, idempotency_claim"))

    def make(person: Any, grants: Any = ALL) -> Client:
        return Client(edge, edge.metadata_for(person.id, person.path, grants))

    return make


@pytest.fixture
def client(client_of: Any, organisation: Any) -> Client:
    """One who may do everything."""
    return client_of(organisation.li)


@pytest.fixture
def stored(database: Database) -> Any:
    """Reads customers, or others, as rows."""

    def read(table: str = "customer", order: str = "display_name") -> list[Any]:
        with database.engine.connect() as connection:
            return list(connection.execute(text(f"SELECT * FROM {table} ORDER BY {order}")))

    return read
