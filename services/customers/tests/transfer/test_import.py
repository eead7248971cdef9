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
from customers.duplicate_finding.queries import list_groups
from customers.facts import contact_snapshot, snapshot, state
from customers.model import Contact, Customer, KnownUser
from customers.own_records import ENTITIES
from customers.transfer import importing, loading, tidying
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.create_tier import create_tier
from openpyxl import Workbook
from sqlalchemy import select, text

from .conftest import ALL, CODES, HEADING, a_row, counts, from_csv, reason_of, to_csv


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


DECIDES = ["决策角色", "影响力", "立场", "生日"]


def test_what_contacts_decide_comes_in_and_changes(client, database, audited):
    heading = [*HEADING, *DECIDES]
    client.bring_in([heading, [*a_row(1), "决策人", "5", "支持", "1980-05-01"]])
    job = client.update([heading, [*a_row(1), "采购", "3", "反对", ""], [*a_row(2), "老板", "9", "支持", "五月"]])
    assert counts(job) == (0, 1, 0, 1)
    assert {problem.reason for problem in job.first_errors} == {"INVALID_DECISION_ROLE", "OUT_OF_RANGE", "INVALID_DATE"}
    with database.read(make_caller()) as session:
        contact = session.scalars(select(Contact)).one()
    assert (contact.decision_role, contact.influence, contact.stance) == ("BUYER", 3, "OPPONENT")
    assert (contact.birthday.isoformat(), contact.search_text) == ("1980-05-01", "王芳 wf 'WANG'FANG   #861088886666#")
    entries = [entry for entry in audited() if entry.action == "contact.import"]
    assert [entry.after["influence"] for entry in entries] == [5, 3]
    assert entries[0].after["birthday"] == "1980-05-01"


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


def groups_of_duplicates(database, person):
    with database.read(person.caller("customer.read", "customer.merge")) as session:
        page = list_groups(session, "OPEN", page_size=50, page_token="")
        ids = [member.customer_id for group in page.rows for member in group.members]
        return set(session.scalars(select(Customer.display_name).where(Customer.id.in_(ids))))


def test_rows_like_a_customer_that_is_there_are_flagged_on_request(client_of, database, organisation):
    client = client_of(organisation.boss, ALL | {"customer.merge": Reach.ALL})
    heading = ["客户名称"]
    client.bring_in([heading, ["上海华诚科技有限公司"], ["北京盛达贸易有限公司"]])
    client.bring_in([heading, ["华诚科技(上海)公司"]])
    assert groups_of_duplicates(database, organisation.boss) == set()
    job = client.bring_in([heading, ["上海华诚科技集团"]], flag_likely_duplicates=True, check_only=True)
    assert (counts(job), groups_of_duplicates(database, organisation.boss)) == ((1, 0, 0, 0), set())
    job = client.bring_in([heading, ["上海华诚科技集团"]], flag_likely_duplicates=True)
    assert counts(job) == (1, 0, 0, 0)
    like = {"上海华诚科技有限公司", "华诚科技(上海)公司", "上海华诚科技集团"}
    assert groups_of_duplicates(database, organisation.boss) == like


def test_who_may_not_merge_may_not_have_duplicates_flagged(client_of, organisation):
    client = client_of(organisation.li, ALL)
    wanted = lambda: client.upload([["客户名称"], ["甲公司"]], flag_likely_duplicates=True)  # noqa: E731
    assert reason_of(wanted) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


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


@pytest.mark.parametrize(("many", "counted"), [(3, 3), (4, -1)])
def test_lists_are_planned_for_what_a_large_import_wrote(client, database, monkeypatch, many, counted):
    monkeypatch.setattr(tidying, "MANY_ROWS", many)
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE customer CASCADE"))
    client.bring_in([HEADING, a_row(1), a_row(2), a_row(3)])
    with database.engine.begin() as connection:
        assert connection.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'customer'")) == counted


def test_levels_of_files_are_the_companys_tiers_and_enter_the_history(client, stored, database, organisation):
    with database.write(organisation.boss.caller()) as session:
        create_tier(session, {"code": "VIP"})
    heading = ["客户名称", "客户级别"]
    job = client.update([heading, ["甲公司", "vip"], ["乙公司", "B"], ["丙公司", ""], ["丁公司", "S"]])
    assert [(one.row, one.field, one.reason) for one in job.first_errors] == [(5, "level", "INVALID_LEVEL")]
    client.update([heading, ["甲公司", "A"], ["乙公司", "B"]])
    names = {row.id: row.display_name for row in stored()}
    assert {row.display_name: row.level for row in stored()} == {"甲公司": "A", "乙公司": "B", "丙公司": None}
    assert [
        (names[row.customer_id], row.before, row.after, row.origin)
        for row in stored("classification_change", "position")
    ] == [
        ("甲公司", None, "VIP", "IMPORT"), ("乙公司", None, "B", "IMPORT"), ("甲公司", "VIP", "A", "IMPORT"),
    ]  # fmt: skip
