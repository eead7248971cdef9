"""The business time of a test installation. The services refuse all of it unless their test clock is on."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import strawberry
from chassis.errors import Invalid
from crm.common.v1 import test_clock_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.calls import Calls
from gateway.context import Info
from gateway.fields import field, mutation

MOVE_SECONDS = 60.0
"""The longest that a move may take: the timers catch up before it is answered."""


@strawberry.type(description="The business time.")
class TestClock:
    now: datetime


@strawberry.input(one_of=True, description="Where to move the business time to.")
class MoveTestClockInput:
    set: datetime | None = strawberry.field(default=strawberry.UNSET, description="To this time.")
    advance_seconds: float | None = strawberry.field(default=strawberry.UNSET, description="Forward by this long.")
    reset: bool | None = strawberry.field(default=strawberry.UNSET, description="True: back to the real time.")


@strawberry.type
class TestClocksQuery:
    @field("What time it is for the business rules of a test installation.")
    async def test_clock(self, info: Info) -> TestClock | None:
        return TestClock(now=await _now(info.context.calls))


@strawberry.type
class TestClocksMutation:
    @mutation("Moves the business time of the whole suite; timers then run as if that time had passed.")
    async def move_test_clock(self, info: Info, input: MoveTestClockInput) -> TestClock | None:  # noqa: A002
        calls = info.context.calls
        request = test_clock_service_pb2.MoveTestClockRequest()
        if input.reset:
            request.reset = True
        elif input.set:
            request.set_time.FromDatetime(input.set)
        elif isinstance(input.advance_seconds, int | float):
            # One service is asked what time it is, so that all move to the same time.
            request.set_time.CopyFrom(await _advanced(calls, input.advance_seconds))
        else:
            raise Invalid("INVALID_VALUE", "reset must be true if given", field="reset")
        moved = await asyncio.gather(
            *(calls(clock.MoveTestClock, request, seconds=MOVE_SECONDS) for clock in calls.services.clocks)
        )
        return TestClock(now=max(_time(clock) for clock in moved))


async def _advanced(calls: Calls, seconds: float) -> Timestamp:
    if not 0 <= seconds <= timedelta(days=36_500).total_seconds():
        raise Invalid("INVALID_VALUE", "the clock advances by 0 seconds to 100 years", field="advanceSeconds")
    target = Timestamp()
    target.FromDatetime(await _now(calls) + timedelta(seconds=seconds))
    return target


async def _now(calls: Calls) -> datetime:
    request = test_clock_service_pb2.GetTestClockRequest()
    return _time(await calls(calls.services.clocks[0].GetTestClock, request))


def _time(clock: Any) -> datetime:
    now: datetime = clock.now.ToDatetime(tzinfo=UTC)
    return now
