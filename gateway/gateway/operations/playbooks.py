"""Playbooks, and where leads are in them."""

import strawberry
from crm.leads.v1 import lead_pb2, playbook_pb2, playbook_service_pb2

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.playbooks import LeadProgress, Playbook, StageStay

_OUTPUT = {"filter", "version", "creator", "create_time", "update_time"}
_FILTER = "Leads that fulfil this start the playbook when they are entered; all if it is not given."


@strawberry.type
class PlaybooksQuery:
    @field("A playbook, with its newest version if none is named.")
    async def playbook(self, info: Info, key: Key, version: int | None = None) -> Playbook | None:
        request = playbook_service_pb2.GetPlaybookRequest(name=key, version=version or 0)
        return Playbook(await info.context.calls(info.context.services.playbooks.GetPlaybook, request))

    @field("Playbooks, in the order in which leads start them.")
    async def playbooks(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Playbook] | None:
        method, request = info.context.services.playbooks.ListPlaybooks, playbook_service_pb2.ListPlaybooksRequest
        return await connect(first, after, Playbook, pages(info.context, method, request, "playbooks"))

    @field("Where a lead is in its playbook, what there is to do, and what keeps it there.")
    async def lead_progress(self, info: Info, lead: strawberry.ID) -> LeadProgress | None:
        request = playbook_service_pb2.GetLeadProgressRequest(lead=lead)
        return LeadProgress(await info.context.calls(info.context.services.playbooks.GetLeadProgress, request))

    @field("The stages that a lead has been in and for how long, the newest first.")
    async def stage_history(
        self, info: Info, lead: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[StageStay] | None:
        method, request = info.context.services.playbooks.ListStageStays, playbook_service_pb2.ListStageStaysRequest
        return await connect(first, after, StageStay, pages(info.context, method, request, "stays", lead=lead))


@derive_input(playbook_pb2.TaskTemplate, required={"title"}, references={"assignee"})
class TaskTemplateInput(Input[playbook_pb2.TaskTemplate]):
    pass


@derive_input(playbook_pb2.PlaybookStage, required={"title"})
class PlaybookStageInput(Input[playbook_pb2.PlaybookStage]):
    pass


@derive_input(playbook_pb2.Playbook, required={"display_name"}, hide={"name", "etag", "archived", *_OUTPUT})
class CreatePlaybookInput(Input[playbook_pb2.Playbook]):
    filter: FilterInput | None = strawberry.field(default=None, description=_FILTER)
    request_id: RequestId = None


@derive_input(playbook_pb2.Playbook, required={"name"}, hide=_OUTPUT)
class UpdatePlaybookInput(Input[playbook_pb2.Playbook]):
    filter: FilterInput | None = strawberry.field(default=strawberry.UNSET, description=_FILTER)
    request_id: RequestId = None


@strawberry.input(description="Lets a lead start a playbook, or go on by its newest version.")
class StartPlaybookInput:
    lead_id: strawberry.ID
    playbook_id: strawberry.ID
    request_id: RequestId = None


@strawberry.input(description="Moves a lead to a stage of its playbook.")
class MoveLeadStageInput:
    lead_id: strawberry.ID
    stage: str = strawberry.field(description="The id of the stage, as `leadProgress` gives it.")
    request_id: RequestId = None


@strawberry.type
class PlaybooksMutation:
    @mutation("Makes a playbook.")
    async def create_playbook(self, info: Info, input: CreatePlaybookInput) -> Playbook | None:  # noqa: A002
        request = playbook_service_pb2.CreatePlaybookRequest(
            playbook=_playbook(input), request_id=input.request_id or ""
        )
        return Playbook(await info.context.calls(info.context.services.playbooks.CreatePlaybook, request))

    @mutation("Changes a playbook. Other stages or templates are a new version, by which leads go that start then.")
    async def update_playbook(self, info: Info, input: UpdatePlaybookInput) -> Playbook | None:  # noqa: A002
        mask = input.mask()
        if input.filter is not strawberry.UNSET:
            mask.paths.append("filter")
        request = playbook_service_pb2.UpdatePlaybookRequest(
            playbook=_playbook(input), update_mask=mask, request_id=input.request_id or ""
        )
        return Playbook(await info.context.calls(info.context.services.playbooks.UpdatePlaybook, request))

    @mutation("Lets a lead start a playbook, or go on by its newest version.")
    async def start_playbook(self, info: Info, input: StartPlaybookInput) -> LeadProgress | None:  # noqa: A002
        request = playbook_service_pb2.StartPlaybookRequest(
            lead=input.lead_id, playbook=input.playbook_id, request_id=input.request_id or ""
        )
        return LeadProgress(await info.context.calls(info.context.services.playbooks.StartPlaybook, request))

    @mutation(
        "Moves a lead to a stage: back to any, or further on. While required tasks have not been done it is refused "
        "with STAGE_GATE, and `extensions.tasks` names them."
    )
    async def move_lead_stage(self, info: Info, input: MoveLeadStageInput) -> LeadProgress | None:  # noqa: A002
        request = playbook_service_pb2.MoveLeadStageRequest(
            lead=input.lead_id, stage=input.stage, request_id=input.request_id or ""
        )
        return LeadProgress(await info.context.calls(info.context.services.playbooks.MoveLeadStage, request))


def _playbook(given: CreatePlaybookInput | UpdatePlaybookInput) -> playbook_pb2.Playbook:
    playbook = given.to_proto()
    condition = to_filter(given.filter or None, lead_pb2.Lead.DESCRIPTOR)
    if condition is not None:
        playbook.filter.CopyFrom(condition)
    return playbook
