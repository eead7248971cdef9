"""Every gRPC method of the suite, found by its contract, and how to call it as anyone. For tests."""

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crm
import grpc
from chassis.status import from_rpc_error
from crm.common.v1 import access_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

COMMENTS = json.loads((Path(crm.__path__[0]) / "descriptions.json").read_text())
REFERENCE = re.compile(r"`(\w+)/\{uuid\}`")


@dataclass(frozen=True)
class Method:
    """A method of a service."""

    descriptor: MethodDescriptor

    @property
    def path(self) -> str:
        """The path of the HTTP/2 request."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def service(self) -> str:
        """The service of the suite that answers it; common services are answered by each."""
        domain = self.descriptor.containing_service.full_name.split(".")[1]
        return "customers" if domain == "common" else domain

    @property
    def access(self) -> access_pb2.Access:
        """What a caller needs."""
        return self.descriptor.GetOptions().Extensions[access_pb2.access]

    def request(self) -> Any:
        """An empty request."""
        return message_factory.GetMessageClass(self.descriptor.input_type)()


def all_methods() -> list[Method]:
    """The methods of all services, in the order of their names."""
    # By files, since pkgutil does not find packages without an __init__, which is what the generated ones are.
    folder = Path(crm.__path__[0])
    names = [path.relative_to(folder).with_suffix("").parts for path in folder.rglob("*_service_pb2.py")]
    modules = [importlib.import_module(".".join(("crm", *parts))) for parts in names]
    services = [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]
    return sorted((Method(method) for service in services for method in service.methods), key=lambda each: each.path)


@dataclass(frozen=True)
class Outcome:
    """What came of a call."""

    code: str
    reason: str = ""
    message: str = ""
    answer: Any = None


def call(channel: grpc.Channel, method: Method, request: Message, token: str | None) -> Outcome:
    """Call a method once and say what came of it."""
    output = message_factory.GetMessageClass(method.descriptor.output_type)
    descriptor = method.descriptor
    makers: dict[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
    }
    stub = makers[(descriptor.client_streaming, descriptor.server_streaming)](
        method.path, type(request).SerializeToString, output.FromString
    )
    metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
    try:
        answer = stub(iter([request]) if descriptor.client_streaming else request, metadata=metadata, timeout=20)
        answer = list(answer) if descriptor.server_streaming else answer
    except grpc.RpcError as error:
        refusal = from_rpc_error(error)
        return Outcome(error.code().name, refusal.reason if refusal else "", refusal.message if refusal else "")
    return Outcome("OK", answer=answer)


def references(method: Method) -> Iterator[tuple[tuple[str, ...], str]]:
    """The fields of a request that name a record: their paths and the record's collection."""
    for field in method.descriptor.input_type.fields:
        if found := _collection(field):
            yield (field.name,), found
        elif field.message_type and field.message_type.full_name.startswith("crm.") and not field.is_repeated:
            for inner in field.message_type.fields:
                if found := _collection(inner):
                    yield (field.name, inner.name), found


def _collection(field: FieldDescriptor) -> str:
    comment = COMMENTS.get(field.full_name, "")
    matched = REFERENCE.search(comment)
    return matched.group(1) if matched and "Output only" not in comment and field.type == field.TYPE_STRING else ""


def put(request: Message, path: tuple[str, ...], value: str) -> None:
    """Set a field of a request, or add to it if it is a list."""
    for name in path[:-1]:
        request = getattr(request, name)
    if request.DESCRIPTOR.fields_by_name[path[-1]].is_repeated:
        getattr(request, path[-1]).append(value)
    else:
        setattr(request, path[-1], value)
