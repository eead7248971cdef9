"""The tiers that there are: what the level of a customer can be."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation
from sqlalchemy import select

from customers.model import Tier


def known_codes(session: ServiceSession) -> Sequence[str]:
    """The codes of all tiers, archived ones included, by their position."""
    return session.scalars(select(Tier.code).order_by(Tier.position)).all()


def open_codes(session: ServiceSession) -> Sequence[str]:
    """The codes of the tiers that customers can be given, by their position."""
    return session.scalars(select(Tier.code).where(Tier.archived.is_(False)).order_by(Tier.position)).all()


def level_violations(stored: Mapping[str, Any], codes: Sequence[str], *, current: str | None = None) -> list[Violation]:
    """What is wrong with the level among the values of a customer, in stored form, given the codes that customers can
    be given. It may stay what it is."""
    level = stored.get("level")
    if level is None or level == current:
        return []
    return [Violation("level", "INVALID_LEVEL", message) for message in _faults([level], codes)]


def require_codes(codes: Collection[str], known: Sequence[str], *, field: str) -> None:
    """Raise Invalid INVALID_LEVEL unless all of the codes are known."""
    for message in _faults(codes, known):
        raise Invalid("INVALID_LEVEL", message, field=field)


def _faults(codes: Collection[str], known: Sequence[str]) -> list[str]:
    strange = [code for code in codes if code not in known]
    return [f"there is no level {code!r}; levels are {', '.join(known)}" for code in strange]
