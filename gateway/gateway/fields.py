"""Strawberry's decorators for fields with a resolver, typed so that a resolver keeps its type."""

from collections.abc import Callable
from typing import Any, TypeVar

import strawberry

F = TypeVar("F", bound=Callable[..., Any])


def field(description: str, *, name: str | None = None) -> Callable[[F], F]:
    """A field of a type, or a query."""
    decorate: Callable[[F], F] = strawberry.field(description=description, name=name)
    return decorate


def mutation(description: str) -> Callable[[F], F]:
    """A mutation."""
    decorate: Callable[[F], F] = strawberry.mutation(description=description)
    return decorate


def subscription(description: str) -> Callable[[F], F]:
    """A subscription."""
    decorate: Callable[[F], F] = strawberry.subscription(description=description)
    return decorate
