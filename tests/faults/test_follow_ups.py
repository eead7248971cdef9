"""Follow-ups reach the timeline exactly once, whichever process is killed on the way."""

import threading
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

FOLLOW_UPS = 150
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"


class Author(threading.Thread):
    """Logs follow-ups one after the other, each until it is acknowledged, as a client with retries does."""

    def __init__(self, client: GraphQLClient, customer: str) -> None:
        super().__init__()
        self.client, self.customer = client, customer
        self.logged: list[str] = []
        self.retries = 0

    def run(self) -> None:
        for number in range(FOLLOW_UPS):
            note = {
                "customerId": self.customer,
                "method": "CALL",
                "content": f"第 {number} 次",
                "requestId": str(uuid4()),
            }
            self.logged.append(self._log(note))

    def _log(self, note: dict) -> str:
        while True:
            try:
                answer = self.client.run(LOG, input=note)["logFollowUp"]
            except GraphQLError as error:
                if {item["extensions"]["code"] for item in error.errors} - {"UNAVAILABLE", "DEADLINE_EXCEEDED"}:
                    raise
                self.retries += 1
                threading.Event().wait(0.1)
            else:
                return str(answer["id"])


TIMELINE = """query($id: ID!, $after: String) {
  timeline(customer: $id, first: 200, after: $after, kinds: ["FOLLOW_UP_LOGGED"]) {
    nodes { resource } pageInfo { endCursor hasNextPage } } }"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("process", ["leads-work", "customers-work", "leads-serve", "customers-serve", "rabbitmq"])
def test_a_kill_loses_and_doubles_nothing(suite, admin, process):
    document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer = admin.run(document, input={"name": f"故障{uuid4().hex}"})["createCustomer"]["id"]
    author = Author(admin, customer)
    author.start()
    for reached in (30, 90):
        eventually(lambda count=reached: len(author.logged) >= count, timeout=180)
        suite.kill(process)
        suite.start(process)
    author.join(180)
    assert len(author.logged) == FOLLOW_UPS
    assert len(set(author.logged)) == FOLLOW_UPS
    # The gateway keeps off a service that was gone for a moment after it is back.
    eventually(lambda: "errors" not in admin.answer(TIMELINE, id=customer), timeout=90)
    eventually(lambda: len(timeline(admin, customer)) >= FOLLOW_UPS, timeout=180)
    assert sorted(timeline(admin, customer)) == sorted(author.logged)


def timeline(client: GraphQLClient, customer: str) -> list[str]:
    answer = client.run(TIMELINE, id=customer)["timeline"]
    assert not answer["pageInfo"]["hasNextPage"]
    return [entry["resource"] for entry in answer["nodes"]]
