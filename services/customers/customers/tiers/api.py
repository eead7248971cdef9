"""The gRPC methods of TierService and LifecycleService: open a transaction, call, map."""

from typing import Any

from chassis.calendars import parse_day
from chassis.calls import Calls
from chassis.jobs import get_job
from chassis.masks import changed_paths
from chassis.names import parse_name
from crm.customers.v1 import (
    lifecycle_service_pb2,
    lifecycle_service_pb2_grpc,
    tier_pb2,
    tier_service_pb2,
    tier_service_pb2_grpc,
)

from customers.model import Aspect
from customers.tiers import mapping, queries
from customers.tiers.evaluating import Evaluation
from customers.tiers.stages import policy_row
from customers.usecases.create_tier import FIELDS, create_tier
from customers.usecases.evaluate_tiers import JOBS, PERMISSION, queue_evaluation
from customers.usecases.lock_customer_tier import LockDraft, lock_customer_tier, unlock_customer_tier
from customers.usecases.update_lifecycle_policy import FIELDS as POLICY_FIELDS
from customers.usecases.update_lifecycle_policy import update_lifecycle_policy
from customers.usecases.update_tier import update_tier


class TierServicer(tier_service_pb2_grpc.TierServiceServicer):
    """Implements TierService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListTiers(self, request: tier_service_pb2.ListTiersRequest, context: Any) -> tier_service_pb2.ListTiersResponse:
        with self.calls.read() as session:
            page = queries.list_tiers(session, page_size=request.page_size, page_token=request.page_token)
        return tier_service_pb2.ListTiersResponse(
            tiers=map(mapping.tier_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateTier(self, request: tier_service_pb2.CreateTierRequest, context: Any) -> tier_pb2.Tier:
        values = mapping.values_from_proto(request.tier, mapping.stated(request.tier))
        return self.calls.write(
            request, tier_pb2.Tier, lambda session: mapping.tier_to_proto(create_tier(session, values))
        )

    def UpdateTier(self, request: tier_service_pb2.UpdateTierRequest, context: Any) -> tier_pb2.Tier:
        given = request.tier
        tier_id = parse_name("tiers", given.name)
        values = mapping.values_from_proto(given, changed_paths(given, request.update_mask, FIELDS))
        return self.calls.write(
            request,
            tier_pb2.Tier,
            lambda session: mapping.tier_to_proto(update_tier(session, tier_id, values, etag=given.etag)),
        )

    def PreviewTiers(self, request: tier_service_pb2.PreviewTiersRequest, context: Any) -> tier_pb2.TierPreview:
        drafts = mapping.drafts_from_proto(request.drafts)
        with self.calls.read() as session:
            session.caller.require_everything(PERMISSION)
            return mapping.preview_to_proto(*Evaluation(session, drafts).preview())

    def EvaluateTiers(self, request: tier_service_pb2.EvaluateTiersRequest, context: Any) -> tier_pb2.TierRun:
        return self.calls.write(
            request, tier_pb2.TierRun, lambda session: mapping.run_to_proto(queue_evaluation(session))
        )

    def GetTierRun(self, request: tier_service_pb2.GetTierRunRequest, context: Any) -> tier_pb2.TierRun:
        job_id = parse_name(JOBS, request.name)
        with self.calls.read() as session:
            return mapping.run_to_proto(get_job(session, JOBS, job_id, PERMISSION))

    def ListTierRuns(
        self, request: tier_service_pb2.ListTierRunsRequest, context: Any
    ) -> tier_service_pb2.ListTierRunsResponse:
        with self.calls.read() as session:
            page = queries.list_runs(session, page_size=request.page_size, page_token=request.page_token)
        return tier_service_pb2.ListTierRunsResponse(
            tier_runs=map(mapping.run_to_proto, page.rows), next_page_token=page.next_token
        )

    def GetCustomerTier(self, request: tier_service_pb2.GetCustomerTierRequest, context: Any) -> tier_pb2.CustomerTier:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            return mapping.customer_tier_to_proto(*queries.tier_of(session, customer_id))

    def LockCustomerTier(
        self, request: tier_service_pb2.LockCustomerTierRequest, context: Any
    ) -> tier_pb2.CustomerTier:
        draft = LockDraft(
            customer_id=parse_name("customers", request.customer, field="customer"),
            level=request.tier,
            until=parse_day(request.until, field="until") if request.until else None,
            reason=request.reason,
        )
        return self.calls.write(
            request,
            tier_pb2.CustomerTier,
            lambda session: mapping.customer_tier_to_proto(*lock_customer_tier(session, draft)),
        )

    def UnlockCustomerTier(
        self, request: tier_service_pb2.UnlockCustomerTierRequest, context: Any
    ) -> tier_pb2.CustomerTier:
        customer_id = parse_name("customers", request.customer, field="customer")
        return self.calls.write(
            request,
            tier_pb2.CustomerTier,
            lambda session: mapping.customer_tier_to_proto(unlock_customer_tier(session, customer_id), None),
        )

    def ListTierChanges(
        self, request: tier_service_pb2.ListTierChangesRequest, context: Any
    ) -> tier_service_pb2.ListTierChangesResponse:
        with self.calls.read() as session:
            page = queries.list_changes(
                session,
                parse_name("customers", request.customer, field="customer"),
                Aspect.TIER,
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return tier_service_pb2.ListTierChangesResponse(
            changes=map(mapping.change_to_proto, page.rows), next_page_token=page.next_token
        )


class LifecycleServicer(lifecycle_service_pb2_grpc.LifecycleServiceServicer):
    """Implements LifecycleService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetLifecyclePolicy(
        self, request: lifecycle_service_pb2.GetLifecyclePolicyRequest, context: Any
    ) -> lifecycle_service_pb2.LifecyclePolicy:
        with self.calls.read() as session:
            return mapping.policy_to_proto(policy_row(session))

    def UpdateLifecyclePolicy(
        self, request: lifecycle_service_pb2.UpdateLifecyclePolicyRequest, context: Any
    ) -> lifecycle_service_pb2.LifecyclePolicy:
        given = request.policy
        changes = {
            path: getattr(given, path) for path in changed_paths(given, request.update_mask, set(POLICY_FIELDS))
        }  # fmt: skip
        return self.calls.write(
            request,
            lifecycle_service_pb2.LifecyclePolicy,
            lambda session: mapping.policy_to_proto(update_lifecycle_policy(session, changes, given.etag)),
        )

    def ListLifecycleChanges(
        self, request: lifecycle_service_pb2.ListLifecycleChangesRequest, context: Any
    ) -> lifecycle_service_pb2.ListLifecycleChangesResponse:
        with self.calls.read() as session:
            page = queries.list_changes(
                session,
                parse_name("customers", request.customer, field="customer"),
                Aspect.STAGE,
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return lifecycle_service_pb2.ListLifecycleChangesResponse(
            changes=map(mapping.change_to_proto, page.rows), next_page_token=page.next_token
        )
