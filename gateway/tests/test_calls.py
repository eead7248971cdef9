"""Calls to services that do not answer, and to those that come back."""

import asyncio
import time

import pytest
from chassis.errors import Unavailable
from crm.customers.v1 import customer_pb2, customer_service_pb2
from gateway.breaker import FAILURES, Breaker
from gateway.calls import Calls
from gateway.failures import CallFailed

from gateway import calls as calls_module

pytestmark = pytest.mark.anyio

LIST = "{ customers(first: 1) { nodes { id } } }"
CREATE = 'mutation { createCustomer(input: {name: "x", phones: ["1"]}) { id } }'


def test_breaker_admits_one_call_per_pause_while_a_service_is_down():
    now = 0.0
    breaker = Breaker(failures=3, pause_seconds=1, clock=lambda: now)
    for _ in range(3):
        assert breaker.admits()
        breaker.failed()
    assert not breaker.admits()
    now = 1.1
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.answered()
    assert [breaker.admits(), breaker.admits()] == [True, True]


async def test_what_takes_effect_once_is_tried_again_and_other_writes_are_not(suite):
    calls = Calls(suite.gateway.services, "Bearer good")
    tried = []
    real = suite.gateway.services.customers

    class Counting:
        def __init__(self, method):
            self.method = method

        def __call__(self, *arguments, **options):
            tried.append(1)
            return self.method(*arguments, **options)

    for method in (real.ListCustomers, real.CreateCustomer):
        suite.gateway.services._methods[counting := Counting(method)] = suite.gateway.services.method(method)
        if method is real.ListCustomers:
            read = counting
        else:
            write = counting
    await suite.servers["customers"].stop(0)
    with pytest.raises(CallFailed) as failed:
        await calls(read, customer_service_pb2.ListCustomersRequest())
    assert (len(tried), failed.value.reason) == (3, "SERVICE_UNAVAILABLE")
    known = suite.gateway.services.method(write)
    for request_id, times in (("", 1), ("0b6f6c1e-5a3d-4a55-9d0a-3f1f6f1f2a10", 3)):
        tried.clear()
        known.breaker.answered()
        request = customer_service_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(), request_id=request_id)
        with pytest.raises(CallFailed):
            await calls(write, request)
        assert len(tried) == times


async def test_what_tells_a_secret_once_is_never_tried_again(suite):
    services = suite.gateway.services
    for method in (
        services.clients.CreateClient,
        services.clients.RotateClientSecret,
        services.accounts.InviteUser,
        services.second_factors.BeginTotpEnrolment,
        services.second_factors.RenewRecoveryCodes,
        services.identity_numbers.RevealIdentityNumber,
        services.capture_sources.RotateCaptureSecret,
        services.calendars.RotateCalendarFeed,
    ):
        assert services.method(method).tells_once
    assert not services.method(services.customers.CreateCustomer).tells_once


async def test_what_is_called_like_a_read_and_writes_is_no_read(suite):
    services = suite.gateway.services
    assert services.method(services.capture.CheckCaptureOrigin).read
    assert not services.method(services.visits.CheckIn).read
    assert not services.method(services.visits.CheckOut).read


async def test_service_that_says_it_is_unavailable_is_believed(suite):
    suite.world.raising["ListCustomers"] = Unavailable("DATABASE_UNAVAILABLE", "the database does not answer")
    refused = await suite.refused(LIST)
    assert (refused["code"], refused["reason"]) == ("UNAVAILABLE", "DATABASE_UNAVAILABLE")
    assert suite.world.calls["ListCustomers"] == 1


async def test_stopped_service_is_refused_at_once(suite):
    await suite.servers["customers"].stop(0)
    for _ in range(4):
        await suite.refused(LIST)
    took = []
    for _ in range(5):
        started = time.perf_counter()
        refused = await suite.refused(LIST)
        took.append(time.perf_counter() - started)
        assert (refused["code"], refused["reason"]) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
        assert refused["service"] == "customers"
    assert min(took) < 0.1, "no call is tried: those that took longer may have met a busy machine"


async def test_service_that_comes_back_is_found_again(suite, restart_customers):
    await suite.servers["customers"].stop(0)
    for _ in range(4):
        await suite.refused(LIST)
    async with restart_customers():
        async with asyncio.timeout(60):
            while "errors" in (await suite.post(LIST)).json():
                await asyncio.sleep(0.05)


async def test_calls_wait_for_the_replica_that_comes_after_the_only_one(suite, restart_customers, monkeypatch):
    monkeypatch.setattr(calls_module, "CONNECT_SECONDS", 20)  # however long the next one takes to start here
    await suite.servers["customers"].stop(0)
    write = asyncio.create_task(suite.post(CREATE))
    await asyncio.sleep(0.4)
    async with restart_customers():
        assert "errors" not in (await write).json()
    assert suite.world.calls["CreateCustomer"] == 1


async def test_slow_call_ends_at_its_deadline(suite):
    suite.world.hanging["ListCustomers"] = asyncio.Event()
    calls = Calls(suite.gateway.services, "Bearer good", operation_seconds=0.2)
    with pytest.raises(CallFailed) as failed:
        await calls(suite.gateway.services.customers.ListCustomers, customer_service_pb2.ListCustomersRequest())
    assert failed.value.reason == "DEADLINE_EXCEEDED"
    suite.world.hanging["ListCustomers"].set()


async def test_operations_whose_time_is_over_do_not_make_a_service_count_as_down(suite):
    list_customers = suite.gateway.services.customers.ListCustomers
    suite.world.hanging["ListCustomers"] = asyncio.Event()
    calls = Calls(suite.gateway.services, "Bearer good", operation_seconds=0)
    for _ in range(2 * FAILURES):
        with pytest.raises(CallFailed) as failed:
            await calls(list_customers, customer_service_pb2.ListCustomersRequest())
        assert failed.value.reason == "DEADLINE_EXCEEDED"
    suite.world.hanging.pop("ListCustomers").set()
    assert "errors" not in (await suite.post(LIST)).json()


async def test_service_without_an_address_is_unavailable(suite, gateway_of):
    async with gateway_of({"IDENTITY_TARGET": "127.0.0.1:1"}) as client:
        answer = (await client.post("/graphql", json={"query": LIST})).json()
    assert answer["errors"][0]["extensions"]["reason"] == "SERVICE_UNAVAILABLE"
