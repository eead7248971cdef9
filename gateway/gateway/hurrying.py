"""Fields of a query that wait for services only for a short time."""

from dataclasses import replace
from typing import Any

from gateway.context import Context, Info
from gateway.loaders import Loaders
from gateway.masks import flattened


def within(info: Info, seconds: float) -> Context:
    """The context of a field of the query that waits for services for so many seconds at most.

    What lies below it waits no longer, unless the operation asks for other fields, which keep the time that they have.
    """
    context, raw = info.context, _raw(info)
    asked = {field.name.value for field in flattened(raw.operation.selection_set.selections, raw.fragments)}
    if asked <= {info.field_name, "__typename"}:
        context.calls.hurry(seconds)
        return context
    calls = context.calls.within(seconds)
    return replace(context, calls=calls, loaders=Loaders(calls))


def _raw(info: Info) -> Any:
    return info._raw_info
