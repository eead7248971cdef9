"""Exporting customers to files."""

import hashlib

import pytest
from chassis import custom_fields
from chassis.callers import Grant, Reach
from chassis.tabular import open_table
from crm.common.v1 import filter_pb2, job_pb2
from crm.customers.v1 import transfer_service_pb2 as pb
from customers.own_records import ENTITIES
from customers.transfer import exporting

from .conftest import ALL, CODES, from_csv
from .test_import import HEADING, a_row, counts, reason_of


def status_is(text):
    value = filter_pb2.FilterValue(text=text)
    return filter_pb2.Filter(
        condition=filter_pb2.Condition(field="status", operator=filter_pb2.OPERATOR_EQUAL, values=[value])
    )


@pytest.fixture
def three(client):
    client.bring_in(
        [
            [*HEADING, "状态", "备注"],
            [*a_row(1, 统一社会信用代码=CODES[0]), "成交", "=cmd|' /C calc'!A0"],
            [*a_row(2), "潜在", "一\n二"],
            [*a_row(3), "成交", ""],
        ]
    )


def test_an_export_holds_what_a_list_shows(client, three, audited, monkeypatch):
    monkeypatch.setattr(exporting, "PAGE_ROWS", 2)
    job, content = client.export(fields=["display_name", "phones", "status", "owner"])
    assert (job.state, job.exported_rows, job.format) == (job_pb2.JOB_STATE_SUCCEEDED, 3, job_pb2.FILE_FORMAT_CSV)
    assert job.file_name.endswith(".csv")
    assert from_csv(content) == [
        ["客户名称", "电话", "客户状态", "负责人"],
        ["上海华诚科技1有限公司", "+8613800000001", "成交", "li.wei"],
        ["上海华诚科技2有限公司", "+8613800000002", "潜在", "li.wei"],
        ["上海华诚科技3有限公司", "+8613800000003", "成交", "li.wei"],
    ]


def test_who_exported_what_and_who_took_the_file_is_audited(client, three, audited):
    job, content = client.export(filter=status_is("WON"), search="华诚", fields=["external_id"])
    created, exported, ended, taken = audited()[-4:]
    assert {entry.resource for entry in (created, exported, ended, taken)} == {job.name}
    assert [entry.action for entry in (created, exported, ended, taken)] == [
        "job.create", "customer.export", "job.end", "customer.download_export",
    ]  # fmt: skip
    assert exported.after["rows"] == 2
    assert (exported.after["search"], exported.after["fields"]) == ("华诚", ["external_id"])
    assert exported.after["filter"] == created.after["filter"] != {}
    assert exported.after["sha256"] == taken.after["sha256"] == hashlib.sha256(content).hexdigest()
    assert taken.actor == created.actor
    assert (ended.before["state"], ended.after["state"]) == ("RUNNING", "SUCCEEDED")


def test_filters_and_search_narrow_it(client, three):
    _, content = client.export(filter=status_is("WON"), fields=["external_id"])
    assert from_csv(content)[1:] == [["K1"], ["K3"]]
    _, content = client.export(search="华诚科技2", fields=["external_id"])
    assert from_csv(content)[1:] == [["K2"]]


def test_what_may_be_read_and_exported_is_exported(client_of, client, three, organisation):
    grants = ALL | {"customer.export": Reach.DEPARTMENT}
    west = client_of(organisation.zhao, grants)
    client_of(organisation.zhao).bring_in([HEADING, a_row(9)])
    _, content = west.export(fields=["external_id"])
    assert from_csv(content)[1:] == [["K9"]]
    unread = {**ALL, "customer.read": Grant("customer.read", Reach.SELF)}
    _, content = client_of(organisation.wang, unread).export(fields=["external_id"])
    assert from_csv(content)[1:] == []


def test_no_cell_is_a_formula(client, three, tmp_path):
    _, content = client.export(fields=["remark"])
    assert from_csv(content)[1] == ["'=cmd|' /C calc'!A0"]
    _, content = client.export(fields=["remark"], format=job_pb2.FILE_FORMAT_XLSX)
    (tmp_path / "out.xlsx").write_bytes(content)
    with open_table(tmp_path / "out.xlsx", "out.xlsx") as table:
        rows = list(table.rows())
    assert [(row.cells, row.problem) for row in rows] == [(["=cmd|' /C calc'!A0"], None), (["一\n二"], None)]


def test_an_export_can_be_imported_again(client, three, database, stored, organisation):
    with database.write(organisation.boss.caller()) as session:
        draft = custom_fields.CustomFieldDraft("customer", "staff", "员工数", "NUMBER")
        custom_fields.create_field(session, draft, entities=ENTITIES)
    client.update([["客户名称", "员工数", "标签"], ["上海华诚科技1有限公司", "12", "a;b"]])
    before = stored()
    _, content = client.export()
    job = client.update(content)
    assert counts(job) == (0, 0, 3, 0)
    assert list(job.ignored_columns) == list(exporting.OUTPUT_FIELDS.values())
    assert stored() == before


def test_what_cannot_be_listed_cannot_be_exported(client):
    bad = filter_pb2.Filter(condition=filter_pb2.Condition(field="shoe_size"))
    for request in ({"filter": bad}, {"fields": ["shoe_size"]}):
        _, reason = reason_of(lambda request=request: client.export(**request))
        assert reason == "UNKNOWN_FIELD"


def test_an_export_has_no_file_until_it_is_done(client):
    job = client.stub.ExportCustomers(pb.ExportCustomersRequest(), metadata=client.metadata)
    assert job.file_name == ""
    request = pb.DownloadExportRequest(name=job.name)
    _, reason = reason_of(lambda: list(client.stub.DownloadExport(request, metadata=client.metadata)))
    assert reason == "NOT_FINISHED"
    assert client.finish(job).exported_rows == 0


def test_imports_and_exports_are_not_mixed_up(client):
    job = client.upload([HEADING, a_row(1)])
    name = job.name.replace("importJobs", "exportJobs")
    _, reason = reason_of(lambda: client.get(name))
    assert reason == "JOB_NOT_FOUND"
