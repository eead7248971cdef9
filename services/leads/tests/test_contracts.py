"""What leaves and enters the service agrees with the contracts."""

from dataclasses import asdict, fields
from datetime import UTC, datetime

import pytest
from chassis.migrations import differences
from chassis.names import new_id
from crm.leads.v1 import call_pb2, events_pb2, follow_up_pb2, lead_pb2, visit_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict
from leads import lead_mapping, mapping, model
from leads.effectiveness import EffectivenessRules, Verdict, VerdictReason
from leads.events import (
    CallEnded,
    CallerUnknown,
    FollowUpLogged,
    LeadConversionStalled,
    LeadConverted,
    LeadCreated,
    LeadDeleted,
    LeadFollowUpLogged,
    LeadStageEntered,
    LeadState,
    LeadSubmitted,
    LeadUpdated,
    Money,
    OpportunityWish,
    TaskEnded,
    VisitStarted,
)
from leads.geo import Datum
from leads.lead_queries import LEAD_FIELDS
from leads.main import SERVICE
from leads.model import Base, FollowUp, FollowUpRules, Lead
from leads.visits.trust import TrustReason

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


STATE = LeadState("leads/1", 2, "华诚", "NEW", "PENDING_APPROVAL", "users/1", "a/b/", "users/2", "partners/1")
SAMPLES = [
    FollowUpLogged(
        "followUps/1", "customers/1", "CALL", "谈妥", "users/1", NOON, effective=True, verdict_reasons=["LONG_CALL"]
    ),
    LeadFollowUpLogged(
        "followUps/1", "leads/1", "CALL", "谈妥", "users/1", NOON, effective=True, verdict_reasons=["LONG_CALL"]
    ),
    LeadConversionStalled("leads/1", "leadConversions/1"),
    LeadConverted(
        "leads/1",
        3,
        "leadConversions/1",
        "customers/1",
        "contacts/1",
        "users/1",
        OpportunityWish("十台设备", Money("CNY", "120000.00"), "2026-06-30"),
    ),
    LeadCreated("leads/1", 1, STATE),
    LeadUpdated("leads/1", 2, STATE, ["status"]),
    LeadDeleted("leads/1", 3),
    LeadSubmitted("captureSubmissions/1"),
    TaskEnded("tasks/1", 2, "leads/1", "DONE", "users/1", required=True, end_time=NOON),
    LeadStageEntered("leads/1", "playbooks/1", 2, "a", "需求确认", "b", NOON),
    VisitStarted("visits/1", "customers/1", "users/1", "INSIDE", NOON),
    CallEnded("calls/1", 2, "leads/1", "users/1", "INBOUND", connected=True, duration_seconds=61, end_time=NOON),
    CallerUnknown("calls/1", "+8613800138000"),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_is_its_message(event):
    values = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(event).items()}
    message = ParseDict(values, getattr(events_pb2, type(event).__name__)())
    assert {field.name for field in fields(event)} == {field.name for field in message.DESCRIPTOR.fields}
    assert event.SUBJECT in values


def test_every_event_of_the_contract_is_sampled():
    sampled = {type(event).__name__ for event in SAMPLES} | {"LeadState", "OpportunityWish"}
    assert set(events_pb2.DESCRIPTOR.message_types_by_name) == sampled


def test_the_names_of_a_lead_s_states_are_those_of_the_contract():
    statuses = {f"LEAD_STATUS_{status}" for status in model.LeadStatus} | {"LEAD_STATUS_UNSPECIFIED"}
    states = {f"REGISTRATION_STATE_{state}" for state in model.RegistrationState} | {"REGISTRATION_STATE_UNSPECIFIED"}
    assert statuses == set(lead_pb2.LeadStatus.keys())
    assert states == set(lead_pb2.RegistrationState.keys())


def test_a_lead_can_be_filtered_by_whatever_it_shows():
    shown = {field.name for field in lead_pb2.Lead.DESCRIPTOR.fields}
    assert shown - {field.name for field in LEAD_FIELDS} <= {"etag", "rejection_reason", "hidden_fields"}


def test_a_lead_survives_the_way_in_and_out():
    stated = lead_pb2.Lead(
        company_name="华诚科技",
        contact_name="王芳",
        phones=["+8613800138000"],
        emails=["a@example.com"],
        wechat="w",
        credit_code="91110000600037341L",
        source="展会",
        channel="抖音",
        industry="制造业",
        province="上海市",
        city="上海市",
        requirement="十台",
        remark="急",
        source_detail="百度",
        medium="cpc",
        campaign="618",
        campaign_term="crm",
        campaign_content="蓝色",
        landing_page="https://x.cn",
        external_id="A-1",
        status=lead_pb2.LEAD_STATUS_DISQUALIFIED,
        status_reason="NO_BUDGET",
        status_note="明年再说",
        owner=f"users/{new_id()}",
    )
    draft = lead_mapping.lead_draft(stated)
    entity = Lead(
        id=new_id(),
        **draft.values,
        owner_id=draft.owner_id,
        registrant="users/1",
        partner_id=new_id(),
        registration_state="REJECTED",
        rejection_reason="已有",
        protection_expire_time=NOON,
        last_follow_up_time=NOON,
        last_effective_follow_up_time=NOON,
        converted_customer_id=new_id(),
        converted_contact_id=new_id(),
        capture_source_id=new_id(),
        opt_in_time=NOON,
        repeat_count=1,
        repeat_time=NOON,
        score=80,
        grade="A",
        assignment_skipped=True,
        version=1,
        create_time=NOON,
        update_time=NOON,
    )
    message = lead_mapping.lead_to_proto(entity)
    filled = {field.name for field, _ in message.ListFields()}
    assert filled | {"hidden_fields"} >= {field.name for field in message.DESCRIPTOR.fields}
    for field in filled - {field.name for field, _ in stated.ListFields()}:
        message.ClearField(field)
    assert message == stated
    patch = lead_mapping.lead_patch(stated, FieldMask())
    assert patch == draft.values
    assert lead_mapping.lead_patch(lead_pb2.Lead(), FieldMask(paths=["remark", "phones"])) == {
        "remark": "",
        "phones": [],
    }


def test_the_methods_are_those_of_the_contract():
    names = {f"FOLLOW_UP_METHOD_{method}" for method in model.FollowUpMethod} | {"FOLLOW_UP_METHOD_UNSPECIFIED"}
    assert names == set(follow_up_pb2.FollowUpMethod.keys())


@pytest.mark.parametrize(
    ("names", "contract"),
    [
        (model.Geofence, visit_pb2.Geofence),
        (model.VisitEnd, visit_pb2.VisitEnd),
        (model.ReviewState, visit_pb2.VisitReviewState),
        (TrustReason, visit_pb2.TrustReason),
        (Datum, visit_pb2.Datum),
        (model.CallState, call_pb2.CallState),
        (model.CallDirection, call_pb2.CallDirection),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_names_of_visits_and_calls_are_those_of_the_contract(names, contract):
    unspecified = contract.Name(0)
    prefix = unspecified.removesuffix("UNSPECIFIED")
    assert {f"{prefix}{name}" for name in names} | {unspecified} == set(contract.keys())


def test_the_migrations_make_what_the_entities_say(make_database):
    assert differences(make_database("leads", SERVICE.migrations), Base.metadata) == []


def test_a_follow_up_survives_the_way_in_and_out():
    given = follow_up_pb2.FollowUp(
        customer=f"customers/{new_id()}",
        method=follow_up_pb2.FOLLOW_UP_METHOD_VISIT,
        content="谈妥",
        contact=f"contacts/{new_id()}",
        occur_time=NOON,
        next_contact_time=NOON,
        duration_seconds=61,
        inbound=True,
        check_in=follow_up_pb2.CheckIn(latitude=31.2, longitude=121.5, accuracy_metres=20, time=NOON),
        mentions=[f"users/{new_id()}"],
    )
    draft = mapping.draft_from_proto(given)
    entity = FollowUp(
        id=new_id(),
        **vars(draft) | {"check_in": draft.check_in.to_json()},
        author="users/1",
        reminder_open=False,
        remind_time=NOON,
        create_time=NOON,
        verdict="EFFECTIVE",
        verdict_reasons=["LONG_CALL", "INBOUND_REPLY"],
    )
    entity.lead_id = new_id()
    entity.assignee_id, entity.follows_owner = new_id(), True
    entity.joint_theatre, entity.awaits_acknowledgement, entity.acknowledge_time = "departments/1", True, NOON
    message = mapping.follow_up_to_proto(entity)
    assert mapping.draft_from_proto(follow_up_pb2.FollowUp(lead=message.lead)).lead_id == entity.lead_id
    message.hidden_fields.append("content")  # which the edge does
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    output = (
        "name", "lead", "author", "remind_time", "create_time", "assignee", "follows_owner", "verdict",
        "verdict_reasons", "joint_theatre", "awaits_acknowledgement", "acknowledge_time", "hidden_fields",
    )  # fmt: skip
    for field in output:
        message.ClearField(field)
    assert message == given


def test_the_verdicts_and_their_reasons_are_those_of_the_contract():
    verdicts = {f"FOLLOW_UP_VERDICT_{one}" for one in Verdict} | {"FOLLOW_UP_VERDICT_UNSPECIFIED"}
    assert verdicts == set(follow_up_pb2.FollowUpVerdict.keys())
    reasons = {f"FOLLOW_UP_VERDICT_REASON_{one}" for one in VerdictReason} | {"FOLLOW_UP_VERDICT_REASON_UNSPECIFIED"}
    assert reasons == set(follow_up_pb2.FollowUpVerdictReason.keys())


def test_the_rules_survive_the_way_out_and_in():
    rules = EffectivenessRules(min_call_seconds=90, boilerplate_phrases=("再联系",))
    message = mapping.rules_to_proto(FollowUpRules(version=3, rules=rules.to_json()))
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    assert EffectivenessRules(**mapping.rule_changes(message, mapping.RULE_FIELDS)) == rules
