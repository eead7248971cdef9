"""Assignment as its clients meet it, over gRPC, and the events that set it going."""

from uuid import uuid4

import grpc
import pytest
from chassis.bus.envelope import Received
from chassis.callers import Reach, service_caller
from chassis.filters import filter_from_json
from chassis.names import new_id
from chassis.testing.edge import running
from crm.leads.v1 import assignment_pb2 as pb
from crm.leads.v1 import assignment_service_pb2 as service_pb
from crm.leads.v1 import lead_pb2, lead_service_pb2
from crm.leads.v1.assignment_service_pb2_grpc import AssignmentServiceStub
from crm.leads.v1.lead_service_pb2_grpc import LeadServiceStub
from google.protobuf.field_mask_pb2 import FieldMask
from leads.assignment.consumers import SUBSCRIPTION
from leads.main import SERVICE
from leads.model import Lead
from sqlalchemy import text

from .conftest import where

PERMISSIONS = (
    "assignment_rule.read", "assignment_rule.configure", "lead.assign", "lead.claim", "lead.create", "lead.read",
    "lead.update", "lead_capacity.read", "lead_capacity.update", "lead_absence.update",
)  # fmt: skip


@pytest.fixture(scope="module")
def edge(module_database):
    url = module_database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with running([SERVICE], {"leads": url}, environment={"CUSTOMERS_TARGET": "127.0.0.1:1"}) as edge:
        yield edge


@pytest.fixture
def call(edge, database, person):
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE idempotency_claim"))
    stub, me = AssignmentServiceStub(edge.channel), person()
    metadata = edge.metadata_for(me, "r/", dict.fromkeys(PERMISSIONS, Reach.ALL))

    def make(method, request, *, of=stub):
        if "request_id" in request.DESCRIPTOR.fields_by_name:
            request.request_id = str(uuid4())
        return getattr(of, method)(request, metadata=metadata, timeout=20)

    make.me = me
    return make


def reason(call, method, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(method, request)
    return caught.value.code().name


def test_rules_are_listed_by_priority_changed_and_deleted(call, person, department):
    anna, home = person(), department("r/x/")
    draft = pb.AssignmentRule(
        display_name="展会",
        priority=20,
        strategy=pb.ASSIGNMENT_STRATEGY_SKILL,
        users=[f"users/{anna}"],
        departments=[f"departments/{home}"],
        required_skills=["英语"],
        condition=filter_from_json(where("source", "展会")),
        accept_minutes=30,
        manager=f"users/{anna}",
        fallback_department=f"departments/{home}",
    )
    draft.active_from.GetCurrentTime()
    made = call("CreateAssignmentRule", service_pb.CreateAssignmentRuleRequest(rule=draft))
    for field, _ in draft.ListFields():
        assert getattr(made, field.name) == getattr(draft, field.name)
    assert (made.max_tries, made.performance_days, made.outside_hours) == (3, 90, pb.OUTSIDE_HOURS_NEXT_WORKER)
    assert (made.creator, made.etag) == (f"users/{call.me}", "v1")
    other = pb.AssignmentRule(display_name="所有", strategy=pb.ASSIGNMENT_STRATEGY_ROUND_ROBIN, users=[f"users/{anna}"])
    last = call("CreateAssignmentRule", service_pb.CreateAssignmentRuleRequest(rule=other))
    assert last.priority == 21
    first = pb.AssignmentRule(name=last.name, priority=10, etag=last.etag)
    call("UpdateAssignmentRule", service_pb.UpdateAssignmentRuleRequest(rule=first))
    cleared = pb.AssignmentRule(name=made.name)
    mask = FieldMask(paths=["condition", "active_from", "max_tries", "manager"])
    changed = call("UpdateAssignmentRule", service_pb.UpdateAssignmentRuleRequest(rule=cleared, update_mask=mask))
    assert (changed.condition.WhichOneof("node"), changed.HasField("active_from")) == (None, False)
    assert (changed.max_tries, changed.manager, changed.display_name) == (3, "", "展会")
    page = call("ListAssignmentRules", service_pb.ListAssignmentRulesRequest(page_size=1))
    rest = call("ListAssignmentRules", service_pb.ListAssignmentRulesRequest(page_token=page.next_page_token))
    assert [rule.name for rule in [*page.rules, *rest.rules]] == [last.name, made.name]
    stale = service_pb.DeleteAssignmentRuleRequest(name=made.name, etag="v1")
    assert reason(call, "DeleteAssignmentRule", stale) == "ABORTED"
    call("DeleteAssignmentRule", service_pb.DeleteAssignmentRuleRequest(name=made.name))
    assert reason(call, "GetAssignmentRule", service_pb.GetAssignmentRuleRequest(name=made.name)) == "NOT_FOUND"


def test_settings_capacities_and_absences_are_kept(call, person, department):
    home, anna = department("r/x/"), person()
    wanted = pb.LeadAssignmentSettings(fallback_department=f"departments/{home}", manager=f"users/{anna}")
    kept = call("UpdateLeadAssignmentSettings", service_pb.UpdateLeadAssignmentSettingsRequest(settings=wanted))
    assert (kept.fallback_department, kept.manager, kept.etag) == (wanted.fallback_department, wanted.manager, "v1")
    assert call("GetLeadAssignmentSettings", service_pb.GetLeadAssignmentSettingsRequest()) == kept

    name = f"leadCapacities/{anna}"
    unsaid = call("GetLeadCapacity", service_pb.GetLeadCapacityRequest(name=name))
    assert (unsaid.daily_capacity, unsaid.monthly_capacity, unsaid.weight, unsaid.etag) == (0, 30, 1, "v0")
    stated = pb.LeadCapacity(
        name=name, daily_capacity=3, regions=["广东", "深圳", "广东"], hours=["13:00-18:00", "08:00–12:00"]
    )
    capacity = call("UpdateLeadCapacity", service_pb.UpdateLeadCapacityRequest(capacity=stated))
    assert (list(capacity.regions), list(capacity.hours)) == (["广东", "深圳"], ["08:00-12:00", "13:00-18:00"])
    listed = call("ListLeadCapacities", service_pb.ListLeadCapacitiesRequest()).capacities
    assert {one.user for one in listed} == {f"users/{anna}", f"users/{call.me}"}

    away = pb.LeadAbsence()
    away.start_time.FromJsonString("2026-03-02T00:00:00Z")
    away.end_time.FromJsonString("2026-03-05T00:00:00Z")
    mine = call("CreateLeadAbsence", service_pb.CreateLeadAbsenceRequest(absence=away))
    assert mine.user == f"users/{call.me}"
    listing = service_pb.ListLeadAbsencesRequest(user=mine.user)
    assert [one.name for one in call("ListLeadAbsences", listing).absences] == [mine.name]
    call("DeleteLeadAbsence", service_pb.DeleteLeadAbsenceRequest(name=mine.name))
    assert list(call("ListLeadAbsences", listing).absences) == []
    away.end_time.FromJsonString("2029-03-05T00:00:00Z")
    assert reason(call, "CreateLeadAbsence", service_pb.CreateLeadAbsenceRequest(absence=away)) == "INVALID_ARGUMENT"


def test_leads_are_assigned_explained_accepted_declined_and_claimed(edge, call, rule):
    rule([call.me], "a", accept_minutes=30, max_tries=1)
    leads = LeadServiceStub(edge.channel)

    def create(source):
        lead = lead_pb2.Lead(company_name=f"公司{uuid4().hex}", source=source)
        return call("CreateLead", lead_service_pb2.CreateLeadRequest(lead=lead, unowned=True), of=leads).name

    accepted, declined, skipped = (create("a") for _ in range(3))
    foretold = call("ExplainAssignment", service_pb.ExplainAssignmentRequest(lead=accepted))
    assert (foretold.assignment.name, foretold.assignment.assignee) == ("", f"users/{call.me}")
    call("SkipLeadAssignment", service_pb.SkipLeadAssignmentRequest(name=skipped, skip=True))
    names = [accepted, declined, skipped]
    answer = call("AssignLeads", service_pb.AssignLeadsRequest(names=names))
    assert (answer.assigned_count, answer.passed_over_count, len(answer.assignments)) == (2, 1, 2)
    told = call("ExplainAssignment", service_pb.ExplainAssignmentRequest(lead=accepted))
    assert (told.assignment, told.tie_break) == (answer.assignments[0], "SCORE")
    assert [(one.user, one.chosen) for one in told.candidates] == [(f"users/{call.me}", True)]
    by_name = service_pb.ExplainAssignmentRequest(assignment=told.assignment.name)
    assert call("ExplainAssignment", by_name) == told

    assert call("AcceptLead", service_pb.AcceptLeadRequest(name=accepted)).acceptance == pb.ACCEPTANCE_STATE_ACCEPTED
    given_back = call("DeclineLead", service_pb.DeclineLeadRequest(name=declined, reason="太远"))
    assert (given_back.outcome, given_back.reason) == (pb.ASSIGNMENT_OUTCOME_POOLED, "TRIES_USED_UP")
    history = call("ListLeadAssignments", service_pb.ListLeadAssignmentsRequest(lead=declined)).assignments
    assert [(one.cause, one.decline_reason) for one in history] == [
        (pb.ASSIGNMENT_CAUSE_DECLINED, ""),
        (pb.ASSIGNMENT_CAUSE_REQUESTED, "太远"),
    ]
    pooled = call("ListLeadPool", service_pb.ListLeadPoolRequest()).leads
    assert {(one.lead.name, one.reason) for one in pooled} == {(declined, "TRIES_USED_UP"), (skipped, "SKIPPED")}
    assert call("ClaimLead", service_pb.ClaimLeadRequest(name=declined)).owner == f"users/{call.me}"
    capacity = call("GetLeadCapacity", service_pb.GetLeadCapacityRequest(name=f"leadCapacities/{call.me}"))
    assert (capacity.given_today, capacity.given_this_month, capacity.open_leads) == (3, 3, 2)


def test_leads_are_assigned_when_they_are_entered_or_nobody_owns_them_any_more(database, clock, person, rule, leads):
    anna = person()
    rule([anna])
    created, updated, owned = leads(3, assigned=False)

    def event(name, lead, owner="", **values):
        state = {"lead": lead.name, "version": "1", "owner": owner}
        data = {"lead": lead.name, "version": "1", "state": state, **values}
        return Received(new_id(), f"crm.leads.v1.{name}", "leads", "", clock.now, "", data)

    received = [
        event("LeadCreated", created),
        event("LeadCreated", created),
        event("LeadUpdated", updated, changed_fields=["remark"]),
        event("LeadUpdated", owned, f"users/{anna}", changed_fields=["owner"]),
    ]
    with database.write(service_caller("leads")) as session:
        SUBSCRIPTION.handle_all(session, received)
        assert [session.get_one(Lead, lead.id).owner_id for lead in (created, updated, owned)] == [anna, None, None]
    with database.write(service_caller("leads")) as session:
        SUBSCRIPTION.handle(session, event("LeadUpdated", updated, changed_fields=["owner"]))
        assert session.get_one(Lead, updated.id).owner_id == anna
