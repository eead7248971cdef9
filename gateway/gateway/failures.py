"""Failures of calls to services, as the services told them."""

import dataclasses

import grpc
from chassis.errors import DomainError, Violation
from chassis.status import code_of
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError

_DETAILS_KEY = "grpc-status-details-bin"


@dataclasses.dataclass(eq=False)
class CallFailed(Exception):
    """A call to a service failed."""

    code: grpc.StatusCode
    reason: str
    message: str
    service: str
    field: str = ""
    details: dict[str, str] = dataclasses.field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    answered: bool = True
    """False if no answer came from the service itself."""


def from_rpc(error: AioRpcError, service: str) -> CallFailed:
    """Read what a service answered; without an answer, say that the service is unavailable or too slow."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            return _answer(status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode()), service)
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return CallFailed(
            code, "DEADLINE_EXCEEDED", f"the {service} service took too long; try again", service, answered=False
        )
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return unavailable(service)
    return CallFailed(code, code.name, f"the {service} service answered {code.name}", service)


def unavailable(service: str) -> CallFailed:
    """The service does not answer at all."""
    return CallFailed(
        grpc.StatusCode.UNAVAILABLE,
        "SERVICE_UNAVAILABLE",
        f"the {service} service does not answer; try again shortly",
        service,
        answered=False,
    )


def code_of_failure(error: BaseException) -> grpc.StatusCode | None:
    """The status code of a failure that is understood; None for a defect."""
    if isinstance(error, CallFailed):
        return error.code
    return code_of(error) if isinstance(error, DomainError) else None


def _answer(status: status_pb2.Status, service: str) -> CallFailed:
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(request.DESCRIPTOR):
            detail.Unpack(request)
    details = dict(info.metadata)
    return CallFailed(
        code=code,
        reason=info.reason or code.name,
        message=status.message,
        service=service,
        field=details.pop("field", ""),
        details=details,
        violations=tuple(Violation(v.field, v.reason, v.description) for v in request.field_violations),
    )
