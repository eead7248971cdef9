"""What clients can listen to."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import strawberry
from crm.common.v1 import job_pb2, notification_pb2
from crm.customers.v1 import customer_batch_service_pb2, transfer_service_pb2
from crm.identity.v1 import (
    account_pb2,
    auth_service_pb2,
    offboarding_service_pb2,
    settings_service_pb2,
)
from crm.leads.v1 import lead_transfer_service_pb2

from gateway import metrics
from gateway.context import Context, Info
from gateway.deriver import Record, derive
from gateway.failures import CallFailed
from gateway.fields import subscription
from gateway.nodes import Key
from gateway.types.batches import CustomerBatch
from gateway.types.customers import ImportJob
from gateway.types.offboarding import Offboarding

T = TypeVar("T")

POLL_SECONDS = 0.3
TOKEN_CHECK_SECONDS = 60.0
"""How often a listener's token is checked again, so that an expired or revoked one hears no more."""
_ENDED = (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)


@derive(
    notification_pb2.NotificationRaised,
    required={"id", "kind"},
    rename={"recipient": "recipient_id"},
)
class Notification(Record[notification_pb2.NotificationRaised]):
    pass


@strawberry.type
class Subscription:
    @subscription("The progress of an import: now, at every change, and once more when it ends.")
    def import_progress(self, info: Info, key: Key) -> AsyncGenerator[ImportJob, None]:
        services = info.context.services
        method: Any = services.transfers.GetImportJob
        request: Any = transfer_service_pb2.GetImportJobRequest(name=key)
        if key.startswith("leadImportJobs/"):
            method = services.lead_transfers.GetLeadImportJob
            request = lead_transfer_service_pb2.GetLeadImportJobRequest(name=key)
        return _changes(info, method, request, ImportJob)

    @subscription("The progress of an action on many customers: now, at every change, and once more when it ends.")
    def job_progress(self, info: Info, key: Key) -> AsyncGenerator[CustomerBatch, None]:
        request = customer_batch_service_pb2.GetCustomerBatchRequest(name=key)
        return _changes(info, info.context.services.batches.GetCustomerBatch, request, CustomerBatch)

    @subscription("The progress of an offboarding: now, at every change, and once more when it ends.")
    def offboarding_progress(self, info: Info, key: Key) -> AsyncGenerator[Offboarding, None]:
        request = offboarding_service_pb2.GetOffboardingRequest(name=key)
        return _changes(info, info.context.services.offboardings.GetOffboarding, request, Offboarding)

    @subscription("What the services have to tell the signed-in user, from now on. Nothing is kept for later.")
    async def notifications(self, info: Info) -> AsyncGenerator[Notification, None]:
        user = await _signed_in(info.context)
        with (
            metrics.SUBSCRIPTIONS.labels("notifications").track_inprogress(),
            info.context.listener.listen(user) as raised,
        ):
            while True:
                try:
                    async with asyncio.timeout(TOKEN_CHECK_SECONDS):
                        message = await raised.get()
                except TimeoutError:
                    await _signed_in(info.context)
                    continue
                if await _wanted(info.context, message.kind):
                    yield Notification(message)


async def _changes(info: Info, method: Any, request: Any, wrap: Callable[[Any], T]) -> AsyncGenerator[T, None]:
    """What a method answers of work under way: now, and whenever it has changed, until the work has ended."""
    calls, shown = info.context.calls, None
    with metrics.SUBSCRIPTIONS.labels(info.field_name).track_inprogress():
        while True:
            found = await calls.afresh()(method, request)
            if found != shown:
                shown = found
                yield wrap(found)
            if found.state in _ENDED:
                return
            await asyncio.sleep(POLL_SECONDS)


async def _signed_in(context: Context) -> str:
    """The user whose token it is, as identity knows it. Raises CallFailed, NOT_FOUND for a machine."""
    return (await context.calls.afresh()(context.services.auth.GetMe, auth_service_pb2.GetMeRequest())).name


async def _wanted(context: Context, kind: str) -> bool:
    """Whether the user wants to be shown notifications of a kind. While nobody can say, they are shown."""
    request = settings_service_pb2.GetMySettingsRequest()
    try:
        settings = await context.calls.afresh()(context.services.settings.GetMySettings, request)
    except CallFailed as failure:
        if failure.answered:
            raise
        return True
    return all(
        switch.enabled
        for switch in settings.notification_switches
        if (switch.kind, switch.channel) == (kind, account_pb2.NOTIFICATION_CHANNEL_IN_APP)
    )
