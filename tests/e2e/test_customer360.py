"""The whole picture of a customer, also when a service is down."""

import time
from uuid import uuid4

import pytest
from chassis.testing import eventually

PICTURE = """
query Picture($id: ID!) {
  customer360(id: $id) {
    id
    profile { asOf customer { name level } }
    owner { asOf user { name } }
    contacts { asOf nodes { name } }
    timeline { asOf nodes { kind } }
    followUps { asOf nodes { content author { name } } }
  }
}"""


@pytest.fixture
def customer(admin):
    values = {"name": f"全景{uuid4().hex[:10]}有限公司", "level": "B"}
    document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    key = admin.run(document, input=values)["createCustomer"]["id"]
    contact = {"customerId": key, "name": "李娜", "phones": ["13700001111"]}
    admin.run("mutation($input: CreateContactInput!) { createContact(input: $input) { id } }", input=contact)
    note = {"customerId": key, "method": "VISIT", "content": "看了车间"}
    admin.run("mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }", input=note)
    return key


def test_one_query_joins_all_services(admin, customer):
    def complete() -> bool:
        picture = admin.run(PICTURE, id=customer)["customer360"]
        kinds = [entry["kind"] for entry in picture["timeline"]["nodes"]]
        return (
            picture["profile"]["customer"]["level"] == "B"
            and [contact["name"] for contact in picture["contacts"]["nodes"]] == ["李娜"]
            and [note["content"] for note in picture["followUps"]["nodes"]] == ["看了车间"]
            and "FOLLOW_UP_LOGGED" in kinds
            and "CUSTOMER_CREATED" in kinds
        )

    eventually(complete)


def test_a_service_that_is_down_costs_only_its_own_part(suite, admin, customer):
    suite.kill("leads-serve")
    try:
        for _ in range(3):
            began = time.monotonic()
            answer = admin.answer(PICTURE, id=customer)
            took = time.monotonic() - began
            picture = answer["data"]["customer360"]
            assert picture["followUps"] is None
            assert picture["profile"]["customer"]["level"] == "B"
            assert picture["contacts"]["nodes"]
            [error] = answer["errors"]
            assert error["extensions"]["code"] == "UNAVAILABLE"
            assert error["path"] == ["customer360", "followUps"]
            assert took < 1
    finally:
        suite.start("leads-serve")
    eventually(lambda: "errors" not in admin.answer(PICTURE, id=customer), timeout=15)
