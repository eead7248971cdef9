"""What happened with customers."""

from crm.customers.v1 import interaction_service_pb2

from gateway.deriver import Record, derive


@derive(interaction_service_pb2.InteractionOutcome)
class InteractionOutcome(Record[interaction_service_pb2.InteractionOutcome]):
    pass
