"""`leads serve | work | migrate`: the parts this service is composed of."""

from collections.abc import Sequence
from pathlib import Path

from chassis import cli, organisation
from chassis.calls import Calls
from chassis.clients import open_channel
from chassis.service import Runtime, Service, Servicer
from crm.leads.v1 import follow_up_service_pb2, follow_up_service_pb2_grpc

from leads.api import FollowUpServicer
from leads.clients import GrpcCustomers
from leads.consumers import SUBSCRIPTIONS, TIMERS


def servicers(runtime: Runtime) -> Sequence[Servicer]:
    """The gRPC services of this service."""
    customers = GrpcCustomers(open_channel(runtime.settings, "customers"))
    return (
        Servicer(
            follow_up_service_pb2.DESCRIPTOR.services_by_name["FollowUpService"],
            FollowUpServicer(Calls(runtime.database), customers),
            follow_up_service_pb2_grpc.add_FollowUpServiceServicer_to_server,
        ),
    )


SERVICE = Service(
    name="leads",
    migrations=Path(__file__).resolve().parent.parent / "migrations",
    servicers=servicers,
    subscriptions=lambda runtime: (*SUBSCRIPTIONS, organisation.subscription("leads")),
    timers=lambda runtime: TIMERS,
)


def main() -> None:
    """Run the service from the command line."""
    cli.main(SERVICE)
