"""The test of refusals finds what is not refused."""

from collections.abc import Iterator

import pytest
from chassis.callers import Reach, current_caller
from chassis.errors import NotFound
from chassis.names import make_name, new_id, parse_name
from chassis.testing.edge import Edge, running
from chassis.testing.refusals import Tokens, methods_of, outsiders_let_in, served_methods, strangers_let_in


def _get(pb, calls, request, context):
    key = parse_name("probes", request.name)
    if not current_caller().scope("probe.read").everything:
        raise NotFound("PROBE_NOT_FOUND", "there is no such probe")
    return pb.Probe(name=make_name("probes", key))


def _careless(pb, calls, request, context):
    yield pb.Probe(name=make_name("probes", parse_name("probes", request.name)))


@pytest.fixture(scope="module")
def edge(probe_service, probe_url) -> Iterator[Edge]:
    with running([probe_service(GetProbe=_get, DownloadProbe=_careless)], {"probe": probe_url}) as running_edge:
        yield running_edge


def tokens(edge: Edge) -> Tokens:
    authority = edge.authority
    return Tokens(authority.expired_token(), authority.foreign_token(), authority.token())


def test_every_served_method_is_enumerated_and_refuses_strangers(probe, edge):
    methods = served_methods(edge.channel)
    names = {method.full_name for method in methods}
    assert {m.full_name for m in methods_of([probe.pb.DESCRIPTOR.services_by_name["ProbeService"]])} <= names
    assert "crm.common.v1.TestClockService.MoveTestClock" in names
    assert strangers_let_in(edge.channel, methods, tokens(edge)) == []


def test_whoever_is_let_in_is_named(probe, edge):
    methods = [probe.pb.DESCRIPTOR.services_by_name["ProbeService"].methods_by_name["GetProbe"]]
    good = edge.authority.token(grants={"probe.read": Reach.ALL})
    assert len(strangers_let_in(edge.channel, methods, Tokens(good, good, good))) == 3


def test_a_record_out_of_scope_is_not_found(probe, edge):
    service = probe.pb.DESCRIPTOR.services_by_name["ProbeService"]

    def token_for(permission: str) -> str:
        return edge.authority.token(grants={permission: Reach.SELF})

    names = [f"probes/{new_id()}", f"others/{new_id()}"]
    methods = [service.methods_by_name["GetProbe"], service.methods_by_name["DownloadProbe"]]
    failures = outsiders_let_in(edge.channel, methods, names, token_for)
    assert [line.split(":")[0] for line in failures if "DownloadProbe" in line and "OK" in line] == [
        f"crm.probe.v1.ProbeService.DownloadProbe asked for {names[0]}, out of scope"
    ]
    assert not [line for line in failures if "GetProbe" in line]
    unknown = outsiders_let_in(edge.channel, methods[:1], names[1:], token_for)
    assert unknown == ["crm.probe.v1.ProbeService.GetProbe was asked for no record of its own collection; add one"]
