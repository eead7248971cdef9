"""Shares of single records."""

from crm.customers.v1 import customer_share_pb2

from gateway.deriver import Record, derive


@derive(
    customer_share_pb2.CustomerShare,
    required={"customer", "level", "creator"},
    relations={"customer": "customers", "user": "users", "department": "departments", "creator": "users"},
)
class CustomerShare(Record[customer_share_pb2.CustomerShare]):
    pass
