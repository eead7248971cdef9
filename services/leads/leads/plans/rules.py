"""The company's rules for plans: what happens if plans of one person overlap."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag
from sqlalchemy import select

from leads.model import PlanRules

PERMISSION = "plan.configure"
RULES_NAME = "planRules"
"""The resource name of the rules, of which there is one set."""


class ConflictPolicy(StrEnum):
    """What happens if plans overlap. The names are those of `crm.leads.v1.ConflictPolicy`."""

    ALLOW = "ALLOW"
    WARN = "WARN"
    BLOCK = "BLOCK"


@dataclass(frozen=True)
class ConflictRules:
    """What happens if a plan of a kind is to overlap with another one."""

    visit_conflicts: str = ConflictPolicy.WARN
    meeting_conflicts: str = ConflictPolicy.WARN
    call_conflicts: str = ConflictPolicy.WARN
    other_conflicts: str = ConflictPolicy.WARN

    def policy(self, kind: str) -> str:
        """What happens if a plan of a kind overlaps with another one."""
        return str(getattr(self, f"{kind.lower()}_conflicts"))

    def checked(self) -> "ConflictRules":
        """The rules themselves. Raises Invalid UNKNOWN_CONFLICT_POLICY."""
        for key, value in asdict(self).items():
            if value not in ConflictPolicy.__members__:
                message = f"it must be one of {', '.join(ConflictPolicy.__members__)}"
                raise Invalid("UNKNOWN_CONFLICT_POLICY", message, field=key)
        return self


RULE_FIELDS = frozenset(ConflictRules.__dataclass_fields__)
"""The fields of the rules that may be changed."""


def rules_row(session: ServiceSession, *, lock: bool = False) -> PlanRules:
    """The rules that the company has set; with version 0, and not stored, if it has set none."""
    statement = select(PlanRules)
    kept = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    return kept or PlanRules(id=1, version=0, rules=asdict(ConflictRules()), update_time=session.now)


def conflict_rules(session: ServiceSession) -> ConflictRules:
    """The rules in force."""
    return ConflictRules(**rules_row(session).rules)


def update_plan_rules(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> PlanRules:
    """Change some of the rules, for plans made or moved from now on. Raises Denied SCOPE_TOO_NARROW, Invalid or
    Stale."""
    session.caller.require_everything(PERMISSION)
    locks.hold(session, RULES_NAME)
    kept = rules_row(session, lock=True)
    check_etag(etag, kept.version)
    before = ConflictRules(**kept.rules)
    after = replace(before, **changes).checked()
    if after == before:
        return kept
    kept.version += 1
    kept.rules, kept.update_time = asdict(after), session.now
    session.add(kept)
    session.flush()
    changed = [key for key in RULE_FIELDS if getattr(before, key) != getattr(after, key)]
    audit.record(
        session,
        PERMISSION,
        RULES_NAME,
        {key: getattr(before, key) for key in sorted(changed)},
        {key: getattr(after, key) for key in sorted(changed)},
    )
    return kept
