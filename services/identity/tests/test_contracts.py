"""The service keeps to its contracts and its migrations to its entities."""

from dataclasses import asdict

import pytest
from chassis.migrations import differences
from crm.identity.v1 import events_pb2
from google.protobuf.json_format import ParseDict
from identity.events import (
    DepartmentChanged,
    DepartmentDeleted,
    FieldRuleTold,
    GrantTold,
    OrganisationChanged,
    RoleChanged,
    RoleDeleted,
    UserChanged,
    WorkingDay,
)
from identity.main import SERVICE
from identity.model import Base

EVENTS = [
    UserChanged("users/1", 2, "李伟", "departments/1", "1/", True, "li.wei", "partners/1", ["roles/1"]),  # noqa: FBT003
    RoleChanged(
        "roles/1",
        2,
        [GrantTold("lead.read", "DATA_SCOPE_CUSTOM", ["departments/1"])],
        [FieldRuleTold("lead", "phones", "FIELD_EFFECT_MASK")],
    ),
    RoleDeleted("roles/1", 3),
    DepartmentChanged("departments/1", 2, "华东战区", "1/2/", "1/3/2/", head="users/1", theatre=True),
    DepartmentDeleted("departments/1", 3, merged_into="departments/2"),
    OrganisationChanged(
        organisation="organisation",
        version=2,
        display_name="关系科技有限公司",
        locale="zh-CN",
        currency="CNY",
        time_zone="Asia/Shanghai",
        fiscal_year_start_month=1,
        fiscal_year_start_day=1,
        first_day_of_week=1,
        weekly=[WorkingDay("1", ["09:00-12:00", "13:00-18:00"])],
        special=[WorkingDay("2026-10-01"), WorkingDay("2026-10-10", ordinary=True)],
        statutory_until_year=2026,
    ),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_matches_contract(event):
    message = ParseDict(asdict(event), getattr(events_pb2, type(event).__name__)())
    assert {field.name for field in message.DESCRIPTOR.fields} == set(asdict(event))
    assert type(event).SUBJECT in asdict(event)


def test_migrations_make_what_the_entities_say(make_database):
    assert differences(make_database("identity", SERVICE.migrations), Base.metadata) == []
