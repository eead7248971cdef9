"""Loaders of one operation: what many fields ask for one by one is fetched by few calls."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from crm.customers.v1 import contact_pb2, contact_service_pb2, customer_service_pb2
from crm.identity.v1 import department_service_pb2, partner_service_pb2, role_service_pb2, user_service_pb2
from crm.leads.v1 import lead_duplicate_service_pb2, lead_service_pb2
from strawberry.dataloader import DataLoader

from gateway.calls import Calls
from gateway.services import Services
from gateway.types.customers import Contact, Customer
from gateway.types.identity import Department, Role, User
from gateway.types.leads import Lead, LeadDuplicate
from gateway.types.partners import Partner

BATCH = 200
"""The most names that a service takes at once."""
DUPLICATE_BATCH = 100
"""The most leads whose duplicates are asked for at once."""
CONTACT_BATCH = 40
"""The most customers whose contacts are asked for at once."""


@dataclass(frozen=True)
class _Batch:
    """How records of a collection are fetched by their names."""

    record: Callable[[Any], Any]
    request: Callable[..., Any]
    method: Callable[[Services], Any]
    field: str
    """The field of the answer that has them."""


_BATCHES = {
    "users": _Batch(User, user_service_pb2.BatchGetUsersRequest, attrgetter("users.BatchGetUsers"), "users"),
    "departments": _Batch(
        Department,
        department_service_pb2.BatchGetDepartmentsRequest,
        attrgetter("departments.BatchGetDepartments"),
        "departments",
    ),
    "roles": _Batch(Role, role_service_pb2.BatchGetRolesRequest, attrgetter("roles.BatchGetRoles"), "roles"),
    "partners": _Batch(
        Partner, partner_service_pb2.BatchGetPartnersRequest, attrgetter("partners.BatchGetPartners"), "partners"
    ),
    "customers": _Batch(
        Customer, customer_service_pb2.BatchGetCustomersRequest, attrgetter("customers.BatchGetCustomers"), "customers"
    ),
    "contacts": _Batch(
        Contact, contact_service_pb2.BatchGetContactsRequest, attrgetter("contacts.BatchGetContacts"), "contacts"
    ),
    "leads": _Batch(Lead, lead_service_pb2.BatchGetLeadsRequest, attrgetter("leads.BatchGetLeads"), "leads"),
}


class Loaders:
    """One loader per collection, made when it is asked for. Answers come in the order asked; None for what does not
    exist or is not visible."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._by_collection: dict[str, DataLoader[str, Any]] = {}

    def of(self, collection: str) -> "DataLoader[str, Any]":
        """The loader of a collection, by resource names."""
        found = self._by_collection.get(collection)
        if found is None:
            found = self._by_collection[collection] = _loader(self._calls, _BATCHES[collection])
        return found

    @cached_property
    def contacts_of(self) -> "DataLoader[str, list[Contact]]":
        """The contacts of a customer, by the customer's name; the primary one first."""
        return DataLoader(load_fn=lambda customers: _contacts_of(self._calls, customers), max_batch_size=CONTACT_BATCH)

    @cached_property
    def duplicates_of(self) -> "DataLoader[str, list[LeadDuplicate]]":
        """The newest of what a lead may be the same as, by the lead's name."""
        return DataLoader(load_fn=lambda leads: _duplicates_of(self._calls, leads), max_batch_size=DUPLICATE_BATCH)


def _loader(calls: Calls, batch: _Batch) -> "DataLoader[str, Any]":
    async def load(names: list[str]) -> list[Any]:
        answer = await calls(batch.method(calls.services), batch.request(names=names))
        found = {message.name: batch.record(message) for message in getattr(answer, batch.field)}
        return [found.get(name) for name in names]

    return DataLoader(load_fn=load, max_batch_size=BATCH)


async def _contacts_of(calls: Calls, customers: list[str]) -> list[list[Contact]]:
    """All contacts, however many: what does not come before the deadline of the operation fails, and is not cut."""
    found: dict[str, list[Contact]] = {customer: [] for customer in customers}
    token, more = "", True
    while more:
        request = contact_service_pb2.ListContactsRequest(customers=customers, page_size=BATCH, page_token=token)
        page = await calls(calls.services.contacts.ListContacts, request)
        for message in page.contacts:
            _file(found, message)
        token = page.next_page_token
        more = bool(token)
    return list(found.values())


async def _duplicates_of(calls: Calls, leads: list[str]) -> list[list[LeadDuplicate]]:
    request = lead_duplicate_service_pb2.BatchGetLeadDuplicatesRequest(leads=leads)
    answer = await calls(calls.services.lead_duplicates.BatchGetLeadDuplicates, request)
    found = {one.lead: [LeadDuplicate(each) for each in one.duplicates] for one in answer.leads}
    return [found.get(lead, []) for lead in leads]


def _file(found: dict[str, list[Contact]], message: contact_pb2.Contact) -> None:
    if message.customer in found:
        found[message.customer].append(Contact(message))
