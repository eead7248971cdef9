"""Whether follow-ups count: clear cases with their reasons, and what no note can do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Denied, Invalid, Stale
from chassis.names import new_id
from chassis.testing import make_caller
from hypothesis import given
from hypothesis import strategies as st
from leads.effectiveness import (
    CheckIn,
    EffectivenessRules,
    Touch,
    Verdict,
    VerdictReason,
    judge,
    plain,
    shingles,
    similarity,
)
from leads.judging import rules_row
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from leads.usecases.update_follow_up_rules import update_follow_up_rules

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
RULES = EffectivenessRules()
GOOD = "王经理说二期设备预算已经批了,下周三过来看样机"
HERE = CheckIn(31.23, 121.47, 35, NOON)


def touch(content=GOOD, method="WECHAT", **values):
    return Touch(method=method, content=content, occur_time=NOON, **values)


@pytest.mark.parametrize(
    ("given_touch", "earlier", "verdict", "reasons"),
    [
        (touch(), [], "EFFECTIVE", {"SUBSTANTIAL_NOTE"}),
        (touch("例行拜访汇总近期采购安排和总体情况"), [], "NOT_EFFECTIVE", {"NO_CONTACT_PERSON", "NO_REPLY"}),
        (touch("已跟进"), [], "NOT_EFFECTIVE", {"TOO_SHORT", "BOILERPLATE", "NO_CONTACT_PERSON", "NO_REPLY"}),
        (touch("电话未接,下次再联系"), [], "NOT_EFFECTIVE", {"BOILERPLATE", "NO_REPLY"}),
        (touch(), [GOOD], "NOT_EFFECTIVE", {"REPEATED_TEXT"}),
        (touch("3月2日 " + GOOD), ["3月1日 " + GOOD + "。"], "NOT_EFFECTIVE", {"REPEATED_TEXT"}),
        (touch("介绍了新款机床的加工精度和交货周期"), [], "NOT_EFFECTIVE", {"NO_CONTACT_PERSON", "NO_REPLY"}),
        (touch("介绍了新款机床的加工精度和交货周期", has_contact=True), [], "EFFECTIVE", {"NO_REPLY"}),
        (touch("聊了聊", "CALL", duration_seconds=59), [], "NOT_EFFECTIVE", {"TOO_SHORT"}),
        (touch("聊了聊", "VISIT", duration_seconds=600), [], "NOT_EFFECTIVE", {"TOO_SHORT"}),
        (touch("聊了聊", "CALL", duration_seconds=60), [], "EFFECTIVE", {"LONG_CALL"}),
        (touch(GOOD, "CALL", duration_seconds=60), [GOOD], "EFFECTIVE", {"LONG_CALL", "REPEATED_TEXT"}),
        (touch("好的", inbound=True), [], "EFFECTIVE", {"INBOUND_REPLY", "TOO_SHORT"}),
        (touch("到访", "VISIT", check_in=HERE), [], "EFFECTIVE", {"VALID_CHECK_IN"}),
        (touch("到访", "VISIT", check_in=replace(HERE, accuracy_metres=900)), [], "NOT_EFFECTIVE", set()),
        (touch("到访", "VISIT", check_in=replace(HERE, time=NOON - timedelta(hours=1))), [], "NOT_EFFECTIVE", set()),
        (touch("到访", "VISIT", check_in=HERE, check_in_used=True), [], "NOT_EFFECTIVE", {"INVALID_CHECK_IN"}),
        (touch("在展会上演示了新款机床", "MEETING"), [], "EFFECTIVE", {"MEETING"}),
        (touch("在展会上演示了新款机床", "MEETING"), ["在展会上演示了新款机床"], "NOT_EFFECTIVE", {"REPEATED_TEXT"}),
        (touch("Mr. Brown agreed to a trial in May"), [], "EFFECTIVE", {"SUBSTANTIAL_NOTE"}),
    ],
)  # fmt: skip
def test_clear_cases_are_judged_with_their_reasons(given_touch, earlier, verdict, reasons):
    judgement = judge(RULES, given_touch, earlier)
    assert judgement.verdict == verdict
    assert reasons <= set(judgement.reasons)
    assert judgement.reasons


TEXTS = st.text(alphabet="王经理说已跟进报价 ab1,。", max_size=40)


@given(content=TEXTS, method=st.sampled_from(["CALL", "WECHAT", "MEETING", "OTHER"]), contact=st.booleans())
def test_a_copy_never_counts_without_evidence_and_every_verdict_has_a_reason(content, method, contact):
    first = judge(RULES, touch(content, method, has_contact=contact), [])
    again = judge(RULES, touch(content, method, has_contact=contact), [content])
    assert first.reasons
    assert again.verdict == Verdict.NOT_EFFECTIVE


@given(one=TEXTS, other=TEXTS)
def test_similarity_is_symmetric_and_ignores_punctuation_and_width(one, other):
    first, second = shingles(plain(one)), shingles(plain(other))
    assert similarity(first, second) == similarity(second, first)
    assert 0 <= similarity(first, second) <= 1
    assert plain(one) == plain(f" {one}!".replace(",", ","))


@pytest.fixture
def log(database, directory):
    def write(caller, customer_id, content=GOOD, method="WECHAT", **values):
        with database.write(caller) as session:
            return log_follow_up(session, FollowUpDraft(customer_id, method, content, **values), directory)

    return write


def test_pasted_notes_do_not_count_whoever_pastes_them_wherever(log, known, facts, clock):
    me, colleague = make_caller(), make_caller()
    mine, other = known(me.user_id), known(me.user_id)
    assert log(me, mine).verdict == "EFFECTIVE"
    for caller, customer in ((me, mine), (me, other), (colleague, mine)):
        assert VerdictReason.REPEATED_TEXT in log(caller, customer).verdict_reasons
    assert [data["effective"] for _, data in facts()] == [True, False, False, False]
    clock.advance(timedelta(days=31))
    assert log(me, mine).verdict == "EFFECTIVE"


def test_a_check_in_counts_once(log, known):
    me = make_caller()
    assert log(me, known(), "到访", "VISIT", check_in=HERE).verdict == "EFFECTIVE"
    assert VerdictReason.INVALID_CHECK_IN in log(me, known(), "到访了", "VISIT", check_in=HERE).verdict_reasons
    assert log(make_caller(), known(), "一起到访", "VISIT", check_in=HERE).verdict == "EFFECTIVE"


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"duration_seconds": 86_401}, "duration_seconds", "OUT_OF_RANGE"),
        ({"duration_seconds": -1}, "duration_seconds", "OUT_OF_RANGE"),
        ({"check_in": replace(HERE, latitude=91)}, "check_in", "INVALID_POSITION"),
        ({"check_in": replace(HERE, longitude=float("nan"))}, "check_in", "INVALID_POSITION"),
        ({"check_in": replace(HERE, accuracy_metres=0)}, "check_in.accuracy_metres", "OUT_OF_RANGE"),
        ({"check_in": replace(HERE, time=NOON + timedelta(hours=1))}, "check_in.time", "TIME_IN_FUTURE"),
    ],
)
def test_evidence_that_cannot_be_right_is_refused(log, known, values, field, reason):
    with pytest.raises(Invalid) as caught:
        log(make_caller(), known(), **values)
    assert [(fault.field, fault.reason) for fault in caught.value.violations] == [(field, reason)]


def test_the_company_sets_the_rules(database, log, known):
    boss = make_caller()
    with database.write(boss) as session:
        kept = update_follow_up_rules(
            session, {"min_call_seconds": 120, "boilerplate_phrases": (" 打过了 ", "?")}, "v0"
        )
        assert kept.version == 1
    with database.read(boss) as session:
        assert EffectivenessRules.from_json(rules_row(session).rules) == replace(
            RULES, min_call_seconds=120, boilerplate_phrases=("打过了",)
        )
    assert log(boss, known(), "聊了聊", "CALL", duration_seconds=60).verdict == "NOT_EFFECTIVE"
    for caller, changes, etag, error in (
        (boss, {"compare_days": 0}, "", Invalid),
        (boss, {"compare_days": 7}, "v0", Stale),
        (make_caller(user_id=new_id(), reach=Reach.DEPARTMENT), {"compare_days": 7}, "", Denied),
    ):
        with database.write(caller) as session, pytest.raises(error):
            update_follow_up_rules(session, changes, etag)
