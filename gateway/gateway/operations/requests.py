"""What the inputs of many mutations have in common."""

from typing import Annotated

import strawberry

RequestId = Annotated[
    str | None,
    strawberry.field(description="A UUID of your choice. A retry with the same one does nothing twice."),
]


@strawberry.input(description="Which record to delete.")
class DeleteInput:
    id: strawberry.ID
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None
