"""Who a call is said to come from is believed only with the gateway's proof."""

from contextvars import copy_context

import pytest
from chassis.origins import AGENT_LENGTH, Origin, address_of, current_origin, metadata_for, set_source

SECRET = "shared by the gateway and the services"
CLIENT = Origin("203.0.113.7", "Mozilla/5.0")


class Line:
    def peer(self) -> str:
        return "ipv4:10.0.0.1:41234"


def found(metadata, secret=SECRET):
    def look():
        set_source(secret, dict(metadata), Line())
        return current_origin()

    return copy_context().run(look)


def test_what_the_gateway_passes_on_is_believed():
    assert found(metadata_for(CLIENT, SECRET)) == CLIENT


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_that_was_changed_spoils_the_proof(part):
    sent = [list(pair) for pair in metadata_for(CLIENT, SECRET)]
    sent[part][1] = "198.51.100.1"
    assert found(sent).address == "10.0.0.1"


def test_a_claim_without_proof_or_under_another_secret_is_not_believed():
    assert found([("x-client-address", "203.0.113.7")]) == Origin("10.0.0.1", "")
    assert found(metadata_for(CLIENT, "another secret")).address == "10.0.0.1"
    assert found([("user-agent", "grpc-python/1.7")]) == Origin("10.0.0.1", "grpc-python/1.7")


def test_without_a_secret_nothing_is_sent_and_nothing_believed():
    assert metadata_for(CLIENT, "") == ()
    assert found(metadata_for(CLIENT, SECRET), secret="") == Origin()


def test_outside_a_call_nothing_is_known():
    assert current_origin() == Origin()


def test_a_description_is_cut_and_cannot_break_metadata():
    sent = metadata_for(Origin("203.0.113.7", "浏览器\r\nx" * 200), SECRET)
    assert sent[1][1] == "x" * 200
    assert len(metadata_for(Origin("203.0.113.7", "y" * 999), SECRET)[1][1]) == AGENT_LENGTH


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:5051", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:5051", "2001:db8::1"),
        ("ipv6:[::1]:443", "::1"),
        ("unix:/tmp/socket", ""),
        ("", ""),
    ],
)
def test_address_in_a_peer(peer, address):
    assert address_of(peer) == address
