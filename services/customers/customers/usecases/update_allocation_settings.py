"""Say how customers of a pool are valued, and when they are allocated by themselves."""

from dataclasses import dataclass
from uuid import UUID

from chassis import audit, custom_fields
from chassis.custom_values import FieldType
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag
from chassis.field_rules import CUSTOM
from chassis.names import make_name

from customers.model.allocations import PoolAllocationSetting
from customers.own_fields import ENTITY
from customers.pools.schedules import Schedule, check_people
from customers.usecases.update_pool import lock_pool


@dataclass(frozen=True)
class SettingsDraft:
    """The settings of a pool as somebody states them."""

    value_field: str
    schedule: Schedule | None


def update_allocation_settings(
    session: ServiceSession, pool_id: UUID, draft: SettingsDraft, etag: str
) -> PoolAllocationSetting:
    """Replace the settings. A new schedule is not due for times that have passed."""
    pool = lock_pool(session, pool_id)
    setting = session.get(PoolAllocationSetting, pool_id)
    if setting is None:
        setting = PoolAllocationSetting(pool_id=pool_id, value_field="", schedule=None, since=session.now, version=0)
        session.add(setting)
    check_etag(etag, setting.version)
    before = {"value_field": setting.value_field, "schedule": setting.schedule}
    if draft.value_field:
        _check_field(session, draft.value_field)
    if draft.schedule is not None:
        check_people(session, draft.schedule)
    schedule = draft.schedule.to_json() if draft.schedule is not None else None
    if schedule != setting.schedule:
        setting.schedule, setting.since = schedule, session.now
    setting.value_field = draft.value_field
    setting.version += 1
    session.flush()
    after = {"value_field": setting.value_field, "schedule": setting.schedule}
    audit.record(session, "pool.update_allocation_settings", make_name("pools", pool.id), before, after)
    return setting


def _check_field(session: ServiceSession, name: str) -> None:
    numbers = {
        f"{CUSTOM}{one.key}"
        for one in custom_fields.list_fields(session, ENTITY)
        if one.type == FieldType.NUMBER and not one.archived
    }
    if name not in numbers:
        message = f"{name[:100]!r} is no number of the company's own: name one as custom.expected_value"
        raise Invalid("UNKNOWN_FIELD", message, field="settings.value_field")
