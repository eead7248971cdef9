"""The scores of a thousand customers, over gRPC: purchases are told, days analysed, and scores read page by page."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from chassis.callers import Reach
from chassis.jobs.run import run_next
from chassis.testing.edge import Edge, running
from crm.common.v1 import money_pb2
from crm.customers.v1 import purchase_pb2, purchase_service_pb2, rfm_pb2, rfm_service_pb2
from crm.customers.v1.purchase_service_pb2_grpc import PurchaseServiceStub
from crm.customers.v1.rfm_service_pb2_grpc import RfmServiceStub
from customers.main import SERVICE

from .test_rfm import DAY, expected, fixture

GRANTS = {"purchase.record": Reach.ALL, "purchase.read": Reach.ALL, "rfm.run": Reach.ALL}
LAST_MONTH = DAY - timedelta(days=30)
AT_ONCE = 200
NOON = timedelta(hours=4)
"""In China."""


@pytest.fixture(scope="module")
def edge(module_database: Any) -> Iterator[Edge]:
    url = module_database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with running([SERVICE], {"customers": url}) as edge:
        yield edge


class Shop:
    """The two services, for somebody who may record and read everything."""

    def __init__(self, edge: Edge, organisation: Any) -> None:
        self.edge, self.metadata = edge, edge.metadata_for(organisation.boss.id, organisation.root, GRANTS)
        self.purchases, self.rfm = PurchaseServiceStub(edge.channel), RfmServiceStub(edge.channel)
        self.told = 0

    def tell(self, rows: list[tuple[Any, date, str, Decimal]]) -> None:
        """Record purchases as another system does."""
        for start in range(0, len(rows), AT_ONCE):
            part = [self._purchase(*row) for row in rows[start : start + AT_ONCE]]
            request = purchase_service_pb2.RecordPurchasesRequest(purchases=part)
            outcomes = self.purchases.RecordPurchases(request, metadata=self.metadata).outcomes
            assert all(one.created for one in outcomes)

    def _purchase(self, customer: Any, day: date, kind: str, amount: Decimal) -> purchase_pb2.Purchase:
        self.told += 1
        return purchase_pb2.Purchase(
            customer=f"customers/{customer}",
            source="erp",
            external_id=f"SO-{self.told}",
            kind=f"PURCHASE_KIND_{kind}",
            time=datetime(day.year, day.month, day.day, tzinfo=UTC) + NOON,
            amount=money_pb2.Money(currency_code="CNY", amount=str(amount)),
        )

    def analyse(self, day: date) -> dict[Any, tuple[Any, ...]]:
        """Analyse a day, and read all scores of it."""
        self.rfm.RunRfm(rfm_service_pb2.RunRfmRequest(analysis_date=str(day)), metadata=self.metadata)
        while run_next(SERVICE, self.edge.runtimes["customers"]):
            pass
        return self.scores(day)

    def scores(self, day: date) -> dict[Any, tuple[Any, ...]]:
        """Customer → what it is scored by, its scores, segment and type."""
        found, token = {}, ""
        while True:
            request = rfm_service_pb2.ListRfmScoresRequest(analysis_date=str(day), page_size=AT_ONCE, page_token=token)
            page = self.rfm.ListRfmScores(request, metadata=self.metadata)
            found |= {one.customer.partition("/")[2]: _told(one) for one in page.scores}
            token = page.next_page_token
            if not token:
                return found


def _told(score: rfm_pb2.RfmScore) -> tuple[Any, ...]:
    r, f, m = score.recency_score, score.frequency_score, score.monetary_score
    assert score.code == r * 100 + f * 10 + m
    return (
        score.recency_days,
        score.frequency,
        Decimal(score.monetary),
        *(r, f, m),
        rfm_pb2.RfmSegment.Name(score.segment).removeprefix("RFM_SEGMENT_"),
        rfm_pb2.RfmType.Name(score.type).removeprefix("RFM_TYPE_"),
    )


def _wanted(rows: list[tuple[Any, date, str, Decimal]], day: date) -> dict[str, tuple[Any, ...]]:
    return {str(customer): scores for customer, scores in expected(rows, day).items()}


@pytest.mark.feature("B10")
def test_a_thousand_customers_score_by_the_published_rule_and_an_earlier_day_as_then(
    edge: Edge, shop: Any, organisation: Any
) -> None:
    rows = fixture(shop.customers(1000))
    then = [row for row in rows if row[1] <= LAST_MONTH]
    client = Shop(edge, organisation)
    client.tell(then)
    last_month = client.analyse(LAST_MONTH)
    assert last_month == _wanted(then, LAST_MONTH)
    client.tell([row for row in rows if row[1] > LAST_MONTH])
    now = client.analyse(DAY)
    assert now == _wanted(rows, DAY)
    assert len(now) > 400
    for at in range(3):  # ties: equal values have equal scores, and there are many
        pairs = {(row[at], row[3 + at]) for row in now.values()}
        assert len(pairs) == len({value for value, _ in pairs}) < len(now) / 2
    assert client.scores(LAST_MONTH) == last_month != now
    assert client.analyse(LAST_MONTH) == last_month, "what was bought later does not count"
