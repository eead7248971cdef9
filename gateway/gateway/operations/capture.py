"""Where leads come in by themselves, and what came in there."""

from typing import TYPE_CHECKING

import strawberry
from crm.leads.v1 import capture_pb2, lead_pb2
from crm.leads.v1 import capture_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_capture_source, get_capture_submission, pages
from gateway.operations.requests import RequestId
from gateway.types.capture import CaptureSource, CaptureSourceWithSecret, CaptureSubmission, FeedPoll

if TYPE_CHECKING:
    from enum import Enum as CaptureState
else:
    CaptureState = enum_of(capture_pb2.CaptureState.DESCRIPTOR)

_OUTPUT = {"former_secret_expire_time", "creator", "create_time", "update_time"}
_NOT_CAPTURED = {
    "name",
    "status",
    "status_reason",
    "status_note",
    "last_follow_up_time",
    "last_effective_follow_up_time",
    "converted_customer",
    "converted_contact",
    "owner",
    "registrant",
    "partner",
    "registration_state",
    "rejection_reason",
    "protection_expire_time",
    "etag",
    "create_time",
    "update_time",
    "capture_source",
    "opt_in_time",
    "repeat_count",
    "repeat_time",
}


@strawberry.type
class CaptureQuery:
    @field("A form, webhook or feed that leads come in by.")
    async def capture_source(self, info: Info, key: Key) -> CaptureSource | None:
        return await get_capture_source(info.context, key)

    @field("The forms, webhooks and feeds that leads come in by, the newest first.")
    async def capture_sources(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CaptureSource] | None:
        method = info.context.services.capture_sources.ListCaptureSources
        fetch = pages(info.context, method, pb.ListCaptureSourcesRequest, "capture_sources")
        return await connect(first, after, CaptureSource, fetch)

    @field("When a feed was read and when it could not be, the newest first.")
    async def feed_polls(
        self, info: Info, source: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[FeedPoll] | None:
        method = info.context.services.capture_sources.ListFeedPolls
        fetch = pages(info.context, method, pb.ListFeedPollsRequest, "polls", source=source)
        return await connect(first, after, FeedPoll, fetch)

    @field("Something that came in, with what it says.")
    async def capture_submission(self, info: Info, key: Key) -> CaptureSubmission | None:
        return await get_capture_submission(info.context, key)

    @field("What came in, the newest first; REJECTED is what waits to be corrected.")
    async def capture_submissions(
        self,
        info: Info,
        source: strawberry.ID | None = None,
        states: list[CaptureState] | None = None,
        lead: strawberry.ID | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[CaptureSubmission] | None:
        fetch = pages(
            info.context,
            info.context.services.capture_submissions.ListCaptureSubmissions,
            pb.ListCaptureSubmissionsRequest,
            "submissions",
            source=source or "",
            states=[state.value for state in states or ()],
            lead=lead or "",
        )
        return await connect(first, after, CaptureSubmission, fetch)


@derive_input(capture_pb2.CaptureField, required={"field"})
class CaptureFieldInput(Input[capture_pb2.CaptureField]):
    pass


@derive_input(capture_pb2.CaptureFeed, required={"url"}, hide={"poll_time", "next_poll_time", "failure_count"})
class CaptureFeedInput(Input[capture_pb2.CaptureFeed]):
    pass


@derive_input(
    capture_pb2.CaptureSource, required={"display_name", "kind", "lead_fields"}, hide={"name", "etag", *_OUTPUT}
)
class CreateCaptureSourceInput(Input[capture_pb2.CaptureSource]):
    request_id: RequestId = None


@derive_input(capture_pb2.CaptureSource, required={"name"}, hide={"kind", *_OUTPUT})
class UpdateCaptureSourceInput(Input[capture_pb2.CaptureSource]):
    request_id: RequestId = None


@strawberry.input(description="Which form or webhook to give another key or secret.")
class RotateCaptureSecretInput:
    id: strawberry.ID
    overlap_hours: int | None = strawberry.field(
        default=None,
        description="For how many hours the former one still works, at most 720; 24 if not given. 0 ends it at once.",
    )
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Which feed to read.")
class PollCaptureFeedInput:
    id: strawberry.ID
    request_id: RequestId = None


@derive_input(lead_pb2.Lead, hide=_NOT_CAPTURED)
class CapturedValuesInput(Input[lead_pb2.Lead]):
    pass


@strawberry.input(description="Corrects what a submission says.")
class CorrectSubmissionInput:
    id: strawberry.ID
    values: CapturedValuesInput = strawberry.field(description="The fields to correct; null takes one out.")
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Judges a submission anew.")
class RetrySubmissionInput:
    id: strawberry.ID
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Throws a submission away.")
class DiscardSubmissionInput:
    id: strawberry.ID
    reason: str = strawberry.field(description="Why; it is kept in the audit log.")
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.type
class CaptureMutation:
    @mutation("Makes a form, webhook or feed that leads come in by, and returns its key or secret, once.")
    async def create_capture_source(
        self,
        info: Info,
        input: CreateCaptureSourceInput,  # noqa: A002
    ) -> CaptureSourceWithSecret | None:
        request = pb.CreateCaptureSourceRequest(capture_source=input.to_proto(), request_id=input.request_id or "")
        method = info.context.services.capture_sources.CreateCaptureSource
        return CaptureSourceWithSecret(await info.context.calls(method, request))

    @mutation("Changes a form, webhook or feed: the settings that are given.")
    async def update_capture_source(self, info: Info, input: UpdateCaptureSourceInput) -> CaptureSource | None:  # noqa: A002
        request = pb.UpdateCaptureSourceRequest(
            capture_source=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        method = info.context.services.capture_sources.UpdateCaptureSource
        return CaptureSource(await info.context.calls(method, request))

    @mutation("Gives a form another key, or a webhook another secret, and returns it, once.")
    async def rotate_capture_secret(
        self,
        info: Info,
        input: RotateCaptureSecretInput,  # noqa: A002
    ) -> CaptureSourceWithSecret | None:
        request = pb.RotateCaptureSecretRequest(
            name=input.id,
            overlap_hours=input.overlap_hours,
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        method = info.context.services.capture_sources.RotateCaptureSecret
        return CaptureSourceWithSecret(await info.context.calls(method, request))

    @mutation("Has a feed read now.")
    async def poll_capture_feed(self, info: Info, input: PollCaptureFeedInput) -> CaptureSource | None:  # noqa: A002
        request = pb.PollCaptureFeedRequest(name=input.id, request_id=input.request_id or "")
        return CaptureSource(await info.context.calls(info.context.services.capture_sources.PollCaptureFeed, request))

    @mutation("Corrects what a submission says that could not become a lead, and tells what is wrong still.")
    async def correct_submission(self, info: Info, input: CorrectSubmissionInput) -> CaptureSubmission | None:  # noqa: A002
        request = pb.CorrectSubmissionRequest(
            name=input.id,
            values=input.values.to_proto(),
            update_mask=input.values.mask(),
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        method = info.context.services.capture_submissions.CorrectSubmission
        return CaptureSubmission(await info.context.calls(method, request))

    @mutation("Judges a submission anew: what is right now becomes a lead.")
    async def retry_submission(self, info: Info, input: RetrySubmissionInput) -> CaptureSubmission | None:  # noqa: A002
        request = pb.RetrySubmissionRequest(name=input.id, etag=input.etag or "", request_id=input.request_id or "")
        method = info.context.services.capture_submissions.RetrySubmission
        return CaptureSubmission(await info.context.calls(method, request))

    @mutation("Throws a submission away that could not become a lead.")
    async def discard_submission(self, info: Info, input: DiscardSubmissionInput) -> CaptureSubmission | None:  # noqa: A002
        request = pb.DiscardSubmissionRequest(
            name=input.id, reason=input.reason, etag=input.etag or "", request_id=input.request_id or ""
        )
        method = info.context.services.capture_submissions.DiscardSubmission
        return CaptureSubmission(await info.context.calls(method, request))
