"""ScoringService."""

from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.jobs import Job, JobState, create_job
from chassis.masks import changed_paths
from chassis.names import parse_name
from crm.leads.v1 import scoring_service_pb2 as pb
from crm.leads.v1 import scoring_service_pb2_grpc as pb_grpc
from sqlalchemy import select

from leads.scoring import mapping
from leads.scoring.models import PERMISSION, TRAININGS, model_row
from leads.scoring.rules import rules_in_force
from leads.scoring.scoring import explain
from leads.scoring.updating import update_scoring_rules


class ScoringServicer(pb_grpc.ScoringServiceServicer):
    """Implements ScoringService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetScoringRules(self, request: pb.GetScoringRulesRequest, context: Any) -> pb.ScoringRules:
        with self.calls.read() as session:
            return mapping.rules_to_proto(rules_in_force(session))

    def UpdateScoringRules(self, request: pb.UpdateScoringRulesRequest, context: Any) -> pb.ScoringRules:
        paths = changed_paths(request.rules, request.update_mask, mapping.RULE_FIELDS)
        changes = mapping.rule_changes(request.rules, paths)
        return self.calls.write(
            request,
            pb.ScoringRules,
            lambda session: mapping.rules_to_proto(update_scoring_rules(session, changes, request.rules.etag)),
        )

    def ExplainLeadScore(self, request: pb.ExplainLeadScoreRequest, context: Any) -> pb.LeadScoreExplanation:
        lead_id = parse_name("leads", request.lead, field="lead")
        with self.calls.read() as session:
            return mapping.explanation_to_proto(explain(session, lead_id))

    def GetScoringModel(self, request: pb.GetScoringModelRequest, context: Any) -> pb.ScoringModel:
        with self.calls.read() as session:
            return mapping.model_to_proto(model_row(session), _last_training(session))

    def TrainScoringModel(self, request: pb.TrainScoringModelRequest, context: Any) -> pb.ScoringModel:
        def train(session: ServiceSession) -> pb.ScoringModel:
            session.caller.require_everything(PERMISSION)
            last = _last_training(session)
            waiting = last is not None and last.state == JobState.QUEUED
            return mapping.model_to_proto(model_row(session), last if waiting else create_job(session, TRAININGS, {}))

        return self.calls.write(request, pb.ScoringModel, train)


def _last_training(session: ServiceSession) -> Job | None:
    newest = select(Job).where(Job.kind == TRAININGS).order_by(Job.create_time.desc(), Job.id.desc()).limit(1)
    return session.scalars(newest).first()
