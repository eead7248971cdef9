"""What devices without a connection missed, and what was done on them, handed in when they have one again."""

from datetime import datetime

import strawberry
from crm.leads.v1 import lead_pb2
from crm.leads.v1 import offline_sync_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import snake
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.leads import FollowUpInput
from gateway.operations.registrations import OUTPUT, CreateLeadInput, UpdateLeadInput
from gateway.operations.requests import RequestId
from gateway.operations.visits import VisitPositionInput, VisitReportInput
from gateway.types.offline_sync import ChangePage, OfflineOutcome


@strawberry.type
class OfflineSyncQuery:
    @field(
        "What has changed since a token was issued, among what the caller may see; everything there is for none. A "
        "record may be told of more than once, and is told as it is now."
    )
    async def changes(
        self,
        info: Info,
        since: str | None = None,
        entities: list[str] | None = None,
        first: First = DEFAULT_PAGE,
    ) -> ChangePage | None:
        request = pb.ListChangesRequest(since=since or "", entities=entities or (), page_size=first)
        answer = await info.context.calls.afresh()(info.context.services.offline_sync.ListChanges, request)
        return ChangePage(wire=answer)

    @field("The caller's operations that are in conflict and wait for a choice, the newest first.")
    async def offline_conflicts(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[OfflineOutcome] | None:
        method = info.context.services.offline_sync.ListOfflineConflicts
        fetch = pages(info.context, method, pb.ListOfflineConflictsRequest, "conflicts")
        return await connect(first, after, OfflineOutcome, fetch)


@derive_input(lead_pb2.Lead, hide={"name", "etag", "owner", *OUTPUT})
class BaseLeadInput(Input[lead_pb2.Lead]):
    pass


@strawberry.input(description="Edits of a lead that were made on an older version of it.")
class LeadEditsInput:
    edits: UpdateLeadInput = strawberry.field(
        description="The id, the `etag` of the version that was edited, and the new values."
    )
    base: BaseLeadInput | None = strawberry.field(
        default=None,
        description="The values that the edited fields had in that version; those that are not given were empty.",
    )

    def to_proto(self) -> pb.LeadEdits:
        """The message with what was given."""
        base = self.base.to_proto() if self.base is not None else None
        return pb.LeadEdits(lead=self.edits.to_proto(), update_mask=self.edits.mask(), base=base)


@derive_input(pb.OfflineCheckIn, required={"subject", "position"})
class OfflineCheckInInput(Input[pb.OfflineCheckIn]):
    subject: strawberry.ID
    position: VisitPositionInput


@derive_input(pb.OfflineCheckOut, required={"visit"}, references={"visit"})
class OfflineCheckOutInput(Input[pb.OfflineCheckOut]):
    position: VisitPositionInput | None
    report: VisitReportInput | None


@strawberry.input(
    description="Something that was done on a device without a connection; give one action. Where it names a record "
    "that an earlier operation made, it may name it `operations/{clientId}`."
)
class OfflineOperationInput:
    client_id: str = strawberry.field(description="A UUID that the device chose when it was done.")
    occur_time: datetime | None = strawberry.field(default=None, description="When it was done, by the device's clock.")
    create_lead: CreateLeadInput | None = None
    update_lead: LeadEditsInput | None = None
    log_follow_up: FollowUpInput | None = None
    complete_task_id: strawberry.ID | None = strawberry.field(default=None, description="A task that was done.")
    check_in: OfflineCheckInInput | None = strawberry.field(
        default=None,
        description="A check-in; `occurTime` is required, and told as the time of the check-in, marked as reported.",
    )
    check_out: OfflineCheckOutInput | None = strawberry.field(
        default=None, description="A check-out; `occurTime` is required."
    )

    def to_proto(self) -> pb.OfflineOperation:
        """The message with what was given."""
        message = pb.OfflineOperation(client_id=self.client_id)
        if self.occur_time is not None:
            message.occur_time.FromDatetime(self.occur_time)
        for action in ("create_lead", "update_lead", "log_follow_up", "check_in", "check_out"):
            given = getattr(self, action)
            if given is not None:
                getattr(message, action).CopyFrom(given.to_proto())
                getattr(message, action).SetInParent()
        if self.complete_task_id is not None:
            message.complete_task.task = self.complete_task_id
        return message


@strawberry.input(description="Hands in what was done on a device without a connection.")
class ApplyOperationsInput:
    operations: list[OfflineOperationInput] = strawberry.field(
        description="From 1 to 200 operations, in the order in which they were done."
    )
    request_id: RequestId = None


@strawberry.input(description="Settles a conflict. Each field in conflict is named once.")
class ResolveOfflineConflictInput:
    client_id: str = strawberry.field(description="The id that the device chose for the operation.")
    keep_mine: list[str] = strawberry.field(
        default_factory=list, description="The fields to set to what the device stated."
    )
    keep_theirs: list[str] = strawberry.field(default_factory=list, description="The fields to leave as they are.")
    etag: str | None = strawberry.field(
        default=None, description="The etag of the lead that was chosen about; if given, it must be the current one."
    )
    request_id: RequestId = None


@strawberry.type
class OfflineSyncMutation:
    @mutation(
        "Does what was done on a device, in the order given, each operation once by its client id, whatever is handed "
        "in again. Each is judged by itself; one that is refused or in conflict keeps none of the others back."
    )
    async def apply_operations(self, info: Info, input: ApplyOperationsInput) -> list[OfflineOutcome] | None:  # noqa: A002
        request = pb.ApplyOperationsRequest(
            operations=[one.to_proto() for one in input.operations], request_id=input.request_id or ""
        )
        answer = await info.context.calls(info.context.services.offline_sync.ApplyOperations, request)
        return [OfflineOutcome(message) for message in answer.outcomes]

    @mutation("Settles a conflict by the caller's choice for each field.")
    async def resolve_offline_conflict(
        self,
        info: Info,
        input: ResolveOfflineConflictInput,  # noqa: A002
    ) -> OfflineOutcome | None:
        request = pb.ResolveOfflineConflictRequest(
            client_id=input.client_id,
            keep_mine=map(snake, input.keep_mine),
            keep_theirs=map(snake, input.keep_theirs),
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        return OfflineOutcome(
            await info.context.calls(info.context.services.offline_sync.ResolveOfflineConflict, request)
        )
