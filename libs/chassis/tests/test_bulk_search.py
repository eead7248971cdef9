"""Searchable texts and grams that are made for thousands of records at once are those that are made one by one."""

from unittest.mock import patch

from chassis import bulk_search
from chassis.bulk_search import normalised_all, searchable
from chassis.copying import integer_array
from chassis.search import grams, normalised, search_text
from hypothesis import given
from hypothesis import strategies as st

CHARACTERS = "上海华诚盛长重行单曾abcXYZ 012_-（）ＡＢ'#\n\t@.éßİ\u3000\U00020000"
WORDS = st.text(CHARACTERS, max_size=12) | st.text(max_size=8)
LISTS = st.lists(WORDS, max_size=3)
ROWS = st.lists(st.tuples(WORDS, WORDS, LISTS, LISTS), max_size=4)


@given(st.lists(WORDS, max_size=6))
def test_texts_are_normalised_as_one_by_one(texts):
    assert normalised_all(texts) == [normalised(text) for text in texts]


@given(ROWS)
def test_records_are_found_by_what_one_by_one_is_made(rows):
    texts = [search_text(name, private=private, spelled=spelled, tails=tails) for name, spelled, private, tails in rows]
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    assert searchable(*columns) == [(text, integer_array(grams(text))) for text in texts]


@given(ROWS)
def test_records_without_numbers_are_found_in_the_same_way(rows):
    texts = [search_text(name, private=private, spelled=spelled) for name, spelled, private, _ in rows]
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    assert searchable(*columns[:3]) == [(text, integer_array(grams(text))) for text in texts]


@given(ROWS)
def test_grams_of_texts_that_differ_much_in_length_are_sorted_together_to_the_same_effect(rows):
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    with patch.object(bulk_search, "MOST_CELLS", 0):
        sorted_together = searchable(*columns)
    assert sorted_together == searchable(*columns)
