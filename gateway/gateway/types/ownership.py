"""Who owned customers, and what former owners are due."""

from crm.customers.v1 import ownership_pb2

from gateway.deriver import Record, derive


@derive(
    ownership_pb2.OwnershipTenure,
    required={"owner", "credit_share"},
    relations={"owner": "users"},
)
class OwnershipTenure(Record[ownership_pb2.OwnershipTenure]):
    pass


@derive(
    ownership_pb2.OwnershipPassport,
    required={"customer", "former_owner_share"},
    relations={"customer": "customers"},
)
class OwnershipPassport(Record[ownership_pb2.OwnershipPassport]):
    pass


@derive(ownership_pb2.OwnershipPolicy, required={"former_owner_share", "etag"})
class OwnershipPolicy(Record[ownership_pb2.OwnershipPolicy]):
    pass
