"""From errors to gRPC statuses, in one place (AIP-193). SQL and stack traces never leave a service."""

import logging
from collections.abc import Iterable

import grpc
import psycopg
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.deadlines import Cancelled, DeadlineExceeded
from chassis.errors import (
    Conflict,
    Denied,
    DomainError,
    Duplicate,
    Exhausted,
    Invalid,
    NotFound,
    Stale,
    Unauthenticated,
    Unavailable,
    Violation,
)
from chassis.names import new_id

logger = logging.getLogger(__name__)

_CODES: dict[type[DomainError], grpc.StatusCode] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Stale: grpc.StatusCode.ABORTED,
    Duplicate: grpc.StatusCode.ALREADY_EXISTS,
    Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Cancelled: grpc.StatusCode.CANCELLED,
}
_KINDS = {code: kind for kind, code in _CODES.items()}
_QUERY_CANCELED = "57014"


def to_domain_error(error: BaseException) -> DomainError | None:
    """The kind of failure that an exception stands for, or None if it is a defect.

    A lost or exhausted database is Unavailable. Integrity errors are defects here: the domain checks first.
    What another service answered to a call made for this one is passed on.
    """
    if isinstance(error, DomainError):
        return error
    if isinstance(error, grpc.RpcError):
        return from_rpc_error(error)
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED:
        return DeadlineExceeded("DEADLINE_EXCEEDED", "the database took longer than the call may; nothing was changed")
    # What is lost while a connection is made ready, SQLAlchemy does not wrap.
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout | psycopg.OperationalError):
        return Unavailable("DATABASE_UNAVAILABLE", "the database does not answer; try again shortly")
    return None


def from_rpc_error(error: grpc.RpcError) -> DomainError | None:
    """What another service's answer says, as this service's own failure; None if that service failed unexpectedly.

    grpc raises a bare RpcError in a method whose own client goes away while it uploads: that is Cancelled.
    """
    if not isinstance(error, grpc.Call):
        return Cancelled("CANCELLED", "the client ended the call; nothing was changed")
    info, violations = _details(error)
    reason, message = info.reason or error.code().name, error.details() or ""
    kind = _KINDS.get(error.code())
    if kind is Invalid:
        return Invalid(reason, message, violations=violations, **info.metadata)
    return kind(reason, message, **info.metadata) if kind else None


def _details(error: grpc.Call) -> tuple[error_details_pb2.ErrorInfo, list[Violation]]:
    info, violations = error_details_pb2.ErrorInfo(), []
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                bad_request = error_details_pb2.BadRequest()
                if not detail.Unpack(info) and detail.Unpack(bad_request):
                    violations += [Violation(v.field, v.reason, v.description) for v in bad_request.field_violations]
    return info, violations


def to_status(error: BaseException, domain: str) -> status_pb2.Status:
    """The status a client gets for an exception. `domain` names the service, e.g. `things.crm`.

    What is no known kind of failure becomes INTERNAL with an error id; the log has the rest under that id.
    """
    known = to_domain_error(error)
    if known is None:
        if isinstance(error, NotImplementedError):
            return _status(grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED", "there is no such method here", domain, {})
        return _internal(error, domain)
    if known is not error:
        logger.warning("%s", type(error).__name__, extra={"reason": known.reason}, exc_info=error)
    violations = known.violations if isinstance(known, Invalid) else ()
    extra: list[Message] = []
    if violations:
        extra.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.message, reason=v.reason)
                    for v in violations
                ]
            )
        )
    details = {**known.details, "field": known.field} if known.field else known.details
    return _status(code_of(known), known.reason, known.message, domain, details, extra)


def code_of(error: DomainError) -> grpc.StatusCode:
    """The gRPC status code of a kind of failure."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def _internal(error: BaseException, domain: str) -> status_pb2.Status:
    error_id = str(new_id())
    logger.error("unexpected %s", type(error).__name__, extra={"error_id": error_id}, exc_info=error)
    message = f"something went wrong on our side; quote the error id {error_id}"
    return _status(grpc.StatusCode.INTERNAL, "INTERNAL", message, domain, {"error_id": error_id})


def _status(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    domain: str,
    metadata: dict[str, str],
    extra: Iterable[Message] = (),
) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata), *extra):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status
