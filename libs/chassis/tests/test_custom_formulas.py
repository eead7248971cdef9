"""Formulas come to exact values of their type, or to none; they never need each other; numbers have no gaps."""

import itertools
from datetime import date
from decimal import Decimal

import pytest
from chassis.custom_formulas import evaluate, in_order, parse, try_out
from chassis.custom_serials import around, check_pattern
from chassis.custom_values import FieldType, ValueRule, normalise
from chassis.errors import Conflict, Invalid
from hypothesis import given
from hypothesis import strategies as st

NUMBER, TEXT, DATE, BOOLEAN = FieldType.NUMBER, FieldType.TEXT, FieldType.DATE, FieldType.BOOLEAN
NAMES = {"a": Decimal("0.1"), "b": Decimal("0.2"), "s": "甲", "d": date(2026, 1, 31), "none": None, "many": ["x"]}


@pytest.mark.parametrize(
    ("expression", "result", "value"),
    [
        ("a + b", NUMBER, 0.3),
        ("ROUND(a / 3, 4)", NUMBER, 0.0333),
        ("ROUND(2.345, 2)", NUMBER, 2.35),
        ("a / 0", NUMBER, None),
        ("a + none", NUMBER, None),
        ("COALESCE(none, 7)", NUMBER, 7),
        ('"高" if a < b else "低"', TEXT, "高"),
        ('IF(s == "甲", "一", "二")', TEXT, "一"),
        ('CONCAT(s, "-", a)', TEXT, "甲-0.1"),
        ("ADD_DAYS(d, 1)", DATE, "2026-02-01"),
        ('DAYS(d, DATE("2026-01-01"))', NUMBER, 30),
        ('HAS(many, "x") and not EMPTY(s)', BOOLEAN, True),
        ("s", NUMBER, None),
    ],
)
def test_a_formula_comes_to_a_value_of_its_type_or_to_none(expression, result, value):
    assert evaluate(parse("f", expression, result), NAMES) == value


@pytest.mark.parametrize(
    "expression",
    [
        "", "a +", "a.real", "__import__('os')", "[x for x in many]", "lambda: 1", "a ** b", "open('x')", "f'{a}'",
        "a if", "(" * 300, "1" + "+1" * 300, "MAX(a, key=b)", "a[0]", "b'x'", "a @ b", "a & b",
    ],
)  # fmt: skip
def test_what_is_no_formula_is_refused(expression):
    with pytest.raises(Invalid) as caught:
        parse("f", expression, NUMBER)
    assert caught.value.reason == "INVALID_FORMULA"


@pytest.mark.parametrize(("expression", "result"), [('s + "x" * a', TEXT), ("s + a", NUMBER), ("s", NUMBER)])
def test_a_formula_that_cannot_work_is_refused(expression, result):
    with pytest.raises(Invalid):
        try_out(parse("f", expression, result), NAMES)


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3), min_size=1))
def test_formulas_come_after_what_they_need_or_the_cycle_is_named(needs):
    formulas = [parse(key, " + ".join([*of, "1"]), NUMBER) for key, of in needs.items()]
    try:
        ordered = [formula.key for formula in in_order(formulas)]
    except Conflict as error:
        cycle = error.details["cycle"].split(" → ")
        assert cycle[0] == cycle[-1]
        assert all(after in needs[before] for before, after in itertools.pairwise(cycle))
    else:
        assert sorted(ordered) == sorted(needs)
        place = {key: at for at, key in enumerate(ordered)}
        assert all(place[need] < place[key] for key in needs for need in needs[key] if need in place)


@pytest.mark.parametrize("pattern", ["KH", "{0}{0}", "{mm}-{0}", "{yyyy}{dd}-{0}", "{x}{0}", "{0", "a" * 60 + "{0}"])
def test_patterns_whose_numbers_would_not_be_unique_are_refused(pattern):
    with pytest.raises(Invalid) as caught:
        check_pattern(pattern)
    assert caught.value.reason == "INVALID_PATTERN"


def test_a_pattern_counts_within_its_period():
    check_pattern("KH-{yyyy}{mm}-{0000}")
    assert around("KH-{yyyy}{mm}-{0000}", date(2026, 3, 9)) == ("KH-202603-{0}", 4)
    assert around("{yy}{mm}{dd}{00}", date(2026, 3, 9)) == ("260309{0}", 2)


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        ("1,250.50 CNY", {"amount": "1250.5", "currency": "CNY"}),
        ("usd 3", {"amount": "3", "currency": "USD"}),
        (12, {"amount": "12", "currency": "CNY"}),
        ({"amount": "0.10", "currency": "EUR"}, {"amount": "0.1", "currency": "EUR"}),
    ],
)
def test_money_is_kept_exactly_with_its_currency(given_value, kept):
    rule = ValueRule(FieldType.MONEY, currency="CNY")
    assert normalise(rule, given_value) == kept
    assert normalise(rule, kept) == kept


@pytest.mark.parametrize(
    ("kind", "value", "reason", "more"),
    [
        (FieldType.MONEY, "5", "INVALID_CURRENCY", {}),
        (FieldType.MONEY, "5 XXQ", "INVALID_CURRENCY", {}),
        (FieldType.MONEY, {"amount": "0.1234567", "currency": "CNY"}, "INVALID_MONEY", {}),
        (FieldType.MONEY, {"currency": "CNY"}, "INVALID_MONEY", {}),
        (FieldType.NUMBER, 4, "OUT_OF_RANGE", {"minimum": "5"}),
        (FieldType.DATE, "2026-02-01", "OUT_OF_RANGE", {"maximum": "2026-01-31"}),
        (FieldType.USER, "customers/x", "INVALID_REFERENCE", {}),
        (FieldType.FORMULA, 1, "DERIVED_FIELD", {}),
    ],
)
def test_values_that_do_not_suit_their_type_are_refused(kind, value, reason, more):
    with pytest.raises(Invalid) as caught:
        normalise(ValueRule(kind, **more), value)
    assert caught.value.reason == reason
