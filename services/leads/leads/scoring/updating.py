"""Change the rules by which leads are scored."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.etags import check_etag

from leads.model import ScoringRules
from leads.scoring.rules import KeptRules, rules_in_force

PERMISSION = "lead.configure"
RULES_NAME = "scoringRules"
"""The resource name of the rules, of which there is one set."""


def update_scoring_rules(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> KeptRules:
    """Change some of the rules; leads are scored anew afterwards.

    Raises Denied SCOPE_TOO_NARROW, or for rules over fields that the caller's roles hide; Invalid or Stale.
    """
    session.caller.require_everything(PERMISSION)
    locks.hold(session, RULES_NAME)
    kept = rules_in_force(session)
    check_etag(etag, kept.version)
    after = replace(kept.rules, **changes).checked()
    for rule in changes.get("fit", ()):
        rule.predicate(session.caller)  # whoever makes a rule must not learn by scores what their roles hide
    if after == kept.rules:
        return kept
    row = session.get(ScoringRules, 1) or ScoringRules(id=1)
    row.version, row.rules, row.update_time = kept.version + 1, after.to_json(), session.now
    session.add(row)
    session.flush()
    audit.record(session, "scoring.configure", RULES_NAME, kept.rules.to_json(), after.to_json())
    return KeptRules(after, row.version, row.update_time)
