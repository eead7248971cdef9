"""Rules run once, do all or nothing with their author's rights, and do not go round in circles."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.names import new_id
from chassis.testing import eventually
from chassis.testing.databases import waits
from leads.assignment.rules import create_rule as create_assignment_rule
from leads.automation.listening import react_to_all
from leads.automation.running import suspend
from leads.automation.update_rule import suspend_rule
from leads.drafts import FollowUpDraft
from leads.model import AutomationRule, Task
from leads.playbooks.content import Content, Stage, Template, Trigger
from leads.playbooks.editing import create_playbook
from leads.playbooks.moving import start_playbook
from leads.playbooks.queries import progress_of
from leads.tasks.ending import complete_task
from leads.usecases.learn_organisation import learn_user
from leads.usecases.log_follow_up import log_follow_up
from sqlalchemy import select, text

from .conftest import CREATED, UPDATED

NOTE = {"kind": "NOTIFY", "text": "{lead.company_name} 来自 {lead.source}", "to_owner": True}


def set_field(field, value):
    return {"kind": "SET_FIELD", "field": field, "value": value}


def test_a_rule_runs_for_what_fulfils_its_condition_and_says_what_it_read(house, facts):
    boss = house.person()
    rule = house.rule(
        boss, CREATED, [set_field("channel", "线下"), NOTE], 'lead.source == "展会" && size(lead.phones) > 0'
    )
    met = house.lead(boss, company_name="华诚", source="展会", phones=["13800138000"])
    other = house.lead(boss, source="网站", phones=["13800138001"])
    house.pump()
    assert [house.now(lead).channel for lead in (met, other)] == ["线下", None]
    done, passed = house.runs(rule)
    assert (done.outcome, passed.outcome) == ("DONE", "NOT_MATCHED")
    assert done.read_values == {"lead.phones": True, "lead.source": "展会"}  # no number in the log
    assert [result["state"] for result in done.results] == ["DONE", "DONE"]
    [notice] = house.notices(facts, "AUTOMATION_MESSAGE")
    assert (notice["recipient"], notice["params"]["text"]) == (boss.subject, "华诚 来自 展会")
    with house.database.read(boss) as session:
        actors = session.scalars(
            text("SELECT actor FROM audit_entry WHERE resource = :lead ORDER BY id"), {"lead": met.name}
        ).all()
    assert actors == [boss.subject, rule.name]


def test_an_event_that_comes_twice_runs_a_rule_once(house):
    boss = house.person()
    rule = house.rule(boss, CREATED, [set_field("channel", "线下")])
    house.lead(boss)
    events = house.events()
    for _ in range(2):
        with house.database.write(service_caller("leads")) as session:
            react_to_all(session, events)
    assert len(house.runs(rule)) == 1


def test_what_happened_before_a_rule_was_published_does_not_start_it_however_late_it_comes(house, clock):
    boss = house.person()
    house.lead(boss)
    clock.advance(timedelta(milliseconds=1))
    rule = house.rule(boss, CREATED, [set_field("channel", "线下")])
    house.pump()
    assert house.runs(rule) == []
    house.lead(boss)
    house.pump()
    assert [run.outcome for run in house.runs(rule)] == ["DONE"]


def test_what_was_said_to_a_lead_runs_no_rule_anew_when_the_lead_becomes_a_customer(house, directory, facts):
    boss = house.person()
    trigger = {"kind": "EVENT", "event": "FollowUpLogged"}
    rule = house.rule(boss, trigger, [{"kind": "NOTIFY", "text": "{customer.display_name}", "to_owner": True}])
    lead = house.lead(boss)
    with house.database.write(boss) as session:
        log_follow_up(session, FollowUpDraft(None, "CALL", "张总说下周定合同", lead_id=lead.id), directory)
    customer = house.convert(boss, lead)
    house.pump()
    assert "FollowUpLogged" in {name for name, _ in facts()}
    assert house.runs(rule) == []
    with house.database.write(boss) as session:
        log_follow_up(session, FollowUpDraft(customer, "CALL", "合同已签，约定验收"), directory)
    house.pump()
    assert [run.outcome for run in house.runs(rule)] == ["DONE"]


def test_a_change_of_a_field_starts_a_rule_from_and_to_the_values_it_names(house):
    boss = house.person()
    trigger = {"kind": "FIELD_CHANGE", "field": "status", "from_value": "NEW", "to_value": "CONTACTED"}
    rule = house.rule(boss, trigger, [set_field("channel", "已联系")], 'old.status == "NEW" && "status" in changed')
    lead = house.lead(boss)
    house.change(boss, lead, remark="先放着")
    house.pump()
    assert house.runs(rule) == []
    house.change(boss, lead, status="CONTACTED")
    house.pump()
    assert (house.now(lead).channel, [run.outcome for run in house.runs(rule)]) == ("已联系", ["DONE"])
    house.change(boss, lead, status="QUALIFIED")
    house.pump()
    assert len(house.runs(rule)) == 1


def test_rules_of_one_event_run_by_priority_and_see_what_those_before_did(house):
    boss = house.person()
    second = house.rule(boss, CREATED, [set_field("channel", "乙")], 'lead.channel == "甲"', priority=2)
    first = house.rule(boss, CREATED, [set_field("channel", "甲")], priority=1)
    lead = house.lead(boss)
    house.pump()
    assert [run.rule_id for run in house.runs() if run.outcome == "DONE"] == [first.id, second.id]
    assert house.now(lead).channel == "乙"


def test_an_action_that_fails_leaves_nothing_of_the_run(house):
    boss = house.person()
    rule = house.rule(boss, CREATED, [set_field("channel", "线下"), set_field("company_name", "")])
    lead = house.lead(boss)
    house.pump()
    [run] = house.runs(rule)
    assert (run.outcome, run.reason, run.results) == ("FAILED", "REQUIRED", [])
    assert house.now(lead).channel is None
    assert house.state(rule) == ("PUBLISHED", None)


def test_a_lead_gets_another_owner_who_is_told_and_status(house, facts):
    boss, rep = house.person(), house.person("lead.read", reach=Reach.SELF)
    actions = [{"kind": "ASSIGN", "user": rep.subject}, {"kind": "CHANGE_STATUS", "value": "CONTACTED"}, NOTE]
    house.rule(boss, CREATED, actions)
    lead = house.lead(boss)
    house.pump()
    assert [notice["recipient"] for notice in house.notices(facts, "AUTOMATION_MESSAGE")] == [rep.subject]
    now = house.now(lead)
    assert (now.owner_id, now.status) == (rep.user_id, "CONTACTED")


def test_a_lead_is_moved_to_a_stage_unless_a_gate_keeps_it(house):
    boss = house.person()
    call = Template(new_id(), Trigger.STAGE_ENTERED, "打电话", required=True)
    first, second = Stage(new_id(), "初步接触", templates=(call,)), Stage(new_id(), "需求确认")
    with house.database.write(boss) as session:
        playbook, _ = create_playbook(session, {"display_name": "流程"}, Content((first, second)))
    trigger = {"kind": "FIELD_CHANGE", "field": "channel"}
    rule = house.rule(boss, trigger, [{"kind": "MOVE_STAGE", "stage": str(second.id)}])
    lead, none = house.lead(boss), house.lead(boss)
    with house.database.write(boss) as session:
        start_playbook(session, lead.id, playbook.id)
    for value, one in (("甲", lead), ("甲", none)):
        house.change(boss, one, channel=value)
    house.pump()
    assert [(run.outcome, run.reason) for run in house.runs(rule)] == [
        ("FAILED", "STAGE_GATE"),
        ("FAILED", "NO_PLAYBOOK"),
    ]
    with house.database.write(boss) as session:
        [task] = session.scalars(select(Task).where(Task.lead_id == lead.id))
        complete_task(session, task.id)
    house.change(boss, lead, channel="乙")
    house.pump()
    assert house.runs(rule)[-1].results[0]["detail"] == "需求确认"
    with house.database.read(boss) as session:
        assert progress_of(session, lead.id).row.stage_id == second.id


def test_somebody_who_moves_and_a_rule_that_gives_them_a_lead_wait_for_each_other_in_turn(house):
    boss, rep = house.person(), house.person()
    house.rule(boss, CREATED, [set_field("channel", "甲"), {"kind": "ASSIGN", "user": rep.subject}])
    lead = house.lead(rep)
    with ThreadPoolExecutor(1) as executor:
        with house.database.write(service_caller("leads")) as session:
            learn_user(session, rep.user_id, 9, None, "r/moved/")  # holds the user, and the lead that is theirs
            giving = executor.submit(house.pump)
            # It waits before it has locked anything.
            assert eventually(lambda: waits(session)) == ["advisory"]
        giving.result()
    assert (house.now(lead).channel, house.now(lead).owner_department_path) == ("甲", "r/moved/")


def test_a_rule_that_somebody_has_stopped_meanwhile_is_not_suspended_again(house, facts):
    boss = house.person()
    rule = house.rule(boss, CREATED, [set_field("channel", "甲")])
    with house.database.write(service_caller("leads")) as session:
        stale = session.get_one(AutomationRule, rule.id)
        with house.database.write(boss) as other:
            suspend_rule(other, rule.id)
        suspend(session, stale, "RULE_LOOP")
    assert house.state(rule) == ("SUSPENDED", "BY_HAND")
    assert house.notices(facts, "AUTOMATION_SUSPENDED") == []


def test_a_value_that_is_not_there_fulfils_nothing(house):
    boss = house.person()
    guarded = house.rule(
        boss,
        CREATED,
        [set_field("channel", "甲")],
        "lead.has_protection_expire_time && lead.protection_expire_time < now",
    )
    bare = house.rule(boss, CREATED, [set_field("channel", "乙")], "lead.protection_expire_time < now")
    house.lead(boss)
    house.pump()
    [one], [other] = house.runs(guarded), house.runs(bare)
    assert (one.outcome, one.reason) == ("NOT_MATCHED", None)
    assert (other.outcome, other.reason) == ("NOT_MATCHED", "NO_VALUE")


def test_what_cannot_be_judged_fails_the_run_and_tells_no_value(house):
    boss = house.person()
    rule = house.rule(boss, CREATED, [NOTE], "lead.remark.matches(lead.requirement)")
    house.lead(boss, remark="x", requirement="(秘密")
    house.pump()
    [run] = house.runs(rule)
    assert (run.outcome, run.reason) == ("FAILED", "CONDITION_FAILED")
    assert "秘密" not in f"{run.message} {run.read_values}"


def test_a_rule_reaches_no_more_than_its_author(house):
    boss = house.person()
    author = house.person("lead.read", "lead.update", reach=Reach.SELF, everywhere=("automation.configure",))
    rule = house.rule(author, CREATED, [set_field("channel", "我的")])
    mine, others = house.lead(boss), house.lead(boss)
    with house.database.write(service_caller("leads")) as session:
        session.execute(
            text("UPDATE lead SET owner_id = :id WHERE id = :lead"), {"id": author.user_id, "lead": mine.id}
        )
    house.pump()
    assert [(run.record, run.outcome, run.reason) for run in house.runs(rule)] == [
        (mine.name, "DONE", None),
        (others.name, "REFUSED", "NOT_REACHED"),
    ]
    assert house.state(rule) == ("PUBLISHED", None)


def test_a_rule_stops_when_its_author_leaves_or_loses_a_permission(house, facts):
    keeper = house.person()
    for change, reason in (({"active": False}, "AUTHOR_LEFT"), ({"permissions": ("lead.read",)}, "PERMISSION_DENIED")):
        author = house.person()
        rule = house.rule(author, CREATED, [set_field("channel", "线下")])
        permissions = change.pop("permissions", ())
        house.person(*permissions, user_id=author.user_id, **change)
        lead = house.lead(keeper)
        house.pump()
        [run] = house.runs(rule)
        assert (run.outcome, run.reason) == ("REFUSED", reason)
        assert house.state(rule) == ("SUSPENDED", reason)
        assert house.now(lead).channel is None
        told = [one for one in house.notices(facts, "AUTOMATION_SUSPENDED") if one["resource"] == rule.name]
        assert keeper.subject in {one["recipient"] for one in told}
        house.lead(keeper)
        house.pump()
        assert len(house.runs(rule)) == 1


def test_nobody_is_told_what_they_do_not_reach_or_may_not_read(house, facts):
    boss = house.person()
    hides = [{"entity": "lead", "field": "source", "effect": "HIDE"}]
    blind = house.person("lead.read", field_rules=hides)
    stranger = house.person("lead.read", reach=Reach.SELF)
    house.rule(boss, CREATED, [{**NOTE, "to_owner": False, "users": [blind.subject, stranger.subject]}])
    house.lead(boss, company_name="华诚", source="展会")
    house.pump()
    [notice] = house.notices(facts, "AUTOMATION_MESSAGE")
    assert (notice["recipient"], notice["params"]["text"]) == (blind.subject, "华诚 来自 ")


def test_two_rules_that_undo_one_another_are_caught_and_stopped(house, facts):
    boss = house.person()
    one = house.rule(boss, UPDATED, [set_field("channel", "乙")], 'lead.channel == "甲"')
    other = house.rule(boss, UPDATED, [set_field("channel", "甲")], 'lead.channel == "乙"', priority=1)
    lead = house.lead(boss, channel="丙")
    house.change(boss, lead, channel="甲")
    house.pump()
    outcomes = [(run.rule_id, run.outcome, run.depth) for run in house.runs() if run.outcome != "NOT_MATCHED"]
    assert outcomes == [(one.id, "DONE", 0), (other.id, "DONE", 1), (one.id, "LOOP", 1)]
    assert house.state(one) == ("SUSPENDED", "RULE_LOOP")
    assert house.state(other)[0] == "PUBLISHED"
    assert house.now(lead).channel == "甲"
    assert house.notices(facts, "AUTOMATION_SUSPENDED")


def test_a_long_chain_ends(house):
    boss = house.person()
    rules = [
        house.rule(boss, UPDATED, [set_field("channel", f"{n + 1}")], f'lead.channel == "{n}"', priority=100 - n)
        for n in range(8)
    ]
    lead = house.lead(boss)
    house.change(boss, lead, channel="0")
    house.pump()
    assert house.now(lead).channel == "5"
    assert house.state(rules[5]) == ("SUSPENDED", "CHAIN_TOO_LONG")


def test_a_circle_that_leads_through_others_is_caught_by_how_often_it_comes(house, clock):
    boss = house.person()
    rule = house.rule(boss, UPDATED, [set_field("channel", "甲")], 'lead.channel == "乙"')
    lead = house.lead(boss)
    for _ in range(25):
        house.change(boss, lead, channel="乙")  # as another handler would
        house.pump()
        clock.set(clock() + timedelta(seconds=1))
    assert house.state(rule) == ("SUSPENDED", "TOO_MANY_RUNS")
    assert sum(run.outcome == "DONE" for run in house.runs(rule)) == 20


@pytest.mark.parametrize("wording", ["same", "none"])
def test_what_changes_nothing_leads_to_nothing(house, wording):
    boss = house.person()
    rule = house.rule(boss, UPDATED, [set_field("channel", "甲")])
    lead = house.lead(boss, channel="甲" if wording == "same" else "丙")
    house.change(boss, lead, remark="看看")
    house.pump()
    assert house.now(lead).channel == "甲"
    assert len([run for run in house.runs(rule) if run.outcome == "DONE"]) == 1


def test_a_task_is_made_for_whom_the_rule_names_and_is_due_in_working_hours(house):
    boss, rep = house.person(), house.person("lead.read")
    task = {"kind": "CREATE_TASK", "text": "回访 {lead.company_name}", "user": rep.subject, "due_hours": 2}
    rule = house.rule(boss, CREATED, [task])
    lead = house.lead(boss, company_name="华诚")
    house.pump()
    [run] = house.runs(rule)
    assert (run.outcome, run.reason) == ("DONE", None)
    with house.database.read(boss) as session:
        [made] = session.scalars(select(Task)).all()
    assert (made.title, made.assignee_id, made.lead_id, made.name) == (
        "回访 华诚",
        rep.user_id,
        lead.id,
        run.results[0]["detail"],
    )
    assert made.due_time == datetime(2026, 3, 2, 7, tzinfo=UTC)  # made at noon; work goes on at 13:00


def test_the_assignment_rules_choose_an_owner(house, clock):
    boss, rep = house.person(), house.person("lead.read")
    clock.set(datetime(2026, 3, 2, 2, tzinfo=UTC))
    with house.database.write(boss) as session:
        create_assignment_rule(
            session,
            {"display_name": "轮流", "strategy": "ROUND_ROBIN", "users": [rep.user_id]},
        )
    rule = house.rule(boss, CREATED, [{"kind": "ASSIGN", "by_assignment_rules": True}])
    lead = house.lead(boss)
    with house.database.write(boss) as session:
        session.execute(text("UPDATE lead SET owner_id = NULL WHERE id = :id"), {"id": lead.id})
    house.pump()
    [run] = house.runs(rule)
    assert (run.outcome, run.results[0]["detail"]) == ("DONE", rep.subject), run.message
    assert house.now(lead).owner_id == rep.user_id
