"""The gRPC methods of PlaybookService: open a transaction, call, map."""

from typing import Any
from uuid import UUID

from chassis.calls import Calls
from chassis.errors import Invalid
from chassis.masks import changed_paths
from chassis.names import parse_name
from crm.leads.v1 import playbook_pb2, playbook_service_pb2, playbook_service_pb2_grpc

from leads.playbooks import mapping, queries
from leads.playbooks.content import Content
from leads.playbooks.editing import FIELDS, create_playbook, update_playbook
from leads.playbooks.moving import move_lead_stage, start_playbook


class PlaybookServicer(playbook_service_pb2_grpc.PlaybookServiceServicer):
    """Implements PlaybookService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetPlaybook(self, request: playbook_service_pb2.GetPlaybookRequest, context: Any) -> playbook_pb2.Playbook:
        playbook_id = parse_name("playbooks", request.name)
        with self.calls.read() as session:
            return mapping.playbook_to_proto(*queries.get_playbook(session, playbook_id, request.version))

    def ListPlaybooks(
        self, request: playbook_service_pb2.ListPlaybooksRequest, context: Any
    ) -> playbook_service_pb2.ListPlaybooksResponse:
        with self.calls.read() as session:
            page = queries.list_playbooks(session, page_size=request.page_size, page_token=request.page_token)
        return playbook_service_pb2.ListPlaybooksResponse(
            playbooks=[mapping.playbook_to_proto(*pair) for pair in page.rows], next_page_token=page.next_token
        )

    def CreatePlaybook(
        self, request: playbook_service_pb2.CreatePlaybookRequest, context: Any
    ) -> playbook_pb2.Playbook:
        given = request.playbook
        values = mapping.values_from_proto(given, FIELDS)
        content = Content(**mapping.content_from_proto(given, FIELDS))
        return self.calls.write(
            request,
            playbook_pb2.Playbook,
            lambda session: mapping.playbook_to_proto(*create_playbook(session, values, content)),
        )

    def UpdatePlaybook(
        self, request: playbook_service_pb2.UpdatePlaybookRequest, context: Any
    ) -> playbook_pb2.Playbook:
        given = request.playbook
        playbook_id = parse_name("playbooks", given.name)
        paths = changed_paths(given, request.update_mask, FIELDS)
        values, content = mapping.values_from_proto(given, paths), mapping.content_from_proto(given, paths)
        return self.calls.write(
            request,
            playbook_pb2.Playbook,
            lambda session: mapping.playbook_to_proto(
                *update_playbook(session, playbook_id, values, content, etag=given.etag)
            ),
        )

    def GetLeadProgress(
        self, request: playbook_service_pb2.GetLeadProgressRequest, context: Any
    ) -> playbook_pb2.LeadProgress:
        lead_id = parse_name("leads", request.lead, field="lead")
        with self.calls.read() as session:
            return mapping.progress_to_proto(queries.get_progress(session, lead_id))

    def ListStageStays(
        self, request: playbook_service_pb2.ListStageStaysRequest, context: Any
    ) -> playbook_service_pb2.ListStageStaysResponse:
        lead_id = parse_name("leads", request.lead, field="lead")
        with self.calls.read() as session:
            page = queries.list_stays(session, lead_id, page_size=request.page_size, page_token=request.page_token)
            stays = [mapping.stay_to_proto(stay, session.now) for stay in page.rows]
        return playbook_service_pb2.ListStageStaysResponse(stays=stays, next_page_token=page.next_token)

    def StartPlaybook(
        self, request: playbook_service_pb2.StartPlaybookRequest, context: Any
    ) -> playbook_pb2.LeadProgress:
        lead_id = parse_name("leads", request.lead, field="lead")
        playbook_id = parse_name("playbooks", request.playbook, field="playbook")
        return self.calls.write(
            request,
            playbook_pb2.LeadProgress,
            lambda session: mapping.progress_to_proto(start_playbook(session, lead_id, playbook_id)),
        )

    def MoveLeadStage(
        self, request: playbook_service_pb2.MoveLeadStageRequest, context: Any
    ) -> playbook_pb2.LeadProgress:
        lead_id = parse_name("leads", request.lead, field="lead")
        stage_id = _stage_id(request.stage)
        return self.calls.write(
            request,
            playbook_pb2.LeadProgress,
            lambda session: mapping.progress_to_proto(move_lead_stage(session, lead_id, stage_id)),
        )


def _stage_id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise Invalid("UNKNOWN_STAGE", "a stage is named by its id, a UUID", field="stage") from None
