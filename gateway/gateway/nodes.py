"""What all records have in common."""

from typing import Annotated

import strawberry

Key = Annotated[strawberry.ID, strawberry.argument(name="id", description="The id, e.g. `customers/{uuid}`.")]


@strawberry.interface(description="A record that can be fetched by its id alone.")
class Node:
    id: strawberry.ID = strawberry.field(description="The id: unique over all types, and the same in every service.")
