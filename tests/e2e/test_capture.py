"""Leads that come by themselves, as the world sends them: webhooks, forms of websites, people's own word, files."""

import email
import email.policy
import hashlib
import hmac
import json
import re
import time
from uuid import uuid4

import httpx
import pytest
from chassis.testing import eventually

CREATE = """mutation($input: CreateCaptureSourceInput!) {
  createCaptureSource(input: $input) { secret captureSource { id capturePath } } }"""
SUBMISSIONS = """query($source: ID, $states: [CaptureState!], $lead: ID) {
  captureSubmissions(source: $source, states: $states, lead: $lead, first: 200) {
    nodes { id state externalId leadId problems { field reason } } } }"""
TOLD = "query($id: ID!) { captureSubmission(id: $id) { state leadId values payload etag } }"
CORRECT = """mutation($input: CorrectSubmissionInput!) {
  correctSubmission(input: $input) { state problems { field reason } etag } }"""
RETRY = "mutation($input: RetrySubmissionInput!) { retrySubmission(input: $input) { state leadId } }"
LEADS = """query($name: FilterValue!) {
  leads(filter: { condition: { field: "contactName", operator: EQUAL, values: [$name] } }) {
    nodes { id contactName phones emails source channel medium campaign landingPage externalId captureSource
      repeatCount optInTime ownerId } } }"""
IMPORT = "mutation($file: Upload!, $input: ImportLeadsInput) { importLeads(file: $file, input: $input) { id } }"
PROGRESS = """subscription($id: ID!) {
  importProgress(id: $id) { state createdRows unchangedRows failedRows errorFileUrl } }"""
TAKEN = [
    {"field": "contact_name", "path": "data.name"},
    {"field": "phones", "path": "data.mobile"},
    {"field": "emails", "path": "data.email"},
    {"field": "external_id", "path": "data.id"},
]
INPUTS = [{"field": "contact_name", "path": "name", "required": True}, {"field": "emails", "path": "email"}]


@pytest.fixture
def world(suite):
    """Whoever is out there: no token, no cookies."""
    with httpx.Client(base_url=suite.gateway_url, timeout=30) as client:
        yield client


def source(admin, kind, **values):
    made = admin.run(CREATE, input={"name": f"采集{uuid4().hex[:6]}", "kind": kind, **values})["createCaptureSource"]
    return made["captureSource"]["id"], made["captureSource"]["capturePath"], made["secret"]


def signed(secret, body):
    timestamp = str(int(time.time()))
    signature = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    given = {"x-capture-timestamp": timestamp, "x-capture-signature": f"sha256={signature}"}
    return {**given, "content-type": "application/json"}


def submissions(admin, **which):
    return admin.run(SUBMISSIONS, **which)["captureSubmissions"]["nodes"]


def settled(admin, key, count):
    """What came in at a source, once all of it is judged."""

    def judged():
        found = submissions(admin, source=key)
        return found if len(found) == count and not any(one["state"] == "NEW" for one in found) else None

    return eventually(judged, timeout=30)


def leads(admin, name):
    return admin.run(LEADS, name=name)["leads"]["nodes"]


@pytest.mark.feature("C1")
def test_a_webhook_that_is_replayed_makes_one_lead_and_a_bad_row_is_corrected_and_retried(admin, world):
    key, path, secret = source(admin, "WEBHOOK", leadFields=TAKEN, defaultSource="小程序", defaultCampaign="618")
    name, order = f"王{uuid4().hex[:6]}", uuid4().hex
    mobile = f"139{int(uuid4()) % 10**8:08}"
    body = json.dumps({"data": {"id": order, "name": name, "mobile": mobile}}).encode()
    answers = [world.post(path, content=body, headers=signed(secret, body)) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["receipt"] for answer in answers}) == 3
    found = settled(admin, key, 3)
    [lead] = leads(admin, name)
    assert {one["leadId"] for one in found} == {lead["id"]}
    assert sorted(one["state"] for one in found) == ["ACCEPTED", "REPEATED", "REPEATED"]
    assert (lead["externalId"], lead["captureSource"], lead["phones"]) == (order, key, [f"+86{mobile}"])
    assert (lead["source"], lead["campaign"], lead["repeatCount"]) == ("小程序", "618", 0)
    tampered = world.post(path, content=body + b" ", headers=signed(secret, body))
    assert (tampered.status_code, tampered.json()["reason"]) == (401, "BAD_SIGNATURE")

    bad = f"李{uuid4().hex[:6]}"
    body = json.dumps({"data": {"id": uuid4().hex, "name": bad, "mobile": "12345"}}).encode()
    receipt = world.post(path, content=body, headers=signed(secret, body)).json()["receipt"]
    settled(admin, key, 4)
    [waiting] = submissions(admin, source=key, states=["REJECTED"])
    assert (waiting["id"], waiting["problems"]) == (receipt, [{"field": "phones", "reason": "INVALID_PHONE"}])
    told = admin.run(TOLD, id=receipt)["captureSubmission"]
    assert (told["values"]["contactName"], json.loads(told["payload"])) == (bad, json.loads(body))
    values = {"phones": [f"138{int(uuid4()) % 10**8:08}"]}
    corrected = admin.run(CORRECT, input={"id": receipt, "values": values, "etag": told["etag"]})["correctSubmission"]
    assert (corrected["state"], corrected["problems"]) == ("REJECTED", [])
    retried = admin.run(RETRY, input={"id": receipt, "etag": corrected["etag"]})["retrySubmission"]
    assert retried["state"] == "ACCEPTED"
    assert [one["id"] for one in leads(admin, bad)] == [retried["leadId"]]


@pytest.mark.feature("C1")
def test_a_form_is_sent_by_its_website_and_confirmed_by_mail_though_the_person_is_known(admin, world, suite):
    origin = f"https://{uuid4().hex[:8]}.example"
    key, path, _ = source(
        admin,
        "FORM",
        leadFields=INPUTS,
        allowedOrigins=[origin],
        doubleOptIn=True,
        honeypot="fax",
        defaultChannel="官网",
    )
    asked = {"origin": origin, "access-control-request-method": "POST"}
    allowed = world.options(path, headers=asked)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, origin)
    other = world.options(path, headers={**asked, "origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers
    name, address = f"赵{uuid4().hex[:6]}", f"{uuid4().hex[:10]}@example.com"
    known = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }"
    lead = admin.run(known, input={"contactName": name, "emails": [address]})["createLead"]["id"]

    form = {"name": name, "email": address, "utm_medium": "cpc", "landing_page": "https://x.example/?utm_campaign=春"}
    sent = world.post(path, data=form, headers={"origin": origin})
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (202, origin)
    assert world.post(path, data=form, headers={"origin": "https://other.example"}).status_code == 401
    assert world.post(path, data={**form, "fax": "1"}, headers={"origin": origin}).status_code == 202
    assert sorted(one["state"] for one in settled(admin, key, 2)) == ["SPAM", "UNCONFIRMED"]
    assert leads(admin, name)[0]["repeatCount"] == 0

    text = eventually(lambda: mail_to(suite, address), timeout=30)
    link = re.search(r"https?://\S+/capture/confirm\?token=(\S+)", text)
    page = world.get("/capture/confirm", params={"token": link[1]})
    assert (page.status_code, link[1] in page.text) == (200, True)
    assert leads(admin, name)[0]["optInTime"] is None
    assert world.post("/capture/confirm", data={"token": link[1]}).status_code == 200
    assert world.post("/capture/confirm", data={"token": "unknown"}).status_code == 404
    [now] = leads(admin, name)
    assert (now["id"], now["repeatCount"], now["optInTime"] is None) == (lead, 1, False)
    [noted] = submissions(admin, lead=lead)
    assert (noted["state"], noted["id"]) == ("REPEATED", sent.json()["receipt"])


def mail_to(suite, address):
    for path in sorted(suite.folder.mails.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if message["to"] == address:
            return message.get_content()
    return None


@pytest.mark.feature("C1")
def test_a_file_is_imported_once_and_its_bad_row_comes_back(admin):
    mark = uuid4().hex[:8]
    rows = [f"文{mark},1390013{number:04},{mark}-{number}" for number in range(3)]
    file = ("线索.csv", "\n".join(["联系人,手机,编号", *rows, f"坏{mark},123,"]).encode())
    outcomes = []
    for _ in range(2):
        job = admin.upload(IMPORT, "variables.file", file, file=None, input={})["importLeads"]["id"]
        with admin.subscribe(PROGRESS, id=job) as states:
            *_, last = states
        outcomes.append(last["importProgress"])
    assert [(one["createdRows"], one["unchangedRows"], one["failedRows"]) for one in outcomes] == [(3, 0, 1), (0, 3, 1)]
    errors = admin.http.get(outcomes[0]["errorFileUrl"])
    assert (errors.status_code, f"坏{mark}" in errors.text, "INVALID_PHONE" in errors.text) == (200, True, True)
    assert len(leads(admin, f"文{mark}")) == 3
