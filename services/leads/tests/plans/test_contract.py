"""What leaves and enters of plans agrees with the contract."""

from datetime import UTC, datetime, timedelta

from chassis.names import new_id
from crm.leads.v1 import calendar_pb2, calendar_service_pb2, plan_pb2, plan_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from leads.model import CalendarSettings, Plan, PlanDeviation, PlanKind, PlanParticipant, PlanResponse, PlanStatus
from leads.model import PlanRules as KeptRules
from leads.plans import calendar_mapping, mapping
from leads.plans.records import PlanRecord
from leads.plans.rules import ConflictPolicy

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
OUTPUT = (
    "name", "subject_title", "organiser", "status", "result", "cancel_reason", "deviations", "sequence", "etag",
    "create_time", "update_time", "hidden_fields",
)  # fmt: skip


def test_the_names_are_those_of_the_contract():
    for mine, theirs, prefix in (
        (PlanKind, plan_pb2.PlanKind, "PLAN_KIND"),
        (PlanStatus, plan_pb2.PlanStatus, "PLAN_STATUS"),
        (PlanResponse, plan_pb2.PlanResponse, "PLAN_RESPONSE"),
        (ConflictPolicy, plan_pb2.ConflictPolicy, "CONFLICT_POLICY"),
    ):
        assert {f"{prefix}_{one}" for one in (*mine, "UNSPECIFIED")} == set(theirs.keys())


def test_a_plan_survives_the_way_in_and_out():
    stated = plan_pb2.Plan(
        kind=plan_pb2.PLAN_KIND_MEETING,
        title="例会",
        place="总部",
        subject=f"leads/{new_id()}",
        assignee=f"users/{new_id()}",
        participants=[plan_pb2.PlanParticipant(user=f"users/{new_id()}")],
        contacts=[f"contacts/{new_id()}"],
        guests=["王芳"],
        start_time=NOON,
        end_time=NOON + timedelta(hours=1),
        time_zone="Europe/Berlin",
        all_day=True,
        recurrence="FREQ=DAILY",
        reminder_minutes=[5],
        private=True,
    )
    draft = mapping.draft_of(stated, "Asia/Shanghai")
    values = {**draft.values, "contact_ids": draft.values["contacts"]}
    del values["contacts"]
    plan = Plan(
        id=new_id(),
        **values,
        **draft.subject.columns,
        assignee_id=draft.assignee_id,
        organiser="users/1",
        start_time=draft.times.start,
        end_time=draft.times.end,
        time_zone=draft.times.time_zone,
        all_day=draft.times.all_day,
        recurrence=draft.recurrence,
        status="PLANNED",
        result="好",
        cancel_reason="x",
        sequence=1,
        version=1,
        create_time=NOON,
        update_time=NOON,
    )
    [user_id] = draft.participant_ids
    row = PlanParticipant(user_id=user_id, response="ACCEPTED", respond_time=NOON)
    deviation = PlanDeviation(original_start=NOON, start_time=NOON, end_time=NOON, status="DONE", result="好")
    message = mapping.plan_to_proto(PlanRecord(plan, [row], [deviation], "华诚"))
    message.hidden_fields.append("title")  # which the edge does
    for one in (message, message.participants[0], message.deviations[0]):
        assert {field.name for field, _ in one.ListFields()} == {field.name for field in one.DESCRIPTOR.fields}
    for field in OUTPUT:
        message.ClearField(field)
    message.participants[0].ClearField("response")
    message.participants[0].ClearField("respond_time")
    assert message == stated


def test_an_update_changes_what_it_names():
    request = plan_service_pb2.UpdatePlanRequest(
        plan=plan_pb2.Plan(title="改", place="总部"),
        update_mask=FieldMask(paths=["title", "subject", "recurrence", "participants"]),
    )
    patch = mapping.patch_of(request)
    assert patch.paths == {"title", "subject", "recurrence", "participants"}
    assert (patch.values, patch.subject, patch.recurrence, patch.participant_ids) == ({"title": "改"}, None, "", [])


def test_rules_and_settings_survive_the_way_out_and_in():
    rules = {f"{kind}_conflicts": "BLOCK" for kind in ("visit", "meeting", "call", "other")}
    message = mapping.rules_to_proto(KeptRules(version=3, rules=rules))
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    assert mapping.rule_changes(plan_service_pb2.UpdatePlanRulesRequest(rules=message)) == rules
    kept = CalendarSettings(
        own_reminders=True,
        reminder_minutes=[5],
        feed_follow_ups=True,
        feed_tasks=True,
        feed_create_time=NOON,
        version=1,
    )
    settings = calendar_mapping.settings_to_proto(kept)
    assert {field.name for field, _ in settings.ListFields()} == {
        field.name for field in calendar_pb2.CalendarSettings.DESCRIPTOR.fields
    }
    given = calendar_service_pb2.UpdateCalendarSettingsRequest(
        settings=settings, update_mask=FieldMask(paths=["own_reminders", "reminder_minutes"])
    )
    assert calendar_mapping.setting_changes(given) == {"own_reminders": True, "reminder_minutes": [5]}
