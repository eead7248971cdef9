"""Every permission that the methods of the suite ask for, read off the contracts."""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

import crm
from chassis.access import access_table
from chassis.errors import Invalid
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor


@cache
def known_permissions() -> Mapping[str, tuple[str, ...]]:
    """The methods that ask for each permission, both sorted."""
    asking: dict[str, list[str]] = {}
    for method, access in sorted(access_table(_services()).items()):
        if access.permission:
            asking.setdefault(access.permission, []).append(method)
    return MappingProxyType({permission: tuple(asking[permission]) for permission in sorted(asking)})


def _services() -> list[ServiceDescriptor]:
    found: list[ServiceDescriptor] = []
    for module in pkgutil.walk_packages(crm.__path__, "crm."):
        if module.name.endswith("_service_pb2"):
            file: FileDescriptor = import_module(module.name).DESCRIPTOR
            found += file.services_by_name.values()
    return found


def permissions_page(size: int, token: str) -> tuple[list[tuple[str, tuple[str, ...]]], str]:
    """A page of the permissions with their methods, and the next token. Raises Invalid INVALID_PAGE_TOKEN."""
    known = known_permissions()
    if token and token not in known:
        raise Invalid("INVALID_PAGE_TOKEN", "page_token is not one that this list returned", field="page_token")
    rest = [item for item in known.items() if item[0] > token]
    page = rest[:size]
    return page, page[-1][0] if len(rest) > size else ""
