"""The ownership passport through GraphQL."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from chassis.testing import eventually

PASSPORT = """query($id: ID!, $at: DateTime) { ownershipPassport(customer: $id, at: $at) {
  formerOwnerShare decayDays complete tenures { ownerId fromTime toTime creditShare daysSince } } }"""


@pytest.mark.feature("Z6")
def test_a_former_owner_is_due_twenty_thirtieths_ten_days_later(admin, organisation, real_time):
    department = organisation.department("战区")
    role = organisation.role("SELF", "customer.read", "customer.create")
    former_id, former = organisation.user(department, role)
    winner_id, _ = organisation.user(department, role)
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer = former.run(create, input={"name": f"归属{uuid4().hex[:10]}"})["createCustomer"]["id"]
    transfer = "mutation($input: TransferCustomerInput!) { transferCustomer(input: $input) { id } }"
    given = {"id": customer, "ownerId": winner_id}
    eventually(lambda: "errors" not in admin.answer(transfer, input=given))
    move = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
    admin.run(move, input={"advanceSeconds": 86_400 * 10})
    shown = admin.run(PASSPORT, id=customer)["ownershipPassport"]
    assert shown["complete"] is True
    [present, lost] = shown["tenures"]
    assert (present["ownerId"], present["toTime"], lost["ownerId"]) == (winner_id, None, former_id)
    assert lost["toTime"] == present["fromTime"]
    assert (shown["decayDays"], lost["daysSince"]) == (30, 10)
    assert Decimal(lost["creditShare"]) == Decimal(shown["formerOwnerShare"]) * 20 / 30
    assert Decimal(present["creditShare"]) == 1 - Decimal(lost["creditShare"])
    before = datetime.fromisoformat(present["fromTime"]) - timedelta(microseconds=1)
    then = admin.run(PASSPORT, id=customer, at=before.isoformat())["ownershipPassport"]["tenures"]
    assert [(one["ownerId"], one["creditShare"]) for one in then] == [(former_id, "1")]
    hidden = former.answer(PASSPORT, id=customer)["errors"][0]["extensions"]
    assert hidden["code"] == "NOT_FOUND"
