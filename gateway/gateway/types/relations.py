"""How customers stand to one another, who decides at them, and what a search finds."""

import strawberry
from crm.customers.v1 import (
    contact_service_pb2,
    customer_relation_pb2,
    customer_relation_service_pb2,
    search_service_pb2,
)

from gateway.deriver import Record, derive
from gateway.nodes import Node
from gateway.types.customers import Contact


@derive(
    customer_relation_pb2.CustomerRelation,
    required={"customer", "related", "kind", "etag"},
    relations={"customer": "customers", "related": "customers", "creator": "users"},
)
class CustomerRelation(Record[customer_relation_pb2.CustomerRelation], Node):
    pass


@derive(customer_relation_service_pb2.RelationGraphNode)
class RelationGraphNode(Record[customer_relation_service_pb2.RelationGraphNode]):
    pass


@derive(customer_relation_service_pb2.RelationGraph)
class RelationGraph(Record[customer_relation_service_pb2.RelationGraph]):
    pass


@strawberry.type(description="Somebody among those who decide at a customer.")
class DecisionNode:
    contact: Contact = strawberry.field(description="The person, with role, influence and stance.")
    depth: int = strawberry.field(description="How many people are above them: 0 for who reports to nobody.")
    reports: list["DecisionNode"] = strawberry.field(
        description="Who reports to them, those of more influence first.", default_factory=list
    )


@strawberry.type(description="Who decides at a customer, by whom they report to.")
class DecisionChain:
    nodes: list[DecisionNode] = strawberry.field(description="All of them, each after whom they report to.")
    roots: list[DecisionNode] = strawberry.field(description="Those who report to nobody, with whom they lead.")
    truncated: bool = strawberry.field(description="True if there are more than the 500 that fit.")

    @classmethod
    def of(cls, message: contact_service_pb2.DecisionChain) -> "DecisionChain":
        """The tree of a message, whose nodes follow those whom they report to."""
        nodes = [DecisionNode(contact=Contact(node.contact), depth=node.depth) for node in message.nodes]
        line: list[DecisionNode] = []
        roots: list[DecisionNode] = []
        for node in nodes:
            del line[node.depth :]
            (line[-1].reports if line else roots).append(node)
            line.append(node)
        return cls(nodes=nodes, roots=roots, truncated=message.truncated)


@derive(search_service_pb2.CustomerHit)
class CustomerHit(Record[search_service_pb2.CustomerHit]):
    pass


@derive(search_service_pb2.ContactHit)
class ContactHit(Record[search_service_pb2.ContactHit]):
    pass


@derive(search_service_pb2.SearchRecordsResponse)
class SearchResults(Record[search_service_pb2.SearchRecordsResponse]):
    pass
