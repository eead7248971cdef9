"""What each method asks of its caller, from the `access` option of the contracts."""

from crm.common.v1 import access_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

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
