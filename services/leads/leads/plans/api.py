"""PlanService."""

from collections.abc import Callable
from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.organisation import organisation
from crm.leads.v1 import plan_pb2, plan_service_pb2, plan_service_pb2_grpc

from leads.mapping import follow_up_to_proto
from leads.model import Plan
from leads.plans import mapping, queries
from leads.plans.cancel import cancel_plan
from leads.plans.complete import complete_plan
from leads.plans.create import Outcome, create_plan
from leads.plans.move import move_plan
from leads.plans.records import read_record, read_records
from leads.plans.respond import respond_to_plan
from leads.plans.rules import rules_row, update_plan_rules
from leads.plans.update import update_plan
from leads.reachable import Customers
from leads.subjects import parse_subject


class PlanServicer(plan_service_pb2_grpc.PlanServiceServicer):
    """Implements PlanService."""

    def __init__(self, calls: Calls, customers: Customers) -> None:
        self.calls = calls
        self.customers = customers

    def GetPlan(self, request: plan_service_pb2.GetPlanRequest, context: Any) -> plan_pb2.Plan:
        with self.calls.read() as session:
            return _shown(session, queries.get_plan(session, parse_name("plans", request.name)))

    def ListPlans(self, request: plan_service_pb2.ListPlansRequest, context: Any) -> plan_service_pb2.ListPlansResponse:
        with self.calls.read() as session:
            page = queries.list_plans(
                session,
                subject=parse_subject(request.subject) if request.subject else None,
                conditions=request.filter,
                order_by=request.order_by,
                page_size=request.page_size,
                page_token=request.page_token,
            )
            plans = [mapping.plan_to_proto(record) for record in read_records(session, page.rows)]
        return plan_service_pb2.ListPlansResponse(plans=plans, next_page_token=page.next_token)

    def CreatePlan(self, request: plan_service_pb2.CreatePlanRequest, context: Any) -> plan_pb2.PlanOutcome:
        def create(session: ServiceSession) -> Outcome:
            draft = mapping.draft_of(request.plan, organisation(session).zone.key)
            return create_plan(session, draft, self.customers)

        return self._outcome(request, create)

    def UpdatePlan(self, request: plan_service_pb2.UpdatePlanRequest, context: Any) -> plan_pb2.PlanOutcome:
        plan_id, patch = parse_name("plans", request.plan.name), mapping.patch_of(request)
        return self._outcome(
            request,
            lambda session: update_plan(
                session,
                plan_id,
                patch,
                self.customers,
                following=mapping.time_of(request, "following_time"),
                etag=request.plan.etag,
            ),
        )

    def MovePlan(self, request: plan_service_pb2.MovePlanRequest, context: Any) -> plan_pb2.PlanOutcome:
        plan_id = parse_name("plans", request.name)
        return self._outcome(
            request,
            lambda session: move_plan(
                session,
                plan_id,
                mapping.time_of(request, "start_time"),
                mapping.time_of(request, "end_time"),
                occurrence_time=mapping.time_of(request, "occurrence_time"),
                following=request.following,
                time_zone=request.time_zone,
                etag=request.etag,
            ),
        )

    def CancelPlan(self, request: plan_service_pb2.CancelPlanRequest, context: Any) -> plan_pb2.Plan:
        plan_id = parse_name("plans", request.name)
        return self._write(
            request,
            lambda session: cancel_plan(
                session,
                plan_id,
                occurrence_time=mapping.time_of(request, "occurrence_time"),
                following=request.following,
                reason=request.reason,
                etag=request.etag,
            ),
        )

    def CompletePlan(
        self, request: plan_service_pb2.CompletePlanRequest, context: Any
    ) -> plan_service_pb2.CompletePlanResponse:
        plan_id, stated = parse_name("plans", request.name), mapping.follow_up_of(request)

        def complete(session: ServiceSession) -> plan_service_pb2.CompletePlanResponse:
            plan, logged = complete_plan(
                session,
                plan_id,
                self.customers,
                occurrence_time=mapping.time_of(request, "occurrence_time"),
                result=request.result,
                follow_up=stated,
                etag=request.etag,
            )
            follow_up = follow_up_to_proto(logged) if logged is not None else None
            return plan_service_pb2.CompletePlanResponse(plan=_shown(session, plan), follow_up=follow_up)

        return self.calls.write(request, plan_service_pb2.CompletePlanResponse, complete)

    def RespondToPlan(self, request: plan_service_pb2.RespondToPlanRequest, context: Any) -> plan_pb2.Plan:
        plan_id, response = parse_name("plans", request.name), mapping.response_of(request)
        return self._write(request, lambda session: respond_to_plan(session, plan_id, response))

    def GetPlanRules(self, request: plan_service_pb2.GetPlanRulesRequest, context: Any) -> plan_pb2.PlanRules:
        with self.calls.read() as session:
            return mapping.rules_to_proto(rules_row(session))

    def UpdatePlanRules(self, request: plan_service_pb2.UpdatePlanRulesRequest, context: Any) -> plan_pb2.PlanRules:
        changes = mapping.rule_changes(request)
        return self.calls.write(
            request,
            plan_pb2.PlanRules,
            lambda session: mapping.rules_to_proto(update_plan_rules(session, changes, request.rules.etag)),
        )

    def _write(self, request: Any, change: Callable[[ServiceSession], Plan]) -> plan_pb2.Plan:
        return self.calls.write(request, plan_pb2.Plan, lambda session: _shown(session, change(session)))

    def _outcome(self, request: Any, change: Callable[[ServiceSession], Outcome]) -> plan_pb2.PlanOutcome:
        def answer(session: ServiceSession) -> plan_pb2.PlanOutcome:
            outcome = change(session)
            return mapping.outcome_to_proto(read_record(session, outcome.plan), outcome)

        return self.calls.write(request, plan_pb2.PlanOutcome, answer)


def _shown(session: ServiceSession, plan: Plan) -> plan_pb2.Plan:
    return mapping.plan_to_proto(read_record(session, plan))
