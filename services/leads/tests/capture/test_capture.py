"""What comes in becomes a lead, is noted on a lead, or waits to be corrected; it is never lost and never doubled."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from chassis.callers import Reach
from chassis.errors import Conflict, Denied, Duplicate, Invalid
from chassis.names import new_id
from chassis.testing import make_caller
from chassis.testing.statements import sent_statements
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leads.capture import processing
from leads.capture.correcting import correct_submission, discard_submission, retry_submission
from leads.capture.feeds import FeedSettings
from leads.capture.reading import TakenField
from leads.capture.source_queries import get_submission
from leads.life.merge_leads import merge_leads
from leads.model import CaptureState, CaptureSubmission, KnownUser, Lead, LeadStatus, RegistrationState
from leads.usecases.create_lead import LeadDraft, create_lead
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from .conftest import FIELDS, LINKS

WANG = {"name": "王芳", "company": "华诚科技有限公司", "mobile": "138 0013 8000", "email": "wang@HuaCheng.cn"}


def test_a_form_becomes_a_lead_that_tells_where_it_came_from(intake, facts):
    source, _ = intake.source(default_source="官网", default_channel="搜索", default_campaign="长期")
    visited = {"utm_campaign": "618", "landing_page": "https://x.cn/?utm_term=crm"}
    sent = urlencode({"name": "王芳", "mobile": "13800138000", **visited})
    submission = intake.told(intake.send(source, sent))
    assert submission.state == CaptureState.ACCEPTED
    [lead] = intake.all(Lead)
    assert submission.lead_id == lead.id
    assert (lead.contact_name, lead.phones, lead.status) == ("王芳", ["+8613800138000"], LeadStatus.NEW)
    assert (lead.source, lead.channel, lead.campaign, lead.campaign_term) == ("官网", "搜索", "618", "crm")
    assert lead.landing_page == "https://x.cn/?utm_term=crm"
    assert (lead.owner_id, lead.registrant, lead.capture_source_id) == (None, source.name, source.id)
    assert [name for name, _ in facts()] == ["LeadSubmitted", "LeadCreated"]


def test_a_webhook_is_read_by_its_paths(intake):
    fields = [
        TakenField("contact_name", "data.customer.name"),
        TakenField("phones", "data.customer.mobiles[].number"),
        TakenField("external_id", "data.id"),
    ]
    source, _ = intake.source("WEBHOOK", lead_fields=fields)
    customer = {"name": "李雷", "mobiles": [{"number": "13900139000"}, {"number": "021-68880000"}]}
    intake.send(source, {"data": {"id": 4711, "customer": customer}})
    [lead] = intake.all(Lead)
    assert (lead.contact_name, lead.external_id) == ("李雷", "4711")
    assert lead.phones == ["+8613900139000", "+862168880000"]


def test_what_cannot_be_worked_on_waits_with_its_reason_and_keeps_nothing_back(intake, monkeypatch):
    source, _ = intake.source()
    bad, good = (intake.send(source, WANG | {"name": name, "mobile": mobile, "email": ""}, judged=False)
                 for name, mobile in (("坏", "13800138001"), ("好", "13800138002")))  # fmt: skip
    judge = processing.judge

    def broken(session, submission, source):
        if submission.id == bad:
            session.execute(text("SELECT 1 / 0"))
        return judge(session, submission, source)

    with monkeypatch.context() as patched:
        patched.setattr(processing, "judge", broken)
        intake.judge(bad, good)
    assert (intake.told(good).state, intake.told(bad).state) == (CaptureState.ACCEPTED, CaptureState.REJECTED)
    assert [one["reason"] for one in intake.told(bad).problems] == ["NOT_PROCESSED"]
    assert intake.do(retry_submission, bad, LINKS).state == CaptureState.ACCEPTED


def test_a_database_that_is_away_leaves_submissions_to_be_judged_again(intake, monkeypatch):
    source, _ = intake.source()
    key = intake.send(source, WANG, judged=False)

    def away(*_):
        raise NoFreeConnection

    with monkeypatch.context() as patched:
        patched.setattr(processing, "judge", away)
        with pytest.raises(NoFreeConnection):
            intake.judge(key)
    assert intake.told(key).state == CaptureState.NEW


def test_only_who_reaches_everything_deals_with_what_belongs_to_nobody(intake, database):
    source, _ = intake.source()
    key = intake.send(source, {"mobile": "1"})
    narrow = make_caller(reach=Reach.DEPARTMENT)
    for act in (
        lambda session: correct_submission(session, key, {"contact_name": "王"}),
        lambda session: retry_submission(session, key, LINKS),
        lambda session: discard_submission(session, key, "重复"),
        lambda session: get_submission(session, key),
    ):
        with database.write(narrow) as session, pytest.raises(Denied) as refused:
            act(session)
        assert refused.value.reason == "SCOPE_TOO_NARROW"


def test_the_same_again_makes_no_second_lead_and_changes_nothing(intake, facts):
    source, _ = intake.source()
    for _ in range(3):
        intake.send(source, {**WANG, "ref": "A-1"})
    [lead] = intake.all(Lead)
    assert (lead.version, lead.repeat_count) == (1, 0)
    assert [one.state for one in intake.all(CaptureSubmission)] == ["ACCEPTED", "REPEATED", "REPEATED"]
    assert {one.lead_id for one in intake.all(CaptureSubmission)} == {lead.id}
    assert [name for name, _ in facts()].count("LeadCreated") == 1


def test_several_of_one_batch_come_to_what_they_come_to_one_by_one(intake):
    source, _ = intake.source()
    keys = [intake.send(source, {**WANG, "ref": ref}, judged=False) for ref in ("A", "A", "B")]
    intake.judge(*keys)
    [lead] = intake.all(Lead)
    assert [intake.told(key).state for key in keys] == ["ACCEPTED", "REPEATED", "REPEATED"]
    assert (lead.external_id, lead.repeat_count, lead.version) == ("A", 1, 1)


def test_at_the_same_time_one_id_is_one_lead(intake):
    source, _ = intake.source()
    bodies = [
        {"name": f"人{number}", "mobile": f"1390013{number % 7:04}", "ref": f"R{number % 5}"} for number in range(40)
    ]
    keys = [intake.send(source, body, judged=False) for body in bodies]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(intake.judge, keys))
    leads = intake.all(Lead)
    assert len({lead.external_id for lead in leads}) == len(leads) <= 5
    assert {one.state for one in intake.all(CaptureSubmission)} == {"ACCEPTED", "REPEATED"}
    assert {one.lead_id for one in intake.all(CaptureSubmission)} == {lead.id for lead in leads}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=12), st.data())
def test_nothing_is_lost_however_it_is_batched(intake, sent, data):
    """Whatever comes in however it is cut: each submission has an outcome, and each key of a source one lead."""
    with intake.database.engine.begin() as connection:
        connection.execute(text("TRUNCATE lead, capture_submission CASCADE"))
    source, _ = intake.source()
    keys = []
    for ref, number, sound in sent:
        body = {"name": "人" if sound else "", "mobile": f"1380013800{number}", "ref": f"{ref}"}
        keys.append(intake.send(source, body, judged=False))
    while keys:
        part = data.draw(st.integers(1, len(keys)))
        intake.judge(*keys[:part])
        keys = keys[part:]
    submissions, leads = intake.all(CaptureSubmission), intake.all(Lead)
    assert sum(one.state == "REJECTED" for one in submissions) == sum(not sound for _, _, sound in sent)
    assert sum(one.state == "ACCEPTED" for one in submissions) == len(leads)
    assert len({lead.external_id for lead in leads}) == len(leads)
    assert len({phone for lead in leads for phone in lead.phones}) == len(leads)


def test_somebody_known_is_noted_on_the_lead_and_its_owner_is_told(intake, database, facts):
    owner = new_id()
    with database.write(intake.marketer) as session:
        session.add(KnownUser(id=owner, version=1, active=True))
    seller = make_caller(user_id=owner)
    with database.write(seller) as session:
        lead = create_lead(session, LeadDraft({"contact_name": "王芳", "emails": ["wang@huacheng.cn"]}))
    source, _ = intake.source()
    key = intake.send(source, {**WANG, "message": "想看演示"})
    assert (intake.told(key).state, intake.told(key).lead_id) == (CaptureState.REPEATED, lead.id)
    [now] = intake.all(Lead)
    assert (now.repeat_count, now.repeat_time is not None, now.owner_id) == (1, True, owner)
    *_, changed, notified = facts()
    assert changed[1]["changed_fields"] == ["repeat_count", "repeat_time"]
    assert (notified[1]["kind"], notified[1]["recipient"]) == ("LEAD_CAME_AGAIN", f"users/{owner}")


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"company": "华诚"}, "contact_name", "REQUIRED"),
        ({"name": "王芳", "mobile": "123"}, "phones", "INVALID_PHONE"),
        ({"name": "王芳", "email": "nobody"}, "emails", "INVALID_EMAIL"),
        ({"name": "王" * 300}, "contact_name", "TOO_LONG"),
        ("{broken", "contact_name", "REQUIRED"),
        (b"{broken", "", "UNREADABLE_PAYLOAD"),
        ("&".join(["a=1"] * 201), "", "UNREADABLE_PAYLOAD"),
        ([1], "", "UNREADABLE_PAYLOAD"),
    ],
)
def test_what_cannot_be_a_lead_waits_and_says_why(intake, body, field, reason):
    source, _ = intake.source()
    submission = intake.told(intake.send(source, body))
    assert submission.state == CaptureState.REJECTED
    assert [(one["field"], one["reason"]) for one in submission.problems] == [(field, reason)]
    assert submission.payload is not None
    assert intake.all(Lead) == []


def test_what_waits_is_corrected_and_retried(intake):
    source, _ = intake.source()
    key = intake.send(source, {**WANG, "mobile": "123", "ref": "A-2"})
    corrected = intake.do(correct_submission, key, {"phones": ["456"]})
    assert (corrected.state, corrected.problems[0]["reason"]) == (CaptureState.REJECTED, "INVALID_PHONE")
    assert intake.do(retry_submission, key, LINKS).state == CaptureState.REJECTED
    corrected = intake.do(correct_submission, key, {"phones": ["13800138000"], "remark": "电话已核实"})
    assert (corrected.state, corrected.problems) == (CaptureState.REJECTED, [])
    assert intake.do(retry_submission, key, LINKS).state == CaptureState.ACCEPTED
    [lead] = intake.all(Lead)
    assert (lead.phones, lead.remark, lead.external_id) == (["+8613800138000"], "电话已核实", "A-2")
    assert lead.registrant == source.name
    with pytest.raises(Conflict) as caught:
        intake.do(retry_submission, key, LINKS)
    assert caught.value.reason == "SUBMISSION_SETTLED"


def test_what_waits_can_be_thrown_away(intake):
    source, _ = intake.source()
    key = intake.send(source, {"name": ""})
    with pytest.raises(Invalid):
        intake.do(discard_submission, key, " ")
    assert intake.do(discard_submission, key, "乱填").state == CaptureState.DISCARDED


def test_whoever_fills_what_people_do_not_see_is_no_person(intake):
    source, _ = intake.source(honeypot="website")
    key = intake.send(source, "name=x&website=http%3A%2F%2Fspam")
    assert intake.told(key).state == CaptureState.SPAM
    assert intake.all(Lead) == []
    assert intake.do(retry_submission, key, LINKS).state == CaptureState.ACCEPTED


def test_what_a_registration_protects_waits(intake, database, clock):
    with database.write(intake.marketer) as session:
        protected = create_lead(session, LeadDraft({"company_name": "华诚科技", "contact_name": "合作方"}))
        protected.registration_state = RegistrationState.APPROVED
        protected.protection_expire_time = clock() + timedelta(days=1)
    source, _ = intake.source()
    key = intake.send(source, WANG)
    assert [one["reason"] for one in intake.told(key).problems] == ["DUPLICATE"]
    clock.advance(timedelta(days=2))
    assert intake.do(retry_submission, key, LINKS).state == CaptureState.ACCEPTED


def test_a_retry_of_the_sender_is_answered_alike(intake):
    source, _ = intake.source()
    other, _ = intake.source()
    request = str(uuid4())
    assert intake.send(source, WANG, request) == intake.send(source, WANG, request)
    assert len(intake.all(CaptureSubmission)) == 1
    with pytest.raises(Invalid):
        intake.send(other, WANG, request)


def test_an_external_id_is_one_lead_also_by_hand(intake, database):
    with database.write(intake.marketer) as session:
        create_lead(session, LeadDraft({"contact_name": "甲", "external_id": "A-1"}))
    with pytest.raises(Duplicate) as caught, database.write(intake.marketer) as session:
        create_lead(session, LeadDraft({"contact_name": "乙", "external_id": "A-1"}))
    assert caught.value.reason == "DUPLICATE_EXTERNAL_ID"
    source, _ = intake.source()
    intake.send(source, {"name": "丙", "ref": "A-1"})
    assert len(intake.all(Lead)) == 2


def test_what_was_sent_follows_a_lead_that_is_merged(intake, database):
    source, _ = intake.source()
    sent = intake.send(source, {"name": "丙", "ref": "A-1"})
    with database.write(intake.marketer) as session:
        lead = create_lead(session, LeadDraft({"contact_name": "丙"}))
    merged = intake.do(merge_leads, lead.id, intake.told(sent).lead_id)
    assert (merged.external_id, merged.capture_source_id) == ("A-1", source.id)
    again = intake.send(source, {"name": "丙", "ref": "A-1"})
    assert [intake.told(key).lead_id for key in (sent, again)] == [lead.id, lead.id]
    assert [one.id for one in intake.all(Lead)] == [lead.id]


def test_a_source_of_its_own_keeps_its_external_id_out_of_a_lead_of_another(intake):
    (one, _), (other, _) = intake.source(), intake.source()
    first, second = (intake.told(intake.send(source, {"name": "丙", "ref": "A-1"})).lead_id for source in (one, other))
    merged = intake.do(merge_leads, first, second)
    assert (merged.external_id, merged.capture_source_id) == ("A-1", one.id)


def test_what_came_in_is_unreadable_in_the_database(intake, database):
    source, _ = intake.source()
    intake.send(source, WANG)
    with database.read(make_caller()) as session:
        held = session.execute(text("SELECT payload FROM capture_submission")).scalar_one()
    assert "王芳".encode() not in bytes(held)
    assert b"huacheng" not in bytes(held).lower()


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("FORM", {"lead_fields": [TakenField("emails", "email")]}, "NAMELESS_SOURCE"),
        ("FORM", {"lead_fields": [TakenField("status", "status"), *FIELDS]}, "UNKNOWN_FIELD"),
        ("FORM", {"lead_fields": [*FIELDS, *FIELDS]}, "INVALID_FIELDS"),
        ("FORM", {"allowed_origins": ["www.example.com"]}, "INVALID_ORIGIN"),
        ("FORM", {"allowed_origins": ["https://example.com/form"]}, "INVALID_ORIGIN"),
        ("FORM", {"allowed_origins": ["https://例..cn"]}, "INVALID_ORIGIN"),
        ("FEED", {"feed": FeedSettings("https://a.cn/f", "JSON", "a" * 201, 15)}, "TOO_LONG"),
        ("FORM", {"opt_in_text": "没有链接"}, "MISSING_LINK"),
        ("FORM", {"honeypot": "mobile"}, "INVALID_HONEYPOT"),
        ("FORM", {"double_opt_in": True, "lead_fields": FIELDS[:2]}, "REQUIRED"),
        ("FORM", {"calls_per_minute": -1}, "OUT_OF_RANGE"),
        ("WEBHOOK", {"lead_fields": [TakenField("contact_name", "data..name")]}, "INVALID_PATH"),
        ("WEBHOOK", {"double_opt_in": True}, "ONLY_OF_FORMS"),
        ("FEED", {}, "REQUIRED"),
        ("SMS", {}, "INVALID_CAPTURE_KIND"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(intake, kind, changes, reason):
    with pytest.raises(Invalid) as caught:
        intake.source(kind, **changes)
    assert caught.value.reason == reason


def test_taking_something_in_costs_two_statements_and_judging_many_no_more_than_judging_few(intake):
    source, _ = intake.source()
    with sent_statements() as taken:
        intake.send(source, WANG, judged=False)
    assert [statement.split()[0] for statement in taken] == ["INSERT", "INSERT"]
    counts = []
    for size in (20, 60):
        bodies = [{"name": f"人{n}", "mobile": f"139{size:04}{n:04}", "ref": f"{size}-{n}"} for n in range(size)]
        keys = [intake.send(source, body, judged=False) for body in bodies]
        with sent_statements() as judging:
            intake.judge(*keys)
        counts.append(len(judging))
    assert counts[1] <= counts[0] + 2
