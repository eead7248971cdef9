"""The gRPC methods of CustomerRelationService."""

from typing import Any

from chassis.calendars import parse_day
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name
from crm.customers.v1 import (
    customer_relation_pb2,
    customer_relation_service_pb2,
    customer_relation_service_pb2_grpc,
)
from google.protobuf.empty_pb2 import Empty

from customers.mapping import customer_to_proto
from customers.model.relations import COLLECTION
from customers.relations import queries
from customers.relations.mapping import kinds_of, relation_draft, relation_patch, relation_to_proto
from customers.usecases.create_relation import create_relation
from customers.usecases.delete_relation import delete_relation
from customers.usecases.update_relation import update_relation


class CustomerRelationServicer(customer_relation_service_pb2_grpc.CustomerRelationServiceServicer):
    """Implements CustomerRelationService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetCustomerRelation(
        self, request: customer_relation_service_pb2.GetCustomerRelationRequest, context: Any
    ) -> customer_relation_pb2.CustomerRelation:
        with self.calls.read() as session:
            return relation_to_proto(queries.get_relation(session, parse_name(COLLECTION, request.name)))

    def ListCustomerRelations(
        self, request: customer_relation_service_pb2.ListCustomerRelationsRequest, context: Any
    ) -> customer_relation_service_pb2.ListCustomerRelationsResponse:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            page = queries.list_relations(
                session,
                customer_id,
                kinds_of(request.kinds),
                page_size=request.page_size,
                page_token=request.page_token,
            )
            return customer_relation_service_pb2.ListCustomerRelationsResponse(
                customer_relations=map(relation_to_proto, page.rows), next_page_token=page.next_token
            )

    def GetRelationGraph(
        self, request: customer_relation_service_pb2.GetRelationGraphRequest, context: Any
    ) -> customer_relation_service_pb2.RelationGraph:
        customer_id = parse_name("customers", request.customer, field="customer")
        kinds = kinds_of(request.kinds)
        on_date = parse_day(request.on_date, field="on_date") if request.on_date else None
        with self.calls.read() as session:
            graph = queries.relation_graph(session, customer_id, depth=request.depth, kinds=kinds, on_date=on_date)
        return customer_relation_service_pb2.RelationGraph(
            nodes=[
                customer_relation_service_pb2.RelationGraphNode(customer=customer_to_proto(row), depth=depth)
                for row, depth in graph.nodes
            ],
            edges=map(relation_to_proto, graph.edges),
            hidden_nodes=graph.hidden,
            truncated=graph.truncated,
        )

    def CreateCustomerRelation(
        self, request: customer_relation_service_pb2.CreateCustomerRelationRequest, context: Any
    ) -> customer_relation_pb2.CustomerRelation:
        draft = relation_draft(request.customer_relation)
        return self.calls.write(
            request,
            customer_relation_pb2.CustomerRelation,
            lambda session: relation_to_proto(
                create_relation(session, draft.customer_id, draft.related_id, draft.values)
            ),
        )

    def UpdateCustomerRelation(
        self, request: customer_relation_service_pb2.UpdateCustomerRelationRequest, context: Any
    ) -> customer_relation_pb2.CustomerRelation:
        given = request.customer_relation
        relation_id = parse_name(COLLECTION, given.name)
        values = relation_patch(given, request.update_mask)
        return self.calls.write(
            request,
            customer_relation_pb2.CustomerRelation,
            lambda session: relation_to_proto(update_relation(session, relation_id, values, etag=given.etag)),
        )

    def DeleteCustomerRelation(
        self, request: customer_relation_service_pb2.DeleteCustomerRelationRequest, context: Any
    ) -> Empty:
        relation_id = parse_name(COLLECTION, request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_relation(session, relation_id, etag=request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)
