"""Purchases and scores as their clients meet them, over gRPC."""

from datetime import timedelta

import grpc
import pytest
from chassis.callers import Reach
from chassis.jobs.run import run_next
from chassis.testing.edge import running
from crm.common.v1 import job_pb2, money_pb2
from crm.customers.v1 import purchase_pb2, purchase_service_pb2, rfm_pb2, rfm_service_pb2
from crm.customers.v1.purchase_service_pb2_grpc import PurchaseServiceStub
from crm.customers.v1.rfm_service_pb2_grpc import RfmServiceStub
from customers.main import SERVICE
from customers.model.purchases import PurchaseKind
from customers.purchases.rfm import SEGMENT_CODES, TYPE_CODES, RfmBase, RfmMethod

GRANTS = {"purchase.record": Reach.ALL, "purchase.read": Reach.ALL, "rfm.run": Reach.ALL}


@pytest.fixture(scope="module")
def edge(module_database):
    url = module_database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with running([SERVICE], {"customers": url}) as edge:
        yield edge


def test_the_codes_are_those_of_the_contract():
    for enum, prefix, codes in (
        (purchase_pb2.PurchaseKind, "PURCHASE_KIND", PurchaseKind),
        (rfm_pb2.RfmBase, "RFM_BASE", RfmBase),
        (rfm_pb2.RfmMethod, "RFM_METHOD", RfmMethod),
        (rfm_pb2.RfmSegment, "RFM_SEGMENT", SEGMENT_CODES),
        (rfm_pb2.RfmType, "RFM_TYPE", TYPE_CODES),
    ):
        assert enum.keys() == [f"{prefix}_UNSPECIFIED", *(f"{prefix}_{code}" for code in codes)]


def test_an_analysis_is_a_job_that_ends_with_scores(edge, shop, organisation, clock):
    metadata = edge.metadata_for(organisation.boss.id, organisation.root, GRANTS)
    purchases, rfm = PurchaseServiceStub(edge.channel), RfmServiceStub(edge.channel)
    customer = f"customers/{shop.customer('上海华诚科技有限公司')}"
    bought = purchase_pb2.Purchase(
        customer=customer,
        source="erp",
        external_id="SO-1",
        kind=purchase_pb2.PURCHASE_KIND_ORDER,
        time=clock.now - timedelta(days=3),
        amount=money_pb2.Money(currency_code="CNY", amount="12.5"),
    )
    request = purchase_service_pb2.RecordPurchasesRequest(purchases=[bought, purchase_pb2.Purchase()])
    good, bad = purchases.RecordPurchases(request, metadata=metadata).outcomes
    assert good.created
    assert (bad.created, bad.name, bad.reason) == (False, "", "REQUIRED")
    [listed] = purchases.ListPurchases(
        purchase_service_pb2.ListPurchasesRequest(customer=customer), metadata=metadata
    ).purchases
    assert (listed.name, listed.amount.amount, listed.base_amount) == (good.name, "12.50", "12.50")

    run = rfm.RunRfm(rfm_service_pb2.RunRfmRequest(analysis_date="2026-03-02"), metadata=metadata)
    assert (run.state, run.parameters.period_days) == (job_pb2.JOB_STATE_QUEUED, 365)
    assert (run.parameters.base, run.parameters.method) == (rfm_pb2.RFM_BASE_ORDER, rfm_pb2.RFM_METHOD_INDEPENDENT)
    with pytest.raises(grpc.RpcError, match="start one"):
        rfm.GetRfmScore(rfm_service_pb2.GetRfmScoreRequest(customer=customer), metadata=metadata)
    while run_next(SERVICE, edge.runtimes["customers"]):
        pass
    done = rfm.GetRfmRun(rfm_service_pb2.GetRfmRunRequest(name=run.name), metadata=metadata)
    assert (done.state, done.customer_count) == (job_pb2.JOB_STATE_SUCCEEDED, 1)
    assert rfm.ListRfmRuns(rfm_service_pb2.ListRfmRunsRequest(), metadata=metadata).runs == [done]
    score = rfm.GetRfmScore(rfm_service_pb2.GetRfmScoreRequest(customer=customer), metadata=metadata)
    assert (score.run, score.recency_days, score.code, score.monetary) == (run.name, 3, 111, "12.50")
    listed = rfm.ListRfmScores(
        rfm_service_pb2.ListRfmScoresRequest(segments=[rfm_pb2.RFM_SEGMENT_LOST]), metadata=metadata
    )
    assert (list(listed.scores), listed.run) == ([score], done)
    summary = rfm.GetRfmSummary(rfm_service_pb2.GetRfmSummaryRequest(), metadata=metadata)
    assert {line.segment: line.customer_count for line in summary.segments if line.customer_count} == {
        rfm_pb2.RFM_SEGMENT_LOST: 1
    }
