"""Change the rules by which follow-ups are judged."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.etags import check_etag

from leads.effectiveness import EffectivenessRules
from leads.judging import rules_row
from leads.model import FollowUpRules

PERMISSION = "follow_up.configure"
RULES_NAME = "followUpRules"
"""The resource name of the rules, of which there is one set."""


def update_follow_up_rules(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> FollowUpRules:
    """Change some of the rules, for follow-ups logged from now on. Raises Denied SCOPE_TOO_NARROW, Invalid or Stale."""
    session.caller.require_everything(PERMISSION)
    locks.hold(session, RULES_NAME)
    kept = rules_row(session, lock=True)
    check_etag(etag, kept.version)
    before = EffectivenessRules.from_json(kept.rules)
    after = replace(before, **changes).checked()
    if after == before:
        return kept
    kept.version += 1
    kept.rules, kept.update_time = after.to_json(), session.now
    session.add(kept)
    session.flush()
    changed = [key for key in after.to_json() if getattr(before, key) != getattr(after, key)]
    audit.record(
        session,
        "follow_up.configure",
        RULES_NAME,
        {key: before.to_json()[key] for key in changed},
        {key: after.to_json()[key] for key in changed},
    )
    return kept
