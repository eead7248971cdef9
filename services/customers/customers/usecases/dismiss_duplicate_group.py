"""Say that the customers of a group are different ones."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.names import make_name

from customers.duplicate_finding.queries import lock_group
from customers.model.duplicates import DuplicateGroup, GroupState


def dismiss_duplicate_group(session: ServiceSession, group_id: UUID) -> DuplicateGroup:
    """Note it, so that no scan brings any two of them together again. Raises Conflict if they were merged."""
    group = lock_group(session, group_id)
    if group.state == GroupState.MERGED:
        raise Conflict("ALREADY_MERGED", "these customers have been merged: take the merge back first")
    if group.state == GroupState.OPEN:
        group.state, group.update_time = GroupState.DISMISSED, session.now
        session.flush()
        members = [make_name("customers", member.customer_id) for member in group.members]
        audit.record(
            session,
            "duplicate_group.dismiss",
            group.name,
            {"state": "OPEN"},
            {"state": "DISMISSED", "members": members},
        )
    return group
