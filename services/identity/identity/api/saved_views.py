"""SavedViewService."""

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.filters import MAX_DEPTH
from chassis.masks import changed_paths
from chassis.names import make_name, parse_name, parse_optional_name
from chassis.paging import page_size
from crm.common.v1 import filter_pb2
from crm.identity.v1 import saved_view_pb2, saved_view_service_pb2, saved_view_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import ServicerContext

from identity import mapping, saved_views
from identity.model import SavedView
from identity.saved_views import ViewDraft
from identity.usecases import create_saved_view, delete_saved_view, update_saved_view


class SavedViewServicer(saved_view_service_pb2_grpc.SavedViewServiceServicer):
    """Ways in which people look at records."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetSavedView(
        self, request: saved_view_service_pb2.GetSavedViewRequest, context: ServicerContext
    ) -> saved_view_pb2.SavedView:
        with self.calls.read() as session:
            return _to_proto(saved_views.get_view(session, parse_name("savedViews", request.name)))

    def ListSavedViews(
        self, request: saved_view_service_pb2.ListSavedViewsRequest, context: ServicerContext
    ) -> saved_view_service_pb2.ListSavedViewsResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = saved_views.list_views(session, request.entity, size, request.page_token)
        return saved_view_service_pb2.ListSavedViewsResponse(
            saved_views=map(_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateSavedView(
        self, request: saved_view_service_pb2.CreateSavedViewRequest, context: ServicerContext
    ) -> saved_view_pb2.SavedView:
        draft = _draft(request.saved_view)
        return self.calls.write(
            request,
            saved_view_pb2.SavedView,
            lambda session: _to_proto(create_saved_view.create_saved_view(session, draft)),
        )

    def UpdateSavedView(
        self, request: saved_view_service_pb2.UpdateSavedViewRequest, context: ServicerContext
    ) -> saved_view_pb2.SavedView:
        message = request.saved_view
        view_id, draft = parse_name("savedViews", message.name), _draft(message)
        paths = changed_paths(message, request.update_mask, saved_views.FIELDS)

        def change(session: ServiceSession) -> saved_view_pb2.SavedView:
            return _to_proto(update_saved_view.update_saved_view(session, view_id, draft, paths, message.etag))

        return self.calls.write(request, saved_view_pb2.SavedView, change)

    def DeleteSavedView(
        self, request: saved_view_service_pb2.DeleteSavedViewRequest, context: ServicerContext
    ) -> Empty:
        view_id = parse_name("savedViews", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_saved_view.delete_saved_view(session, view_id, request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)


def _to_proto(view: SavedView) -> saved_view_pb2.SavedView:
    return saved_view_pb2.SavedView(
        name=view.name,
        entity=view.entity,
        display_name=view.display_name,
        owner=make_name("users", view.owner_id),
        filter=ParseDict(view.filter, filter_pb2.Filter()),
        columns=view.columns,
        order_by=[ParseDict(key, filter_pb2.OrderBy()) for key in view.order_by],
        is_default=view.is_default,
        shared_department=make_name("departments", view.department_id),
        etag=etag(view.version),
        create_time=mapping.timestamp(view.create_time),
        update_time=mapping.timestamp(view.update_time),
    )


def _draft(message: saved_view_pb2.SavedView) -> ViewDraft:
    if _depth(message.filter) > MAX_DEPTH:
        raise Invalid("FILTER_TOO_DEEP", f"a filter has at most {MAX_DEPTH} levels", field="filter")
    return ViewDraft(
        entity=message.entity,
        display_name=message.display_name,
        filter=MessageToDict(message.filter),
        columns=list(message.columns),
        order_by=[MessageToDict(key) for key in message.order_by],
        is_default=message.is_default,
        department_id=parse_optional_name("departments", message.shared_department, field="shared_department"),
    )


def _depth(node: filter_pb2.Filter) -> int:
    # At most as deep as messages can be, which the transport sees to.
    below = [*node.all.filters, *node.any.filters, *([getattr(node, "not")] if node.HasField("not") else [])]
    return 1 + max(map(_depth, below), default=0)
