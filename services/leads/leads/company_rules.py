"""Sets of rules that the company keeps: one of each kind, with an etag, changed by whoever may configure the whole."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, Self, TypeVar

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.etags import check_etag
from sqlalchemy import select

from leads.model import CompanyRules


class Rules(Protocol):
    """Rules of one kind: a dataclass whose defaults are what the company begins with."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """From the form they are stored in; what is missing there is as in the beginning."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The form they are stored in."""
        ...

    def checked(self) -> Self:
        """The rules in their stored form. Raises Invalid."""
        ...


R = TypeVar("R", bound=Rules)


def read_rules(session: ServiceSession, kind: str, rules: type[R]) -> tuple[R, int]:
    """The rules of a kind and their version, which is 0 while the company has set none."""
    kept = session.execute(
        select(CompanyRules.rules, CompanyRules.version).where(CompanyRules.kind == kind)
    ).one_or_none()
    return (rules.from_json(kept.rules), kept.version) if kept is not None else (rules(), 0)


def update_rules(
    session: ServiceSession, kind: str, rules: type[R], permission: str, changes: Mapping[str, Any], etag: str
) -> tuple[R, int]:
    """Change some of the rules. Returns them with their version. Raises Denied SCOPE_TOO_NARROW, Invalid or Stale."""
    session.caller.require_everything(permission)
    locks.hold(session, kind)
    before, version = read_rules(session, kind, rules)
    check_etag(etag, version)
    after: R = replace(before, **changes).checked()  # type: ignore[type-var]
    if after == before:
        return before, version
    session.merge(CompanyRules(kind=kind, version=version + 1, rules=after.to_json(), update_time=session.now))
    session.flush()
    was, now = before.to_json(), after.to_json()
    changed = [key for key in now if was[key] != now[key]]
    audit.record(session, permission, kind, {key: was[key] for key in changed}, {key: now[key] for key in changed})
    return after, version + 1
