"""How far leads come, and why."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.callers import Grant, Reach
from chassis.errors import Denied, DomainError, Duplicate, Invalid
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from chassis.testing import make_caller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leads.life import queries
from leads.life.change_status import change_status
from leads.life.rules import DEFAULT_REASONS, LifeRules, Reason, life_rules
from leads.life.statuses import TRANSITIONS
from leads.life.update_rules import update_rules
from leads.model import Lead, LeadStatus
from leads.usecases.create_lead import LeadDraft
from leads.usecases.register_lead import register_lead
from leads.usecases.update_lead import update_lead

ME = make_caller(user_id=new_id())


@pytest.fixture
def change(database):
    def write(lead, status, caller=ME, **values):
        with database.write(caller) as session:
            return change_status(session, lead.id, status, **values)

    return write


def history(database, lead, size=50, token=""):
    with database.read(ME) as session:
        return queries.list_status_changes(session, lead.id, page_size=size, page_token=token)


def test_a_lead_goes_on_is_given_up_for_a_reason_and_taken_up_again(database, create, change, facts):
    lead = create(ME)
    change(lead, "CONTACTED")
    given_up = change(lead, "DISQUALIFIED", reason="NO_BUDGET", note="明年再说")
    assert (given_up.status_reason, given_up.status_note) == ("NO_BUDGET", "明年再说")
    again = change(lead, "NEW", note="客户来电")
    assert (again.status, again.status_reason, again.status_note) == ("NEW", None, "客户来电")
    told = [data["changed_fields"] for kind, data in facts() if kind == "LeadUpdated"]
    assert told == [["status"], ["status", "status_note", "status_reason"], ["status", "status_note", "status_reason"]]
    page = history(database, lead, 3)
    steps = [(row.before, row.after, row.reason, row.note, row.actor) for row in page.rows]
    assert steps == [
        ("DISQUALIFIED", "NEW", None, "客户来电", ME.subject),
        ("CONTACTED", "DISQUALIFIED", "NO_BUDGET", "明年再说", ME.subject),
        ("NEW", "CONTACTED", None, None, ME.subject),
    ]
    [first] = history(database, lead, 3, page.next_token).rows
    assert (first.kind, first.after) == ("CREATED", "NEW")


def test_a_note_is_told_to_whom_the_lead_tells_it(database, create, change):
    lead = create(ME)
    change(lead, "CONTACTED", note="客户来电")
    blind = replace(ME, field_rules={"lead": {"status_note": FieldEffect.MASK}})
    for caller, note in ((ME, "客户来电"), (blind, None)):
        with database.read(caller) as session:
            statuses = queries.list_status_changes(session, lead.id, page_size=1, page_token="").rows
            timeline = queries.list_timeline(session, lead.id, kinds=(), page_size=1, page_token="").entries.rows
        assert [(row.after, row.note) for row in (*statuses, *timeline)] == [("CONTACTED", note)] * 2


@pytest.mark.parametrize(
    ("status", "values", "reason"),
    [
        ("DISQUALIFIED", {}, "REASON_REQUIRED"),
        ("DISQUALIFIED", {"reason": "NO_SUCH"}, "UNKNOWN_REASON"),
        ("CONTACTED", {"reason": "NO_BUDGET"}, "REASON_NOT_WANTED"),
        ("NEW", {}, "STATUS_UNCHANGED"),
        ("CONVERTED", {}, "INVALID_STATUS"),
        ("CONTACTED", {"note": "长" * 501}, "TOO_LONG"),
    ],
)
def test_what_cannot_be_right_changes_nothing(create, change, reread, status, values, reason):
    lead = create(ME)
    with pytest.raises(Invalid) as caught:
        change(lead, status, **values)
    assert caught.value.violations[0].reason == reason
    assert (reread(lead).status, reread(lead).version) == ("NEW", 1)


def attempt(database, lead, step, *, by_update):
    """Take a step, by either method. Returns why it was refused."""
    reason = "SPAM" if step is LeadStatus.DISQUALIFIED else ""
    try:
        with database.write(ME) as session:
            if by_update:
                update_lead(session, lead.id, {"status": step} | ({"status_reason": reason} if reason else {}))
            else:
                change_status(session, lead.id, step, reason=reason)
    except DomainError as refusal:
        return refusal.reason
    return ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(list(LeadStatus)), max_size=8), by_update=st.booleans())
def test_no_way_leads_past_the_machine_and_the_history_tells_the_whole_way(database, create, steps, by_update):
    """Model: the status is that of the last step that the table allows, whichever method takes it."""
    lead, way = create(ME), [LeadStatus.NEW]
    for step in steps:
        refusal = attempt(database, lead, step, by_update=by_update)
        if step in TRANSITIONS[way[-1]]:
            assert refusal == ""
            way.append(step)
        elif step is way[-1] and by_update and step is not LeadStatus.CONVERTED:
            assert refusal == ""
        else:
            assert refusal in {"STATUS_NOT_REACHABLE", "STATUS_UNCHANGED", "INVALID_STATUS"}
    rows = history(database, lead).rows
    assert [row.after for row in reversed(rows)] == way
    with database.read(ME) as session:
        kept = session.get_one(Lead, lead.id)
    assert (kept.status, kept.version) == (way[-1], len(way))
    assert (kept.status_reason is not None) == (way[-1] is LeadStatus.DISQUALIFIED)


def test_a_lead_entered_as_given_up_needs_a_reason_as_well(create):
    with pytest.raises(Invalid) as caught:
        create(ME, status="DISQUALIFIED")
    assert (caught.value.reason, caught.value.field) == ("REASON_REQUIRED", "status_reason")
    assert create(ME, status="DISQUALIFIED", status_reason="SPAM").status_reason == "SPAM"


def test_the_company_manages_the_reasons_and_those_in_use_are_kept(database, create, change):
    with database.write(ME) as session:
        assert [one.display_name for one in life_rules(session).disqualification_reasons][2] == "暂无需求"
        update_rules(session, {"disqualification_reasons": (Reason("TOO_SMALL", "规模太小"),)}, "")
        kept = life_rules(session)
    assert kept.gives("TOO_SMALL")
    assert not kept.gives("NO_BUDGET")
    assert len(kept.disqualification_reasons) == 1 + len(DEFAULT_REASONS)
    lead = create(ME)
    with pytest.raises(Invalid):
        change(lead, "DISQUALIFIED", reason="NO_BUDGET")
    assert change(lead, "DISQUALIFIED", reason="TOO_SMALL").status == "DISQUALIFIED"


@pytest.mark.parametrize(
    ("reasons", "fault"),
    [
        ([], "REQUIRED"),
        ([Reason("A", "甲", archived=True)], "REQUIRED"),
        ([Reason("a", "甲")], "INVALID_CODE"),
        ([Reason("A", " ")], "INVALID_DISPLAY_NAME"),
        ([Reason("A", "甲"), Reason("A", "乙")], "REPEATED_CODE"),
        ([Reason(f"A{n}", "甲") for n in range(101)], "TOO_MANY"),
    ],
)
def test_reasons_have_a_form(reasons, fault):
    with pytest.raises(Invalid) as caught:
        LifeRules(disqualification_reasons=tuple(reasons)).checked(LifeRules())
    assert [one.reason for one in caught.value.violations] == [fault]


def test_rules_are_changed_by_those_who_reach_everything(database):
    with pytest.raises(Denied), database.write(make_caller(reach=Reach.DEPARTMENT)) as session:
        update_rules(session, {"contact_on_follow_up": False}, "")


def test_a_lead_is_not_taken_up_again_while_a_registration_protects_the_company(database, create, change):
    lead = create(ME, company_name="华诚科技有限公司")
    change(lead, "DISQUALIFIED", reason="NO_NEED")
    caller = replace(make_caller("lead.register"), partner_id=new_id())
    with database.write(caller) as session:
        register_lead(session, LeadDraft({"company_name": "华诚科技"}), timedelta(days=90))
    with pytest.raises(Duplicate):
        change(lead, "NEW")


def test_whoever_reads_a_lead_and_no_more_does_not_change_it(create, change):
    lead = create(ME)
    reader = make_caller("lead.read")
    own = {"lead.update": (Grant("lead.update", Reach.SELF),)}
    with pytest.raises(Denied) as caught:
        change(lead, "CONTACTED", replace(reader, grants={**reader.grants, **own}))
    assert caught.value.reason == "NOT_YOURS"
