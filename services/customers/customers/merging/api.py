"""The gRPC methods of MergeService."""

from typing import Any
from uuid import UUID

from chassis.calls import Calls
from chassis.names import make_name, parse_name
from crm.customers.v1 import merge_service_pb2, merge_service_pb2_grpc

from customers import mapping as customers_mapping
from customers.merging.fields import Choice
from customers.merging.queries import list_merges
from customers.usecases.merge_customers import UNDO_WITHIN, Merged, MergeDraft, merge_customers
from customers.usecases.undo_merge import undo_merge


class MergeServicer(merge_service_pb2_grpc.MergeServiceServicer):
    """Implements MergeService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def PreviewMerge(
        self, request: merge_service_pb2.PreviewMergeRequest, context: Any
    ) -> merge_service_pb2.CustomerMerge:
        draft = _draft(request)
        with self.calls.transaction() as session:
            # The merge itself, taken back at once: what it tells cannot differ from what a merge does.
            answer = merged_to_proto(merge_customers(session, draft))
            session.rollback()
        answer.ClearField("name")
        return answer

    def MergeCustomers(
        self, request: merge_service_pb2.MergeCustomersRequest, context: Any
    ) -> merge_service_pb2.CustomerMerge:
        draft = _draft(request, etag=request.etag)
        return self.calls.write(
            request,
            merge_service_pb2.CustomerMerge,
            lambda session: merged_to_proto(merge_customers(session, draft)),
        )

    def UndoMerge(self, request: merge_service_pb2.UndoMergeRequest, context: Any) -> merge_service_pb2.CustomerMerge:
        merge_id = parse_name("customerMerges", request.name)
        return self.calls.write(
            request,
            merge_service_pb2.CustomerMerge,
            lambda session: merged_to_proto(undo_merge(session, merge_id)),
        )

    def ListCustomerMerges(
        self, request: merge_service_pb2.ListCustomerMergesRequest, context: Any
    ) -> merge_service_pb2.ListCustomerMergesResponse:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            page = list_merges(session, customer_id, page_size=request.page_size, page_token=request.page_token)
            return merge_service_pb2.ListCustomerMergesResponse(
                customer_merges=map(_merge, page.rows), next_page_token=page.next_token
            )


def _draft(request: Any, *, etag: str = "") -> MergeDraft:
    others: list[UUID] = [
        parse_name("customers", name, field=f"others.{number}") for number, name in enumerate(request.others)
    ]
    choices = [
        Choice(one.field, parse_name("customers", one.customer, field=f"choices.{number}.customer"))
        for number, one in enumerate(request.choices)
    ]
    return MergeDraft(parse_name("customers", request.customer, field="customer"), others, choices, etag)


def merged_to_proto(merged: Merged) -> merge_service_pb2.CustomerMerge:
    """What came of a merge."""
    message = _merge(merged.merge)
    message.result.CopyFrom(customers_mapping.customer_to_proto(merged.customer))
    message.contacts.extend(map(customers_mapping.contact_to_proto, merged.contacts))
    return message


def _merge(merge: Any) -> merge_service_pb2.CustomerMerge:
    return merge_service_pb2.CustomerMerge(
        name=merge.name,
        customer=make_name("customers", merge.customer_id),
        others=[make_name("customers", key) for key in merge.other_ids],
        creator=merge.creator,
        create_time=merge.create_time,
        undo_expire_time=merge.create_time + UNDO_WITHIN,
        undo_time=merge.undo_time,
        **merge.counts,
    )
