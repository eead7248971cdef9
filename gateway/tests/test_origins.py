"""Services are told where clients are, and take no client's word for it."""

import pytest
from chassis.errors import Invalid
from chassis.origins import current_origin, set_source
from chassis.settings import Settings
from gateway.settings import GatewaySettings

pytestmark = pytest.mark.anyio

SECRET = "what the gateway shares with the services"
LOGIN = 'mutation { login(input: { username: "li.wei", password: "right-password" }) { accessToken } }'


class Line:
    def peer(self) -> str:
        return "ipv4:192.0.2.1:5051"


async def origin_told(suite, gateway_of, headers, **environment):
    """Where a service finds the client to be whose request carries these headers."""
    target = suite.gateway.settings.targets["identity"]
    async with gateway_of({"IDENTITY_TARGET": target, "GATEWAY_SECRET": SECRET, **environment}) as client:
        answer = await client.post("/graphql", json={"query": LOGIN}, headers={"user-agent": "Browser/1", **headers})
    assert "errors" not in answer.json()
    set_source(SECRET, suite.world.metadata["Login"], Line())
    return current_origin()


async def test_the_client_is_who_connects(suite, gateway_of):
    found = await origin_told(suite, gateway_of, {"x-forwarded-for": "203.0.113.7", "x-client-address": "203.0.113.8"})
    assert (found.address, found.agent) == ("127.0.0.1", "Browser/1")


async def test_a_trusted_proxy_says_who_the_client_is(suite, gateway_of):
    claimed = {"x-forwarded-for": "198.51.100.1, 203.0.113.7, 127.0.0.9"}
    found = await origin_told(suite, gateway_of, claimed, TRUSTED_PROXIES="10.0.0.0/8, 127.0.0.0/8")
    assert found.address == "203.0.113.7"


async def test_a_proxy_that_is_not_trusted_is_the_client(suite, gateway_of):
    found = await origin_told(suite, gateway_of, {"x-forwarded-for": "203.0.113.7"}, TRUSTED_PROXIES="10.0.0.0/8")
    assert found.address == "127.0.0.1"


async def test_without_a_secret_nothing_is_said(suite, gateway_of):
    await origin_told(suite, gateway_of, {}, GATEWAY_SECRET="")
    assert not {key for key in suite.world.metadata["Login"] if key.startswith("x-client")}


@pytest.mark.parametrize("networks", ["*", "10.0.0.0/99", "proxy.example.com"])
def test_proxies_are_named_by_address(networks):
    environment = {"IDENTITY_TARGET": "127.0.0.1:1", "TRUSTED_PROXIES": networks}
    with pytest.raises(Invalid) as caught:
        GatewaySettings.read(Settings.read(environment))
    assert caught.value.field == "TRUSTED_PROXIES"
