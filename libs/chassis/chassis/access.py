"""What each method asks of its caller, from the `access` option of the contracts."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import crm
from crm.common.v1 import access_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor

from chassis.errors import Invalid

Access = access_pb2.Access


def access_of(method: MethodDescriptor) -> Access:
    """What a method asks of its caller. Raises Invalid MISSING_ACCESS if the contract does not say it clearly."""
    access: Access = method.GetOptions().Extensions[access_pb2.access]
    if [bool(access.permission), access.public, access.authenticated].count(True) != 1:
        raise Invalid(
            "MISSING_ACCESS",
            f"{method.full_name} must state one of permission, public and authenticated in its `access` option",
            field=method.full_name,
        )
    return access


def access_table(services: list[ServiceDescriptor]) -> dict[str, Access]:
    """The access of every method of some services, by `package.Service/Method`."""
    return {
        f"{service.full_name}/{method.name}": access_of(method) for service in services for method in service.methods
    }


@cache
def contracts() -> Sequence[ServiceDescriptor]:
    """The gRPC services of the whole suite."""
    # By files, since pkgutil does not find packages without an __init__, which is what the generated ones are.
    found: list[ServiceDescriptor] = []
    for folder in map(Path, crm.__path__):
        for path in sorted(folder.rglob("*_service_pb2.py")):
            name = ".".join(("crm", *path.relative_to(folder).with_suffix("").parts))
            file: FileDescriptor = import_module(name).DESCRIPTOR
            found += file.services_by_name.values()
    return tuple(found)


@cache
def known_permissions() -> Mapping[str, tuple[str, ...]]:
    """The methods of the suite that ask for each permission, by `package.Service/Method`, both sorted."""
    asking: dict[str, list[str]] = {}
    for method, access in sorted(access_table([*contracts()]).items()):
        if access.permission:
            asking.setdefault(access.permission, []).append(method)
    return MappingProxyType({permission: tuple(asking[permission]) for permission in sorted(asking)})


@cache
def permissions_of_partners() -> frozenset[str]:
    """The permissions with which people of partners may call some method."""
    return frozenset(access.permission for access in access_table([*contracts()]).values() if access.partners)
