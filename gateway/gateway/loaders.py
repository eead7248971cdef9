"""Loaders of one operation: what many fields ask for one by one is fetched by few calls."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from crm.customers.v1 import contact_pb2, contact_service_pb2, customer_service_pb2
from crm.identity.v1 import department_service_pb2, partner_service_pb2, role_service_pb2, user_service_pb2
from strawberry.dataloader import DataLoader

from gateway.calls import Calls
from gateway.types.customers import Contact, Customer
from gateway.types.identity import Department, Role, User
from gateway.types.partners import Partner

BATCH = 200
"""The most names that a service takes at once."""
CONTACT_BATCH = 40
CONTACT_PAGES = 10
"""Pages of 200 that are read at most for the contacts of a batch of customers."""

Fetch = Callable[[list[str]], Awaitable[Iterable[Any]]]


class Loaders:
    """One loader per collection. Answers come in the order asked; None for what does not exist or is not visible."""

    def __init__(self, calls: Calls) -> None:
        services = calls.services

        async def users(names: list[str]) -> Iterable[Any]:
            request = user_service_pb2.BatchGetUsersRequest(names=names)
            return map(User, (await calls(services.users.BatchGetUsers, request)).users)

        async def departments(names: list[str]) -> Iterable[Any]:
            request = department_service_pb2.BatchGetDepartmentsRequest(names=names)
            return map(Department, (await calls(services.departments.BatchGetDepartments, request)).departments)

        async def roles(names: list[str]) -> Iterable[Any]:
            request = role_service_pb2.BatchGetRolesRequest(names=names)
            return map(Role, (await calls(services.roles.BatchGetRoles, request)).roles)

        async def partners(names: list[str]) -> Iterable[Any]:
            request = partner_service_pb2.BatchGetPartnersRequest(names=names)
            return map(Partner, (await calls(services.partners.BatchGetPartners, request)).partners)

        async def customers(names: list[str]) -> Iterable[Any]:
            request = customer_service_pb2.BatchGetCustomersRequest(names=names)
            return map(Customer, (await calls(services.customers.BatchGetCustomers, request)).customers)

        fetches = {
            "users": users,
            "departments": departments,
            "roles": roles,
            "partners": partners,
            "customers": customers,
        }
        self._by_collection = {name: _loader(fetch) for name, fetch in fetches.items()}
        self.contacts: DataLoader[str, list[Contact]] = DataLoader(
            load_fn=lambda customers: _contacts(calls, customers), max_batch_size=CONTACT_BATCH
        )
        """The contacts of a customer, by the customer's name; the primary one first."""

    def of(self, collection: str) -> "DataLoader[str, Any]":
        """The loader of a collection, by resource names."""
        return self._by_collection[collection]


def _loader(fetch: Fetch) -> "DataLoader[str, Any]":
    async def load(names: list[str]) -> list[Any]:
        found = {record.wire.name: record for record in await fetch(names)}
        return [found.get(name) for name in names]

    return DataLoader(load_fn=load, max_batch_size=BATCH)


async def _contacts(calls: Calls, customers: list[str]) -> list[list[Contact]]:
    found: dict[str, list[Contact]] = {customer: [] for customer in customers}
    token = ""
    for _ in range(CONTACT_PAGES):
        request = contact_service_pb2.ListContactsRequest(customers=customers, page_size=200, page_token=token)
        page = await calls(calls.services.contacts.ListContacts, request)
        for message in page.contacts:
            _file(found, message)
        token = page.next_page_token
        if not token:
            break
    return list(found.values())


def _file(found: dict[str, list[Contact]], message: contact_pb2.Contact) -> None:
    if message.customer in found:
        found[message.customer].append(Contact(message))
