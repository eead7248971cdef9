"""A look back says what a rule would have done, with the values of then, and writes nothing."""

from datetime import timedelta

import pytest
from chassis import audit
from chassis.callers import Reach
from chassis.errors import Denied, Invalid
from leads.automation.create_rule import draft_of
from leads.automation.previews import preview
from leads.drafts import FollowUpDraft
from leads.usecases.log_follow_up import log_follow_up
from sqlalchemy import text

from .conftest import CREATED, POLICY, UPDATED

SET = {"kind": "SET_FIELD", "field": "channel", "value": "线下"}
TABLES = (
    "automation_rule",
    "automation_run",
    "automation_cause",
    "automation_delivery",
    "lead",
    "outbox",
    "audit_entry",
    "job",
    "task",
)


def look(house, caller, trigger, condition="", actions=(SET,), days=7):
    draft = {"display_name": "试", "trigger": trigger, "condition": condition, "actions": list(actions)}
    with house.database.read(caller) as session:
        before = counts(session)
        found = preview(session, draft_of(session, draft, POLICY, caller.user_id), days)
        assert counts(session) == before
        assert not session.new
        assert not session.dirty
    return found


def counts(session):
    return [session.execute(text(f"SELECT count(*), max(xmin::text) FROM {table}")).one() for table in TABLES]


def test_changes_are_judged_by_the_values_of_then(house, clock):
    boss = house.person()
    lead = house.lead(boss, source="展会")
    house.change(boss, lead, status="CONTACTED", source="网站")
    house.change(boss, lead, status="QUALIFIED")
    trigger = {"kind": "FIELD_CHANGE", "field": "status", "to_value": "CONTACTED"}
    found = look(house, boss, trigger, 'old.source == "展会" && lead.source == "网站" && lead.status == "CONTACTED"')
    assert (found.tried, found.matched) == (1, 1)
    [match] = found.matches
    assert (match.occasion.subject.name, match.results[0]) == (
        lead.name,
        {"kind": "SET_FIELD", "state": "WOULD", "detail": "channel"},
    )
    assert look(house, boss, CREATED, 'lead.status == "NEW" && lead.source == "展会"').matched == 1
    assert look(house, boss, UPDATED, 'lead.status == "QUALIFIED" && old.status == "CONTACTED"').matched == 1
    clock.set(clock() + timedelta(days=8))
    assert look(house, boss, CREATED).tried == 0


def test_follow_ups_are_tried_as_what_they_were_logged_on(house, directory):
    boss = house.person()
    lead = house.lead(boss)
    with house.database.write(boss) as session:
        log_follow_up(session, FollowUpDraft(None, "CALL", "张总说下周定合同", lead_id=lead.id), directory)
    house.convert(boss, lead)
    note = {"kind": "NOTIFY", "text": "有新跟进", "to_owner": True}
    assert look(house, boss, {"kind": "EVENT", "event": "FollowUpLogged"}, actions=[note]).tried == 0
    found = look(house, boss, {"kind": "EVENT", "event": "LeadFollowUpLogged"}, 'lead.status == "CONVERTED"', [note])
    assert [match.occasion.subject.name for match in found.matches] == [lead.name]


def test_what_else_is_noted_of_a_lead_is_no_change_of_it(house):
    boss = house.person()
    lead = house.lead(boss)
    with house.database.write(boss) as session:
        audit.record(session, "lead.accept", lead.name, None, {"assignment": "leadAssignments/1"})
        audit.record(session, "lead.move_stage", lead.name, {"stage": "1"}, {"stage": "2"})
    assert (look(house, boss, CREATED).tried, look(house, boss, UPDATED).tried) == (1, 0)
    house.change(boss, lead, source="展会")
    assert (look(house, boss, CREATED).tried, look(house, boss, UPDATED).tried) == (1, 1)


def test_only_so_many_changes_are_gone_through(house, monkeypatch):
    boss = house.person()
    lead = house.lead(boss)
    for source in ("展会", "网站"):
        house.change(boss, lead, source=source)
    monkeypatch.setattr("leads.automation.previews.MOST_LOOKED", 2)
    found = look(house, boss, CREATED)
    assert (found.tried, found.incomplete) == (0, True)
    monkeypatch.setattr("leads.automation.previews.MOST_LOOKED", 3)
    found = look(house, boss, CREATED)
    assert (found.tried, found.incomplete) == (1, False)


def test_leads_of_today_are_tried_for_rules_by_the_clock(house, clock):
    boss = house.person()
    house.lead(boss, source="展会")
    assert look(house, boss, {"kind": "SCHEDULE", "schedule": {"time": "09:00"}}, 'lead.source == "展会"').matched == 1
    after = {"kind": "TIME_AFTER", "field": "create_time", "amount": 3, "unit": "HOURS"}
    assert look(house, boss, after).tried == 0
    clock.set(clock() + timedelta(hours=4))
    assert look(house, boss, after).matched == 1


def test_nobody_looks_at_what_they_do_not_reach_or_may_not_read(house):
    boss = house.person()
    house.lead(boss, phones=["13800138000"])
    rights = {"everywhere": ("automation.configure",), "reach": Reach.SELF}
    assert look(house, house.person("lead.read", "lead.update", **rights), CREATED).tried == 0
    blind = house.person(field_rules=[{"entity": "lead", "field": "phones", "effect": "HIDE"}])
    with pytest.raises(Denied):
        look(house, blind, CREATED, "size(lead.phones) > 0")


def test_what_is_not_kept_cannot_be_tried(house):
    with pytest.raises(Invalid) as refusal:
        look(house, house.person(), {"kind": "EVENT", "event": "TaskEnded"})
    assert refusal.value.reason == "NO_HISTORY"
