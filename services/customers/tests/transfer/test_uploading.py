"""Uploads, and looking at the jobs that come of them."""

from uuid import uuid4

import grpc
import pytest
from chassis.callers import Reach
from crm.common.v1 import job_pb2
from crm.customers.v1 import transfer_service_pb2 as pb

from .conftest import HEADING, a_row, reason_of


class TestUploading:
    """What is refused before a job exists."""

    @pytest.mark.parametrize(
        ("content", "name", "code", "reason"),
        [
            (b"", "a.csv", grpc.StatusCode.INVALID_ARGUMENT, "EMPTY_FILE"),
            (b"x", "a.pdf", grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_FORMAT"),
            (bytes.fromhex("d0cf11e0a1b11ae1"), "a.xls", grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_FORMAT"),
            (b"x\n" * (2 << 20), "a.csv", grpc.StatusCode.RESOURCE_EXHAUSTED, "FILE_TOO_LARGE"),
        ],
    )
    def test_files_that_are_none_of_ours(self, client, stored, content, name, code, reason):
        assert reason_of(lambda: client.upload(content, name)) == (code, reason)
        assert stored("job", "id") == []
        assert stored("job_file", "id") == []

    def test_a_retry_is_the_same_job_and_another_file_is_not(self, client):
        request_id = str(uuid4())
        first = client.upload([HEADING, a_row(1)], request_id=request_id)
        assert client.upload([HEADING, a_row(1)], request_id=request_id).name == first.name
        assert reason_of(lambda: client.upload([HEADING, a_row(2)], request_id=request_id)) == (
            grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED",
        )  # fmt: skip

    def test_messages_out_of_order(self, client):
        data = job_pb2.UploadChunk(data=b"x")
        options = job_pb2.UploadChunk(options=job_pb2.ImportOptions(file_name="a.csv"))
        for chunks in ([], [data], [options, options], [options, job_pb2.UploadChunk()]):
            code, _ = reason_of(
                lambda chunks=chunks: client.stub.ImportCustomers(iter(chunks), metadata=client.metadata)
            )
            assert code == grpc.StatusCode.INVALID_ARGUMENT


class TestJobs:
    """Looking at imports."""

    def test_they_are_listed_newest_first(self, client):
        names = [client.upload([HEADING, a_row(number)]).name for number in range(3)]
        page = client.stub.ListImportJobs(pb.ListImportJobsRequest(page_size=2), metadata=client.metadata)
        rest = client.stub.ListImportJobs(
            pb.ListImportJobsRequest(page_token=page.next_page_token), metadata=client.metadata
        )
        assert [job.name for job in [*page.import_jobs, *rest.import_jobs]] == names[::-1]

    def test_those_of_others_are_seen_only_by_who_reaches_everything(self, client_of, organisation):
        own = {"customer.import": Reach.SELF}
        mine, theirs = client_of(organisation.li, own), client_of(organisation.wang, own)
        job = mine.upload([HEADING, a_row(1)])
        for call, request in (
            (theirs.stub.GetImportJob, pb.GetImportJobRequest),
            (theirs.stub.CancelImportJob, pb.CancelImportJobRequest),
            (theirs.stub.RunCheckedImport, pb.RunCheckedImportRequest),
        ):
            code, reason = reason_of(lambda c=call, r=request: c(r(name=job.name), metadata=theirs.metadata))
            assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
        code, _ = reason_of(lambda: theirs.error_file(job))
        assert code == grpc.StatusCode.NOT_FOUND
        assert client_of(organisation.boss).get(job.name).name == job.name

    def test_a_cancelled_import_brings_in_nothing_more(self, client, stored):
        job = client.upload([HEADING, a_row(1)])
        request = pb.CancelImportJobRequest(name=job.name)
        assert client.stub.CancelImportJob(request, metadata=client.metadata).state == job_pb2.JOB_STATE_CANCELLED
        assert client.finish(job).state == job_pb2.JOB_STATE_CANCELLED
        assert stored() == []
