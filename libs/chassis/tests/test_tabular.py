"""Reading and writing tables in files."""

import csv
import io
import os
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
from chassis.errors import Invalid
from chassis.tabular import CsvWriter, XlsxWriter, detect_format, guard, open_table, unguard
from chassis.tabular import xlsxfile as reader
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

DATA = Path(os.environ.get("CRM_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
TORTURE = DATA / "import_torture_qsv"
needs_data = pytest.mark.skipif(
    not TORTURE.is_dir(), reason="needs the public data sets: name their folder in CRM_DATA"
)


def read(path: Path, name: str | None = None):
    with open_table(path, name or path.name) as table:
        return list(table.heading), list(table.rows()), table.total_rows


def read_text(tmp_path: Path, content: str | bytes, name: str = "table.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path)


def refusal(tmp_path: Path, content: str | bytes, name: str = "table.csv") -> Invalid:
    with pytest.raises(Invalid) as caught:
        read_text(tmp_path, content, name)
    return caught.value


def cells(rows) -> list[list[str]]:
    return [row.cells for row in rows]


@pytest.mark.parametrize(
    ("encoding", "prefix"), [("utf-8", b""), ("utf-8-sig", b""), ("gb18030", b""), ("utf-16", b"")]
)
def test_usual_encodings_are_told_apart(tmp_path, encoding, prefix):
    content = "名称,电话\n上海华诚科技有限公司,13800138000\n联通,10010\n".encode(encoding)
    heading, rows, total = read_text(tmp_path, prefix + content)
    assert heading == ["名称", "电话"]
    assert cells(rows) == [["上海华诚科技有限公司", "13800138000"], ["联通", "10010"]]
    assert total == 2


def test_damaged_utf8_is_refused_with_its_line(tmp_path):
    rows = ["名称,城市", *[f"上海华诚科技有限公司{i},上海" for i in range(50)]]
    content = "\n".join(rows).encode()
    at = content.index("公司40".encode())
    error = refusal(tmp_path, content[:at] + b"\xff" + content[at:])
    assert error.reason == "UNREADABLE_ENCODING"
    assert error.details["row"] == "42"


def test_western_encodings_are_refused_rather_than_garbled(tmp_path):
    error = refusal(tmp_path, "name,city\nCafé du Théâtre,Genève\nMüller,Zürich\n".encode("latin-1"))
    assert error.reason == "UNREADABLE_ENCODING"


def test_utf16_without_a_mark_is_refused(tmp_path):
    assert refusal(tmp_path, "name,city\n甲,上海\n".encode("utf-16-le")).reason == "UNREADABLE_ENCODING"


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_separators_are_found_out(tmp_path, delimiter):
    content = f"名称{delimiter}备注\n甲{delimiter}一，二\n乙{delimiter}三\n"
    heading, rows, _ = read_text(tmp_path, content)
    assert heading == ["名称", "备注"]
    assert cells(rows) == [["甲", "一，二"], ["乙", "三"]]


def test_a_sep_line_says_the_separator_and_is_no_row(tmp_path):
    heading, rows, _ = read_text(tmp_path, "sep=;\r\nname;note\r\na,b;c\r\n")
    assert heading == ["name", "note"]
    assert [(row.number, row.cells) for row in rows] == [(2, ["a,b", "c"])]


def test_quoted_cells_may_hold_line_breaks_separators_and_quotes(tmp_path):
    _, rows, _ = read_text(tmp_path, 'name,note\n甲,"一\n二, ""三"""\n乙,四\n')
    assert [(row.number, row.cells) for row in rows] == [(2, ["甲", '一\n二, "三"']), (3, ["乙", "四"])]


def test_rows_keep_their_numbers_over_empty_ones(tmp_path):
    _, rows, total = read_text(tmp_path, "name,note\n\n甲,一\n,\n乙,二\n")
    assert [(row.number, row.cells[0]) for row in rows] == [(3, "甲"), (5, "乙")]
    assert total == 2


def test_old_macintosh_line_ends_are_read(tmp_path):
    _, rows, _ = read_text(tmp_path, "name,note\r甲,一\r乙,二\r")
    assert cells(rows) == [["甲", "一"], ["乙", "二"]]


def test_rows_of_another_width_have_a_problem(tmp_path):
    _, rows, _ = read_text(tmp_path, "a,b,c\n1,2,3\n1,2\n1,2,3,4\n1,2,3,,\n")
    assert [row.problem and row.problem.reason for row in rows] == [None, "RAGGED_ROW", "RAGGED_ROW", None]
    assert rows[1].cells == ["1", "2"]


def test_text_after_a_closing_quote_is_a_problem_of_its_row(tmp_path):
    _, rows, _ = read_text(tmp_path, 'a,b\n"x"y,1\n2,3\n')
    assert [(row.number, row.problem and row.problem.reason) for row in rows] == [(2, "MALFORMED_QUOTES"), (3, None)]


@pytest.mark.parametrize("rest", ["2,3\n" * 3, "x" * 70 + "\n" * 1 + ("y" * 70 + "\n") * 3000])
def test_an_unclosed_quote_is_found_before_any_row_is_used(tmp_path, rest):
    error = refusal(tmp_path, 'a,b\n1,2\n"x,1\n' + rest)
    assert (error.reason, error.details["row"]) == ("UNCLOSED_QUOTE", "3")


def test_nul_characters_are_a_problem_of_their_row(tmp_path):
    _, rows, _ = read_text(tmp_path, "a,b\n1,2\n1,x\0y\n" + "plain,row\n" * 20)
    assert [row.problem and row.problem.reason for row in rows][:3] == [None, "CONTROL_CHARACTER", None]


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        ("", "a.csv", "EMPTY_FILE"),
        ("\n\n,,\n", "a.csv", "EMPTY_FILE"),
        ("a,b\n", "a.doc", "UNSUPPORTED_FORMAT"),
        ("a,b\n", "a", "UNSUPPORTED_FORMAT"),
        ("a,b\n", "a.xlsx", "UNREADABLE_FILE"),
        (b"PK\x03\x04rest", "a.csv", "UNREADABLE_FILE"),
        (b"PK\x03\x04rest", "a.xlsx", "UNREADABLE_FILE"),
        ("a" * 3_000_000, "a.csv", "UNREADABLE_FILE"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, name, reason):
    assert refusal(tmp_path, content, name).reason == reason


def workbook(tmp_path: Path, *rows, formats=()) -> Path:
    book = Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for place, number_format in formats:
        sheet[place].number_format = number_format
    path = tmp_path / "book.xlsx"
    book.save(path)
    return path


def test_cells_of_a_workbook_read_as_people_see_them(tmp_path):
    path = workbook(
        tmp_path,
        ["name", "phone", "zip", "share", "day", "moment", "flag", "price"],
        ["甲", 13800138000, 1234, 0.155, date(2026, 1, 31), datetime(2026, 1, 31, 8, 30), True, 1234.5],
        formats=[("C2", "000000"), ("D2", "0.0%")],
    )
    _, rows, _ = read(path)
    assert rows[0].cells == [
        "甲",
        "13800138000",
        "001234",
        "15.5%",
        "2026-01-31",
        "2026-01-31 08:30:00",
        "TRUE",
        "1234.5",
    ]


def test_a_formula_is_a_problem_that_names_its_cell(tmp_path):
    _, rows, _ = read(workbook(tmp_path, ["name", "note"], ["甲", "=1+1"], ["乙", "x"]))
    assert (rows[0].problem.reason, rows[0].problem.field) == ("UNSUPPORTED_FORMULA", "B2")
    assert rows[1].problem is None


def test_numbers_that_lost_digits_are_a_problem(tmp_path):
    _, rows, _ = read(workbook(tmp_path, ["name", "code"], ["甲", 911100006000373413]))
    assert rows[0].problem.reason == "NUMBER_TOO_LONG"


def test_gaps_and_missing_ends_of_rows_are_empty_cells(tmp_path):
    _, rows, _ = read(workbook(tmp_path, ["a", "b", "c"], [None, "x"], [], ["y"]))
    assert [(row.number, row.cells) for row in rows] == [(2, ["", "x", ""]), (4, ["y", "", ""])]


def test_hidden_sheets_are_passed_over(tmp_path):
    book = Workbook()
    book.active.append(["hidden"])
    book.active.sheet_state = "hidden"
    book.create_sheet().append(["seen"])
    path = tmp_path / "book.xlsx"
    book.save(path)
    assert read(path)[0] == ["seen"]


def rewritten(path: Path, member: str, change) -> Path:
    target = path.with_name("changed.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, change(data) if entry.filename == member else data)
    return target


SHEET = "xl/worksheets/sheet1.xml"


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MOST_UNPACKED", 1 << 20)
    bomb = rewritten(workbook(tmp_path, ["a"]), SHEET, lambda data: data + b" " * (2 << 20))
    with pytest.raises(Invalid, match="unpacks") as caught:
        read(bomb)
    assert caught.value.reason == "FILE_TOO_LARGE"


def test_document_types_are_refused(tmp_path):
    evil = rewritten(
        workbook(tmp_path, ["a"]),
        SHEET,
        lambda data: b'<!DOCTYPE x [<!ENTITY e "ha">]>' + data[data.index(b"<worksheet") :],
    )
    with pytest.raises(Invalid) as caught:
        read(evil)
    assert caught.value.reason == "UNREADABLE_FILE"


def test_prefixed_element_names_are_read(tmp_path):
    def prefix(data: bytes) -> bytes:
        text = data.decode()
        for tag in ("worksheet", "sheetData", "row", "c", "v", "t", "is"):
            text = (
                text.replace(f"<{tag}>", f"<x:{tag}>")
                .replace(f"<{tag} ", f"<x:{tag} ")
                .replace(f"</{tag}>", f"</x:{tag}>")
            )
        return text.replace("xmlns=", "xmlns:x=").encode()

    heading, rows, total = read(rewritten(workbook(tmp_path, ["a", "b"], [1, 2]), SHEET, prefix))
    assert (heading, cells(rows), total) == (["a", "b"], [["1", "2"]], 1)


def test_truncated_workbooks_are_refused(tmp_path):
    content = workbook(tmp_path, ["a"], *[[f"row {i}"] for i in range(100)]).read_bytes()
    for share in (0.2, 0.6, 0.95):
        error = refusal(tmp_path, content[: int(len(content) * share)], "cut.xlsx")
        assert error.reason == "UNREADABLE_FILE"


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "\t=x", "+cmd|' /C calc'!A0", "-2+3+cmd", "'=x", "''@y"])
def test_formulas_are_guarded_and_come_back(text):
    assert guard(text) == "'" + text
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", ["+86 138-0013-8000", "-12.5", "'t Hooft", "甲", "", "'", "a=b"])
def test_harmless_cells_are_left_as_they_are(text):
    assert guard(text) == text
    assert unguard(text) == text


@given(st.text(alphabet=st.sampled_from("'=+-@\t1a "), max_size=8))
def test_guarding_is_undone(text):
    assert unguard(guard(text)) == text
    assert guard(text)[:1] not in "=@\t" or not text


def test_written_csv_is_read_back(tmp_path):
    content = io.BytesIO()
    writer = CsvWriter(content, ["名称", "备注"])
    writer.write(["甲", '一\n二,"三"'])
    writer.write(["=x", "+8613800138000"])
    writer.close()
    heading, rows, _ = read_text(tmp_path, content.getvalue())
    assert content.getvalue().startswith(b"\xef\xbb\xbf")
    assert heading == ["名称", "备注"]
    assert cells(rows) == [["甲", '一\n二,"三"'], ["'=x", "+8613800138000"]]


def test_written_workbooks_hold_texts_never_formulas(tmp_path, monkeypatch):
    monkeypatch.setattr("chassis.tabular.writing.MOST_SHEET_ROWS", 3)
    content = io.BytesIO()
    writer = XlsxWriter(content, ["a", "b"])
    for row in (["=1+1", "00123"], ["x\0y", ""], ["next", "sheet"]):
        writer.write(row)
    writer.close()
    _, rows, _ = read_text(tmp_path, content.getvalue(), "out.xlsx")
    assert [row.cells for row in rows] == [["=1+1", "00123"], ["xy", ""]]
    assert all(row.problem is None for row in rows)
    with zipfile.ZipFile(content) as archive:
        assert b"next" in archive.read("xl/worksheets/sheet2.xml")


@needs_data
@pytest.mark.parametrize(
    ("name", "width", "rows", "ragged"),
    [
        ("FCOServices_TransparencySpend_May2011.csv", 8, 4, []),
        ("boston311-100.csv", 29, 100, []),
        ("boston311-100-bad.tsv", 29, 100, [41]),
        ("spendover25kdownloadSep.csv", 8, 189, []),
        ("utf8-japanesedata.csv", 26, 62, []),
        ("excel-xlsx.xlsx", 4, 8, []),
    ],
)
def test_real_files_are_read(name, width, rows, ragged):
    heading, found, total = read(TORTURE / name)
    assert (len(heading), len(found), total) == (width, rows, rows)
    assert [row.number for row in found if row.problem] == ragged


@needs_data
@pytest.mark.parametrize(
    ("name", "reason"),
    [("password-protected-password123.xlsx", "FILE_ENCRYPTED"), ("excel-xls.xls", "UNSUPPORTED_FORMAT")],
)
def test_real_files_that_cannot_be_read_are_refused(name, reason):
    with (TORTURE / name).open("rb") as file, pytest.raises(Invalid) as caught:
        detect_format(name, file)
    assert caught.value.reason == reason


@needs_data
def test_a_real_western_file_is_refused():
    with pytest.raises(Invalid) as caught:
        read(DATA / "leipzig_abt_buy" / "abt.csv")
    assert (caught.value.reason, caught.value.details["row"]) == ("UNREADABLE_ENCODING", "15")


@needs_data
def test_the_csv_reader_agrees_with_the_standard_library():
    path = TORTURE / "boston311-100.csv"
    with path.open(newline="", encoding="utf-8") as file:
        expected = list(csv.reader(file))
    heading, rows, _ = read(path)
    assert [heading, *cells(rows)] == expected
