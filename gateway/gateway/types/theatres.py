"""Theatres that look after customers."""

from crm.customers.v1 import customer_theatre_pb2

from gateway.deriver import Record, derive


@derive(
    customer_theatre_pb2.CustomerTheatre,
    relations={"customer": "customers", "theatre": "departments", "owner": "users"},
)
class CustomerTheatre(Record[customer_theatre_pb2.CustomerTheatre]):
    pass
