"""A view of the sample company's customers that the general manager shares with everybody."""

from collections.abc import Callable

from crm.common.v1 import filter_pb2
from crm.identity.v1 import saved_view_pb2, saved_view_service_pb2, saved_view_service_pb2_grpc

from local_suite.client import SuiteClient


def keep_views(suite: SuiteClient, request_id: Callable[[str, str], str], author: str, department: str) -> None:
    """Keep a view of the best customers in somebody's name, shared with a department."""
    best = filter_pb2.Condition(
        field="level", operator=filter_pb2.OPERATOR_EQUAL, values=[filter_pb2.FilterValue(text="A")]
    )
    view = saved_view_pb2.SavedView(
        entity="customer",
        display_name="重点客户",
        filter=filter_pb2.Filter(condition=best),
        columns=["display_name", "level", "owner", "last_follow_up_time"],
        order_by=[filter_pb2.OrderBy(field="update_time", descending=True)],
        shared_department=department,
    )
    request = saved_view_service_pb2.CreateSavedViewRequest(saved_view=view, request_id=request_id("view", "重点客户"))
    stub = saved_view_service_pb2_grpc.SavedViewServiceStub(suite.identity)
    stub.CreateSavedView(request, metadata=suite.sign_in(author, suite.targets.people_password), timeout=10)
