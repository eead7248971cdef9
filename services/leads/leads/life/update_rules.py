"""Change the rules of the life of leads."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.etags import check_etag

from leads.life.rules import LifeRules, rules_row
from leads.model import LeadRules

PERMISSION = "lead.configure"
RULES_NAME = "leadRules"
"""The resource name of the rules, of which there is one set."""


def update_rules(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> LeadRules:
    """Change some of the rules, for what happens from now on. Raises Denied SCOPE_TOO_NARROW, Invalid or Stale."""
    session.caller.require_everything(PERMISSION)
    locks.hold(session, RULES_NAME)
    kept = rules_row(session, lock=True)
    check_etag(etag, kept.version)
    before = LifeRules.from_json(kept.rules)
    after = replace(before, **changes).checked(before)
    if after == before:
        return kept
    kept.version += 1
    kept.rules, kept.update_time = after.to_json(), session.now
    session.add(kept)
    session.flush()
    audit.record(session, "lead.configure", RULES_NAME, before.to_json(), after.to_json())
    return kept
