"""The gRPC methods of PoolService: open a transaction, call, map."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from chassis.calendars import parse_day
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name, parse_optional_name
from crm.customers.v1 import customer_pb2, pool_pb2, pool_service_pb2, pool_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from customers import queries
from customers.holders import Held
from customers.mapping import customer_to_proto, parse_names
from customers.pools import flow, mapping
from customers.pools import queries as pool_queries
from customers.pools.access import open_pools, pool_of_member
from customers.pools.precedence import explain
from customers.usecases.assign_pool_customers import assign_pool_customers
from customers.usecases.claim_customers import claim_customers
from customers.usecases.claim_next_customers import Sight, claim_next_customers
from customers.usecases.create_pool import create_pool
from customers.usecases.delete_pool import delete_pool
from customers.usecases.lock_customer import lock_customer
from customers.usecases.move_pool_customers import move_pool_customers
from customers.usecases.release_customer import recall_customer, release_customer
from customers.usecases.update_pool import update_pool
from customers.usecases.view_pool_customer import view_pool_customer


class PoolServicer(pool_service_pb2_grpc.PoolServiceServicer):
    """Implements PoolService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetPool(self, request: pool_service_pb2.GetPoolRequest, context: Any) -> pool_pb2.Pool:
        with self.calls.read() as session:
            return mapping.pool_to_proto(pool_of_member(session, parse_name("pools", request.name)))

    def ListPools(self, request: pool_service_pb2.ListPoolsRequest, context: Any) -> pool_service_pb2.ListPoolsResponse:
        with self.calls.read() as session:
            page = pool_queries.list_pools(session, page_size=request.page_size, page_token=request.page_token)
            return pool_service_pb2.ListPoolsResponse(
                pools=map(mapping.pool_to_proto, page.rows), next_page_token=page.next_token
            )

    def CreatePool(self, request: pool_service_pb2.CreatePoolRequest, context: Any) -> pool_pb2.Pool:
        draft = mapping.draft_from_proto(request.pool)
        return self.calls.write(
            request, pool_pb2.Pool, lambda session: _opened(session, create_pool(session, draft).id)
        )

    def UpdatePool(self, request: pool_service_pb2.UpdatePoolRequest, context: Any) -> pool_pb2.Pool:
        pool_id = parse_name("pools", request.pool.name)
        draft = mapping.draft_from_proto(request.pool, request.update_mask)
        return self.calls.write(
            request,
            pool_pb2.Pool,
            lambda session: _opened(session, update_pool(session, pool_id, draft, request.pool.etag).id),
        )

    def DeletePool(self, request: pool_service_pb2.DeletePoolRequest, context: Any) -> Empty:
        pool_id = parse_name("pools", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_pool(session, pool_id, request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def ListPoolRuleVersions(
        self, request: pool_service_pb2.ListPoolRuleVersionsRequest, context: Any
    ) -> pool_service_pb2.ListPoolRuleVersionsResponse:
        pool_id = parse_name("pools", request.pool, field="pool")
        with self.calls.read() as session:
            page = pool_queries.list_rule_versions(
                session, pool_id, page_size=request.page_size, page_token=request.page_token
            )
        return pool_service_pb2.ListPoolRuleVersionsResponse(
            versions=map(mapping.version_to_proto, page.rows), next_page_token=page.next_token
        )

    def ListPoolCustomers(
        self, request: pool_service_pb2.ListPoolCustomersRequest, context: Any
    ) -> pool_service_pb2.ListPoolCustomersResponse:
        pool_id = parse_name("pools", request.pool, field="pool")
        with self.calls.read() as session:
            pool, page = pool_queries.list_pool_customers(
                session,
                pool_id,
                conditions=request.filter,
                query=request.search,
                page_size=request.page_size,
                page_token=request.page_token,
            )
        hidden = pool_queries.hidden_fields(pool)
        return pool_service_pb2.ListPoolCustomersResponse(
            customers=[mapping.pooled_to_proto(row, hidden) for row in page.rows], next_page_token=page.next_token
        )

    def CountPoolCustomers(
        self, request: pool_service_pb2.CountPoolCustomersRequest, context: Any
    ) -> pool_service_pb2.CountPoolCustomersResponse:
        pool_id = parse_name("pools", request.pool, field="pool")
        with self.calls.read() as session:
            count = pool_queries.count_pool_customers(session, pool_id, conditions=request.filter, query=request.search)
        return pool_service_pb2.CountPoolCustomersResponse(count=count)

    def GetPoolCustomer(self, request: pool_service_pb2.GetPoolCustomerRequest, context: Any) -> customer_pb2.Customer:
        customer_id = parse_name("customers", request.name)
        with self.calls.transaction(unaudited="a read; only how many were opened today is counted") as session:
            row, pool = view_pool_customer(session, customer_id)
        return mapping.pooled_to_proto(row, pool_queries.hidden_fields(pool))

    def ClaimCustomers(
        self, request: pool_service_pb2.ClaimCustomersRequest, context: Any
    ) -> pool_service_pb2.ClaimCustomersResponse:
        ids = parse_names("customers", request.names, field="names")
        return self.calls.write(
            request,
            pool_service_pb2.ClaimCustomersResponse,
            lambda session: pool_service_pb2.ClaimCustomersResponse(
                outcomes=map(mapping.outcome_to_proto, claim_customers(session, ids))
            ),
        )

    def ClaimNextCustomers(
        self, request: pool_service_pb2.ClaimNextCustomersRequest, context: Any
    ) -> pool_service_pb2.ClaimNextCustomersResponse:
        pool_id = parse_name("pools", request.pool, field="pool")

        sights: list[Sight] = []

        def ahead(session: ServiceSession) -> Callable[[], None]:
            sights.append(Sight(session, pool_id))
            return sights[-1].send

        def claim(session: ServiceSession) -> pool_service_pb2.ClaimNextCustomersResponse:
            rows = claim_next_customers(session, sights[-1], request.count or 1, request.filter)
            return pool_service_pb2.ClaimNextCustomersResponse(customers=map(customer_to_proto, rows))

        return self.calls.write(request, pool_service_pb2.ClaimNextCustomersResponse, claim, ahead=ahead)

    def AssignPoolCustomers(
        self, request: pool_service_pb2.AssignPoolCustomersRequest, context: Any
    ) -> pool_service_pb2.AssignPoolCustomersResponse:
        ids = parse_names("customers", request.names, field="names")
        owner_id = parse_name("users", request.owner, field="owner")
        return self.calls.write(
            request,
            pool_service_pb2.AssignPoolCustomersResponse,
            lambda session: pool_service_pb2.AssignPoolCustomersResponse(
                outcomes=map(mapping.outcome_to_proto, assign_pool_customers(session, ids, owner_id, request.note))
            ),
        )

    def MovePoolCustomers(
        self, request: pool_service_pb2.MovePoolCustomersRequest, context: Any
    ) -> pool_service_pb2.MovePoolCustomersResponse:
        ids = parse_names("customers", request.names, field="names")
        pool_id = parse_name("pools", request.pool, field="pool")
        return self.calls.write(
            request,
            pool_service_pb2.MovePoolCustomersResponse,
            lambda session: pool_service_pb2.MovePoolCustomersResponse(
                outcomes=map(mapping.outcome_to_proto, move_pool_customers(session, ids, pool_id, request.note))
            ),
        )

    def ReleaseCustomer(self, request: pool_service_pb2.ReleaseCustomerRequest, context: Any) -> customer_pb2.Customer:
        return self._to_pool(request, release_customer)

    def RecallCustomer(self, request: pool_service_pb2.RecallCustomerRequest, context: Any) -> customer_pb2.Customer:
        return self._to_pool(request, recall_customer)

    def _to_pool(self, request: Any, give: Any) -> customer_pb2.Customer:
        customer_id = parse_name("customers", request.name)
        pool_id = parse_optional_name("pools", request.pool, field="pool")

        def move(session: ServiceSession) -> customer_pb2.Customer:
            give(session, customer_id, pool_id=pool_id, reason=request.reason, note=request.note, etag=request.etag)
            return _customer(session, customer_id)

        return self.calls.write(request, customer_pb2.Customer, move)

    def LockCustomer(self, request: pool_service_pb2.LockCustomerRequest, context: Any) -> customer_pb2.Customer:
        customer_id = parse_name("customers", request.name)

        def lock(session: ServiceSession) -> customer_pb2.Customer:
            lock_customer(session, customer_id, locked=request.locked, etag=request.etag)
            return _customer(session, customer_id)

        return self.calls.write(request, customer_pb2.Customer, lock)

    def ExplainPool(
        self, request: pool_service_pb2.ExplainPoolRequest, context: Any
    ) -> pool_service_pb2.ExplainPoolResponse:
        with self.calls.read() as session:
            row = queries.get_customer(session, parse_name("customers", request.name))
            return mapping.explanation_to_proto(explain(session, Held.of(row)))

    def ListHoldingChanges(
        self, request: pool_service_pb2.ListHoldingChangesRequest, context: Any
    ) -> pool_service_pb2.ListHoldingChangesResponse:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            page = pool_queries.list_holding_changes(
                session, customer_id, page_size=request.page_size, page_token=request.page_token
            )
        return pool_service_pb2.ListHoldingChangesResponse(
            changes=map(mapping.change_to_proto, page.rows), next_page_token=page.next_token
        )

    def GetPoolFlow(self, request: pool_service_pb2.GetPoolFlowRequest, context: Any) -> pool_service_pb2.PoolFlow:
        first = parse_day(request.from_date, field="from_date")
        last = parse_day(request.to_date, field="to_date")
        with self.calls.read() as session:
            return mapping.flow_to_proto(flow.flow(session, first, last))


def _opened(session: ServiceSession, pool_id: UUID) -> pool_pb2.Pool:
    return mapping.pool_to_proto(open_pools(session, [pool_id])[pool_id])


def _customer(session: ServiceSession, customer_id: UUID) -> customer_pb2.Customer:
    session.flush()
    return customer_to_proto(queries.any_customer(session, customer_id))
