"""Personal data: identity numbers in full."""

from crm.customers.v1 import identity_number_service_pb2

from gateway.deriver import Record, derive


@derive(identity_number_service_pb2.RevealIdentityNumberResponse, hide={"name"})
class RevealedIdentityNumber(Record[identity_number_service_pb2.RevealIdentityNumberResponse]):
    pass
