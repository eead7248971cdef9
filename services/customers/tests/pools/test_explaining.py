"""What is said of the access to a customer in a pool is what opening it there really comes to."""

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import Denied, NotFound
from chassis.explaining import HeldRole, UserAccess, explain
from chassis.names import make_name, new_id
from customers.explainers import EXPLAINERS
from customers.usecases.view_pool_customer import view_pool_customer

BY_COLLECTION = {explainer.collection: explainer for explainer in EXPLAINERS}


class Directory:
    """Tells of one user what identity would."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def access_of(self, user: str, permission: str) -> UserAccess:
        assert self.caller.user_id is not None
        role = HeldRole("roles/1", "角色", self.caller.granted(permission))
        return UserAccess(self.caller.user_id, active=True, department_path=self.caller.department_path, roles=(role,))


def explained(play, caller, key, permission="pool.read", collection="customers"):
    with play.database.read(caller) as session:
        name, explainer = make_name(collection, key), BY_COLLECTION[collection]
        found = explain(session, explainer, name, caller.subject, permission, Directory(caller))
    return found.allowed, [reason.code for reason in found.reasons]


def opens(play, caller, customer):
    try:
        play.write(caller, view_pool_customer, customer)
    except (NotFound, Denied):
        return False
    return True


def somebody(path, *permissions):
    user = new_id()
    grants = {permission: (Grant(permission, Reach.SELF),) for permission in permissions}
    return Caller(make_name("users", user), user, path, grants)


@pytest.mark.parametrize(
    ("permissions", "member", "codes"),
    [
        (("pool.read",), True, ["POOL_MEMBER"]),
        (("pool.read",), False, ["NO_POOL_MEMBER"]),
        (("pool.read", "pool.manage"), False, ["POOL_MANAGER"]),
        (("pool.read", "pool.manage"), True, ["POOL_MEMBER", "POOL_MANAGER"]),
    ],
)
def test_the_verdict_is_what_opening_the_customer_comes_to(play, east, organisation, permissions, member, codes):
    [customer] = play.pooled(east, 1)
    caller = somebody(organisation.east_team if member else organisation.west, *permissions)
    assert explained(play, caller, customer) == (opens(play, caller, customer), codes)


def test_without_the_permission_membership_opens_nothing(play, east, organisation):
    [customer] = play.pooled(east, 1)
    caller = somebody(organisation.east, "customer.read")
    assert explained(play, caller, customer) == (False, ["NO_ROLE_GRANTS", "POOL_MEMBER"])


def test_a_customer_in_no_pool_is_told_as_such(play, organisation):
    customer = play.customer("在手公司")
    caller = somebody(organisation.east, "pool.read")
    assert explained(play, caller, customer) == (False, ["NOT_IN_POOL"])
    assert not opens(play, caller, customer)


def test_who_asks_for_the_customer_itself_is_shown_the_way_through_the_pool(play, east, organisation):
    [customer] = play.pooled(east, 1)
    caller = somebody(organisation.east, "customer.read")
    assert explained(play, caller, customer, "customer.read") == (False, ["ROLE_DOES_NOT_REACH", "LIES_IN_POOL"])


def test_members_claim_and_administrators_assign(play, east, organisation):
    [customer] = play.pooled(east, 1)
    member, stranger = (somebody(path, "pool.claim", "pool.assign") for path in (organisation.east, organisation.west))
    boss = organisation.boss.caller()
    for collection, key in (("customers", customer), ("pools", east)):
        verdicts = {
            (who, permission): explained(play, caller, key, permission, collection)
            for who, caller in (("member", member), ("stranger", stranger), ("boss", boss))
            for permission in ("pool.claim", "pool.assign")
        }
        assert verdicts == {
            ("member", "pool.claim"): (True, ["IN_POOL_AS"]),
            ("member", "pool.assign"): (False, ["NO_POOL_ADMINISTRATOR"]),
            ("stranger", "pool.claim"): (False, ["NOT_IN_THAT_POOL"]),
            ("stranger", "pool.assign"): (False, ["NOT_IN_THAT_POOL"]),
            ("boss", "pool.claim"): (True, ["IN_POOL_AS"]),
            ("boss", "pool.assign"): (True, ["IN_POOL_AS"]),
        }
    assert explained(play, somebody(organisation.west, "pool.read", "pool.manage"), east, "pool.manage", "pools")[0]
    assert explained(play, member, play.customer("在手公司二"), "pool.claim") == (False, ["NOT_IN_POOL"])
