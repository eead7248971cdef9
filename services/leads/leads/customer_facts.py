"""Customers as the customers service tells of them. Pure."""

from chassis.formats import company_key
from chassis.names import parse_name, parse_optional_name
from crm.customers.v1 import events_pb2 as customers_pb2

from leads.usecases.learn_customers import CustomerFacts


def customer_facts(state: customers_pb2.CustomerState) -> CustomerFacts:
    """What is kept of a customer."""
    return CustomerFacts(
        id=parse_name("customers", state.customer, field="customer"),
        version=state.version,
        display_name=state.display_name,
        owner_id=parse_optional_name("users", state.owner, field="owner"),
        owner_department_path=state.owner_department_path or None,
        company_key=company_key(state.display_name) if state.kind == "COMPANY" else "",
        credit_code=state.credit_code or None,
    )
