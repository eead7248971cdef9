"""Every permission that the methods of the suite ask for, read off the contracts."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
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
    # By files, since pkgutil does not find packages without an __init__, which is what the generated ones are.
    found: list[ServiceDescriptor] = []
    for folder in map(Path, crm.__path__):
        for path in sorted(folder.rglob("*_service_pb2.py")):
            name = ".".join(("crm", *path.relative_to(folder).with_suffix("").parts))
            file: FileDescriptor = import_module(name).DESCRIPTOR
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
