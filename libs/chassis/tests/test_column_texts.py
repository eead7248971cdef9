"""Columns that are written in one go are what each value is written as by itself."""

import orjson
from chassis.audit.entries import canonical
from chassis.column_texts import NO_VALUE, numbers, objects, text_lists, texts
from chassis.copying import copy_cells, text_array
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.text('ab",[]{}:\\\t\n\r\x00 é上', max_size=6) | st.text(max_size=4)
PLAIN = st.text('ab",[]{}: 上', max_size=6).map(lambda text: text.replace('"', ","))


def json_of(value):
    return orjson.dumps(value).decode() if value else ""


@given(st.lists(st.none() | WORDS, max_size=5) | st.lists(st.none() | PLAIN, max_size=5))
def test_texts(values):
    column = texts(values)
    assert list(column.cells) == [copy_cells([value]) for value in values]
    assert list(column.json) == [json_of(value) for value in values]


@given(st.lists(st.lists(WORDS, max_size=3), max_size=4) | st.lists(st.lists(PLAIN, max_size=3), max_size=4))
def test_lists_of_texts(values):
    column = text_lists(values)
    assert list(column.cells) == [copy_cells([text_array(value)]) for value in values]
    assert list(column.json) == [json_of(value) for value in values]


@given(st.lists(st.none() | st.integers(1, 5), max_size=4))
def test_numbers(values):
    column = numbers(values)
    assert list(column.cells) == [NO_VALUE if value is None else str(value) for value in values]
    assert list(column.json) == [json_of(value) for value in values]


@given(st.lists(st.fixed_dictionaries({"b": WORDS, "a": st.lists(WORDS, max_size=2), "c": WORDS}), max_size=3))
def test_objects_are_what_the_audit_log_makes_of_records(records):
    written = objects({name: [json_of(record[name]) for record in records] for name in ("b", "a", "c")})
    filled = [{name: value for name, value in record.items() if value} for record in records]
    assert written == [(canonical(record) or b"").decode() for record in filled]
