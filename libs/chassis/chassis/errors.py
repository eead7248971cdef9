"""The few kinds of failure that domain code raises.

Each carries a stable `reason` in UPPER_SNAKE_CASE that clients branch on, a message for people that says
what to do, the `field` at fault where there is one, and details. One interceptor maps them to a gRPC status
(`chassis.status`); nothing else in a service builds a status.
"""


class DomainError(Exception):
    """A call cannot be served. Raise one of the subclasses."""

    def __init__(self, reason: str, message: str, *, field: str = "", **details: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.details = {key: str(value) for key, value in details.items()}


class Violation:
    """One field at fault, for an `Invalid` that names several."""

    def __init__(self, field: str, reason: str, message: str) -> None:
        self.field = field
        self.reason = reason
        self.message = message

    def __repr__(self) -> str:
        return f"Violation({self.field!r}, {self.reason!r}, {self.message!r})"


class Invalid(DomainError):
    """The request cannot be right, whatever the state of the system. INVALID_ARGUMENT."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        field: str = "",
        violations: "tuple[Violation, ...] | list[Violation]" = (),
        **details: object,
    ) -> None:
        super().__init__(reason, message, field=field, **details)
        self.violations = tuple(violations) or ((Violation(field, reason, message),) if field else ())


class Unauthenticated(DomainError):
    """Nobody we know is calling. UNAUTHENTICATED."""


class Denied(DomainError):
    """The caller may not do this at all. PERMISSION_DENIED. A record out of scope is NotFound instead."""


class NotFound(DomainError):
    """There is no such record, or the caller may not know of it. NOT_FOUND."""


class Conflict(DomainError):
    """The state of the system forbids it now. FAILED_PRECONDITION."""


class Stale(Conflict):
    """Somebody else changed the record first: read it again and retry. ABORTED (AIP-154)."""


class Duplicate(Conflict):
    """It exists already. ALREADY_EXISTS."""


class Exhausted(DomainError):
    """A limit or quota is used up. RESOURCE_EXHAUSTED."""


class Unavailable(DomainError):
    """Something we depend on does not answer; retry with back-off. UNAVAILABLE."""
