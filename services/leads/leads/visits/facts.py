"""What is said of a visit in the audit log: not where it was exactly, which is not kept as long."""

from typing import Any

from chassis.names import make_name
from chassis.snapshots import filled

from leads.model import Visit

_VALUES = (
    "device_time", "report_time", "mock_location", "device", "note", "geofence", "distance_metres", "radius_metres",
    "check_out_time", "ended_by", "trust_score", "trust_reasons", "review_state", "reviewer", "review_note",
)  # fmt: skip


def snapshot(visit: Visit) -> dict[str, Any]:
    """What a visit holds, but its positions. What is empty is left out."""
    values = {key: getattr(visit, key) for key in _VALUES}
    values |= {
        "subject": visit.subject,
        "assignee": make_name("users", visit.assignee_id),
        "follow_up": make_name("followUps", visit.follow_up_id),
    }
    return filled(values)
