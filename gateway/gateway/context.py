"""What the resolvers of one operation share."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import strawberry
from graphql import GraphQLError

from gateway.calls import Calls
from gateway.services import Services

if TYPE_CHECKING:
    from gateway.loaders import Loaders
    from gateway.notifications import Listener


@dataclass
class Context:
    """One operation: on whose behalf, in which language, with which loaders. Never outlives it."""

    calls: Calls
    loaders: "Loaders"
    locale: str
    """`zh-CN`, `zh-TW` or `en`."""
    listener: "Listener"
    failures: list[GraphQLError] = field(default_factory=list)
    """What a part of a field failed for that otherwise has a value. It is answered beside the errors of fields."""

    def note_failure(self, failure: Exception, path: list[str | int]) -> None:
        """Say that a part of the field at a path is missing, and why."""
        self.failures.append(GraphQLError(str(failure), path=path, original_error=failure))

    @property
    def services(self) -> Services:
        """The clients of the services."""
        return self.calls.services


Info = strawberry.Info[Context, None]
"""What a resolver is told."""
