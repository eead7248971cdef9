"""What the resolvers of one operation share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import strawberry

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

    @property
    def services(self) -> Services:
        """The clients of the services."""
        return self.calls.services


Info = strawberry.Info[Context, None]
"""What a resolver is told."""
