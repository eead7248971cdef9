"""One test for the refusals of all methods: those that a server has are enumerated, so a new one is covered at once.

failures = strangers_let_in(channel, methods, tokens) + outsiders_let_in(channel, methods, names, token_for)
assert not failures, "\n".join(failures)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from chassis.access import access_of
from chassis.status import from_rpc_error

_SECONDS = 30.0
_PLUMBING = ("grpc.",)


@dataclass(frozen=True)
class Tokens:
    """Tokens that must not get anybody in."""

    expired: str
    foreign: str
    """Signed by a key that is not the authority's."""
    powerless: str
    """Good, but of a user who is granted nothing."""


def served_methods(channel: grpc.Channel) -> list[MethodDescriptor]:
    """The methods that a server has, by reflection. Their contracts must be imported."""
    names = ProtoReflectionDescriptorDatabase(channel).get_services()
    ours = sorted(name for name in names if not name.startswith(_PLUMBING))
    return list(methods_of(Default().FindServiceByName(name) for name in ours))


def methods_of(services: Iterable[ServiceDescriptor]) -> Iterator[MethodDescriptor]:
    """The methods of some services."""
    for service in services:
        yield from service.methods


def call(channel: grpc.Channel, method: MethodDescriptor, token: str = "", request: Message | None = None) -> None:
    """Call any method, with an empty request if none is given. Raises grpc.RpcError if it is refused."""
    message = GetMessageClass(method.input_type)() if request is None else request
    kind = ("stream" if method.client_streaming else "unary") + ("_stream" if method.server_streaming else "_unary")
    invoke: Any = getattr(channel, kind)(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda sent: sent.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    answer = invoke(iter([message]) if method.client_streaming else message, metadata=metadata, timeout=_SECONDS)
    if method.server_streaming:
        for _ in answer:
            pass


def outcome(channel: grpc.Channel, method: MethodDescriptor, token: str, request: Message | None = None) -> str:
    """How a call ends: `OK`, or the code and the reason, e.g. `UNAUTHENTICATED MISSING_TOKEN`."""
    try:
        call(channel, method, token, request)
    except grpc.RpcError as error:
        known = from_rpc_error(error)
        return f"{error.code().name} {known.reason if known else ''}".strip()
    return "OK"


def strangers_let_in(channel: grpc.Channel, methods: Iterable[MethodDescriptor], tokens: Tokens) -> list[str]:
    """Call each method that is not public with no token and with bad ones. Returns what was not refused rightly."""
    cases = {
        "no token": ("", "UNAUTHENTICATED MISSING_TOKEN"),
        "an expired token": (tokens.expired, "UNAUTHENTICATED TOKEN_EXPIRED"),
        "a token signed by another key": (tokens.foreign, "UNAUTHENTICATED INVALID_TOKEN"),
        "no permission": (tokens.powerless, "PERMISSION_DENIED PERMISSION_DENIED"),
    }
    failures = []
    for method in methods:
        access = access_of(method)
        for case, (token, expected) in cases.items():
            if access.public or (access.authenticated and case == "no permission"):
                continue
            found = outcome(channel, method, token)
            if found != expected:
                failures.append(f"{method.full_name} with {case}: {found}, not {expected}")
    return failures


def outsiders_let_in(
    channel: grpc.Channel,
    methods: Iterable[MethodDescriptor],
    records: Sequence[str],
    token_for: Callable[[str], str],
    *,
    complete: Mapping[str, Callable[[Any], None]] | None = None,
) -> list[str]:
    """Ask each method that takes a record's name for records outside the caller's scope.

    `records` are the names of one existing record of each collection, owned by somebody else; for a collection
    whose records nobody owns, a name that does not exist. Each method is asked for all of them: it must answer
    NOT_FOUND to those of its own collection and INVALID_NAME to all others. `token_for(permission)` is a token
    of a user who holds that permission for their own records alone. `complete` fills in, by a method's full name,
    what else a request must have. Returns what was answered otherwise.
    """
    failures = []
    for method in methods:
        permission = access_of(method).permission
        where = _name_field(method) if permission else None
        if where is None:
            continue
        taken = False
        for name in records:
            request = GetMessageClass(method.input_type)()
            (complete or {}).get(method.full_name, lambda request: None)(request)
            target: Any = getattr(request, where) if where else request
            target.name = name
            found = outcome(channel, method, token_for(permission), request)
            taken = taken or found.startswith("NOT_FOUND")
            if not found.startswith("NOT_FOUND") and found != "INVALID_ARGUMENT INVALID_NAME":
                failures.append(f"{method.full_name} asked for {name}, out of scope: {found}, not NOT_FOUND")
        if not taken:
            failures.append(f"{method.full_name} was asked for no record of its own collection; add one")
    return failures


def _name_field(method: MethodDescriptor) -> str | None:
    """Where a request names its record: the empty string for itself, or the field of the record; None if nowhere."""
    fields = method.input_type.fields_by_name
    if "name" in fields and fields["name"].type == FieldDescriptor.TYPE_STRING:
        return ""
    if method.name.startswith("Update"):
        for field in method.input_type.fields:
            if field.message_type and field.message_type.name == method.name.removeprefix("Update"):
                return field.name
    return None


__all__ = ["Tokens", "call", "methods_of", "outcome", "outsiders_let_in", "served_methods", "strangers_let_in"]
