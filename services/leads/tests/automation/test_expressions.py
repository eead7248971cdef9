"""Conditions: what is wrong with them is found when they are written, and nothing that they do gets out of hand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import DomainError, Invalid
from hypothesis import given, settings
from hypothesis import strategies as st
from leads.automation import templates
from leads.automation.expressions import MAX_CHARACTERS, CannotTell, NoValue, compile_condition, issues_of

TYPES = {
    "lead.status": "string",
    "lead.remark": "string",
    "lead.phones": "list(string)",
    "lead.score": "int",
    "lead.create_time": "timestamp",
    "now": "timestamp",
}
VALUES = {
    "lead.status": "NEW",
    "lead.remark": "",
    "lead.phones": ["+8613800138000"],
    "lead.score": 0,
    "now": datetime(2026, 3, 2, 4, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("", True),
        ('lead.status == "NEW"', True),
        ('lead.status in ["CONTACTED", "QUALIFIED"]', False),
        ("lead.phones.exists(phone, phone.startsWith('+86'))", True),
        ("size(lead.remark) == 0 && now.getHours('Asia/Shanghai') == 12", True),
        ('lead.remark == "" || lead.create_time < now', True),  # what is not needed need not be there
    ],
)
def test_conditions_hold_or_do_not(condition, holds):
    assert compile_condition(condition, TYPES).holds(VALUES) is holds


@pytest.mark.parametrize(
    ("condition", "reason", "place"),
    [
        ('lead.state == "NEW"', "INVALID_CONDITION", (1, 5)),
        ('lead.status ==\n  "NEW" && lead.score > "x"', "INVALID_CONDITION", (2, 23)),
        ("lead.status", "INVALID_CONDITION", (1, 1)),
        ("lead.score +", "INVALID_CONDITION", (1, 13)),
        ("lead.phones.all(p, p)", "INVALID_CONDITION", (1, 16)),
        ("x" * (MAX_CHARACTERS + 1), "CONDITION_TOO_LONG", (0, 0)),
        (f"[{'1,' * 300}1].all(a, [{'1,' * 200}1].all(b, a > b))", "CONDITION_TOO_COSTLY", (0, 0)),
        ("(" * 100 + "true" + ")" * 100, "INVALID_CONDITION", (0, 0)),
    ],
)
def test_what_is_wrong_is_told_with_its_place(condition, reason, place):
    issue = issues_of(condition, TYPES)[0]
    assert (issue.reason, (issue.line, issue.column)) == (reason, place)
    with pytest.raises(Invalid) as refusal:
        compile_condition(condition, TYPES)
    assert (refusal.value.reason, refusal.value.field) == (reason, "condition")


def test_a_condition_says_what_it_reads():
    condition = compile_condition('lead.status == "NEW" && lead.phones.exists(now_, now_ == lead.remark)', TYPES)
    assert condition.reads == {"lead.status", "lead.phones", "lead.remark"}


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("lead.create_time < now", NoValue),
        ("1 / lead.score > 0", CannotTell),
        ("lead.phones[3] == ''", CannotTell),
        ("dyn(lead.status) > 1", CannotTell),
        ("timestamp(lead.status) < now", CannotTell),
    ],
)
def test_what_cannot_be_judged_is_told_as_such(condition, error):
    with pytest.raises(error):
        compile_condition(condition, TYPES).holds(VALUES)


_NAMES = st.sampled_from([*TYPES, "p", "lead", "old.status", "nothing"])
_LITERALS = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(str),
    st.text(max_size=8).map(lambda text: f'"{text}"'),
    st.sampled_from(["true", "null", "[]", "{}", "b'\\xff'", "timestamp('x')", "duration('1h')", "'(' + '['"]),
)
_PARTS = st.recursive(
    _NAMES | _LITERALS,
    lambda inner: st.one_of(
        st.builds(
            "{} {} {}".format,
            inner,
            st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"]),
            inner,
        ),
        st.builds("{}.{}({})".format, inner, st.sampled_from(["matches", "contains", "size", "all", "map"]), inner),
        st.builds("{}.exists(p, {})".format, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}({})".format, st.sampled_from(["!", "-", "size", "dyn", "type", "int", "string", "has"]), inner),
    ),
    max_leaves=12,
)


_REASONS = {"INVALID_CONDITION", "CONDITION_TOO_COSTLY", "CONDITION_TOO_LONG", "NO_VALUE", "CONDITION_FAILED"}


@settings(deadline=None, max_examples=1_500)
@given(st.one_of(_PARTS, st.text(max_size=60)))
def test_whatever_is_written_raises_nothing_but_typed_errors(condition):
    try:
        found = compile_condition(condition, TYPES)
        assert found.holds(VALUES) in (True, False)
        assert found.reads <= TYPES.keys()
    except DomainError as error:
        assert error.reason in _REASONS  # noqa: PT017 - either comes to true or false, or to one of these


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{lead.state}", "UNKNOWN_VARIABLE"),
        ("{", "INVALID_TEMPLATE"),
        ("{lead.status!r}", "INVALID_TEMPLATE"),
        ("{lead.status:>1000000}", "INVALID_TEMPLATE"),
        ("{lead.status.__class__}", "UNKNOWN_VARIABLE"),
        ("{0}", "UNKNOWN_VARIABLE"),
    ],
)
def test_texts_understand_names_alone(text, reason):
    with pytest.raises(Invalid) as refusal:
        templates.parse(text, TYPES, path="text")
    assert refusal.value.reason == reason


def test_a_text_shows_a_time_at_the_end_of_all_times_as_well():
    parts = templates.parse("{created}", {"created": None}, path="text")
    last = datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
    assert templates.render(parts, {"created": last}, ZoneInfo("Asia/Shanghai")) == "9999-12-31 23:30"
