"""`leads serve | work | migrate`: the parts this service is composed of."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from chassis import cli, handover, organisation, personal_data
from chassis.calls import Calls
from chassis.clients import open_channel
from chassis.errors import Invalid
from chassis.service import Runtime, Service, Servicer
from chassis.settings import Settings
from crm.leads.v1 import (
    follow_up_service_pb2,
    follow_up_service_pb2_grpc,
    lead_service_pb2,
    lead_service_pb2_grpc,
)

from leads.api import FollowUpServicer, LeadServicer
from leads.clients import GrpcCustomers
from leads.consumers import SUBSCRIPTIONS, TIMERS
from leads.explainers import EXPLAINERS
from leads.leaving import HANDOVER
from leads.personal_data import PERSONAL_DATA

LONGEST_PROTECTION = 3_650


def protection(settings: Settings) -> timedelta:
    """How long a partner's registration protects a company. Raises Invalid, naming the variable."""
    given = settings.environment.get("LEAD_PROTECTION_DAYS", "90")
    if not given.isdecimal() or not 1 <= int(given) <= LONGEST_PROTECTION:
        message = f"{given[:20]!r} is no number of days from 1 to {LONGEST_PROTECTION}"
        raise Invalid("INVALID_SETTING", message, field="LEAD_PROTECTION_DAYS")
    return timedelta(days=int(given))


def servicers(runtime: Runtime) -> Sequence[Servicer]:
    """The gRPC services of this service."""
    customers = GrpcCustomers(open_channel(runtime.settings, "customers"))
    calls = Calls(runtime.database)
    return (
        Servicer(
            lead_service_pb2.DESCRIPTOR.services_by_name["LeadService"],
            LeadServicer(calls, protection(runtime.settings)),
            lead_service_pb2_grpc.add_LeadServiceServicer_to_server,
        ),
        Servicer(
            follow_up_service_pb2.DESCRIPTOR.services_by_name["FollowUpService"],
            FollowUpServicer(calls, customers),
            follow_up_service_pb2_grpc.add_FollowUpServiceServicer_to_server,
        ),
    )


SERVICE = Service(
    name="leads",
    migrations=Path(__file__).resolve().parent.parent / "migrations",
    servicers=servicers,
    subscriptions=lambda runtime: (
        *SUBSCRIPTIONS,
        organisation.subscription("leads"),
        handover.subscription(HANDOVER),
        *personal_data.subscriptions(PERSONAL_DATA),
    ),
    timers=lambda runtime: TIMERS,
    jobs=lambda runtime: (handover.job_kind(HANDOVER),),
    handover=HANDOVER,
    personal_data=PERSONAL_DATA,
    explainers=EXPLAINERS,
)


def main() -> None:
    """Run the service from the command line."""
    cli.main(SERVICE)
