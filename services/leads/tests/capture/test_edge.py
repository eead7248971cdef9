"""Capture as the gateway meets it, over gRPC: who may send what, and how much."""

import time
from uuid import uuid4

import grpc
import orjson
import pytest
from chassis.callers import Reach
from chassis.encryption import new_key
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from chassis.testing.edge import running
from crm.leads.v1 import capture_pb2, lead_pb2
from crm.leads.v1 import capture_service_pb2 as pb
from crm.leads.v1.capture_service_pb2_grpc import (
    CaptureServiceStub,
    CaptureSourceServiceStub,
    CaptureSubmissionServiceStub,
)
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2, status_pb2
from leads.capture.knowing import FRESH_SECONDS
from leads.capture.proving import sign
from leads.main import SERVICE

GRANTS = dict.fromkeys(("capture.configure", "capture.correct", "capture.read", "lead.read"), Reach.ALL)
FIELDS = [
    capture_pb2.CaptureField(field="contact_name", path="name"),
    capture_pb2.CaptureField(field="phones", path="mobile"),
    capture_pb2.CaptureField(field="external_id", path="ref"),
]
BODY = orjson.dumps({"name": "王芳", "mobile": "13800138000", "ref": "A-1"})


@pytest.fixture(scope="module")
def edge(make_database):
    url = make_database("leads", SERVICE.migrations)
    environment = {"CUSTOMERS_TARGET": "127.0.0.1:1", "DATA_KEYS": f"test:{new_key()}"}
    with running([SERVICE], {"leads": url}, environment=environment) as edge:
        yield edge


class Marketer:
    """Somebody who looks after the forms, and the world that sends them."""

    def __init__(self, edge, grants=GRANTS, **given):
        self.metadata = edge.metadata_for(new_id(), "m/", grants, **given)
        self.capture = CaptureServiceStub(edge.channel)
        self.sources = CaptureSourceServiceStub(edge.channel)
        self.submissions = CaptureSubmissionServiceStub(edge.channel)

    def make(self, kind="FORM", **values):
        given = {"display_name": "官网", "lead_fields": FIELDS, **values}
        source = capture_pb2.CaptureSource(kind=getattr(capture_pb2, f"CAPTURE_KIND_{kind}"), **given)
        made = self.sources.CreateCaptureSource(
            pb.CreateCaptureSourceRequest(capture_source=source, request_id=str(uuid4())), metadata=self.metadata
        )
        return made.capture_source, made.secret

    def send(self, source, **given):
        values = {"body": BODY, "content_type": "application/json", **given}
        return self.capture.Submit(pb.SubmitRequest(source=source.name, **values))

    def told(self, name):
        request = pb.GetCaptureSubmissionRequest(name=name)
        return self.submissions.GetCaptureSubmission(request, metadata=self.metadata)


@pytest.fixture(scope="module")
def marketer(edge):
    return Marketer(edge)


def reason_of(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    details = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(details).details:
        if detail.Unpack(info):
            return info.reason
    raise AssertionError("no reason")


def signed(secret, body=BODY, age=0):
    timestamp = str(int(time.time()) - age)
    return {"body": body, "timestamp": timestamp, "signature": sign(secret, timestamp, body)}


def test_a_form_is_taken_with_its_key_or_from_its_website(marketer):
    source, key = marketer.make(allowed_origins=["https://www.Example.com:443/"])
    assert marketer.send(source, key=key).submission.startswith("captureSubmissions/")
    receipt = marketer.send(source, origin="https://www.example.com")
    assert (receipt.origin_allowed, receipt.HasField("receive_time")) == (True, True)
    assert reason_of(lambda: marketer.send(source, key="x")) == "BAD_CAPTURE_KEY"
    assert reason_of(lambda: marketer.send(source, origin="https://evil.example")) == "ORIGIN_NOT_ALLOWED"
    assert reason_of(lambda: marketer.send(source)) == "ORIGIN_NOT_ALLOWED"
    for origin, allowed in (("https://www.example.com", True), ("http://www.example.com", False)):
        request = pb.CheckCaptureOriginRequest(source=source.name, origin=origin)
        assert marketer.capture.CheckCaptureOrigin(request).allowed is allowed


def test_a_key_is_kept_as_a_digest_and_turned_over_without_a_gap(marketer, edge):
    source, key = marketer.make()
    rotate = pb.RotateCaptureSecretRequest(name=source.name, request_id=str(uuid4()))
    rotated = marketer.sources.RotateCaptureSecret(rotate, metadata=marketer.metadata)
    assert rotated.secret not in ("", key)
    assert rotated.capture_source.HasField("former_secret_expire_time")
    time.sleep(FRESH_SECONDS + 0.1)
    assert marketer.send(source, key=rotated.secret)
    assert marketer.send(source, key=key)
    again = marketer.sources.RotateCaptureSecret(rotate, metadata=marketer.metadata)
    assert again.secret == ""
    last = pb.RotateCaptureSecretRequest(name=source.name, overlap_hours=0)
    newest = marketer.sources.RotateCaptureSecret(last, metadata=marketer.metadata).secret
    time.sleep(FRESH_SECONDS + 0.1)
    assert reason_of(lambda: marketer.send(source, key=rotated.secret)) == "BAD_CAPTURE_KEY"
    assert marketer.send(source, key=newest)


def test_a_webhook_is_taken_if_it_is_signed_now(marketer):
    source, secret = marketer.make("WEBHOOK")
    assert marketer.send(source, **signed(secret)).submission
    tampered = {**signed(secret), "body": BODY + b" "}
    assert reason_of(lambda: marketer.send(source, **tampered)) == "BAD_SIGNATURE"
    assert reason_of(lambda: marketer.send(source, **signed("another"))) == "BAD_SIGNATURE"
    assert reason_of(lambda: marketer.send(source, **signed(secret, age=301))) == "BAD_TIMESTAMP"
    assert reason_of(lambda: marketer.send(source, **{**signed(secret), "timestamp": "now"})) == "BAD_TIMESTAMP"
    assert reason_of(lambda: marketer.send(source, **{**signed(secret), "timestamp": "9" * 12})) == "BAD_TIMESTAMP"
    assert reason_of(lambda: marketer.send(source, key=secret)) == "BAD_TIMESTAMP"


def test_a_source_that_is_not_there_or_closed_takes_nothing(marketer):
    source, key = marketer.make(disabled=True)
    feed, _ = marketer.make("FEED", feed=capture_pb2.CaptureFeed(url="https://feeds.example/rss"))
    missing = capture_pb2.CaptureSource(name=f"captureSources/{new_id()}")
    assert reason_of(lambda: marketer.send(source, key=key)) == "CAPTURE_SOURCE_NOT_FOUND"
    assert reason_of(lambda: marketer.send(missing)) == "CAPTURE_SOURCE_NOT_FOUND"
    assert reason_of(lambda: marketer.send(feed)) == "ORIGIN_NOT_ALLOWED"


def test_no_more_is_taken_than_is_allowed(marketer):
    source, key = marketer.make(calls_per_minute=2)
    reasons = []
    for _ in range(3):
        try:
            marketer.send(source, key=key)
        except grpc.RpcError as error:
            reasons.append(error.code())
    assert reasons == [grpc.StatusCode.RESOURCE_EXHAUSTED]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"content_type": "text/xml"}, "UNSUPPORTED_MEDIA_TYPE"),
        ({"body": b"x" * 65_537}, "PAYLOAD_TOO_LARGE"),
        ({"request_id": "1"}, "INVALID_REQUEST_ID"),
    ],
)
def test_what_cannot_be_taken_is_refused(marketer, given, reason):
    source, key = marketer.make()
    assert reason_of(lambda: marketer.send(source, key=key, **given)) == reason


def test_what_a_submission_says_shows_to_who_may_correct_it(marketer, edge):
    source, key = marketer.make()
    sent = marketer.send(source, key=key)
    told = marketer.told(sent.submission)
    assert (told.values.contact_name, list(told.values.phones)) == ("王芳", ["13800138000"])
    assert orjson.loads(told.payload) == orjson.loads(BODY)
    blinkered = Marketer(edge, field_rules={"lead": {"phones": FieldEffect.HIDE}})
    concealed = blinkered.told(sent.submission)
    assert (concealed.values.contact_name, list(concealed.values.phones), concealed.payload) == ("王芳", [], "")
    listed = marketer.submissions.ListCaptureSubmissions(
        pb.ListCaptureSubmissionsRequest(source=source.name, states=[capture_pb2.CAPTURE_STATE_NEW]),
        metadata=marketer.metadata,
    )
    assert [(one.name, one.payload) for one in listed.submissions] == [(sent.submission, "")]


def test_a_correction_says_what_it_changes(marketer):
    source, key = marketer.make()
    sent = marketer.send(source, key=key)
    request = pb.CorrectSubmissionRequest(
        name=sent.submission, values=lead_pb2.Lead(contact_name="王方"), update_mask=FieldMask(paths=["contact_name"])
    )
    assert (
        reason_of(lambda: marketer.submissions.CorrectSubmission(request, metadata=marketer.metadata))
        == "SUBMISSION_SETTLED"
    )
    request.update_mask.paths[:] = ["owner"]
    assert (
        reason_of(lambda: marketer.submissions.CorrectSubmission(request, metadata=marketer.metadata))
        == "INVALID_FIELD_MASK"
    )
