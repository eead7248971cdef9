"""What makes a grant, and who may give one to whom."""

from uuid import uuid4

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import Denied, Invalid
from identity.grants import RoleGrant, check_grants, ensure_may_define, ensure_may_give

KNOWN = {"customer.read", "customer.update"}
ROOT, EAST, WEST = "r/", "r/e/", "r/w/"


def caller(*grants: Grant, path: str = EAST) -> Caller:
    by_permission: dict[str, tuple[Grant, ...]] = {}
    for grant in grants:
        by_permission[grant.permission] = (*by_permission.get(grant.permission, ()), grant)
    user_id = uuid4()
    return Caller(f"users/{user_id}", user_id, path, by_permission)


@pytest.mark.parametrize(
    ("grants", "reason"),
    [
        ([RoleGrant("customer.fly", Reach.ALL)], "UNKNOWN_PERMISSION"),
        ([RoleGrant("customer.read", Reach.ALL), RoleGrant("customer.read", Reach.SELF)], "DUPLICATE_GRANT"),
        ([RoleGrant("customer.read", Reach.CUSTOM)], "INVALID_SCOPE"),
        ([RoleGrant("customer.read", Reach.ALL, (uuid4(),))], "INVALID_SCOPE"),
        ([RoleGrant("customer.read", Reach.CUSTOM, (uuid4(),) * 2)], "INVALID_SCOPE"),
    ],
)
def test_senseless_grants_are_refused(grants, reason):
    with pytest.raises(Invalid) as caught:
        check_grants(grants, KNOWN, field="grants")
    assert caught.value.reason == reason


@pytest.mark.parametrize("reach", [Reach.SELF, Reach.DEPARTMENT, Reach.DEPARTMENT_TREE])
def test_a_machine_has_no_place_in_the_organisation(reach):
    with pytest.raises(Invalid, match="machine"):
        check_grants([RoleGrant("customer.read", reach)], KNOWN, field="grants", machine=True)


def test_stored_grants_come_back_the_same():
    grants = [RoleGrant("customer.read", Reach.SELF), RoleGrant("*", Reach.CUSTOM, (uuid4(), uuid4()))]
    assert [RoleGrant.from_json(grant.to_json()) for grant in grants] == grants


@pytest.mark.parametrize(
    ("mine", "given", "home", "allowed"),
    [
        (Grant("*", Reach.ALL), Grant("customer.read", Reach.ALL), WEST, True),
        (Grant("*", Reach.ALL), Grant("*", Reach.ALL), WEST, True),
        (Grant("customer.read", Reach.ALL), Grant("*", Reach.SELF), EAST, False),
        (Grant("customer.read", Reach.ALL), Grant("customer.update", Reach.SELF), EAST, False),
        (Grant("customer.read", Reach.DEPARTMENT_TREE), Grant("customer.read", Reach.ALL), EAST, False),
        (Grant("customer.read", Reach.DEPARTMENT_TREE), Grant("customer.read", Reach.SELF), EAST, True),
        (Grant("customer.read", Reach.DEPARTMENT_TREE), Grant("customer.read", Reach.SELF), WEST, False),
        (Grant("customer.read", Reach.DEPARTMENT_TREE), Grant("customer.read", Reach.DEPARTMENT_TREE), ROOT, False),
        (Grant("customer.read", Reach.DEPARTMENT), Grant("customer.read", Reach.DEPARTMENT), EAST, True),
        (Grant("customer.read", Reach.DEPARTMENT), Grant("customer.read", Reach.DEPARTMENT_TREE), EAST, False),
        (Grant("customer.read", Reach.SELF), Grant("customer.read", Reach.SELF), EAST, False),
        (Grant("customer.read", Reach.CUSTOM, (EAST,)), Grant("customer.read", Reach.CUSTOM, (EAST,)), EAST, True),
        (Grant("customer.read", Reach.CUSTOM, (EAST,)), Grant("customer.read", Reach.CUSTOM, (ROOT,)), EAST, False),
    ],
)
def test_nobody_gives_another_more_than_they_hold(mine, given, home, allowed):
    if allowed:
        ensure_may_give(caller(mine), [given], uuid4(), home)
        return
    with pytest.raises(Denied) as caught:
        ensure_may_give(caller(mine), [given], uuid4(), home)
    assert caught.value.reason == "PRIVILEGE_ESCALATION"


@pytest.mark.parametrize("reach", [Reach.SELF, Reach.DEPARTMENT, Reach.DEPARTMENT_TREE])
def test_a_role_may_hold_what_its_author_holds(reach):
    ensure_may_define(caller(Grant("customer.read", reach)), [Grant("customer.read", reach)])


def test_a_machine_without_all_data_defines_no_role_that_reaches_owners():
    machine = Caller("clients/1", None, "", {"customer.read": (Grant("customer.read", Reach.CUSTOM, (EAST,)),)})
    for reach in (Reach.SELF, Reach.DEPARTMENT, Reach.DEPARTMENT_TREE, Reach.ALL):
        with pytest.raises(Denied):
            ensure_may_define(machine, [Grant("customer.read", reach)])
