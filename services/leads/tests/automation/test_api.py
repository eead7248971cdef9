"""Automation rules as their clients meet them, over gRPC."""

from datetime import UTC, datetime

import grpc
import pytest
from chassis.callers import Reach, service_caller
from chassis.names import new_id
from chassis.testing.edge import running
from crm.leads.v1 import automation_pb2 as pb
from crm.leads.v1 import automation_service_pb2 as service_pb
from crm.leads.v1.automation_service_pb2_grpc import AutomationServiceStub
from google.protobuf.field_mask_pb2 import FieldMask
from leads.automation.authors import caller_of
from leads.main import SERVICE
from sqlalchemy import text

CREATED = pb.AutomationTrigger(kind=pb.AUTOMATION_TRIGGER_KIND_EVENT, event="LeadCreated")
SET = pb.AutomationAction(kind=pb.AUTOMATION_ACTION_KIND_SET_FIELD, field="channel", value="线下")


@pytest.fixture(scope="module")
def edge(module_database):
    url = module_database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with running([SERVICE], {"leads": url}, environment={"CUSTOMERS_TARGET": "127.0.0.1:1"}) as edge:
        yield edge


@pytest.fixture
def automation(edge):
    return AutomationServiceStub(edge.channel)


@pytest.fixture
def author(house):
    with house.database.engine.begin() as connection:
        connection.execute(text("TRUNCATE idempotency_claim"))
    return house.person()


@pytest.fixture
def metadata(edge, author):
    grants = dict.fromkeys(("automation.read", "automation.configure", "lead.read", "lead.update"), Reach.ALL)
    return edge.metadata_for(author.user_id, "r/", grants)


def create(automation, metadata, **values):
    rule = pb.AutomationRule(**{"display_name": f"规则{new_id().hex}", "trigger": CREATED, "actions": [SET]} | values)
    request = service_pb.CreateAutomationRuleRequest(rule=rule, request_id=str(new_id()))
    return request, automation.CreateAutomationRule(request, metadata=metadata)


def test_a_rule_is_made_once_changed_by_mask_published_and_listed(automation, metadata, author, house, clock):
    request, made = create(automation, metadata, condition='lead.source == "展会"')
    assert (made.state, made.priority, made.author, made.etag) == (
        pb.AUTOMATION_STATE_DRAFT, 100, author.subject, "v1",
    )  # fmt: skip
    assert (made.trigger, list(made.actions)) == (CREATED, [SET])
    assert automation.CreateAutomationRule(request, metadata=metadata) == made
    change = service_pb.UpdateAutomationRuleRequest(
        rule=pb.AutomationRule(name=made.name, priority=7, etag="v1"),
        update_mask=FieldMask(paths=["priority", "condition"]),
    )
    changed = automation.UpdateAutomationRule(change, metadata=metadata)
    assert (changed.priority, changed.condition, list(changed.actions)) == (7, "", [SET])
    published = automation.PublishAutomationRule(
        service_pb.PublishAutomationRuleRequest(name=made.name), metadata=metadata
    )
    assert published.state == pb.AUTOMATION_STATE_PUBLISHED
    clock.set(datetime.now(UTC))  # the server's, by which the rule was published
    with house.database.read(service_caller("leads")) as session:
        boss = caller_of(session, author.user_id)
    lead = house.lead(boss)
    house.pump()
    page = automation.ListAutomationRuns(service_pb.ListAutomationRunsRequest(rule=made.name), metadata=metadata)
    [run] = page.runs
    assert (run.record, run.outcome, run.rule, run.event) == (
        lead.name, pb.AUTOMATION_OUTCOME_DONE, made.name, "LeadCreated",
    )  # fmt: skip
    assert [(result.kind, result.state, result.detail) for result in run.results] == [(SET.kind, "DONE", "channel")]
    listed = automation.ListAutomationRules(service_pb.ListAutomationRulesRequest(), metadata=metadata)
    assert [rule.name for rule in listed.rules] == [made.name]
    automation.SuspendAutomationRule(service_pb.SuspendAutomationRuleRequest(name=made.name), metadata=metadata)
    automation.DeleteAutomationRule(service_pb.DeleteAutomationRuleRequest(name=made.name), metadata=metadata)
    with pytest.raises(grpc.RpcError) as refusal:
        automation.GetAutomationRule(service_pb.GetAutomationRuleRequest(name=made.name), metadata=metadata)
    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


def test_every_kind_of_rule_comes_back_as_it_was_stated(automation, metadata):
    schedule = pb.AutomationSchedule(time="09:00", weekdays=[1, 5], working_days_only=True)
    triggers = [
        pb.AutomationTrigger(kind=pb.AUTOMATION_TRIGGER_KIND_SCHEDULE, schedule=schedule),
        pb.AutomationTrigger(
            kind=pb.AUTOMATION_TRIGGER_KIND_TIME_AFTER,
            field="create_time",
            amount=3,
            unit=pb.AUTOMATION_UNIT_WORKING_DAYS,
        ),
    ]
    for trigger in triggers:
        assert create(automation, metadata, trigger=trigger)[1].trigger == trigger
    change = pb.AutomationTrigger(kind=pb.AUTOMATION_TRIGGER_KIND_FIELD_CHANGE, field="channel", from_value="")
    made = create(automation, metadata, trigger=change)[1].trigger
    assert (made.field, made.HasField("from_value"), made.HasField("to_value")) == ("channel", True, False)


def test_a_rule_is_tried_and_its_condition_judged_without_being_made(automation, metadata, house, author, clock):
    clock.set(datetime.now(UTC))  # as the server's
    lead = house.lead(author, source="展会", phones=["13800138000"])
    rule = pb.AutomationRule(trigger=CREATED, actions=[SET], condition="size(lead.phones) == 1")
    seen = automation.PreviewAutomationRule(service_pb.PreviewAutomationRuleRequest(rule=rule), metadata=metadata)
    [match] = seen.matches
    assert (seen.tried, seen.matched, match.record, match.values["lead.phones"]) == (1, 1, lead.name, True)
    assert (match.results[0].state, list(seen.approximations)) == ("WOULD", ["RIGHTS_OF_TODAY", "OWNERS_OF_TODAY"])
    request = service_pb.ValidateAutomationExpressionRequest(expression="lead.nothing == 1", trigger=CREATED)
    judged = automation.ValidateAutomationExpression(request, metadata=metadata)
    assert [(issue.reason, issue.line, issue.column) for issue in judged.issues] == [("INVALID_CONDITION", 1, 5)]
    shown = {variable.name: variable for variable in judged.variables}
    assert (shown["lead.status"].choices[0], shown["lead.create_time"].type) == ("NEW", "timestamp")
    assert automation.ListAutomationRules(service_pb.ListAutomationRulesRequest(), metadata=metadata).rules == []
