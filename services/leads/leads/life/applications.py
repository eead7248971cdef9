"""What is asked of the customers service for a lead: what the lead says, and what whoever converts it adds. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

from chassis.names import make_name
from crm.customers.v1 import admission_service_pb2, contact_pb2, customer_pb2
from crm.leads.v1 import conversion_service_pb2

from leads.life.opportunities import OpportunityDraft

_OF_CUSTOMER = ("credit_code", "industry", "source")
_OF_ADDRESS = ("province", "city")
_REACHED_BY = ("phones", "emails")


def digest(request: conversion_service_pb2.ConvertLeadRequest) -> bytes:
    """Tells whether two requests ask for the same. Identity numbers take no part: so few that all could be tried."""
    asked = conversion_service_pb2.ConvertLeadRequest()
    asked.CopyFrom(request)
    for field in ("request_id", "etag"):
        asked.ClearField(field)
    for part in (asked.new_customer, asked.new_contact):
        part.ClearField("identity_number")
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).digest()


def opportunity(request: conversion_service_pb2.ConvertLeadRequest) -> OpportunityDraft | None:
    """The opportunity that is asked for."""
    if not request.HasField("opportunity"):
        return None
    asked = request.opportunity
    return OpportunityDraft(
        display_name=asked.display_name,
        currency_code=asked.amount.currency_code,
        amount=asked.amount.amount,
        expected_close_date=asked.expected_close_date,
    )


def application(
    request: conversion_service_pb2.ConvertLeadRequest, conversion: str, lead: Mapping[str, Any]
) -> admission_service_pb2.AdmitLeadRequest:
    """What the customers service is asked for."""
    asked = admission_service_pb2.AdmitLeadRequest(
        conversion=conversion, lead=request.name, customer=request.customer, contact=request.contact
    )
    company = bool(lead["company_name"])
    person = request.new_customer.kind == customer_pb2.CUSTOMER_KIND_PERSON or not (company or request.customer)
    with_contact = request.HasField("new_contact") or bool(lead["contact_name"] and not person and not request.contact)
    if with_contact:
        asked.new_contact.CopyFrom(_contact(request.new_contact, lead))
    if not request.customer:
        asked.new_customer.CopyFrom(_customer(request.new_customer, lead, reached=not with_contact, person=person))
    return asked


def _customer(
    given: customer_pb2.Customer, lead: Mapping[str, Any], *, reached: bool, person: bool
) -> customer_pb2.Customer:
    """The new customer. It is reached by the lead's numbers and addresses unless a contact is."""
    made = customer_pb2.Customer()
    made.CopyFrom(given)
    if person:
        made.kind = customer_pb2.CUSTOMER_KIND_PERSON
    title = lead["contact_name"] or lead["company_name"] if person else lead["company_name"] or lead["contact_name"]
    made.display_name = made.display_name or title or ""
    made.owner = made.owner or make_name("users", lead["owner_id"])
    for field in _OF_CUSTOMER:
        if not (person and field == "credit_code"):
            _fill(made, field, lead[field])
    for field in _OF_ADDRESS:
        _fill(made.address, field, lead[field])
    if reached:
        for field in _REACHED_BY:
            _fill_list(made, field, lead[field])
    _fill(made, "remark", "\n".join(filter(None, (lead["requirement"], lead["remark"]))))
    return made


def _contact(given: contact_pb2.Contact, lead: Mapping[str, Any]) -> contact_pb2.Contact:
    made = contact_pb2.Contact()
    made.CopyFrom(given)
    _fill(made, "display_name", lead["contact_name"])
    _fill(made, "wechat", lead["wechat"])
    for field in _REACHED_BY:
        _fill_list(made, field, lead[field])
    return made


def _fill(message: Any, field: str, value: str | None) -> None:
    if value and not getattr(message, field):
        setattr(message, field, value)


def _fill_list(message: Any, field: str, values: list[str]) -> None:
    if values and not getattr(message, field):
        getattr(message, field).extend(values)
