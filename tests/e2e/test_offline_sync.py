"""A device that was without a connection catches up, and hands in what was done on it, through GraphQL."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually

ROLE = ("customer.read", "customer.create", "follow_up.read", "follow_up.create")
LEADS = ("lead.read", "lead.create", "lead.update", "lead.transfer", "lead.delete")
CREATE = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id etag } }"
UPDATE = "mutation($input: UpdateLeadInput!) { updateLead(input: $input) { etag } }"
APPLY = """mutation($input: ApplyOperationsInput!) { applyOperations(input: $input) {
  clientId state duplicate reason record lead { remark industry }
  conflicts { field base yours theirs } } }"""
RESOLVE = """mutation($input: ResolveOfflineConflictInput!) { resolveOfflineConflict(input: $input) {
  state lead { remark etag } } }"""
CHANGES = """query($since: String) { changes(since: $since, first: 200) {
  token more reset changes { resource state related lead { companyName remark } followUp { content } } } }"""


WORK = """query($since: String) { changes(since: $since, entities: ["tasks", "visits"]) {
  token more changes { resource task { title } visit {
    checkInTime checkOutTime reportTime trustReasons trustScore followUp } } } }"""


def catch_up(client, token=None, document=CHANGES):
    """All that there is to tell since a token, and the next one."""
    told = []
    while True:
        page = client.run(document, since=token)["changes"]
        told += page["changes"]
        token = page["token"]
        if not page["more"]:
            return told, token


def told_of(client, token, count):
    """What there is to tell since a token, each record once, as soon as it is of so many: some are told of again when
    they are scored."""
    found = {}

    def complete():
        nonlocal token
        changes, token = catch_up(client, token)
        found.update({one["resource"]: one for one in changes})
        return len(found) >= count

    eventually(complete, timeout=30)
    return list(found.values())


@pytest.fixture
def pair(organisation):
    """Two colleagues of one department who may work on each other's leads."""
    department = organisation.department("离线线索")
    role = organisation.role("DEPARTMENT", *ROLE, *LEADS)
    return [organisation.user(department, role)[1] for _ in range(2)]


def operation(**action):
    return {"clientId": str(uuid4()), "occurTime": "2026-01-05T08:00:00Z", **action}


@pytest.mark.feature("X6")
def test_a_hundred_queued_operations_replayed_twice_are_applied_once(pair):
    li, _ = pair
    customer = li.run(
        "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }",
        input={"name": f"离线{uuid4().hex}"},
    )["createCustomer"]["id"]
    lead = li.run(CREATE, input={"companyName": f"离线{uuid4().hex}"})["createLead"]
    made = operation(createLead={"companyName": f"离线{uuid4().hex}"})
    queue = [
        *(operation(createLead={"companyName": f"离线{uuid4().hex}"}) for _ in range(48)),
        *(
            operation(logFollowUp={"customerId": customer, "method": "CALL", "content": f"第{n}次谈"})
            for n in range(49)
        ),
        operation(updateLead={"edits": {"id": lead["id"], "etag": lead["etag"], "remark": "离线所记"}}),
        made,
        operation(updateLead={"edits": {"id": f"operations/{made['clientId']}", "etag": "v1", "remark": "接着记"}}),
    ]
    _, token = catch_up(li)
    rounds = [li.run(APPLY, input={"operations": queue})["applyOperations"] for _ in range(2)]
    assert {one["state"] for one in rounds[0]} == {"APPLIED"}
    assert [one["duplicate"] for one in rounds[0]] == [False] * 100
    assert [one["duplicate"] for one in rounds[1]] == [True] * 100
    assert [one["record"] for one in rounds[0]] == [one["record"] for one in rounds[1]]
    told = told_of(li, token, 99)
    leads = [one["lead"] for one in told if one["lead"]]
    assert len([one for one in told if one["followUp"]]) == 49
    assert (len(leads), sorted(one["remark"] for one in leads if one["remark"])) == (50, ["接着记", "离线所记"])


@pytest.mark.feature("X6")
def test_a_conflict_on_one_field_keeps_both_values_for_a_choice(pair):
    li, wang = pair
    lead = li.run(CREATE, input={"companyName": f"离线{uuid4().hex}", "remark": "首谈"})["createLead"]
    wang.run(UPDATE, input={"id": lead["id"], "remark": "王谈"})
    edits = {"id": lead["id"], "etag": lead["etag"], "remark": "李谈", "industry": "金融业"}
    queued = operation(updateLead={"edits": edits, "base": {"remark": "首谈"}})
    [outcome] = li.run(APPLY, input={"operations": [queued]})["applyOperations"]
    assert (outcome["state"], outcome["lead"]) == ("CONFLICT", {"remark": "王谈", "industry": "金融业"})
    both = [{"field": "remark", "base": "首谈", "yours": "李谈", "theirs": "王谈"}]
    assert outcome["conflicts"] == both
    waiting = "{ offlineConflicts { nodes { clientId conflicts { field base yours theirs } } } }"
    assert li.run(waiting)["offlineConflicts"]["nodes"] == [{"clientId": queued["clientId"], "conflicts": both}]
    chosen = li.run(RESOLVE, input={"clientId": queued["clientId"], "keepMine": ["remark"]})["resolveOfflineConflict"]
    assert (chosen["state"], chosen["lead"]["remark"]) == ("RESOLVED", "李谈")
    assert li.run(waiting)["offlineConflicts"]["nodes"] == []


@pytest.mark.feature("X6")
def test_what_leaves_ones_reach_is_told_of_as_gone(organisation):
    department = organisation.department("离线交出")
    role = organisation.role("SELF", *ROLE, *LEADS)
    (_, li), (wang_id, wang) = (organisation.user(department, role) for _ in range(2))
    lead = li.run(CREATE, input={"companyName": f"离线{uuid4().hex}"})["createLead"]["id"]
    told, mine = catch_up(li)
    assert {one["resource"] for one in told} == {lead}
    _, theirs = catch_up(wang)
    give = "mutation($input: TransferLeadInput!) { transferLead(input: $input) { id } }"
    # Once the service has heard of the colleague.
    eventually(lambda: "errors" not in li.answer(give, input={"id": lead, "ownerId": wang_id}))
    [gone] = told_of(li, mine, 1)
    assert (gone["resource"], gone["state"], gone["lead"]) == (lead, "GONE", None)
    [came] = told_of(wang, theirs, 1)
    assert (came["resource"], came["state"], came["related"]) == (lead, "CHANGED", True)


@pytest.mark.feature("X6")
@pytest.mark.feature("Z24")
def test_a_visit_without_a_connection_is_told_as_reported_and_trusted_less(organisation, real_time):
    role = organisation.role("SELF", *LEADS, *ROLE, "visit.read", "visit.create", "task.read", "task.create")
    _, li = organisation.user(organisation.department("离线外勤"), role)
    lead = li.run(CREATE, input={"companyName": f"离线{uuid4().hex}"})["createLead"]["id"]
    task = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id } }"
    todo = li.run(task, input={"subject": lead, "title": "带样机"})["createTask"]["id"]
    came, left = (real_time.replace(microsecond=0) - timedelta(hours=hours) for hours in (3, 2))
    here = {"latitude": 31.2304, "longitude": 121.4737, "accuracyMetres": 20}
    arrival = operation(checkIn={"subject": lead, "position": here}) | {"occurTime": came.isoformat()}
    visit = f"operations/{arrival['clientId']}"
    leaving = operation(checkOut={"visitId": visit, "report": {"content": "张总看了样机，下周签约"}})
    leaving |= {"occurTime": left.isoformat()}
    rounds = [li.run(APPLY, input={"operations": [arrival, leaving]})["applyOperations"] for _ in range(2)]
    assert [[one["state"], one["duplicate"]] for one in rounds[1]] == [["APPLIED", True]] * 2
    told = {one["resource"]: one for one in catch_up(li, document=WORK)[0]}
    assert told[todo]["task"] == {"title": "带样机"}
    held = told[rounds[0][0]["record"]]["visit"]
    times = [datetime.fromisoformat(held[field]) for field in ("checkInTime", "checkOutTime")]
    assert times == [came, left]
    assert held["reportTime"] is not None
    assert (held["trustReasons"], held["trustScore"]) == (["TIME_REPORTED"], 80)
    assert held["followUp"] is not None
