"""Tiers, stages and their policies as their clients meet them, over gRPC, and the job that evaluates."""

import pytest
from chassis.callers import Reach
from chassis.filters import filter_from_json
from chassis.jobs.run import run_next
from chassis.testing.edge import running
from crm.common.v1 import filter_pb2, job_pb2
from crm.customers.v1 import lifecycle_service_pb2, rfm_pb2, rfm_service_pb2, tier_pb2, tier_service_pb2
from crm.customers.v1.lifecycle_service_pb2_grpc import LifecycleServiceStub
from crm.customers.v1.rfm_service_pb2_grpc import RfmServiceStub
from crm.customers.v1.tier_service_pb2_grpc import TierServiceStub
from customers.main import SERVICE
from customers.tiers import running as tier_runs
from customers.usecases import evaluate_tiers
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import text

from .conftest import over

PERMISSIONS = ("tier.configure", "tier.evaluate", "tier.lock", "customer.read", "purchase.read", "rfm.run")


@pytest.fixture(scope="module")
def edge(module_database):
    url = module_database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with running([SERVICE], {"customers": url}) as edge:
        yield edge


@pytest.fixture
def metadata(edge, organisation, market):
    with market.database.engine.begin() as connection:
        connection.execute(text("TRUNCATE job, job_file, job_error, idempotency_claim"))
    grants = dict.fromkeys(PERMISSIONS, Reach.ALL)
    return edge.metadata_for(organisation.boss.id, organisation.root, grants)


@pytest.fixture
def tiers(edge):
    return TierServiceStub(edge.channel)


def test_tiers_are_listed_by_position_changed_and_rid_of_their_rules(tiers, metadata):
    rule = filter_from_json(over("industry", "EQUAL", "光电"))
    draft = tier_pb2.Tier(code="s", display_name="战略", position=9, rule=rule)
    made = tiers.CreateTier(tier_service_pb2.CreateTierRequest(tier=draft), metadata=metadata)
    assert (made.code, made.position, made.rule, made.etag) == ("S", 9, rule, "v1")
    first = tiers.ListTiers(tier_service_pb2.ListTiersRequest(page_size=4), metadata=metadata)
    request = tier_service_pb2.ListTiersRequest(page_size=4, page_token=first.next_page_token)
    second = tiers.ListTiers(request, metadata=metadata)
    assert [tier.code for tier in [*first.tiers, *second.tiers]] == ["A", "B", "C", "D", "E", "S"]
    everybody = tier_pb2.Tier(name=made.name, rule=filter_pb2.Filter(), etag=made.etag)
    changed = tiers.UpdateTier(tier_service_pb2.UpdateTierRequest(tier=everybody), metadata=metadata)
    assert (changed.HasField("rule"), changed.rule, changed.display_name) == (True, filter_pb2.Filter(), "战略")
    none = tier_pb2.Tier(name=made.name)
    request = tier_service_pb2.UpdateTierRequest(tier=none, update_mask=FieldMask(paths=["rule", "display_name"]))
    changed = tiers.UpdateTier(request, metadata=metadata)
    assert (changed.HasField("rule"), changed.display_name) == (False, "S")


def test_an_evaluation_whose_process_dies_goes_on_where_it_stood(edge, tiers, metadata, market, monkeypatch):
    ids = sorted(market.customer() for _ in range(5))
    market.rules({"E": {}})
    monkeypatch.setattr(evaluate_tiers, "PART", 2)
    parts = []

    def dying(*given):
        parts.append(given[1])
        if len(parts) == 2:
            raise SystemExit
        return evaluate_tiers.evaluate_part(*given)

    monkeypatch.setattr(tier_runs, "evaluate_part", dying)
    request = tier_service_pb2.EvaluateTiersRequest()
    queued = tiers.EvaluateTiers(request, metadata=metadata)
    assert tiers.EvaluateTiers(request, metadata=metadata) == queued, "one that waits is enough"
    with pytest.raises(SystemExit):
        run_next(SERVICE, edge.runtimes["customers"])
    assert sum(level == "E" for level in market.rows("level").values()) == 2
    while run_next(SERVICE, edge.runtimes["customers"]):
        pass
    assert parts == [None, ids[1], ids[1], ids[3], ids[4]]
    done = tiers.GetTierRun(tier_service_pb2.GetTierRunRequest(name=queued.name), metadata=metadata)
    assert (done.state, done.evaluated_customers) == (job_pb2.JOB_STATE_SUCCEEDED, 5)
    assert (done.changed_tiers, done.changed_stages) == (5, 5)
    assert tiers.ListTierRuns(tier_service_pb2.ListTierRunsRequest(), metadata=metadata).tier_runs == [done]
    request = tier_service_pb2.ListTierChangesRequest(customer=f"customers/{ids[0]}")
    [change] = tiers.ListTierChanges(request, metadata=metadata).changes
    assert (change.after, change.origin, change.run) == ("E", tier_pb2.TIER_ORIGIN_RULE, queued.name)


def test_a_locked_tier_says_so(tiers, metadata, market):
    name = f"customers/{market.customer(level='B')}"
    lock = tier_service_pb2.LockCustomerTierRequest(customer=name, until="2026-12-31", reason="谈判中")
    locked = tiers.LockCustomerTier(lock, metadata=metadata)
    asked = tier_service_pb2.GetCustomerTierRequest(customer=name)
    assert tiers.GetCustomerTier(asked, metadata=metadata) == locked
    assert (locked.tier, locked.locked, locked.lock_until, locked.lock_reason) == ("B", True, "2026-12-31", "谈判中")
    unlocked = tiers.UnlockCustomerTier(
        tier_service_pb2.UnlockCustomerTierRequest(customer=name), metadata=metadata
    )  # fmt: skip
    assert unlocked == tiers.GetCustomerTier(asked, metadata=metadata) == tier_pb2.CustomerTier(customer=name, tier="B")


def test_policies_are_changed_field_by_field(edge, metadata):
    life, rfm = LifecycleServiceStub(edge.channel), RfmServiceStub(edge.channel)
    request = lifecycle_service_pb2.UpdateLifecyclePolicyRequest(
        policy=lifecycle_service_pb2.LifecyclePolicy(active_days=60, follow_ups_count=True)
    )
    changed = life.UpdateLifecyclePolicy(request, metadata=metadata)
    assert (changed.new_days, changed.active_days, changed.dormant_days, changed.follow_ups_count) == (
        30,
        60,
        365,
        True,
    )
    asked = lifecycle_service_pb2.GetLifecyclePolicyRequest()
    assert life.GetLifecyclePolicy(asked, metadata=metadata) == changed
    parameters = rfm_pb2.RfmParameters(period_days=90, base=rfm_pb2.RFM_BASE_PAYMENT)
    policy = rfm_pb2.RfmPolicy(parameters=parameters, nightly=False)
    mask = FieldMask(paths=["parameters", "nightly"])
    kept = rfm.UpdateRfmPolicy(
        rfm_service_pb2.UpdateRfmPolicyRequest(policy=policy, update_mask=mask), metadata=metadata
    )
    assert (kept.nightly, kept.parameters.period_days, kept.parameters.base) == (False, 90, rfm_pb2.RFM_BASE_PAYMENT)
    assert (kept.parameters.method, kept.keep_days, kept.keep_months) == (rfm_pb2.RFM_METHOD_INDEPENDENT, 35, 24)
    assert rfm.GetRfmPolicy(rfm_service_pb2.GetRfmPolicyRequest(), metadata=metadata) == kept
