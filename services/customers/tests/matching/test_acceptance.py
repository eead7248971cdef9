"""Labelled pairs of names, judged as people meet it, over gRPC: one name is there, the other one is being entered."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chassis.callers import Reach
from chassis.names import new_id
from chassis.testing.edge import Edge, running
from crm.customers.v1 import customer_pb2, customer_service_pb2, duplicate_service_pb2
from crm.customers.v1.customer_service_pb2_grpc import CustomerServiceStub
from crm.customers.v1.duplicate_service_pb2_grpc import DuplicateServiceStub
from customers.main import SERVICE
from customers.matching import LIKELY, Profile
from customers.matching.evaluate import Figures, name_pairs

DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[4].parent / "shared" / "data"))
GRANTS = {"customer.read": Reach.ALL, "customer.create": Reach.ALL}
ONE, OTHER = "91310000775785552L", "91110108551385082Q"


@pytest.fixture(scope="module")
def edge(make_database: Any) -> Iterator[Edge]:
    with running([SERVICE], {"customers": make_database("customers", SERVICE.migrations)}) as edge:
        yield edge


class Desk:
    """Somebody who enters customers."""

    def __init__(self, edge: Edge) -> None:
        self.metadata = edge.metadata_for(new_id(), f"{new_id()}/", GRANTS)
        self.customers, self.duplicates = CustomerServiceStub(edge.channel), DuplicateServiceStub(edge.channel)

    def enter(self, **values: Any) -> str:
        """Enter a company. Returns its resource name."""
        draft = customer_pb2.Customer(kind=customer_pb2.CUSTOMER_KIND_COMPANY, **values)
        request = customer_service_pb2.CreateCustomerRequest(customer=draft, request_id=str(new_id()))
        return str(self.customers.CreateCustomer(request, metadata=self.metadata).name)

    def told(self, **values: Any) -> dict[str, float]:
        """The likely duplicates of a company about to be entered, with their scores."""
        draft = customer_pb2.Customer(kind=customer_pb2.CUSTOMER_KIND_COMPANY, **values)
        request = duplicate_service_pb2.FindDuplicateCustomersRequest(customer=draft)
        found = self.duplicates.FindDuplicateCustomers(request, metadata=self.metadata)
        return {one.customer: one.score for one in found.candidates}


@pytest.fixture
def desk(edge: Edge) -> Desk:
    return Desk(edge)


@pytest.mark.feature("B11")
def test_the_two_spellings_of_the_catalogue_are_one_firm_unless_their_codes_differ(desk: Desk) -> None:
    there = desk.enter(display_name="上海华诚科技有限公司", credit_code=ONE)
    assert desk.told(display_name="华诚科技(上海)公司")[there] >= LIKELY
    assert desk.told(display_name="华诚科技(上海)公司", credit_code=OTHER) == {}


@pytest.mark.feature("B11")
@pytest.mark.skipif(not (DATA / "zh_companies_uscc").is_dir(), reason=f"no labelled names in {DATA}: set SHARED_DATA")
def test_of_five_hundred_labelled_pairs_nearly_all_are_told_right(desk: Desk) -> None:
    pairs = name_pairs(DATA, held_out=True)
    assert (len(pairs), sum(same for _, _, same in pairs)) == (500, 250)
    there: dict[str, str] = {}
    for one, _, _ in pairs:
        if one.name not in there:
            there[one.name] = desk.enter(display_name=one.name)
    figures = _judged(desk, pairs, there)
    assert figures.precision >= 0.95
    assert figures.recall >= 0.9


def _judged(desk: Desk, pairs: list[tuple[Profile, Profile, bool]], there: dict[str, str]) -> Figures:
    hits = false = missed = 0
    for one, other, same in pairs:
        told = there[one.name] in desk.told(display_name=other.name)
        hits, false, missed = hits + (told and same), false + (told and not same), missed + (same and not told)
    return Figures(hits, false, missed)
