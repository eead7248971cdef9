"""From headings and cells to fields and values."""

import csv
import gzip
import os
import random
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from chassis.copying import copy_cells, text_array, write_lines
from chassis.errors import Invalid
from chassis.jobs import RefusedRow
from chassis.tabular import Row, open_table
from chassis.testing import make_caller
from customers import rules
from customers.model import Contact, Customer
from customers.transfer.headings import read_heading
from customers.transfer.new_customers import CONTACT_COLUMNS, CUSTOMER_COLUMNS
from customers.transfer.own_values import reader, split_phones
from customers.transfer.parsing import RowParser, credit_code
from sqlalchemy import text

DATA = Path(os.environ.get("CRM_DATA") or Path(__file__).resolve().parents[5] / "shared" / "data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the public data sets: name their folder in CRM_DATA")


def fields(heading, chosen=None, own=()):
    layout = read_heading(heading, chosen or {}, own)
    return {heading[index]: field for index, field in layout.columns}, list(layout.ignored)


@pytest.mark.parametrize(
    ("title", "field"),
    [
        ("统一社会信用代码", "credit_code"), ("Credit Code", "credit_code"), ("手机", "phones"), ("邮箱", "emails"),
        ("负责人", "owner"), ("行业", "industry"), ("来源", "source"), ("标签", "tags"), ("备注", "remark"),
        ("省", "address.province"), ("市", "address.city"), ("区", "address.district"), ("地址", "address.street"),
        ("联系人", "contact.display_name"), ("职务", "contact.job_title"), ("external_id", "external_id"),
        ("address.postal_code", "address.postal_code"), ("postal code", "address.postal_code"),
        ("* 级别（A-E）", "level"), ("CONTACT  PHONE", "contact.phones"), ("状态", "status"),
    ],
)  # fmt: skip
def test_headings_are_known_in_chinese_and_english(title, field):
    found, ignored = fields(["客户名称", title])
    assert (found[title], ignored) == (field, [])


def test_a_phone_beside_a_contact_is_the_contacts():
    assert fields(["客户名称", "联系人", "联系电话"])[0]["联系电话"] == "contact.phones"
    assert fields(["客户名称", "联系电话"])[0]["联系电话"] == "phones"


def test_own_fields_are_known_but_do_not_take_the_place_of_others():
    own = [SimpleNamespace(key="region", label="所属大区"), SimpleNamespace(key="sector", label="行业")]
    found, _ = fields(["客户名称", "所属大区", "行业", "custom_fields.sector"], own=own)
    assert list(found.values()) == ["display_name", "custom_fields.region", "industry", "custom_fields.sector"]


def test_a_field_is_read_from_one_column_only():
    found, ignored = fields(["客户名称", "企业名称", "电话", "手机", "?"])
    assert (found["客户名称"], found["手机"], ignored) == ("display_name", "phones", ["企业名称", "?"])


def parse(heading, cells, empty=()):
    parser = RowParser(read_heading(heading, {}, []), frozenset(empty), {})
    return parser.parse(Row(2, cells))


def test_all_faults_of_a_row_are_told_at_once():
    row = parse(["客户名称", "电话", "级别", "联系人", "联系人邮箱"], ["", "1", "Z", "王芳", "x"])
    assert isinstance(row, RefusedRow)
    assert {(one.field, one.reason) for one in row.problems} == {
        ("display_name", "REQUIRED"), ("phones", "INVALID_PHONE"), ("level", "INVALID_LEVEL"),
        ("contact.emails", "INVALID_EMAIL"),
    }  # fmt: skip


def test_a_contact_without_a_name_leaves_its_phone_to_the_customer():
    row = parse(["客户名称", "电话", "联系人", "联系电话"], ["甲", "13800000001", "", "13800000002"])
    assert row.values["phones"] == ["+8613800000001", "+8613800000002"]
    assert row.contact == {}
    assert isinstance(parse(["客户名称", "联系人", "职务"], ["甲", "", "经理"]), RefusedRow)


def test_guarded_cells_are_read_as_they_were():
    assert parse(["客户名称", "备注"], ["甲", "'=x"]).values["remark"] == "=x"


def test_cells_that_mean_no_value_are_empty():
    assert parse(["客户名称", "行业", "电话"], ["甲", "-", "N/A"], ["-", "N/A"]).values == {"display_name": "甲"}


def test_a_person_bears_no_credit_code():
    row = parse(["客户名称", "客户类型", "信用代码"], ["张伟", "个人", "91110000600037341L"])
    assert [one.reason for one in row.problems] == ["INVALID_CREDIT_CODE"]


def test_the_quick_check_of_credit_codes_is_the_full_one():
    rng = random.Random(5)
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXYIOSZV !"
    codes = ["91110000600037341L", "91310000132212766M", "91440300MA5JJF171N", "93340828574414712U"]
    accepted = 0
    for _ in range(20_000):
        code = list(rng.choice(codes))
        for _ in range(rng.randrange(3)):
            code[rng.randrange(18)] = rng.choice(alphabet)
        text = "".join(code)
        quick, full = outcome(credit_code, text), outcome(rules.credit_code, text)
        assert quick == full, text
        accepted += quick[0] == "ok"
    assert accepted > 1_000


def outcome(rule, text):
    try:
        return "ok", rule(text)
    except Invalid as error:
        return error.reason, error.message


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("NUMBER", "1,234.50", "1234.50"), ("BOOLEAN", "否", False), ("BOOLEAN", "perhaps", "perhaps"),
        ("DATE", "2026.1.5", "2026-01-05"), ("DATE", "20260105", "2026-01-05"), ("DATE", "soon", "soon"),
        ("DATE", "2026-01-05 00:00:00", "2026-01-05"), ("DATETIME", "2026-01-05", "2026-01-05T00:00:00+08:00"),
        ("DATETIME", "2026/1/5 9:30", "2026-01-05T09:30:00+08:00"), ("DATETIME", "2026-13-01 1:00", "2026-13-01 1:00"),
        ("DATETIME", "2026-01-05T01:30:00Z", "2026-01-05T01:30:00Z"), ("MULTI_CHOICE", "甲; 乙", ["甲", "乙"]),
        ("TEXT", "1,2", "1,2"),
    ],
)  # fmt: skip
def test_cells_of_own_fields_are_read_by_type(kind, text, value):
    assert reader(kind, ZoneInfo("Asia/Shanghai"))(text) == value


def test_a_slash_parts_whole_phone_numbers_only():
    assert split_phones("13800000001/13800000002；030/123456") == ["13800000001", "13800000002", "030/123456"]


def test_lines_for_copy_keep_every_character(database):
    values = ["a\tb", "c\\d", "e\nf", "g\rh", r"\N", '"', "", None]
    lists = [[], ['"', "\\", "{,}", "", "NULL", "a\tb"]]
    with database.write(make_caller()) as session:
        session.execute(
            text(f"CREATE TEMP TABLE line ({', '.join(f'c{i} text' for i in range(8))}, l text[], m text[])")
        )
        line = copy_cells([*values, *map(text_array, lists)])
        write_lines(session, "line", [*[f"c{i}" for i in range(8)], "l", "m"], [line])
        assert list(session.execute(text("SELECT * FROM line")).one()) == [*values, *lists]


def test_every_column_is_written():
    identity = {"identity_number_sealed", "identity_number_index", "identity_number_shown"}  # which no file brings
    left_empty = {
        "last_follow_up_time",
        "last_effective_follow_up_time",
        "pool_id",
        "pool_entry_time",
        "held_since",
        "locked",
        "rule_tags",
    }
    assert set(Customer.__table__.columns.keys()) - left_empty - identity == set(CUSTOMER_COLUMNS)
    assert set(Contact.__table__.columns.keys()) - {"remark", "custom"} - identity == set(CONTACT_COLUMNS)


@needs_data
def test_a_real_list_of_companies_is_read(tmp_path):
    """30,348 companies. Some bear an old registration number of 13 or 15 digits, or a wrong check digit."""
    path = tmp_path / "companies.csv"
    path.write_bytes(gzip.decompress((DATA / "zh_companies_uscc" / "zh_companies_dev.csv.gz").read_bytes()))
    with open_table(path, path.name) as table:
        layout = read_heading(table.heading, {}, [])
        parser = RowParser(layout, frozenset({"N/A"}), {})
        rows = [parser.parse(row) for row in table.rows()]
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert len(rows) == table.total_rows == sum(1 for _ in csv.reader(file)) - 1
    refused = [row for row in rows if isinstance(row, RefusedRow)]
    assert {field for _, field in layout.columns} >= {"display_name", "credit_code", "address.street"}
    assert len(refused) / len(rows) < 0.02
    assert {problem.reason for row in refused for problem in row.problems} == {"INVALID_CREDIT_CODE"}
