"""Telephone calls: told of over HTTP, kept in one log, given outcomes and counted through GraphQL."""

import hashlib
import hmac
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import orjson
import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

WORK = ("call.read", "call.create", "lead.read", "lead.create", "customer.read", "customer.create")
LOG = ("follow_up.create", "follow_up.read", "contact.create", "contact.read")
SHOWN = "id subject subjectTitle assigneeId phone state direction durationSeconds recordingUrl outcome followUp"
CALLS = f"query($subject: ID) {{ calls(subject: $subject) {{ nodes {{ {SHOWN} }} }} }}"
OUTCOME = f"mutation($input: SetCallOutcomeInput!) {{ setCallOutcome(input: $input) {{ {SHOWN} }} }}"


@pytest.fixture
def rep(organisation, suite):
    """Somebody who telephones, whom the service knows: it takes calls of strangers for nobody's."""
    user, client = organisation.user(organisation.department("电销"), organisation.role("SELF", *WORK, *LOG))
    with suite.database("leads") as connection:
        known = "SELECT 1 FROM known_user WHERE id = %s"
        eventually(lambda: connection.execute(known, (user.removeprefix("users/"),)).fetchone())
    return user, client


@pytest.fixture
def tell(suite):
    """Tell what the telephone system tells. Returns the status of the answer."""

    def send(*, secret: str = "", **event) -> int:
        body, timestamp = orjson.dumps(event), str(int(time.time()))
        key = (secret or suite.environment["DIALLER_SECRET"]).encode()
        signature = hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"x-timestamp": timestamp, "x-signature": f"sha256={signature}"}
        answer = httpx.post(f"{suite.gateway_url}/calls/events", content=body, headers=headers, timeout=30)
        return answer.status_code

    return send


def new_phone() -> str:
    return f"139{uuid4().int % 10**8:08d}"


def call_with(client: GraphQLClient, subject: str) -> dict:
    [call] = client.run(CALLS, subject=subject)["calls"]["nodes"]
    return dict(call)


@pytest.mark.feature("C10")
def test_events_in_any_order_make_one_call_with_the_right_lead_and_an_outcome(rep, tell):
    user, client = rep
    phone, call = new_phone(), uuid4().hex
    create = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }"
    lead = client.run(create, input={"companyName": f"电销{call[:8]}", "phones": [phone]})["createLead"]["id"]
    start = datetime.now(UTC) - timedelta(minutes=5)
    same = {"id": call, "direction": "INBOUND", "phone": phone, "agent": user}
    ended = {
        **same,
        "state": "ENDED",
        "time": (start + timedelta(seconds=100)).isoformat(),
        "durationSeconds": 90,
        "recordingUrl": f"https://pbx.example.com/{call}.mp3",
    }
    ringing = {**same, "state": "RINGING", "time": start.isoformat()}
    answered = {**same, "state": "ANSWERED", "time": (start + timedelta(seconds=10)).isoformat()}
    assert tell(secret="a-secret-of-somebody-else", **ringing) == 401
    assert [tell(**event) for event in (ended, ringing, ended, answered, ringing)] == [204] * 5
    logged = call_with(client, lead)
    assert (logged["subject"], logged["assigneeId"], logged["phone"]) == (lead, user, f"+86{phone}")
    assert (logged["state"], logged["durationSeconds"]) == ("ENDED", 90)
    assert logged["recordingUrl"] == ended["recordingUrl"]
    report = {"content": "李经理要求报价，周五回复"}
    given = {"id": logged["id"], "outcome": "INTERESTED", "report": report}
    done = client.run(OUTCOME, input=given)["setCallOutcome"]
    assert done["outcome"] == "INTERESTED"
    assert done["followUp"].startswith("followUps/")
    statistics = (
        "query($start: Date!, $end: Date!) { callStatistics(startDate: $start, endDate: $end) "
        "{ nodes { userId calls inbound connected talkSeconds outcomes { outcome count } } } }"
    )
    days = {"start": str((start - timedelta(days=1)).date()), "end": str((start + timedelta(days=1)).date())}
    [row] = client.run(statistics, **days)["callStatistics"]["nodes"]
    counted = {"userId": user, "calls": 1, "inbound": 1, "connected": 1, "talkSeconds": 90}
    assert row == {**counted, "outcomes": [{"outcome": "INTERESTED", "count": 1}]}


@pytest.mark.feature("C10")
def test_a_customer_is_found_by_a_contacts_number_and_dialled(rep, tell):
    user, client = rep
    phone = new_phone()
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer = client.run(create, input={"name": f"来电{uuid4().hex[:8]}"})["createCustomer"]["id"]
    contact = "mutation($input: CreateContactInput!) { createContact(input: $input) { id } }"
    client.run(contact, input={"customerId": customer, "name": "王芳", "phones": [phone]})
    told = {"direction": "INBOUND", "phone": phone, "agent": user, "time": datetime.now(UTC).isoformat()}
    assert tell(id=uuid4().hex, state="MISSED", **told) == 204
    eventually(lambda: client.run(CALLS, subject=customer)["calls"]["nodes"])
    assert call_with(client, customer)["state"] == "MISSED"
    dial = f"mutation($input: DialInput!) {{ dial(input: $input) {{ {SHOWN} }} }}"
    dialled = client.run(dial, input={"subject": customer, "phone": phone})["dial"]
    assert (dialled["direction"], dialled["state"], dialled["subject"]) == ("OUTBOUND", "REQUESTED", customer)
    answered = {"id": uuid4().hex, "reference": dialled["id"], "state": "ENDED", "durationSeconds": 75}
    assert tell(**answered, time=datetime.now(UTC).isoformat()) == 204
    document = f"query($id: ID!) {{ call(id: $id) {{ {SHOWN} }} }}"
    ended = client.run(document, id=dialled["id"])["call"]
    assert (ended["state"], ended["durationSeconds"], ended["assigneeId"]) == ("ENDED", 75, user)
