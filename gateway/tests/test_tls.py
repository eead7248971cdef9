"""Mutual TLS between the gateway and the services."""

import asyncio

import pytest
from chassis import channels
from chassis.channels import server_credentials
from chassis.settings import Settings
from chassis.testing.certificates import TestAuthority
from neighbours import customers_server, identity_server
from world import World, serving

pytestmark = pytest.mark.anyio

ANSWER = {"data": {"me": {"name": "李伟"}}}


@pytest.fixture(scope="module")
def authority():
    return TestAuthority()


@pytest.fixture
async def targets(anyio_backend, authority, tmp_path):
    """Where services listen whose certificates are renewed in `server` below the test's folder."""
    world, files = World(), Settings.read(authority.write(tmp_path / "server")).certificates
    async with (
        serving(identity_server(world), credentials=server_credentials(files)) as (_, identity),
        serving(customers_server(world), credentials=server_credentials(files)) as (_, customers),
    ):
        yield {"IDENTITY_TARGET": f"127.0.0.1:{identity}", "CUSTOMERS_TARGET": f"localhost:{customers}"}


async def ask(client, query="{ me { name } }"):
    return (await client.post("/graphql", json={"query": query})).json()


async def reason(client):
    return (await ask(client))["errors"][0]["extensions"]["reason"]


async def test_who_has_a_certificate_is_answered(targets, authority, tmp_path, gateway_of):
    async with gateway_of({**targets, **authority.write(tmp_path / "gateway")}) as client:
        assert await ask(client) == ANSWER
        assert (await ask(client, "{ customers(first: 1) { nodes { id } } }"))["data"]["customers"]["nodes"]


async def test_who_has_none_or_a_stranger_s_reaches_nobody(targets, authority, tmp_path, gateway_of):
    async with gateway_of(targets) as client:
        assert await reason(client) == "SERVICE_UNAVAILABLE"
    stranger = TestAuthority("Other CA").write(tmp_path / "stranger")
    async with gateway_of({**targets, **stranger}) as client:
        assert await reason(client) == "SERVICE_UNAVAILABLE", "it does not trust the service"
    (tmp_path / "stranger/ca.crt").write_bytes(authority.pem)
    async with gateway_of({**targets, **stranger}) as client:
        assert await reason(client) == "SERVICE_UNAVAILABLE", "the service does not trust it"


async def test_a_service_must_bear_the_name_that_is_called(anyio_backend, authority, tmp_path, gateway_of):
    files = Settings.read(authority.write(tmp_path / "server", names=["identity.crm.svc"])).certificates
    async with serving(identity_server(World()), credentials=server_credentials(files)) as (_, port):
        told = {"IDENTITY_TARGET": f"127.0.0.1:{port}", **authority.write(tmp_path / "gateway")}
        async with gateway_of(told) as client:
            assert await reason(client) == "SERVICE_UNAVAILABLE"
        async with gateway_of({**told, "IDENTITY_TLS_NAME": "identity.crm.svc"}) as client:
            assert await ask(client) == ANSWER


async def test_authority_and_all_are_replaced_while_everything_runs(
    targets, authority, tmp_path, gateway_of, monkeypatch
):
    monkeypatch.setattr(channels, "LOOK_SECONDS", 0.05)
    async with gateway_of({**targets, **authority.write(tmp_path / "gateway")}) as client:
        assert await ask(client) == ANSWER
        new = TestAuthority("New CA")
        for name in ("server", "gateway"):
            new.write(tmp_path / name)
        await asyncio.sleep(0.1)
        assert await ask(client) == ANSWER
        # Over a new connection: that of before would go on with what it was made with.
        assert client.gateway.services.states()["identity"] == "READY"
