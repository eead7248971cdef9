"""Importing customers from files."""

import random
from uuid import uuid4

import grpc
import pytest
from chassis import custom_fields
from chassis.callers import Reach
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1 import job_pb2
from crm.customers.v1 import transfer_service_pb2 as pb
from customers.facts import contact_snapshot, snapshot, state
from customers.model import Contact, Customer, KnownUser
from customers.own_records import ENTITIES
from customers.transfer import importing, loading
from customers.usecases.create_customer import CustomerDraft, create_customer
from google.rpc import error_details_pb2, status_pb2
from openpyxl import Workbook
from sqlalchemy import select, text

from .conftest import ALL, CODES, from_csv, to_csv

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


def test_rows_become_customers_with_contacts(client, stored, organisation):
    job = client.bring_in([HEADING, a_row(1, 统一社会信用代码=CODES[0]), a_row(2)])
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert (job.total_rows, job.processed_rows, counts(job)) == (2, 2, (2, 0, 0, 0))
    assert list(job.ignored_columns) == []
    first, second = stored()
    assert (first.display_name, first.kind, first.status, first.credit_code) == (
        "上海华诚科技1有限公司", "COMPANY", "POTENTIAL", CODES[0],
    )  # fmt: skip
    assert (first.phones, first.emails, first.tags) == (["+8613800000001"], ["info1@example.com"], ["老客户", "重点"])
    assert (first.country, first.city, first.external_id) == ("CN", "上海", "K1")
    assert (first.owner_id, first.owner_department_path) == (organisation.li.id, organisation.li.path)
    assert (first.creator, first.version) == (organisation.li.name, 1)
    contacts = stored("contact")
    assert {contact.customer_id for contact in contacts} == {first.id, second.id}
    assert (contacts[0].display_name, contacts[0].job_title, contacts[0].phones, contacts[0].is_primary) == (
        "王芳", "采购经理", ["+861088886666"], True,
    )  # fmt: skip


def test_what_is_said_of_new_customers_is_what_entities_would_say(client, database, facts, audited):
    job = client.bring_in([HEADING, a_row(1, 统一社会信用代码=CODES[0], 标签="", 邮箱="")])
    with database.read(make_caller()) as session:
        customer, contact = session.scalar(select(Customer)), session.scalar(select(Contact))
    entries = {entry.resource: entry for entry in audited() if entry.resource != job.name}
    assert entries[customer.name].after == snapshot(customer)
    assert entries[contact.name].after == contact_snapshot(contact)
    assert {entry.action for entry in entries.values()} == {"customer.import", "contact.import"}
    assert {entry.request_id for entry in entries.values()} == {job.name.removeprefix("importJobs/")}
    [imported] = [data for kind, data in facts() if kind == "CustomersImported"]
    assert imported["import_job"] == job.name
    assert imported["customers"] == [vars(state(customer))]


def test_an_imported_customer_equals_one_created_by_hand(client, database, organisation, stored):
    client.bring_in([HEADING, a_row(1, 统一社会信用代码=CODES[0])])
    [imported] = stored()
    with database.write(organisation.li.caller()) as session:
        session.execute(text("DELETE FROM customer"))
        values = {
            "display_name": "上海华诚科技1有限公司", "credit_code": CODES[0], "phones": ["13800000001"],
            "emails": ["info1@example.com"], "industry": "制造业", "tags": ["重点", "老客户"], "address.city": "上海",
            "external_id": "K1",
        }  # fmt: skip
        create_customer(session, CustomerDraft(values, {}))
    [created] = stored()
    differing = {key for key in imported._mapping if imported._mapping[key] != created._mapping[key]}
    assert differing == {"id", "create_time", "update_time"}


def bad_rows(numbers):
    faults = [
        {"电话": "12345"}, {"客户名称": ""}, {"统一社会信用代码": "91110000600037341X"}, {"邮箱": "nobody"},
        {"标签": "长" * 51},
    ]  # fmt: skip
    return {number: faults[index % len(faults)] for index, number in enumerate(sorted(numbers))}


@pytest.mark.feature("X2")
def test_refused_rows_come_back_corrected_and_nothing_comes_twice(client, stored, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_ROWS", 100)
    bad = bad_rows(random.Random(7).sample(range(1, 1001), 40))
    good = [HEADING, *[a_row(number) for number in range(1, 1001)]]
    broken = [HEADING, *[a_row(number, **bad.get(number, {})) for number in range(1, 1001)]]
    job = client.bring_in(broken)
    assert counts(job) == (960, 0, 0, 40)
    assert len(job.first_errors) == 20
    assert (job.first_errors[0].row, job.first_errors[0].field, job.first_errors[0].reason) == (
        min(bad) + 1, "phones", "INVALID_PHONE",
    )  # fmt: skip
    assert job.first_errors[0].value == "12345"

    heading, *refused = from_csv(client.error_file(job))
    assert heading == ["row", "field", "reason", "message", *HEADING]
    assert [int(row[0]) for row in refused] == [number + 1 for number in sorted(bad)]
    assert {row[2] for row in refused} == {
        "INVALID_PHONE", "REQUIRED", "INVALID_CREDIT_CODE", "INVALID_EMAIL", "TOO_LONG",
    }  # fmt: skip
    assert all(row[1] and row[3] for row in refused)

    again = client.bring_in(broken)
    assert counts(again) == (0, 0, 960, 40)
    corrected = [heading, *[[*row[:4], *a_row(int(row[0]) - 1)] for row in refused]]
    fixed = client.bring_in(corrected, "customers-errors.csv")
    assert counts(fixed) == (40, 0, 0, 0)
    assert list(fixed.ignored_columns) == []
    assert counts(client.bring_in(good)) == (0, 0, 1000, 0)
    assert len(stored()) == 1000


def test_the_corrected_whole_file_adds_what_was_refused(client):
    client.bring_in([HEADING, a_row(1), a_row(2, 电话="x"), a_row(3)])
    assert counts(client.bring_in([HEADING, a_row(1), a_row(2), a_row(3)])) == (1, 0, 2, 0)


def test_rows_that_mean_the_same_customer_are_one(client, stored):
    job = client.bring_in(
        [
            HEADING,
            a_row(1, 客户名称="上海 华诚（集团）", 外部编号=""),
            a_row(2, 客户名称="上海华诚(集团)", 外部编号=""),
            a_row(3, 客户名称="上海华诚(集团)", 统一社会信用代码=CODES[0], 外部编号=""),
            a_row(4, 客户名称="北京盛达", 统一社会信用代码=CODES[1], 外部编号=""),
            a_row(5, 客户名称="北京盛达", 统一社会信用代码=CODES[2], 外部编号=""),
            a_row(6, 客户名称="另一名称", 统一社会信用代码=CODES[2], 外部编号=""),
        ]
    )
    assert counts(job) == (3, 0, 3, 0)
    assert [row.display_name for row in stored()] == ["上海 华诚（集团）", "北京盛达", "北京盛达"]


def test_namesakes_are_told_apart_by_their_first_phone(client, stored):
    rows = [["姓名", "手机", "客户类型"], ["张伟", "13800000001", "个人"], ["张伟", "13800000002", "个人"],
            ["张 伟", "138 0000 0001", "个人"], ["张伟", "", "个人"], ["张伟", "", "person"]]  # fmt: skip
    assert counts(client.bring_in(rows)) == (3, 0, 2, 0)
    assert {row.kind for row in stored()} == {"PERSON"}


def test_headings_are_found_in_other_spellings_and_columns_can_be_assigned(client, stored):
    rows = [
        ["＊公司名称 (必填)", "Phone", "手机号", "E-Mail", "Stadt", "Kunde seit", "备注 "],
        ["甲公司", "010-88886666", "13800000001/13800000002", "A@Example.COM; b@example.com", "上海", "2020", "N/A"],
    ]
    job = client.bring_in(rows, columns={"Stadt": "address.city", "备注": ""}, empty_values=["N/A"])
    [row] = stored()
    assert row.phones == ["+861088886666", "+8613800000001", "+8613800000002"]
    assert (row.city, row.remark) == ("上海", None)
    assert list(job.ignored_columns) == ["Kunde seit"]


def test_a_file_without_names_is_refused_as_a_whole(client, stored):
    job = client.bring_in([["电话", "城市"], ["13800000001", "上海"]])
    assert (job.state, job.failure_reason) == (job_pb2.JOB_STATE_FAILED, "MISSING_COLUMN")
    assert stored() == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name,city\n\xff\xff,x\n", "UNREADABLE_ENCODING"),
        ('name,note\n甲,"x\n'.encode(), "UNCLOSED_QUOTE"),
        (b"\n\n", "EMPTY_FILE"),
    ],
)
def test_files_that_cannot_be_read_fail_with_a_reason(client, content, reason):
    job = client.bring_in(content)
    assert (job.state, job.failure_reason) == (job_pb2.JOB_STATE_FAILED, reason)
    assert job.failure_message


def test_gbk_files_are_read(client, stored):
    client.bring_in(to_csv([HEADING, a_row(1)], "gb18030"))
    assert stored()[0].display_name == "上海华诚科技1有限公司"


def test_malformed_rows_are_refused_and_the_others_come_in(client, stored):
    content = '客户名称,电话\n甲公司,13800000001\n乙公司\n"丙"公司,1\n丁公司,13800000002\n'.encode()
    job = client.bring_in(content)
    assert counts(job) == (2, 0, 0, 2)
    rows = from_csv(client.error_file(job))
    assert [row[:3] for row in rows[1:]] == [["3", "", "RAGGED_ROW"], ["4", "", "MALFORMED_QUOTES"]]
    assert rows[1][4:] == ["乙公司"]


def test_a_workbook_comes_in_but_for_its_formulas(client, stored, tmp_path):
    book = Workbook()
    for row in (["客户名称", "电话", "备注"], ["甲公司", 13800000001, "x"], ["乙公司", None, "=1+1"]):
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    job = client.bring_in((tmp_path / "book.xlsx").read_bytes(), "book.xlsx")
    assert counts(job) == (1, 0, 0, 1)
    assert stored()[0].phones == ["+8613800000001"]
    assert (job.first_errors[0].reason, job.first_errors[0].field) == ("UNSUPPORTED_FORMULA", "C3")


def test_a_check_writes_nothing_and_can_be_run(client, stored, facts, audited):
    rows = [HEADING, a_row(1), a_row(1), a_row(2, 电话="x"), a_row(3)]
    check = client.bring_in(rows, check_only=True)
    assert (check.state, check.check_only, counts(check)) == (job_pb2.JOB_STATE_SUCCEEDED, True, (2, 0, 1, 1))
    assert stored() == []
    assert [entry.action for entry in audited()] == ["job.create", "job.end"]
    assert [kind for kind, _ in facts()] == ["NotificationRaised"]
    assert len(from_csv(client.error_file(check))) == 2
    request = pb.RunCheckedImportRequest(name=check.name, request_id=str(uuid4()))
    run = client.stub.RunCheckedImport(request, metadata=client.metadata)
    assert client.stub.RunCheckedImport(request, metadata=client.metadata).name == run.name
    job = client.finish(run)
    assert (job.check_only, counts(job), job.file_name) == (False, counts(check), check.file_name)
    assert len(stored()) == 2
    again = pb.RunCheckedImportRequest(name=job.name)
    assert reason_of(lambda: client.stub.RunCheckedImport(again, metadata=client.metadata)) == (
        grpc.StatusCode.FAILED_PRECONDITION, "NOT_CHECKED",
    )  # fmt: skip


def test_a_check_knows_rows_of_earlier_chunks(client, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_ROWS", 2)
    rows = [HEADING, *[a_row(number % 3) for number in range(10)]]
    assert counts(client.bring_in(rows, check_only=True)) == counts(client.bring_in(rows)) == (3, 0, 7, 0)


class TestUpdating:
    """The mode that adds or updates."""

    def test_given_cells_change_and_empty_ones_stay(self, client, stored, facts, audited):
        client.bring_in([HEADING, a_row(1), a_row(2)])
        job = client.update([HEADING, a_row(1, 行业="医疗", 邮箱="", 地址="人民路1号"), a_row(2), a_row(3)])
        assert counts(job) == (1, 1, 1, 0)
        first = stored()[0]
        assert (first.industry, first.emails, first.street, first.version) == (
            "医疗",
            ["info1@example.com"],
            "人民路1号",
            2,
        )
        changed = [entry for entry in audited() if entry.before and entry.action != "job.end"]
        assert [(entry.before, entry.after) for entry in changed] == [
            ({"industry": "制造业", "street": None}, {"industry": "医疗", "street": "人民路1号"})
        ]
        imported = [data["customers"] for kind, data in facts() if kind == "CustomersImported"][-1]
        assert sorted(one["version"] for one in imported) == [1, 2]

    def test_a_changed_name_is_found_by_search(self, client, stored):
        client.bring_in([HEADING, a_row(1)])
        client.update([HEADING, a_row(1, 客户名称="北京盛达公司")])
        [row] = stored()
        assert (row.display_name, row.name_key) == ("北京盛达公司", "北京盛达公司")
        assert "北京盛达公司" in row.search_text

    def test_contacts_are_changed_by_name_or_added(self, client, stored):
        client.bring_in([HEADING, a_row(1)])
        job = client.update([HEADING, a_row(1, 职务="总监"), a_row(1, 联系人="李雷", 联系电话="", 职务="")])
        assert counts(job) == (0, 2, 0, 0)
        contacts = {row.display_name: row for row in stored("contact")}
        assert (contacts["王芳"].job_title, contacts["王芳"].version) == ("总监", 2)
        assert (contacts["李雷"].is_primary, contacts["李雷"].phones) == (False, [])

    def test_rows_of_one_file_follow_each_other(self, client, stored, monkeypatch):
        rows = [HEADING, a_row(1, 行业="一"), a_row(1, 行业="二"), a_row(2), a_row(1, 行业="三"), a_row(1, 行业="三")]
        assert counts(client.update(rows)) == (2, 2, 1, 0)
        assert (stored()[0].industry, stored()[0].version) == ("三", 3)

    def test_customers_out_of_scope_are_not_touched(self, client_of, organisation, stored):
        client_of(organisation.zhao).bring_in([HEADING, a_row(1)])
        own = dict.fromkeys(ALL, Reach.SELF)
        job = client_of(organisation.li, own).update([HEADING, a_row(1, 行业="偷改"), a_row(2)])
        assert counts(job) == (1, 0, 0, 1)
        assert job.first_errors[0].reason == "DUPLICATE_CUSTOMER"
        assert stored()[0].industry == "制造业"

    def test_a_row_that_would_make_two_customers_the_same_is_refused(self, client):
        client.bring_in([HEADING, a_row(1), a_row(2)])
        job = client.update([HEADING, a_row(1, 客户名称="上海华诚科技2有限公司")])
        assert (counts(job), job.first_errors[0].reason) == ((0, 0, 0, 1), "DUPLICATE_CUSTOMER")

    def test_a_name_that_several_bear_is_ambiguous(self, client):
        same = {"客户名称": "北京盛达", "外部编号": ""}
        client.bring_in([HEADING, *[a_row(i, 统一社会信用代码=CODES[i], **same) for i in range(2)]])
        job = client.update(
            [HEADING, a_row(3, 行业="x", **same), a_row(4, 统一社会信用代码=CODES[1], 行业="y", **same)]
        )
        assert (counts(job), job.first_errors[0].reason) == ((0, 1, 0, 1), "AMBIGUOUS_MATCH")

    def test_another_owner_is_a_transfer(self, client, organisation, stored, facts):
        client.bring_in([["客户名称"], ["甲公司"]])
        job = client.update([["客户名称", "负责人"], ["甲公司", "zhao.lei"]])
        assert counts(job) == (0, 1, 0, 0)
        assert stored()[0].owner_id == organisation.zhao.id
        assert "CustomerTransferred" in [kind for kind, _ in facts()]
        assert [row.kind for row in stored("timeline_entry", "id")] == ["OWNER_CHANGED"]

    def test_a_check_of_updates_counts_and_changes_nothing(self, client, stored):
        client.bring_in([HEADING, a_row(1)])
        rows = [HEADING, a_row(1, 行业="医疗"), a_row(2), a_row(2)]
        check = client.update(rows, check_only=True)
        assert counts(check) == (1, 1, 1, 0)
        assert [(row.industry, row.version) for row in stored()] == [("制造业", 1)]

    def test_it_needs_the_permission_to_update(self, client_of, organisation):
        client = client_of(organisation.li, {"customer.import": Reach.ALL})
        assert reason_of(lambda: client.update([HEADING, a_row(1)])) == (
            grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED",
        )  # fmt: skip


class TestOwners:
    """Whom imported customers belong to."""

    def test_owners_are_named_in_several_ways(self, client, database, organisation, stored):
        with database.write(organisation.li.caller()) as session:
            session.get_one(KnownUser, organisation.zhao.id).display_name = "赵磊"
        names = ["", "赵磊", "zhao.lei", organisation.boss.name]
        client.bring_in([["客户名称", "负责人"], *[[f"公司{i}", name] for i, name in enumerate(names)]])
        assert [row.owner_id for row in stored()] == [
            organisation.li.id, organisation.zhao.id, organisation.zhao.id, organisation.boss.id,
        ]  # fmt: skip
        assert stored()[1].owner_department_path == organisation.zhao.path

    def test_owners_that_cannot_be_are_refused(self, client, database, organisation):
        with database.write(organisation.li.caller()) as session:
            session.get_one(KnownUser, organisation.zhao.id).display_name = "王芳"
            session.get_one(KnownUser, organisation.wang.id).display_name = "王芳"
            session.get_one(KnownUser, organisation.boss.id).active = False
        names = ["nobody", "王芳", "boss", f"users/{new_id()}"]
        job = client.bring_in([["客户名称", "负责人"], *[[f"公司{i}", name] for i, name in enumerate(names)]])
        assert [error.reason for error in job.first_errors] == [
            "UNKNOWN_OWNER", "AMBIGUOUS_OWNER", "INACTIVE_OWNER", "UNKNOWN_OWNER",
        ]  # fmt: skip

    def test_giving_to_others_needs_a_permission(self, client_of, organisation):
        client = client_of(organisation.li, {"customer.import": Reach.SELF})
        job = client.bring_in([["客户名称", "负责人"], ["甲公司", "zhao.lei"], ["乙公司", "li.wei"]])
        assert (counts(job), job.first_errors[0].reason) == ((1, 0, 0, 1), "PERMISSION_DENIED")


class TestOwnFields:
    """The company's own fields."""

    @pytest.fixture(autouse=True)
    def fields(self, database, organisation):
        with database.write(organisation.boss.caller()) as session:
            for key, label, kind, options in (
                ("region", "所属大区", "CHOICE", ("东区", "西区")),
                ("staff", "员工数", "NUMBER", ()),
                ("signed", "签约日期", "DATE", ()),
                ("vip", "是否VIP", "BOOLEAN", ()),
                ("lines", "产品线", "MULTI_CHOICE", ("甲", "乙", "丙")),
                ("seen", "拜访时间", "DATETIME", ()),
            ):
                draft = custom_fields.CustomFieldDraft("customer", key, label, kind, options=options)
                custom_fields.create_field(session, draft, entities=ENTITIES)

    def test_they_are_recognised_by_label_or_key_and_read_as_typed(self, client, stored):
        heading = ["客户名称", "所属大区", "staff", "签约日期", "是否VIP", "产品线", "拜访时间"]
        job = client.bring_in([heading, ["甲公司", "东区", "1,200", "2026年1月31日", "是", "丙;甲", "2026/3/2 12:00"]])
        assert list(job.ignored_columns) == []
        assert stored()[0].custom == {
            "region": "东区", "staff": 1200, "signed": "2026-01-31", "vip": True, "lines": ["甲", "丙"],
            "seen": "2026-03-02T04:00:00Z",
        }  # fmt: skip

    def test_values_that_do_not_fit_are_refused_by_field(self, client):
        job = client.bring_in([["客户名称", "所属大区", "员工数"], ["甲公司", "南区", "many"], ["乙公司", "西区", "3"]])
        assert counts(job) == (1, 0, 0, 1)
        assert {error.field for error in job.first_errors} == {"custom_fields.region", "custom_fields.staff"}

    def test_updates_keep_the_others(self, client, stored):
        client.bring_in([["客户名称", "所属大区", "员工数"], ["甲公司", "东区", "3"]])
        client.update([["客户名称", "员工数"], ["甲公司", "4"]])
        assert stored()[0].custom == {"region": "东区", "staff": 4}

    def test_columns_can_be_assigned_to_them_but_not_to_what_is_none(self, client, stored):
        rows = [["客户名称", "Region"], ["甲公司", "东区"]]
        client.bring_in(rows, columns={"Region": "custom_fields.region"})
        assert stored()[0].custom == {"region": "东区"}
        assert reason_of(lambda: client.upload(rows, columns={"Region": "custom_fields.none"})) == (
            grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_FIELD",
        )  # fmt: skip


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


def test_a_race_with_a_creation_by_hand_is_no_failure(client, database, organisation, stored, monkeypatch):
    """Between the look for duplicates and the insert somebody else creates one of the customers."""
    write, raced = loading.write_lines, []

    def create_first(session, *lines):
        if not raced:
            raced.append(True)
            with database.write(organisation.wang.caller()) as other:
                create_customer(other, CustomerDraft({"display_name": "上海华诚科技2有限公司"}, {}))
        write(session, *lines)

    monkeypatch.setattr(loading, "write_lines", create_first)
    job = client.bring_in([HEADING, a_row(1), a_row(2), a_row(3)])
    assert raced
    assert counts(job) == (2, 0, 1, 0)
    assert len(stored()) == 3
