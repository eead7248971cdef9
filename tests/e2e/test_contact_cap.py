"""Several theatres and one company, through GraphQL."""

from uuid import uuid4

import pytest
from chassis.testing import eventually

LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
SHARE = "mutation($input: ShareCustomerInput!) { shareCustomer(input: $input) { id } }"


@pytest.mark.feature("Z7")
def test_the_fourth_theatre_to_contact_a_company_within_a_day_is_refused(organisation):
    role = organisation.role(
        "SELF", "customer.read", "customer.create", "customer.share", "follow_up.create", "follow_up.read"
    )
    people = [organisation.user(organisation.department(f"战区{number}"), role) for number in range(4)]
    _, first = people[0]
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer = first.run(create, input={"name": f"同客{uuid4().hex[:10]}有限公司"})["createCustomer"]["id"]

    def answer(client, method: str) -> dict:
        note = {"customerId": customer, "method": method, "content": "王总说下周定方案"}
        return client.answer(LOG, input=note)

    assert "errors" not in answer(first, "CALL")
    for user_id, _ in people[1:]:
        share = {"id": customer, "userId": user_id, "level": "COLLABORATE"}
        eventually(lambda share=share: "errors" not in first.answer(SHARE, input=share))
    for (_, client), method in zip(people[1:3], ("WECHAT", "EMAIL"), strict=True):
        eventually(lambda client=client, method=method: "errors" not in answer(client, method))

    def refusal() -> dict | None:  # once the leads service has heard of the share
        [error] = answer(people[3][1], "VISIT")["errors"]
        return error if error["extensions"]["reason"] != "CUSTOMER_NOT_FOUND" else None

    error = eventually(refusal)
    assert error["extensions"]["reason"] == "CONTACT_CAP_REACHED"
    assert not any(user_id in str(error) for user_id, _ in people[:3])
    assert "errors" not in answer(first, "CALL")
