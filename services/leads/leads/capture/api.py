"""The gRPC methods of capture: open a transaction, call, map."""

from typing import Any

from chassis.callers import Caller, service_caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.field_rules import unreadable
from chassis.masks import changed_paths
from chassis.names import parse_name, parse_optional_name
from chassis.origins import current_origin
from chassis.rates import Rates
from crm.leads.v1 import capture_pb2, capture_service_pb2, capture_service_pb2_grpc

from leads.capture import mapping, opting, polling, source_queries, sources
from leads.capture.correcting import correct_submission, discard_submission, retry_submission
from leads.capture.judging import judge, payload_of
from leads.capture.knowing import KnownSources
from leads.capture.opting import ConfirmationLinks
from leads.capture.proving import Proof, allows, require_proof
from leads.capture.submitting import check_body, submit
from leads.lead_queries import ENTITY
from leads.model import CaptureSource, CaptureSubmission

SOURCES, SUBMISSIONS = "captureSources", "captureSubmissions"


class CaptureServicer(capture_service_pb2_grpc.CaptureServiceServicer):
    """Implements CaptureService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._known = KnownSources(calls.database)
        # Apart, so that many addresses do not make room for themselves where the sources are counted.
        self._by_source, self._by_address = Rates(), Rates()

    def Submit(self, request: capture_service_pb2.SubmitRequest, context: Any) -> capture_service_pb2.SubmitResponse:
        content_type = check_body(request.body, request.content_type)
        source = self._known.find(parse_name(SOURCES, request.source, field="source"))
        address = current_origin().address
        if address:
            self._by_address.take(f"{source.id} {address}", source.calls_per_address_per_minute)
        proof = Proof(request.origin, request.key, request.signature, request.timestamp)
        require_proof(source, proof, request.body, self.calls.database.data_keys)
        self._by_source.take(str(source.id), source.calls_per_minute)
        sender = Caller(subject=f"{SOURCES}/{source.id}")
        reason = "what came in is its own record; what becomes of it is audited"
        with self.calls.transaction(request.request_id, caller=sender, unaudited=reason) as session:
            key, time = submit(session, source.id, request.body, content_type, request.request_id)
        answer = capture_service_pb2.SubmitResponse(
            submission=f"{SUBMISSIONS}/{key}", origin_allowed=allows(source, request.origin)
        )
        answer.receive_time.FromDatetime(time)
        return answer

    def CheckCaptureOrigin(
        self, request: capture_service_pb2.CheckCaptureOriginRequest, context: Any
    ) -> capture_service_pb2.CheckCaptureOriginResponse:
        source = self._known.find(parse_name(SOURCES, request.source, field="source"))
        return capture_service_pb2.CheckCaptureOriginResponse(allowed=allows(source, request.origin))

    def ConfirmOptIn(
        self, request: capture_service_pb2.ConfirmOptInRequest, context: Any
    ) -> capture_service_pb2.ConfirmOptInResponse:
        reason = "the word of the person is noted in the submission; the lead that becomes of it is audited"
        ourselves = service_caller(self.calls.database.service)
        with self.calls.transaction(request.request_id, caller=ourselves, unaudited=reason) as session:
            opting.confirm(session, request.token)
        return capture_service_pb2.ConfirmOptInResponse()


class CaptureSourceServicer(capture_service_pb2_grpc.CaptureSourceServiceServicer):
    """Implements CaptureSourceService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetCaptureSource(
        self, request: capture_service_pb2.GetCaptureSourceRequest, context: Any
    ) -> capture_pb2.CaptureSource:
        with self.calls.read() as session:
            source = source_queries.get_source(session, parse_name(SOURCES, request.name))
            return mapping.source_to_proto(source)

    def ListCaptureSources(
        self, request: capture_service_pb2.ListCaptureSourcesRequest, context: Any
    ) -> capture_service_pb2.ListCaptureSourcesResponse:
        with self.calls.read() as session:
            page = source_queries.list_sources(session, page_size=request.page_size, page_token=request.page_token)
        found = map(mapping.source_to_proto, page.rows)
        return capture_service_pb2.ListCaptureSourcesResponse(capture_sources=found, next_page_token=page.next_token)

    def CreateCaptureSource(
        self, request: capture_service_pb2.CreateCaptureSourceRequest, context: Any
    ) -> capture_service_pb2.CaptureSourceWithSecret:
        given = request.capture_source
        values, kind = mapping.settings_of(given, mapping.stated(given)), mapping.kind_name(given.kind)
        return self._write(request, lambda session: sources.create_source(session, kind, values))

    def UpdateCaptureSource(
        self, request: capture_service_pb2.UpdateCaptureSourceRequest, context: Any
    ) -> capture_pb2.CaptureSource:
        given = request.capture_source
        source_id = parse_name(SOURCES, given.name)
        values = mapping.settings_of(given, changed_paths(given, request.update_mask, mapping.SETTINGS))
        return self.calls.write(
            request,
            capture_pb2.CaptureSource,
            lambda session: mapping.source_to_proto(sources.update_source(session, source_id, values, etag=given.etag)),
        )

    def RotateCaptureSecret(
        self, request: capture_service_pb2.RotateCaptureSecretRequest, context: Any
    ) -> capture_service_pb2.CaptureSourceWithSecret:
        source_id = parse_name(SOURCES, request.name)
        hours = request.overlap_hours if request.HasField("overlap_hours") else sources.OVERLAP_HOURS
        return self._write(request, lambda session: sources.rotate_secret(session, source_id, hours, etag=request.etag))

    def PollCaptureFeed(
        self, request: capture_service_pb2.PollCaptureFeedRequest, context: Any
    ) -> capture_pb2.CaptureSource:
        source_id = parse_name(SOURCES, request.name)
        return self.calls.write(
            request,
            capture_pb2.CaptureSource,
            lambda session: mapping.source_to_proto(polling.poll_now(session, source_id)),
        )

    def ListFeedPolls(
        self, request: capture_service_pb2.ListFeedPollsRequest, context: Any
    ) -> capture_service_pb2.ListFeedPollsResponse:
        source_id = parse_name(SOURCES, request.source, field="source")
        with self.calls.read() as session:
            page = source_queries.list_polls(
                session, source_id, page_size=request.page_size, page_token=request.page_token
            )
        return capture_service_pb2.ListFeedPollsResponse(
            polls=map(mapping.poll_to_proto, page.rows), next_page_token=page.next_token
        )

    def _write(self, request: Any, make: Any) -> capture_service_pb2.CaptureSourceWithSecret:
        def write(session: ServiceSession) -> capture_service_pb2.CaptureSourceWithSecret:
            source, secret = make(session)
            return capture_service_pb2.CaptureSourceWithSecret(
                capture_source=mapping.source_to_proto(source), secret=secret
            )

        answer = capture_service_pb2.CaptureSourceWithSecret
        return self.calls.write(request, answer, write)


class CaptureSubmissionServicer(capture_service_pb2_grpc.CaptureSubmissionServiceServicer):
    """Implements CaptureSubmissionService."""

    def __init__(self, calls: Calls, links: ConfirmationLinks) -> None:
        self.calls, self._links = calls, links

    def GetCaptureSubmission(
        self, request: capture_service_pb2.GetCaptureSubmissionRequest, context: Any
    ) -> capture_pb2.CaptureSubmission:
        with self.calls.read() as session:
            return _told(session, source_queries.get_submission(session, parse_name(SUBMISSIONS, request.name)))

    def ListCaptureSubmissions(
        self, request: capture_service_pb2.ListCaptureSubmissionsRequest, context: Any
    ) -> capture_service_pb2.ListCaptureSubmissionsResponse:
        with self.calls.read() as session:
            page = source_queries.list_submissions(
                session,
                source_id=parse_optional_name(SOURCES, request.source, field="source"),
                states=mapping.state_names(request.states),
                lead_id=parse_optional_name("leads", request.lead, field="lead"),
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return capture_service_pb2.ListCaptureSubmissionsResponse(
            submissions=map(mapping.submission_to_proto, page.rows), next_page_token=page.next_token
        )

    def CorrectSubmission(
        self, request: capture_service_pb2.CorrectSubmissionRequest, context: Any
    ) -> capture_pb2.CaptureSubmission:
        key = parse_name(SUBMISSIONS, request.name)
        paths = changed_paths(request.values, request.update_mask, mapping.CORRECTED)
        values = mapping.values_of(request.values, paths)
        return self._write(request, lambda session: correct_submission(session, key, values, etag=request.etag))

    def RetrySubmission(
        self, request: capture_service_pb2.RetrySubmissionRequest, context: Any
    ) -> capture_pb2.CaptureSubmission:
        key = parse_name(SUBMISSIONS, request.name)
        return self._write(request, lambda session: retry_submission(session, key, self._links, etag=request.etag))

    def DiscardSubmission(
        self, request: capture_service_pb2.DiscardSubmissionRequest, context: Any
    ) -> capture_pb2.CaptureSubmission:
        key = parse_name(SUBMISSIONS, request.name)
        return self._write(request, lambda session: discard_submission(session, key, request.reason, etag=request.etag))

    def _write(self, request: Any, change: Any) -> capture_pb2.CaptureSubmission:
        return self.calls.write(
            request,
            capture_pb2.CaptureSubmission,
            lambda session: mapping.submission_to_proto(change(session)),
        )


def _told(session: ServiceSession, submission: CaptureSubmission) -> capture_pb2.CaptureSubmission:
    """A submission with what it says. What was sent shows only to who sees all fields of leads, as it may hold any; the
    values are concealed like those of a lead."""
    message = mapping.submission_to_proto(submission)
    judged = judge(session, submission, session.get_one(CaptureSource, submission.source_id))
    message.values.CopyFrom(mapping.values_to_proto(judged.values))
    if not unreadable(session.caller, ENTITY):
        message.payload = payload_of(session, submission)
    return message
