"""Ways in which people look at records."""

from typing import Any

import strawberry
from crm.customers.v1 import contact_pb2, customer_pb2
from crm.identity.v1 import saved_view_pb2, saved_view_service_pb2, user_pb2
from crm.leads.v1 import follow_up_pb2, lead_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.conditions import FilterInput, OrderByInput, to_fields, to_filter, to_order
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import descriptor_of
from gateway.fields import field, mutation
from gateway.nodes import Key
from gateway.operations.fetching import get_saved_view, pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.accounts import SavedView

_RECORDS = {
    "contact": contact_pb2.Contact,
    "customer": customer_pb2.Customer,
    "follow_up": follow_up_pb2.FollowUp,
    "lead": lead_pb2.Lead,
    "user": user_pb2.User,
}
"""The message of each entity, by which the names of fields are translated."""


@strawberry.type
class SavedViewsQuery:
    @field("A view that is the caller's or shared with the caller.")
    async def saved_view(self, info: Info, key: Key) -> SavedView | None:
        return await get_saved_view(info.context, key)

    @field("The caller's views and those shared with the caller, of one entity if given, by name.")
    async def saved_views(
        self, info: Info, entity: str | None = None, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[SavedView] | None:
        method, request = info.context.services.saved_views.ListSavedViews, saved_view_service_pb2.ListSavedViewsRequest
        fetch = pages(info.context, method, request, "saved_views", entity=entity or "")
        return await connect(first, after, SavedView, fetch)


@strawberry.input(description="A view to keep.")
class CreateSavedViewInput:
    entity: str = strawberry.field(description="The entity, e.g. `customer`.")
    name: str = strawberry.field(description="What people call it; unique among one's views of the entity.")
    filter: FilterInput | None = strawberry.field(default=None, description="Which records to show.")
    columns: list[str] = strawberry.field(default_factory=list, description="The fields to show, in this order.")
    order_by: list[OrderByInput] = strawberry.field(default_factory=list, description="How to sort.")
    is_default: bool = strawberry.field(default=False, description="True if a client should open the entity with it.")
    shared_department_id: strawberry.ID | None = strawberry.field(
        default=None, description="The department whose people see it, with those of the departments below."
    )
    request_id: RequestId = None


@strawberry.input(description="A change of a view.")
class UpdateSavedViewInput:
    id: strawberry.ID
    entity: str = strawberry.field(description="The entity of the view, which stays.")
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="What people call it.")
    filter: FilterInput | None = strawberry.field(default=strawberry.UNSET, description="Which records to show.")
    columns: list[str] | None = strawberry.field(default=strawberry.UNSET, description="The fields to show.")
    order_by: list[OrderByInput] | None = strawberry.field(default=strawberry.UNSET, description="How to sort.")
    is_default: bool | None = strawberry.field(
        default=strawberry.UNSET, description="True if a client should open the entity with it."
    )
    shared_department_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The department whose people see it; null for nobody but the owner."
    )
    request_id: RequestId = None


_PATHS = {
    "name": "display_name",
    "filter": "filter",
    "columns": "columns",
    "order_by": "order_by",
    "is_default": "is_default",
    "shared_department_id": "shared_department",
}
"""Attribute of the input → field of the message."""


def _message(given: CreateSavedViewInput | UpdateSavedViewInput) -> saved_view_pb2.SavedView:
    record = _record(given.entity)
    values: dict[str, Any] = {
        attribute: value for attribute in _PATHS if (value := getattr(given, attribute)) not in (strawberry.UNSET, None)
    }
    return saved_view_pb2.SavedView(
        entity=given.entity,
        display_name=values.get("name", ""),
        filter=to_filter(values.get("filter"), record),
        columns=to_fields(values.get("columns"), record),
        order_by=to_order(values.get("order_by"), record),
        is_default=values.get("is_default", False),
        shared_department=values.get("shared_department_id", ""),
    )


def _record(entity: str) -> Descriptor:
    # The names of an entity that is not known here are translated as far as all records have them in common.
    return descriptor_of(_RECORDS.get(entity, saved_view_pb2.SavedView))


@strawberry.type
class SavedViewsMutation:
    @mutation("Keeps a view of the caller.")
    async def create_saved_view(self, info: Info, input: CreateSavedViewInput) -> SavedView | None:  # noqa: A002
        request = saved_view_service_pb2.CreateSavedViewRequest(
            saved_view=_message(input), request_id=input.request_id or ""
        )
        return SavedView(await info.context.calls(info.context.services.saved_views.CreateSavedView, request))

    @mutation("Changes a view of the caller.")
    async def update_saved_view(self, info: Info, input: UpdateSavedViewInput) -> SavedView | None:  # noqa: A002
        message = _message(input)
        message.name, message.etag = input.id, input.etag or ""
        paths = [path for attribute, path in _PATHS.items() if getattr(input, attribute) is not strawberry.UNSET]
        request = saved_view_service_pb2.UpdateSavedViewRequest(
            saved_view=message, update_mask=FieldMask(paths=paths), request_id=input.request_id or ""
        )
        return SavedView(await info.context.calls(info.context.services.saved_views.UpdateSavedView, request))

    @mutation("Deletes a view of the caller and returns its id.")
    async def delete_saved_view(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = saved_view_service_pb2.DeleteSavedViewRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.saved_views.DeleteSavedView, request)
        return input.id
