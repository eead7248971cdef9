"""Create a tier of customers."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from chassis import audit, locks, rules
from chassis.db import ServiceSession
from chassis.errors import Duplicate, Exhausted, Invalid
from chassis.names import new_id
from chassis.snapshots import filled
from sqlalchemy import func, select

from customers.model import Tier
from customers.rules import level
from customers.tiers.evaluating import condition
from customers.tiers.stages import Stages
from customers.usecases.create_tag import colour

PERMISSION = "tier.configure"
MOST_TIERS = 50
"""Each evaluation judges each customer by all of them until one is met."""
FIELDS = frozenset({"display_name", "colour", "position", "rule", "archived"})
"""What can be changed later."""

_NAME: Mapping[str, rules.Rule] = {"display_name": partial(rules.required_text, maximum=50)}
_LAST = 1_000_000


def create_tier(session: ServiceSession, values: Mapping[str, Any]) -> Tier:
    """Create a tier from the fields that are stated; `rule` in the form in which filters are kept, None for none.

    Raises Denied SCOPE_TOO_NARROW, Invalid, Duplicate DUPLICATE_TIER or Exhausted TOO_MANY_TIERS.
    """
    lock_tiers(session)
    code = level(values["code"])
    if code is None:
        raise Invalid("REQUIRED", "a tier needs a code", field="tier.code")
    if session.scalar(select(Tier.id).where(Tier.code == code)) is not None:
        raise Duplicate("DUPLICATE_TIER", f"there is a tier {code!r} already", field="tier.code")
    last = session.scalar(select(func.max(Tier.position))) or 0
    tier = Tier(
        id=new_id(),
        code=code,
        display_name=code,
        colour="",
        position=last + 1,
        rule=None,
        archived=False,
        creator=session.caller.subject,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    apply(session, tier, {field: value for field, value in values.items() if field in FIELDS})
    session.add(tier)
    session.flush()
    if (session.scalar(select(func.count()).select_from(Tier)) or 0) > MOST_TIERS:
        raise Exhausted("TOO_MANY_TIERS", f"at most {MOST_TIERS} tiers fit, archived ones included")
    audit.record(session, "tier.create", tier.name, None, tier_snapshot(tier))
    return tier


def lock_tiers(session: ServiceSession) -> None:
    """Let nobody else change tiers until the transaction ends. Raises Denied SCOPE_TOO_NARROW."""
    session.caller.require_everything(PERMISSION)
    locks.hold(session, "tiers")


def apply(session: ServiceSession, tier: Tier, values: Mapping[str, Any]) -> None:
    """Give a tier the values stated. Raises Invalid, Duplicate DUPLICATE_POSITION."""
    if "display_name" in values:
        stored, faults = rules.apply(_NAME, {"display_name": values["display_name"] or tier.code})
        rules.refuse(faults)
        tier.display_name = stored["display_name"]
    if "colour" in values:
        tier.colour = colour(values["colour"], field="tier.colour")
    if "position" in values:
        tier.position = _position(session, tier, values["position"])
    if "archived" in values:
        tier.archived = values["archived"]
    if "rule" in values:
        rule = values["rule"]
        if rule is not None:
            condition(session, rule, stages=Stages(session), path="tier.rule")
        tier.rule = rule


def _position(session: ServiceSession, tier: Tier, position: int) -> int:
    if not 1 <= position <= _LAST:
        raise Invalid("OUT_OF_RANGE", f"a position is from 1 to {_LAST:,}", field="tier.position")
    with session.no_autoflush:
        taken = session.scalar(select(Tier.code).where(Tier.position == position, Tier.id != tier.id))
    if taken is not None:
        raise Duplicate("DUPLICATE_POSITION", f"tier {taken!r} is at this position", field="tier.position")
    return position


def tier_snapshot(tier: Tier) -> dict[str, Any]:
    """What the audit log keeps of a tier."""
    fields = ("code", "display_name", "colour", "position", "rule", "archived", "version")
    return filled({key: getattr(tier, key) for key in fields})
