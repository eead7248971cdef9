"""What customers of the sample company have ordered, and the tiers and scores that the company sorts them by."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random

from crm.common.v1 import money_pb2
from crm.customers.v1 import (
    purchase_pb2,
    purchase_service_pb2,
    purchase_service_pb2_grpc,
    rfm_service_pb2,
    rfm_service_pb2_grpc,
    tier_pb2,
    tier_service_pb2,
    tier_service_pb2_grpc,
)

from local_suite.client import SuiteClient
from local_suite.sample.customers import SampleCustomer

BATCH = 500
TIERS = {
    "A": ("战略客户", "#D4AF37"),
    "B": ("重点客户", "#1E90FF"),
    "C": ("普通客户", "#2E8B57"),
    "D": ("小客户", "#808080"),
    "E": ("待观察", "#C0C0C0"),
}
LAST_DAYS = {"WON": (1, 80), "DORMANT": (120, 300), "LOST": (400, 700)}
"""By status: how many days ago a customer ordered last, at least and at most."""


def record_purchases(
    suite: SuiteClient,
    request_id: Callable[[str, str], str],
    customers: Iterable[SampleCustomer],
    names: Mapping[str, str],
    now: datetime,
) -> None:
    """Tell what customers ordered, name the tiers, and have everybody scored and evaluated once."""
    stub = purchase_service_pb2_grpc.PurchaseServiceStub(suite.customers)
    orders = list(_orders(customers, names, now))
    for start in range(0, len(orders), BATCH):
        request = purchase_service_pb2.RecordPurchasesRequest(
            purchases=orders[start : start + BATCH], request_id=request_id("purchases", str(start))
        )
        answer = stub.RecordPurchases(request, metadata=suite.admin, timeout=60)
        if refused := [one.reason for one in answer.outcomes if one.reason]:
            raise RuntimeError(f"purchases of the sample were refused: {refused}")
    _name_tiers(suite, request_id)
    rfm_service_pb2_grpc.RfmServiceStub(suite.customers).RunRfm(
        rfm_service_pb2.RunRfmRequest(request_id=request_id("rfm", "first")), metadata=suite.admin, timeout=10
    )
    tier_service_pb2_grpc.TierServiceStub(suite.customers).EvaluateTiers(
        tier_service_pb2.EvaluateTiersRequest(request_id=request_id("tiers", "first")),
        metadata=suite.admin,
        timeout=10,
    )


def _name_tiers(suite: SuiteClient, request_id: Callable[[str, str], str]) -> None:
    stub = tier_service_pb2_grpc.TierServiceStub(suite.customers)
    listed = stub.ListTiers(tier_service_pb2.ListTiersRequest(), metadata=suite.admin, timeout=10)
    for tier in listed.tiers:
        if tier.code in TIERS:
            name, colour = TIERS[tier.code]
            request = tier_service_pb2.UpdateTierRequest(
                tier=tier_pb2.Tier(name=tier.name, display_name=name, colour=colour),
                request_id=request_id("tier", tier.code),
            )
            stub.UpdateTier(request, metadata=suite.admin, timeout=10)


def _orders(
    customers: Iterable[SampleCustomer], names: Mapping[str, str], now: datetime
) -> Iterator[purchase_pb2.Purchase]:
    for customer in customers:
        random = Random(customer.number)
        ago = random.randint(*LAST_DAYS.get(customer.status, (0, 0)))
        for number in range(random.randint(1, 4) if ago else 0):
            amount = money_pb2.Money(currency_code="CNY", amount=f"{random.randint(20, 4_000) * 50}.00")
            order = purchase_pb2.Purchase(
                customer=names[customer.external_id],
                source="erp",
                external_id=f"{customer.external_id}-{now:%Y%m%d}-{number}",
                kind=purchase_pb2.PURCHASE_KIND_ORDER,
                amount=amount,
            )
            order.time.FromDatetime(now - timedelta(days=ago, hours=random.randint(0, 8)))
            yield order
            ago += random.randint(10, 120)
