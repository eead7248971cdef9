"""From a reference in one record to the record it leads to.

A collection is what a resource name begins with: `users` in `users/{uuid}`.
"""

from typing import Annotated, Any

import strawberry

from gateway.context import Info

TYPES = {
    "users": ("gateway.types.identity", "User"),
    "departments": ("gateway.types.identity", "Department"),
    "roles": ("gateway.types.identity", "Role"),
    "partners": ("gateway.types.partners", "Partner"),
    "customers": ("gateway.types.customers", "Customer"),
    "contacts": ("gateway.types.customers", "Contact"),
    "leads": ("gateway.types.leads", "Lead"),
}
"""The collections that relations lead to, with the module and name of their types. Each has a loader."""


def relation(collection: str, field: str, *, many: bool, description: str | None) -> Any:
    """A field that follows the reference or references in a field of the record's message.

    A reference that leads nowhere the caller may see is null, or left out of a list.
    """
    module, name = TYPES[collection]
    prefix = f"{collection}/"

    # These return the loader's future as it is: one coroutine less for every record of a list.
    def follow(self: Any, info: Info) -> Any:
        key = getattr(self.wire, field)
        return info.context.loaders.of(collection).load(key) if key.startswith(prefix) else None

    async def follow_all(self: Any, info: Info) -> Any:
        keys = [key for key in getattr(self.wire, field) if key.startswith(prefix)]
        found = await info.context.loaders.of(collection).load_many(keys)
        return [record for record in found if record is not None]

    target: Any = Annotated[name, strawberry.lazy(module)]
    return strawberry.field(
        resolver=follow_all if many else follow,
        graphql_type=list[target] if many else target | None,
        description=description,
    )
