"""What leaves and enters the service agrees with the contracts."""

from dataclasses import asdict, fields
from datetime import UTC, datetime

from chassis.migrations import differences
from chassis.names import new_id
from crm.leads.v1 import events_pb2, follow_up_pb2
from google.protobuf.json_format import ParseDict
from leads import mapping, model
from leads.events import FollowUpLogged
from leads.main import SERVICE
from leads.model import Base, FollowUp

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def test_the_event_is_its_message():
    event = FollowUpLogged("followUps/1", "customers/1", "CALL", "谈妥", "users/1", NOON)
    message = ParseDict(asdict(event) | {"occur_time": NOON.isoformat()}, events_pb2.FollowUpLogged())
    assert message.occur_time.ToDatetime(UTC) == NOON
    assert {field.name for field in fields(event)} == {field.name for field in message.DESCRIPTOR.fields}
    assert set(events_pb2.DESCRIPTOR.message_types_by_name) == {"FollowUpLogged"}


def test_the_methods_are_those_of_the_contract():
    names = {f"FOLLOW_UP_METHOD_{method}" for method in model.FollowUpMethod} | {"FOLLOW_UP_METHOD_UNSPECIFIED"}
    assert names == set(follow_up_pb2.FollowUpMethod.keys())


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
    )
    draft = mapping.draft_from_proto(given)
    entity = FollowUp(
        id=new_id(), **vars(draft), author="users/1", reminder_open=False, remind_time=NOON, create_time=NOON
    )
    message = mapping.follow_up_to_proto(entity)
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    for field in ("name", "author", "remind_time", "create_time"):
        message.ClearField(field)
    assert message == given
