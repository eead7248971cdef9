"""What a rule may say is judged when it is written, by what its author may do."""

import pytest
from chassis.callers import Reach
from chassis.errors import Conflict, Denied, DomainError, Duplicate, Invalid, Stale
from chassis.etags import etag
from chassis.names import new_id
from leads.automation.create_rule import create_rule
from leads.automation.queries import list_rules, list_runs, read_rule
from leads.automation.update_rule import delete_rule, publish_rule, suspend_rule, update_rule
from leads.automation.webhooks import WebhookPolicy
from sqlalchemy import text

from .conftest import CREATED, POLICY

SET = {"kind": "SET_FIELD", "field": "channel", "value": "线下"}
TELL = {"kind": "NOTIFY", "text": "新线索", "to_owner": True}
CALL = {"kind": "CALL_WEBHOOK", "url": "https://hooks.example.com/x"}


def refused(house, caller, kind=Invalid, **values):
    draft = {"display_name": f"规则{new_id().hex}", "trigger": CREATED, "actions": [SET]} | values
    with pytest.raises(DomainError) as refusal, house.database.write(caller) as session:
        create_rule(session, draft, POLICY)
    assert isinstance(refusal.value, kind)
    return refusal.value.reason, refusal.value.field


@pytest.mark.parametrize(
    ("values", "reason", "field"),
    [
        ({"display_name": " "}, "REQUIRED", "display_name"),
        ({"priority": 1_001}, "OUT_OF_RANGE", "priority"),
        ({"trigger": {"kind": "EVENT", "event": "LeadDeleted"}}, "INVALID_TRIGGER", "trigger.event"),
        ({"trigger": {"kind": "FIELD_CHANGE", "field": "state"}}, "UNKNOWN_FIELD", "trigger.field"),
        (
            {"trigger": {"kind": "FIELD_CHANGE", "field": "status", "to_value": "OLD"}},
            "INVALID_VALUE",
            "trigger.to_value",
        ),
        ({"trigger": {"kind": "SCHEDULE", "schedule": {"time": "9"}}}, "INVALID_TIME_OF_DAY", "trigger.schedule.time"),
        (
            {"trigger": {"kind": "SCHEDULE", "schedule": {"time": "09:00", "weekdays": [8]}}},
            "OUT_OF_RANGE",
            "trigger.schedule.weekdays",
        ),
        (
            {"trigger": {"kind": "TIME_AFTER", "field": "status", "amount": 1, "unit": "HOURS"}},
            "INVALID_TRIGGER",
            "trigger.field",
        ),
        ({"condition": "lead.nothing"}, "INVALID_CONDITION", "condition"),
        ({"condition": 'old.status == "NEW"'}, "INVALID_CONDITION", "condition"),  # nothing changed when it was entered
        ({"actions": []}, "INVALID_ACTION", "actions"),
        ({"actions": [SET] * 11}, "INVALID_ACTION", "actions"),
        ({"actions": [{**SET, "field": "owner"}]}, "INVALID_ACTION", "actions[0].field"),
        ({"actions": [{**SET, "field": "phones", "value": "12"}]}, "INVALID_PHONE", "actions[0].value"),
        ({"actions": [{"kind": "CHANGE_STATUS", "value": "CONVERTED"}]}, "INVALID_STATUS", "actions[0].value"),
        ({"actions": [{"kind": "MOVE_STAGE", "stage": "x"}]}, "UNKNOWN_STAGE", "actions[0].stage"),
        ({"actions": [{"kind": "MOVE_STAGE", "stage": str(new_id())}]}, "UNKNOWN_STAGE", "actions[0].stage"),
        ({"actions": [{"kind": "CHANGE_STATUS", "value": "DISQUALIFIED"}]}, "REASON_REQUIRED", "actions[0].reason"),
        ({"actions": [{"kind": "ASSIGN", "user": f"users/{new_id()}"}]}, "UNKNOWN_OWNER", "actions[0].user"),
        ({"actions": [{**TELL, "to_owner": False}]}, "INVALID_ACTION", "actions[0].users"),
        ({"actions": [{**TELL, "text": "{lead.nothing}"}]}, "UNKNOWN_VARIABLE", "actions[0].text"),
        ({"actions": [{**CALL, "url": "https://other.org/"}]}, "WEBHOOK_NOT_ALLOWED", "actions[0].url"),
        ({"actions": [{**CALL, "url": "http://hooks.example.com/"}]}, "WEBHOOK_NOT_ALLOWED", "actions[0].url"),
        ({"actions": [{**CALL, "url": "https://a:b@hooks.example.com/"}]}, "WEBHOOK_NOT_ALLOWED", "actions[0].url"),
        ({"actions": [{**CALL, "payload": ["lead.nothing"]}]}, "UNKNOWN_VARIABLE", "actions[0].payload[0]"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_field(house, values, reason, field):
    assert refused(house, house.person(), **values) == (reason, field)


def test_nobody_makes_a_rule_that_does_what_they_may_not(house):
    wide = ("automation.configure",)
    assert refused(house, house.person("lead.read"), Denied)[0] == "PERMISSION_DENIED"
    narrow = house.person("automation.configure", "lead.read", "lead.update", reach=Reach.DEPARTMENT)
    assert refused(house, narrow, Denied)[0] == "SCOPE_TOO_NARROW"
    reader = house.person("lead.read", everywhere=wide)
    assert refused(house, reader, Denied)[0] == "PERMISSION_DENIED"
    assign = [{"kind": "ASSIGN", "user": reader.subject}]
    writer = house.person("lead.read", "lead.update", everywhere=wide)
    assert refused(house, writer, Denied, actions=assign)[0] == "PERMISSION_DENIED"


def test_no_rule_tells_its_author_what_their_roles_hide(house):
    rules = [
        {"entity": "lead", "field": "phones", "effect": "MASK"},
        {"entity": "lead", "field": "remark", "effect": "READ_ONLY"},
    ]
    blind = house.person(field_rules=rules)
    hidden = ("FIELD_NOT_READABLE", "condition")
    assert refused(house, blind, Denied, condition='lead.phones[0] == "+8613800138000"') == hidden
    assert refused(house, blind, Denied, actions=[{**TELL, "text": "{lead.phones}"}]) == (hidden[0], "actions[0].text")
    payload = {**CALL, "payload": ["lead.phones"]}
    assert refused(house, blind, Denied, actions=[payload]) == (hidden[0], "actions[0].payload")
    change = {"kind": "FIELD_CHANGE", "field": "phones"}
    assert refused(house, blind, Denied, trigger=change) == (hidden[0], "trigger.field")
    write = {**SET, "field": "remark", "value": "x"}
    assert refused(house, blind, Denied, actions=[write]) == ("FIELD_NOT_WRITABLE", "actions[0].field")


def test_a_field_that_is_hidden_later_stops_the_rule(house):
    author, other = house.person(), house.person()
    change = {"kind": "FIELD_CHANGE", "field": "phones"}
    rules = [house.rule(author, CREATED, [SET], "size(lead.phones) > 0"), house.rule(author, change, [SET])]
    house.person(user_id=author.user_id, field_rules=[{"entity": "lead", "field": "phones", "effect": "HIDE"}])
    lead = house.lead(other, phones=["13800138000"])
    house.change(other, lead, phones=["13800138001"])
    house.pump()
    assert [house.state(rule) for rule in rules] == [("SUSPENDED", "FIELD_NOT_READABLE")] * 2
    assert house.now(lead).channel is None


def test_a_rule_is_changed_published_stopped_and_deleted_and_all_of_it_is_audited(house):
    author, other = house.person(), house.person()
    with house.database.write(author) as session:
        rule = create_rule(session, {"display_name": "甲", "trigger": CREATED, "actions": [SET]}, POLICY)
    assert (rule.state, rule.priority, rule.author_id) == ("DRAFT", 100, author.user_id)
    assert refused(house, author, Duplicate, display_name="甲")[0] == "DUPLICATE_RULE"
    house.lead(author)
    house.pump()
    assert house.runs(rule) == []  # a draft does nothing
    with house.database.write(other) as session, pytest.raises(Stale):
        update_rule(session, rule.id, {"priority": 5}, POLICY, etag=etag(7))
    with house.database.write(other) as session:
        changed = update_rule(session, rule.id, {"priority": 5}, POLICY, etag=etag(1))
        assert (changed.author_id, changed.version) == (other.user_id, 2)
        assert update_rule(session, rule.id, {"priority": 5}, POLICY).version == 2
    with house.database.write(author) as session, pytest.raises(Conflict):
        suspend_rule(session, rule.id)
    with house.database.write(author) as session:
        assert publish_rule(session, rule.id, POLICY).author_id == author.user_id
    with house.database.write(author) as session, pytest.raises(Conflict):
        publish_rule(session, rule.id, POLICY)
    with house.database.write(author) as session:
        assert suspend_rule(session, rule.id).suspension_reason == "BY_HAND"
    with house.database.write(author) as session:
        delete_rule(session, rule.id)
    with house.database.read(author) as session:
        actions = session.scalars(
            text("SELECT action FROM audit_entry WHERE resource = :rule ORDER BY id"), {"rule": rule.name}
        ).all()
    assert [action.rpartition(".")[2] for action in actions] == ["create", "update", "publish", "suspend", "delete"]


def test_rules_and_runs_are_listed_in_pages_for_those_who_may_read_them(house):
    author = house.person()
    rules = [house.rule(author, CREATED, [SET], f'lead.source == "{n}"', priority=9 - n) for n in range(3)]
    leads = [house.lead(author, source=f"{n}") for n in range(3)]
    house.pump()
    with house.database.read(author) as session:
        first = list_rules(session, "PUBLISHED", page_size=2, page_token="")
        rest = list_rules(session, "PUBLISHED", page_size=2, page_token=first.next_token)
        assert [rule.id for rule in [*first.rows, *rest.rows]] == [rule.id for rule in reversed(rules)]
        asked = {"record": "", "outcome": "", "start": None, "end": None, "page_size": 50, "page_token": ""}
        done = list_runs(session, rule_id=None, **{**asked, "outcome": "DONE"}).rows
        assert [run.record for run in done] == [lead.name for lead in reversed(leads)]
        assert len(list_runs(session, rule_id=rules[0].id, **asked).rows) == 3
        assert len(list_runs(session, rule_id=None, **{**asked, "record": leads[0].name}).rows) == 3
        assert read_rule(session, rules[0].id).id == rules[0].id
    narrow = house.person("automation.read", reach=Reach.DEPARTMENT)
    with house.database.read(narrow) as session, pytest.raises(Denied):
        list_rules(session, "", page_size=0, page_token="")


def test_without_hosts_nothing_may_be_called():
    with pytest.raises(Invalid):
        WebhookPolicy().check("https://hooks.example.com/")
