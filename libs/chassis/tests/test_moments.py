"""Times and durations that are none are refused at the edge, wherever a request holds them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import grpc
import pytest
from chassis.callers import Reach
from chassis.errors import Invalid
from chassis.moments import EARLIEST, LATEST, LONGEST, moments_of
from chassis.status import from_rpc_error
from chassis.testing.edge import running
from crm.leads.v1.task_pb2 import Task
from crm.leads.v1.task_service_pb2 import CreateTaskRequest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

ZONES = [ZoneInfo(name) for name in ("Pacific/Kiritimati", "Asia/Shanghai", "UTC", "Etc/GMT+12")]


@pytest.fixture
def check(probe):
    def check(**values):
        request = probe.pb.CreateProbeRequest(probe=probe.pb.Probe(**values))
        moments_of(request.DESCRIPTOR).check(request)

    return check


def refused(check, **values):
    with pytest.raises(Invalid) as caught:
        check(**values)
    return caught.value.reason, caught.value.field


@pytest.mark.parametrize("seconds", [EARLIEST, 0, LATEST])
@pytest.mark.parametrize("nanos", [0, 999_999_999])
def test_what_is_let_in_is_a_time_in_every_zone(check, seconds, nanos):
    moment = Timestamp(seconds=seconds, nanos=nanos)
    check(time=moment)
    for zone in ZONES:
        assert moment.ToDatetime(UTC).astimezone(zone).astimezone(UTC) == moment.ToDatetime(UTC)


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(EARLIEST - 1, 0), (LATEST + 1, 0), (2**62, 0), (-(2**62), 0), (0, -1), (0, 1_000_000_000)]
)
def test_a_time_that_is_none_is_refused_by_its_field(check, probe, seconds, nanos):
    never, now = Timestamp(seconds=seconds, nanos=nanos), Timestamp()
    now.FromDatetime(datetime(2026, 3, 2, tzinfo=UTC))
    assert refused(check, time=never) == ("INVALID_TIME", "probe.time")
    parts = [probe.pb.Probe(time=now), probe.pb.Probe(parts=[probe.pb.Probe(time=never)])]
    assert refused(check, time=now, parts=parts) == ("INVALID_TIME", "probe.parts[1].parts[0].time")


def test_the_fields_of_the_record_that_a_request_is_about_are_called_as_they_are_in_it():
    request = CreateTaskRequest(task=Task(due_time=Timestamp(seconds=LATEST + 1)))
    with pytest.raises(Invalid) as caught:
        moments_of(request.DESCRIPTOR).check(request)
    assert caught.value.field == "due_time"


@pytest.mark.parametrize(("seconds", "nanos"), [(LONGEST, 0), (-LONGEST, 0), (1, 999_999_999), (0, -5), (-1, -5)])
def test_a_duration_is_let_in(check, seconds, nanos):
    check(lengths={"a": Duration(seconds=seconds, nanos=nanos)})


@pytest.mark.parametrize(("seconds", "nanos"), [(LONGEST + 1, 0), (-LONGEST - 1, 0), (0, 10**9), (1, -5), (-1, 5)])
def test_a_duration_that_is_none_is_refused_by_its_key(check, seconds, nanos):
    lengths = {"a": Duration(seconds=1), "b": Duration(seconds=seconds, nanos=nanos)}
    assert refused(check, lengths=lengths) == ("INVALID_DURATION", "probe.lengths[b]")


def test_requests_without_times_are_not_looked_at(probe):
    assert moments_of(probe.pb.GetProbeRequest.DESCRIPTOR) is None


def test_calls_and_streams_are_refused_before_they_do_anything(probe, probe_service, probe_url):
    never = probe.pb.Probe(time=Timestamp(seconds=2**62))
    with running([probe_service()], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        metadata = edge.metadata_for(grants={"probe.create": Reach.ALL})
        for call, request, field in (
            (stub.CreateProbe, probe.pb.CreateProbeRequest(probe=never), "probe.time"),
            (stub.UploadProbe, iter([probe.pb.Probe(), never]), "time"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(request, metadata=metadata)
            error = from_rpc_error(caught.value)
            assert (error.reason, error.field) == ("INVALID_TIME", field)
