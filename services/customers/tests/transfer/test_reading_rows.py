"""From headings and cells to fields and values."""

import csv
import gzip
import os
import random
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from chassis.copying import copy_cells, integer_array, text_array, uuid_array, write_lines
from chassis.errors import Invalid
from chassis.jobs import RefusedRow
from chassis.tabular import Row, open_table
from chassis.testing import make_caller
from chassis.transfers import split_list, split_phones
from customers import rules
from customers.model import Contact, Customer
from customers.transfer.column_parsing import ColumnParser, right_codes
from customers.transfer.headings import read_heading
from customers.transfer.new_customers import CONTACT_COLUMNS, CUSTOMER_COLUMNS
from customers.transfer.own_values import reader
from customers.transfer.parsing import RowParser, credit_code
from hypothesis import given
from hypothesis import strategies as st
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
    parser = RowParser(read_heading(heading, {}, []), frozenset(empty), {}, ["A", "B"])
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
    for cells in (["甲", "'=x"], [" '=甲 ", " '=x"]):
        layout, row = read_heading(["客户名称", "备注"], {}, []), Row(2, cells)
        parser = RowParser(layout, frozenset(), {}, [])
        for read in (parser.parse(row), *ColumnParser(layout, frozenset(), [], parser).parse_all([row])):
            assert read.values == {"display_name": cells[0].strip(" '"), "remark": "=x"}


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
        keys, texts = [uuid4(), None], ["NULL", None]
        statement = text("SELECT CAST(:keys AS uuid[]), CAST(:texts AS text[])")
        made = {"keys": uuid_array(keys), "texts": text_array(texts)}
        assert list(session.execute(statement, made).one()) == [keys, texts]


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
        "lifecycle_stage",
    }
    assert set(Customer.__table__.columns.keys()) - left_empty - identity == set(CUSTOMER_COLUMNS)
    not_brought = {"remark", "custom", "reports_to_id"}
    assert set(Contact.__table__.columns.keys()) - not_brought - identity == set(CONTACT_COLUMNS)


def told(row):
    """A row without the id that is drawn for its customer."""
    return row if isinstance(row, RefusedRow) else row._replace(identity=row.identity[1:])


COLUMNS = [
    "客户名称", "客户类型", "信用代码", "电话", "邮箱", "级别", "行业", "标签", "省", "地址", "备注", "外部编号",
    "负责人", "联系人", "联系人电话", "联系人邮箱", "职务", "影响力", "决策角色", "自有",
]  # fmt: skip
USUAL = st.sampled_from(
    ["", "", "甲", " 乙 ", "'丙", "'=1", " '=1", "-", "0", "个人", "公司", "91110000600037341L", "91110000600037341l",
     "91110000600037342L", "13800000001", "'13800000001", "021-68880000", "13800000001；13800000002", "86138000000",
     "a@b.com", "A@b.com", "a@b", "x@y.cn;z@y.cn", "A", "B", "z", "一\n二", "一\r\n二", "一\t二", "一\u2028二",
     "\x07", "６", "决策人", "3", "9" * 18, "一" * 18, "字" * 101, "字" * 301]
)  # fmt: skip


@given(
    st.lists(st.sampled_from(COLUMNS[1:]), unique=True).flatmap(
        lambda chosen: st.tuples(
            st.just(["客户名称", *chosen]),
            st.lists(st.lists(USUAL, min_size=1 + len(chosen), max_size=1 + len(chosen)), max_size=5),
        )
    ),
    st.booleans(),
)
def test_rows_are_read_column_by_column_as_one_by_one(table, twice):
    heading, rows = table
    if twice and len(heading) > 1:  # lists may stand in several columns
        heading, rows = [*heading, "手机"], [[*row, row[1]] for row in rows]
    layout = read_heading(heading, {"自有": "custom_fields.own"}, [SimpleNamespace(key="own", label="自有")])
    empty, levels = frozenset({"-"}), ["A", "B"]
    parser = RowParser(layout, empty, {"own": str.upper}, levels)
    given_rows = [Row(number, cells) for number, cells in enumerate(rows, start=2)]
    read = ColumnParser(layout, empty, levels, parser).parse_all(given_rows)
    assert [told(row) for row in read] == [told(parser.parse(row)) for row in given_rows]
    assert len({row.identity.id for row in read if not isinstance(row, RefusedRow)}) == sum(
        not isinstance(row, RefusedRow) for row in read
    )


@given(st.lists(st.text("0123456789ABCDEFGHJKLMNPQRTUWXYIOé", min_size=18, max_size=18)))
def test_codes_are_right_that_are_judged_so_one_by_one(codes):
    codes += ["91110000600037341L", "9111000060003734AL", "A1110000600037341L"]
    assert right_codes(codes) == {code for code in codes if _is_code(code)}


def _is_code(text):
    try:
        return credit_code(text) == text
    except Invalid:
        return False


@needs_data
def test_a_real_list_of_companies_is_read(tmp_path):
    """30,348 companies. Some bear an old registration number of 13 or 15 digits, or a wrong check digit."""
    path = tmp_path / "companies.csv"
    path.write_bytes(gzip.decompress((DATA / "zh_companies_uscc" / "zh_companies_dev.csv.gz").read_bytes()))
    with open_table(path, path.name) as table:
        layout = read_heading(table.heading, {}, [])
        parser = RowParser(layout, frozenset({"N/A"}), {}, ["A", "B", "C", "D", "E"])
        rows = [parser.parse(row) for row in table.rows()]
        columns = ColumnParser(layout, frozenset({"N/A"}), ["A", "B", "C", "D", "E"], parser)
        assert [told(row) for row in columns.parse_all(list(table.rows()))] == [told(row) for row in rows]
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert len(rows) == table.total_rows == sum(1 for _ in csv.reader(file)) - 1
    refused = [row for row in rows if isinstance(row, RefusedRow)]
    assert {field for _, field in layout.columns} >= {"display_name", "credit_code", "address.street"}
    assert len(refused) / len(rows) < 0.02
    assert {problem.reason for row in refused for problem in row.problems} == {"INVALID_CREDIT_CODE"}


CELLS = st.text("13８0-/;,，；、|\n \t转外a@.")


@given(CELLS)
def test_a_cell_with_one_item_is_read_as_one_with_several(cell):
    assert split_list(cell) == split_list(f"{cell};")
    assert split_phones(cell) == split_phones(f"{cell};")


@given(CELLS | st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True) | st.emails())
@pytest.mark.parametrize("rule", [rules.phones, rules.emails])
def test_one_phone_or_mail_is_judged_as_several_are(rule, text):
    def judged(values):
        try:
            return rule(values)
        except Invalid as error:
            return error.reason, error.message

    assert judged([text]) == judged([text, text])


@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_the_text_of_an_array_holds_its_integers(values):
    text = integer_array(values)
    assert text == "{" + ",".join(map(str, values)) + "}"
