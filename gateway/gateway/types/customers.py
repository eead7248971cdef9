"""Customers, their contacts and timeline, the company's own fields, imports and exports."""

import strawberry
from crm.common.v1 import custom_field_pb2, filter_pb2, job_pb2
from crm.customers.v1 import contact_pb2, customer_pb2, customer_service_pb2, timeline_pb2

from gateway.connections import Connection
from gateway.context import Info
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node


@derive(
    contact_pb2.Contact,
    required={"customer", "display_name", "etag"},
    relations={"customer": "customers", "reports_to": "contacts"},
)
class Contact(Record[contact_pb2.Contact], Node):
    pass


@derive(
    customer_pb2.Customer,
    required={"display_name", "etag"},
    relations={"owner": "users", "owner_department": "departments", "creator": "users"},
)
class Customer(Record[customer_pb2.Customer], Node):
    @field("The people to talk to, the primary one first.")
    async def contacts(self, info: Info) -> list[Contact]:
        return await info.context.loaders.contacts_of.load(self.wire.name)


@derive(customer_service_pb2.CustomerTransferResult)
class CustomerTransferResult(Record[customer_service_pb2.CustomerTransferResult]):
    pass


@strawberry.type(description="A page of customers.")
class CustomerConnection(Connection[Customer]):
    filter: strawberry.Private[filter_pb2.Filter | None]
    search: strawberry.Private[str]

    @field("How many there are on all pages. Counted only if asked for.")
    async def total_count(self, info: Info) -> int:
        request = customer_service_pb2.CountCustomersRequest(filter=self.filter, search=self.search)
        return (await info.context.calls(info.context.services.customers.CountCustomers, request)).count


@derive(
    timeline_pb2.TimelineEntry,
    required={"kind", "source"},
    relations={"customer": "customers", "actor": "users"},
)
class TimelineEntry(Record[timeline_pb2.TimelineEntry]):
    pass


@derive(custom_field_pb2.CustomField, required={"entity", "key", "label", "etag"})
class CustomField(Record[custom_field_pb2.CustomField]):
    pass


@derive(job_pb2.RowError, required={"reason", "message"})
class RowError(Record[job_pb2.RowError]):
    pass


@derive(job_pb2.ImportJob, required={"file_name"}, relations={"creator": "users"})
class ImportJob(Record[job_pb2.ImportJob]):
    @field("Where the refused rows can be downloaded as a file, once there are some.")
    def error_file_url(self) -> str | None:
        collection, _, key = self.wire.name.partition("/")
        folder = "leadImportErrors" if collection == "leadImportJobs" else "importErrors"
        return f"/files/{folder}/{key}" if self.wire.failed_rows else None


@derive(job_pb2.ExportJob, relations={"creator": "users"})
class ExportJob(Record[job_pb2.ExportJob]):
    @field("Where the file can be downloaded, once it is done.")
    def file_url(self) -> str | None:
        done = self.wire.state == job_pb2.JOB_STATE_SUCCEEDED
        collection, _, key = self.wire.name.partition("/")
        folder = "exports" if collection == "exportJobs" else collection
        return f"/files/{folder}/{key}" if done else None
