"""Nobody widens their own reach by moving departments or people."""

from uuid import uuid4

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import Denied
from crm.identity.v1 import department_pb2, user_pb2
from crm.identity.v1 import department_service_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st
from identity.reach import Relocation, ensure_reach_stays
from identity.testing import grant, refused


def move(suite, department, parent, metadata):
    draft = department_pb2.Department(name=department.name, parent=parent.name)
    request = pb.UpdateDepartmentRequest(department=draft, request_id=str(uuid4()))
    return suite.departments.UpdateDepartment(request, metadata=metadata)


@pytest.mark.parametrize("scope", ["DEPARTMENT_TREE", "CUSTOM"])
def test_no_department_is_moved_into_the_movers_reach(suite, scope):
    own, other = suite.department(), suite.department()
    part = suite.department(other.name)
    named = [own.name] if scope == "CUSTOM" else []
    _, narrow = suite.somebody(grant("department.update"), grant("customer.read", scope, *named), department=own.name)
    inner = suite.department(own.name)
    with refused("PERMISSION_DENIED", "REACH_WOULD_WIDEN"):
        move(suite, part, own, narrow)
    with refused("PERMISSION_DENIED", "REACH_WOULD_WIDEN"):
        move(suite, other, inner, narrow)
    move(suite, part, suite.root, narrow)
    move(suite, inner, suite.department(own.name), narrow)
    move(suite, inner, part, narrow)
    with refused("PERMISSION_DENIED", "REACH_WOULD_WIDEN"):
        move(suite, inner, own, narrow)


def test_what_the_mover_reaches_anyway_may_be_moved_there(suite):
    own, other = suite.department(), suite.department()
    _, wide = suite.somebody(grant("department.update"), grant("customer.read"), department=own.name)
    move(suite, other, own, wide)
    _, reader = suite.somebody(grant("department.update"), grant("customer.read", "SELF"), department=own.name)
    move(suite, suite.department(), own, reader)


def test_nobody_brings_their_department_below_another_one_with_less_than_everything(suite):
    own, other = suite.department(), suite.department()
    _, narrow = suite.somebody(
        grant("department.update"), grant("customer.read", "DEPARTMENT_TREE"), department=own.name
    )
    with refused("PERMISSION_DENIED", "REACH_WOULD_WIDEN"):
        move(suite, own, other, narrow)


@pytest.mark.parametrize("scope", ["DEPARTMENT", "DEPARTMENT_TREE", "CUSTOM"])
def test_nobody_is_moved_into_the_movers_reach(suite, scope):
    own, other = suite.department(), suite.department()
    named = [own.name] if scope == "CUSTOM" else []
    person = suite.user(other.name)
    rights = [grant("user.update"), grant("user.read")]
    _, narrow = suite.somebody(*rights, grant("customer.read", scope, *named), department=own.name)
    _, wide = suite.somebody(*rights, grant("customer.read"), department=own.name)
    settled = user_pb2.User(name=person.name, department=own.name)
    with refused("PERMISSION_DENIED", "REACH_WOULD_WIDEN"):
        suite.update(settled, "department", as_caller=narrow)
    assert suite.update(settled, "department", as_caller=wide).department == own.name
    away = user_pb2.User(name=person.name, department=other.name)
    assert suite.update(away, "department", as_caller=narrow).department == other.name


NODES = tuple(str(number) for number in range(8))


@st.composite
def trees(draw):
    """Parents of departments 1 to 7; 0 is the root."""
    return {node: draw(st.sampled_from(NODES[: index + 1])) for index, node in enumerate(NODES[1:])}


def path(tree, node):
    return f"{path(tree, tree[node]) if node in tree else ''}{node}/"


@settings(deadline=None)
@given(trees(), st.sampled_from(NODES[1:]), st.sampled_from(NODES), st.sampled_from(NODES), st.data())
def test_a_move_that_is_allowed_shows_nothing_new(before, moved, parent, home, data):
    """A model: after an allowed move the mover reads the records of no department that they did not read before."""
    if path(before, parent).startswith(path(before, moved)):
        return
    after = before | {moved: parent}
    named = data.draw(st.lists(st.sampled_from(NODES), max_size=2, unique=True))
    reaches = data.draw(st.lists(st.sampled_from([Reach.SELF, Reach.DEPARTMENT, Reach.DEPARTMENT_TREE]), max_size=2))

    def caller(tree):
        custom = (Grant("customer.read", Reach.CUSTOM, tuple(path(tree, node) for node in named)),)
        grants = (*(Grant("customer.read", reach) for reach in reaches), *custom)
        return Caller("users/x", uuid4(), path(tree, home), {"customer.read": grants})

    relocations = [Relocation(path(before, node), path(after, node)) for node in NODES]
    reads = {
        moment: {node for node in NODES if caller(tree).scope("customer.read").reaches(None, path(tree, node))}
        for moment, tree in (("before", before), ("after", after))
    }
    try:
        ensure_reach_stays(caller(before), relocations)
    except Denied:
        return
    assert reads["after"] <= reads["before"]
