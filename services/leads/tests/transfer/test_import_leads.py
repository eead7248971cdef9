"""Leads in from files: added, updated by their external id, and refused with a file of what is wrong."""

import csv
import io
from uuid import uuid4

import grpc
import pytest
from chassis.callers import Reach
from chassis.encryption import new_key
from chassis.errors import Invalid
from chassis.jobs.run import run_next
from chassis.names import new_id
from chassis.status import from_rpc_error
from chassis.testing.edge import running
from crm.common.v1 import job_pb2
from crm.leads.v1 import lead_service_pb2
from crm.leads.v1 import lead_transfer_service_pb2 as pb
from crm.leads.v1.lead_service_pb2_grpc import LeadServiceStub
from crm.leads.v1.lead_transfer_service_pb2_grpc import LeadTransferServiceStub
from leads.main import SERVICE
from openpyxl import Workbook

PERMISSIONS = ("lead.import", "lead.read", "lead.update")
HEADING = ["公司名称", "联系人", "手机", "邮箱", "来源", "活动", "线索编号", "备注"]


@pytest.fixture(scope="module")
def edge(make_database):
    url = make_database("leads", SERVICE.migrations)
    environment = {"CUSTOMERS_TARGET": "127.0.0.1:1", "DATA_KEYS": f"test:{new_key()}"}
    with running([SERVICE], {"leads": url}, environment=environment) as edge:
        yield edge


def table(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([HEADING, *rows])
    return text.getvalue().encode("utf-8-sig")


class Importer:
    def __init__(self, edge, reach=Reach.ALL, **given):
        self.edge, self.user = edge, new_id()
        self.metadata = edge.metadata_for(self.user, "i/", dict.fromkeys(PERMISSIONS, reach), **given)
        self.stub, self.leads = LeadTransferServiceStub(edge.channel), LeadServiceStub(edge.channel)

    def upload(self, data, name="线索.csv", **options):
        def chunks():
            yield job_pb2.UploadChunk(options=job_pb2.ImportOptions(file_name=name, request_id=str(uuid4()), **options))
            yield job_pb2.UploadChunk(data=data)

        return self.stub.ImportLeads(chunks(), metadata=self.metadata)

    def bring_in(self, data, name="线索.csv", **options):
        return self.finish(self.upload(data, name, **options))

    def finish(self, job):
        while run_next(SERVICE, self.edge.runtimes["leads"]):
            pass
        return self.stub.GetLeadImportJob(pb.GetLeadImportJobRequest(name=job.name), metadata=self.metadata)

    def errors(self, job):
        request = pb.DownloadLeadImportErrorsRequest(name=job.name)
        parts = self.stub.DownloadLeadImportErrors(request, metadata=self.metadata)
        text = b"".join(part.data for part in parts).decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text, newline="")))

    def found(self, mark):
        request = lead_service_pb2.ListLeadsRequest(search=mark, page_size=200)
        return self.leads.ListLeads(request, metadata=self.metadata).leads


@pytest.fixture(scope="module")
def importer(edge):
    return Importer(edge)


def counts(job):
    return job.created_rows, job.updated_rows, job.unchanged_rows, job.failed_rows


def rows_of(mark, count=3):
    return [
        [f"{mark}科技{n}有限公司", "王芳", f"1380013{n:04}", f"a{n}@{mark}.cn", "展会", "春季", f"{mark}-{n}", ""]
        for n in range(count)
    ]


def test_a_file_is_checked_imported_and_its_refused_rows_corrected(importer):
    mark = f"甲{uuid4().hex[:6]}"
    rows = [*rows_of(mark), [f"{mark}坏公司", "", "123", "", "", "", "", ""], ["", "", "", "", "", "", "", "无名"]]
    check = importer.bring_in(table(rows), check_only=True)
    assert (check.state, counts(check)) == (job_pb2.JOB_STATE_SUCCEEDED, (3, 0, 0, 2))
    assert importer.found(mark) == []
    run = importer.stub.RunCheckedLeadImport(
        pb.RunCheckedLeadImportRequest(name=check.name), metadata=importer.metadata
    )
    job = importer.finish(run)
    assert counts(job) == (3, 0, 0, 2)
    made = importer.found(mark)
    assert {(one.campaign, one.source, one.owner) for one in made} == {("春季", "展会", "")}
    heading, bad, nameless = importer.errors(job)
    assert heading == ["row", "field", "reason", "message", *HEADING]
    assert (bad[:3], nameless[:3]) == (["5", "phones", "INVALID_PHONE"], ["6", "company_name", "REQUIRED"])
    corrected = [heading, [*bad[:6], "13900139000", *bad[7:]]]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(corrected)
    assert counts(importer.bring_in(text.getvalue().encode())) == (1, 0, 0, 0)
    assert len(importer.found(mark)) == 4


def test_the_same_file_again_adds_nothing_and_updates_what_is_other(importer):
    mark = f"乙{uuid4().hex[:6]}"
    rows = rows_of(mark)
    assert counts(importer.bring_in(table(rows))) == (3, 0, 0, 0)
    assert counts(importer.bring_in(table(rows))) == (0, 0, 3, 0)
    rows[1][7] = "改了"
    rows.append([*rows[2][:7], "后来的"])
    update = {"mode": job_pb2.IMPORT_MODE_ADD_OR_UPDATE}
    assert counts(importer.bring_in(table(rows), check_only=True, **update)) == (0, 2, 2, 0)
    assert counts(importer.bring_in(table(rows), **update)) == (0, 2, 2, 0)
    assert sorted(one.remark for one in importer.found(mark)) == ["", "后来的", "改了"]


def test_rows_of_one_id_in_a_file_are_one_lead(importer):
    mark = f"丙{uuid4().hex[:6]}"
    [row] = rows_of(mark, 1)
    job = importer.bring_in(table([row, [*row[:7], "第二行"]]), mode=job_pb2.IMPORT_MODE_ADD_OR_UPDATE)
    assert counts(job) == (1, 1, 0, 0)
    assert [one.remark for one in importer.found(mark)] == ["第二行"]


def test_who_reaches_only_their_own_owns_what_they_import(edge):
    seller, mark = Importer(edge, Reach.SELF), f"丁{uuid4().hex[:6]}"
    assert counts(seller.bring_in(table(rows_of(mark)))) == (3, 0, 0, 0)
    assert {one.owner for one in seller.found(mark)} == {f"users/{seller.user}"}
    other = Importer(edge, Reach.SELF)
    changed = [[*row[:7], "别人的"] for row in rows_of(mark)]
    job = other.bring_in(table(changed), mode=job_pb2.IMPORT_MODE_ADD_OR_UPDATE)
    assert counts(job) == (0, 0, 0, 3)
    assert {error.reason for error in job.first_errors} == {"DUPLICATE_EXTERNAL_ID"}


def test_a_workbook_is_a_file_as_well(importer):
    mark = f"戊{uuid4().hex[:6]}"
    book, content = Workbook(), io.BytesIO()
    for row in [HEADING, *rows_of(mark)]:
        book.active.append(row)
    book.save(content)
    assert counts(importer.bring_in(content.getvalue(), "线索.xlsx")) == (3, 0, 0, 0)


def test_a_file_without_names_fails_and_says_so(importer):
    job = importer.bring_in("手机\n13800138000\n".encode())
    assert (job.state, job.failure_reason) == (job_pb2.JOB_STATE_FAILED, "MISSING_COLUMN")


def test_an_import_shows_to_who_started_it(edge, importer):
    job = importer.bring_in(table(rows_of(f"己{uuid4().hex[:6]}")))
    other = Importer(edge, Reach.SELF)
    with pytest.raises(grpc.RpcError) as caught:
        other.stub.GetLeadImportJob(pb.GetLeadImportJobRequest(name=job.name), metadata=other.metadata)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    listed = other.stub.ListLeadImportJobs(pb.ListLeadImportJobsRequest(), metadata=other.metadata)
    assert list(listed.import_jobs) == []


def test_a_mode_that_is_none_is_refused_by_name(importer):
    with pytest.raises(grpc.RpcError) as caught:
        importer.upload(table(rows_of(f"庚{uuid4().hex[:6]}")), mode=99)
    error = from_rpc_error(caught.value)
    assert (type(error), error.reason, error.field) == (Invalid, "UNKNOWN_IMPORT_MODE", "mode")
