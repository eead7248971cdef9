"""Customers shared with people whose data scope does not reach them, through all services."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
SHARE = "mutation($input: ShareCustomerInput!) { shareCustomer(input: $input) { id level expireTime user { id } } }"
UNSHARE = "mutation($input: UnshareCustomerInput!) { unshareCustomer(input: $input) }"
UPDATE = "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { level } }"
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
READ = """query($id: ID!, $name: String) { customer(id: $id) { id } customers(search: $name) { totalCount nodes { id } }
  timeline(customer: $id) { nodes { kind } } followUps(customer: $id) { nodes { content } } }"""
SHARES = "query($id: ID!) { customerShares(customer: $id) { nodes { id level user { id } } } }"
AUDIT = "query($filter: AuditFilterInput) { auditEntries(filter: $filter) { nodes { actorId after } } }"
MOVE = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"

RIGHTS = ("create", "read", "update", "share")


def outcome(client: GraphQLClient, document: str, **values: object) -> tuple[str, str]:
    """The code and the reason that an operation is refused with; `OK` if it is not."""
    errors = client.answer(document, **values).get("errors", [])
    found = {(error["extensions"]["code"], error["extensions"]["reason"]) for error in errors}
    assert len(found) < 2, found
    return next(iter(found), ("OK", ""))


@pytest.fixture
def people(organisation) -> Callable[[], tuple[str, GraphQLClient]]:
    """Makes sales reps, each with a department of their own, who may do everything with their own customers."""
    granted = [f"customer.{action}" for action in RIGHTS]
    rep = organisation.role("SELF", *granted, "contact.read", "follow_up.read", "follow_up.create")
    colleagues = organisation.role("ALL", "user.read", "department.read")
    return lambda: organisation.user(organisation.department(uuid4().hex[:8]), rep, colleagues)


@pytest.mark.feature("A3")
def test_a_read_only_collaborator_reads_until_the_share_expires(admin, people, real_time):
    owner_id, owner = people()
    friend_id, friend = people()
    name = f"共享{uuid4().hex[:10]}"
    customer = owner.run(CREATE, input={"name": name})["createCustomer"]["id"]
    visit = {"customerId": customer, "method": "VISIT", "content": "看了车间"}
    owner.run(LOG, input=visit)
    update, share = {"id": customer, "level": "A"}, {"id": customer, "userId": friend_id, "level": "READ_ONLY"}
    unseen = ("NOT_FOUND", "CUSTOMER_NOT_FOUND")
    assert outcome(friend, "query($id: ID!) { customer(id: $id) { id } }", id=customer) == unseen
    assert outcome(friend, UPDATE, input=update) == unseen

    expire = real_time + timedelta(days=3)
    until = {**share, "expireTime": expire.isoformat()}
    given = eventually(lambda: owner.answer(SHARE, input=until)["data"]["shareCustomer"])
    assert given["user"]["id"] == friend_id
    seen = friend.run(READ, id=customer, name=name)
    assert [node["id"] for node in seen["customers"]["nodes"]] == [customer]
    assert seen["customers"]["totalCount"] == 1
    followed = "query($id: ID!) { followUps(customer: $id) { nodes { content } } }"
    eventually(lambda: friend.run(followed, id=customer)["followUps"]["nodes"] == [{"content": "看了车间"}])
    denied = ("PERMISSION_DENIED", "NOT_YOURS")
    assert outcome(friend, UPDATE, input=update) == denied
    assert outcome(friend, LOG, input=visit) == denied
    assert outcome(friend, SHARE, input={**share, "level": "COLLABORATE"}) == denied

    owner.run(SHARE, input={**share, "level": "COLLABORATE", "expireTime": expire.isoformat()})
    assert outcome(friend, UPDATE, input=update) == ("OK", "")
    eventually(lambda: outcome(friend, LOG, input=visit) == ("OK", ""))

    admin.run(MOVE, input={"set": (expire + timedelta(seconds=1)).isoformat()})
    assert outcome(friend, "query($id: ID!) { customer(id: $id) { id } }", id=customer) == unseen
    assert outcome(friend, UPDATE, input=update) == unseen
    assert outcome(friend, LOG, input=visit) == unseen
    assert friend.run("query($name: String) { customers(search: $name) { totalCount } }", name=name) == {
        "customers": {"totalCount": 0}
    }
    # What the friend wrote stays theirs; what others wrote is out of sight again.
    assert friend.run(followed, id=customer)["followUps"]["nodes"] == [{"content": "看了车间"}]
    assert len(owner.run(followed, id=customer)["followUps"]["nodes"]) == 2
    assert owner.run(SHARES, id=customer)["customerShares"]["nodes"] == []
    entries = admin.run(AUDIT, filter={"resource": customer, "action": "customer.share"})["auditEntries"]["nodes"]
    assert [(entry["actorId"], entry["after"]["grantee"], entry["after"]["level"]) for entry in entries] == [
        (owner_id, friend_id, "COLLABORATE"),
        (owner_id, friend_id, "READ_ONLY"),
    ]


def test_a_share_can_be_taken_back(people):
    _, owner = people()
    friend_id, friend = people()
    customer = owner.run(CREATE, input={"name": f"共享{uuid4().hex[:10]}"})["createCustomer"]["id"]
    share = {"id": customer, "userId": friend_id, "level": "COLLABORATE"}
    given = eventually(lambda: owner.answer(SHARE, input=share)["data"]["shareCustomer"])
    [listed] = friend.run(SHARES, id=customer)["customerShares"]["nodes"]
    assert (listed["id"], listed["level"]) == (given["id"], "COLLABORATE")
    assert outcome(friend, UNSHARE, input={"id": given["id"]}) == ("PERMISSION_DENIED", "NOT_YOURS")
    assert owner.run(UNSHARE, input={"id": given["id"]})["unshareCustomer"] == given["id"]
    assert outcome(friend, SHARES, id=customer) == ("NOT_FOUND", "CUSTOMER_NOT_FOUND")
    assert outcome(owner, UNSHARE, input={"id": given["id"]}) == ("NOT_FOUND", "SHARE_NOT_FOUND")


EXPLAIN = """query($user: ID!, $action: String!, $record: ID!) {
  explainAccess(user: $user, action: $action, record: $record) {
    allowed user { id } reasons { code opens params message } } }"""


USER_ACCESS = """query($user: ID!, $permission: String!) { userAccess(user: $user, permission: $permission) {
  active user { id } department { id } roles { roleId grants { permission scope } } } }"""


def test_what_decides_on_the_calls_of_a_user_is_told(admin, people):
    user, client = people()
    told = admin.run(USER_ACCESS, user=user, permission="customer.update")["userAccess"]
    assert (told["active"], told["user"]["id"]) == (True, user)
    department = client.run("{ me { department { id } } }")["me"]["department"]
    assert told["department"] == department
    assert [grant for role in told["roles"] for grant in role["grants"]] == [
        {"permission": "customer.update", "scope": "SELF"}
    ]
    refused = {"user": user, "permission": "customer.fly"}
    assert outcome(admin, USER_ACCESS, **refused) == ("INVALID_ARGUMENT", "UNKNOWN_PERMISSION")
    assert outcome(client, USER_ACCESS, **refused) == ("PERMISSION_DENIED", "PERMISSION_DENIED")


def test_access_is_explained_by_roles_and_shares(admin, people):
    owner_id, owner = people()
    friend_id, friend = people()
    customer = owner.run(CREATE, input={"name": f"解释{uuid4().hex[:10]}"})["createCustomer"]["id"]
    follow_up = owner.run(LOG, input={"customerId": customer, "method": "CALL", "content": "聊过"})["logFollowUp"]["id"]

    def explained(user: str, action: str, record: str = customer) -> tuple[bool, dict[str, dict]]:
        answer = admin.run(EXPLAIN, user=user, action=action, record=record)["explainAccess"]
        assert answer["user"]["id"] == user
        return answer["allowed"], {reason["code"]: reason for reason in answer["reasons"]}

    allowed, reasons = explained(owner_id, "customer.update")
    assert (allowed, set(reasons)) == (True, {"ROLE_REACHES_OWN"})
    allowed, reasons = explained(friend_id, "customer.update")
    assert (allowed, set(reasons)) == (False, {"ROLE_DOES_NOT_REACH"})
    assert reasons["ROLE_DOES_NOT_REACH"]["params"]["owner"] == owner_id
    assert "测试员" in reasons["ROLE_DOES_NOT_REACH"]["message"]

    share = {"id": customer, "userId": friend_id, "level": "READ_ONLY"}
    given = eventually(lambda: owner.answer(SHARE, input=share)["data"]["shareCustomer"])
    assert explained(friend_id, "customer.read")[0]
    allowed, reasons = explained(friend_id, "customer.update")
    assert (allowed, set(reasons)) == (False, {"ROLE_DOES_NOT_REACH", "SHARE_OPENS_LESS"})
    allowed, reasons = explained(friend_id, "customer.delete")
    assert (allowed, set(reasons)) == (False, {"NO_ROLE_GRANTS", "SHARE_NEVER_OPENS"})
    eventually(lambda: explained(friend_id, "follow_up.read", follow_up)[0])
    assert explained(owner_id, "follow_up.read", follow_up)[1].keys() == {"ROLE_REACHES_OWN", "AUTHOR"}
    owner.run(UNSHARE, input={"id": given["id"]})
    assert explained(friend_id, "customer.read")[1].keys() == {"ROLE_DOES_NOT_REACH", "SHARE_TAKEN_BACK"}

    deactivate = "mutation($input: UpdateUserInput!) { updateUser(input: $input) { id } }"
    admin.run(deactivate, input={"id": owner_id, "state": "DEACTIVATED"})
    allowed, reasons = explained(owner_id, "customer.read")
    assert (allowed, set(reasons)) == (False, {"USER_DEACTIVATED", "ROLE_REACHES_OWN"})
    refused = {"user": owner_id, "action": "customer.fly", "record": customer}
    assert outcome(admin, EXPLAIN, **refused) == ("INVALID_ARGUMENT", "UNKNOWN_PERMISSION")
    assert outcome(admin, EXPLAIN, **{**refused, "record": "roles/1"}) == ("INVALID_ARGUMENT", "INVALID_NAME")
    assert outcome(friend, EXPLAIN, **refused) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
