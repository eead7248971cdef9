"""Who is calling, what they may do, and which records that reaches."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from chassis.errors import Denied
from chassis.field_rules import FieldRules


class Reach(StrEnum):
    """The records that a grant reaches, by their owner. The names are those of `crm.identity.v1.DataScope`."""

    SELF = "SELF"
    DEPARTMENT = "DEPARTMENT"
    DEPARTMENT_TREE = "DEPARTMENT_TREE"
    CUSTOM = "CUSTOM"
    ALL = "ALL"


@dataclass(frozen=True)
class Grant:
    """One permission and the records it reaches."""

    permission: str
    reach: Reach
    department_paths: tuple[str, ...] = ()
    """For CUSTOM: the subtrees it reaches."""


@dataclass(frozen=True)
class Scope:
    """The records a caller may touch with one permission: the union over the caller's grants.

    A record is in scope if everything is, if the caller owns it, if its owner's department is one of
    `departments`, or lies in the subtree of one of `trees`.
    """

    everything: bool = False
    owner: UUID | None = None
    departments: tuple[str, ...] = ()
    """Department paths, matched exactly."""
    trees: tuple[str, ...] = ()
    """Department paths, matched with everything below them."""

    def reaches(self, owner: UUID | None, department_path: str | None) -> bool:
        """Whether a record with this owner is in scope. Agrees with `chassis.scopes.in_scope`."""
        return (
            self.everything
            or (owner is not None and owner == self.owner)
            or (department_path is not None and department_path in self.departments)
            or (department_path is not None and any(department_path.startswith(tree) for tree in self.trees))
        )


@dataclass(frozen=True)
class Caller:
    """Whoever a call is made for."""

    subject: str
    """The resource name: `users/{uuid}`, `clients/{uuid}`, or `services/{name}` for the suite's own work."""
    user_id: UUID | None = None
    department_path: str = ""
    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict, repr=False)
    """The caller's grants by permission; the key `*` holds those for every permission."""
    token: str = field(default="", repr=False)
    """The access token as sent, to pass on to other services."""
    second_factor_missing: bool = False
    """True if nothing is granted, because a role requires a second factor that the caller has yet to set up."""
    must_change_password: bool = False
    """True if nothing is granted, because the caller has yet to change a password that has expired or was given."""
    field_rules: FieldRules = field(default_factory=dict, repr=False)
    """What the caller's roles keep from it of single fields, by entity. See `chassis.field_rules`."""
    calls_per_minute: int = 0
    """How many calls a machine may make per minute of each process; 0 for any number. See `chassis.rates`."""
    partner_id: UUID | None = None
    """The organisation outside the company that a user works for; None for employees and machines."""
    _scopes: dict[str, Scope] = field(default_factory=dict, init=False, repr=False, compare=False)

    def granted(self, permission: str) -> tuple[Grant, ...]:
        """The grants that cover a permission."""
        return self.grants.get(permission, ()) + self.grants.get("*", ())

    def scope(self, permission: str) -> Scope:
        """The records that the caller may touch with a permission. Raises Denied if it is not granted at all."""
        known = self._scopes.get(permission)
        if known is None:
            known = self._scopes[permission] = self._union(permission)
        return known

    def require_everything(self, permission: str) -> None:
        """Raise Denied SCOPE_TOO_NARROW unless the permission reaches all records, and Denied if it is not granted."""
        if not self.scope(permission).everything:
            message = f"this needs the permission {permission} with the scope ALL"
            raise Denied("SCOPE_TOO_NARROW", message, permission=permission)

    def _union(self, permission: str) -> Scope:
        grants = self.granted(permission)
        if self.second_factor_missing:
            raise Denied("SECOND_FACTOR_REQUIRED", "set up a second factor first, then refresh your tokens")
        if self.must_change_password:
            raise Denied("PASSWORD_CHANGE_REQUIRED", "change your password first, then refresh your tokens")
        if not grants:
            raise Denied("PERMISSION_DENIED", f"this needs the permission {permission}", permission=permission)
        reaches = {grant.reach for grant in grants}
        if self.partner_id is not None:  # whatever a role says that was made for employees
            return Scope(owner=self.user_id)
        if Reach.ALL in reaches:
            return Scope(everything=True)
        own = self.department_path
        trees = {path for grant in grants if grant.reach is Reach.CUSTOM for path in grant.department_paths}
        if Reach.DEPARTMENT_TREE in reaches and own:
            trees.add(own)
        departments = (own,) if Reach.DEPARTMENT in reaches and own else ()
        return Scope(owner=self.user_id, departments=departments, trees=tuple(sorted(trees)))


def service_caller(service: str) -> Caller:
    """The caller for work that a service does of its own accord: handlers, timers, migrations."""
    return Caller(subject=f"services/{service}", grants={"*": (Grant("*", Reach.ALL),)})


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def set_caller(caller: Caller | None) -> None:
    """Say who the call under way in this thread is made for. Only the server's interceptor does."""
    _current.set(caller)


def current_caller() -> Caller:
    """Who the call under way is made for. Raises LookupError outside a call."""
    caller = _current.get()
    if caller is None:
        raise LookupError("no call is under way")
    return caller
