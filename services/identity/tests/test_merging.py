"""Merging departments."""

from random import Random
from uuid import uuid4

import pytest
from chassis.testing import eventually
from crm.identity.v1 import department_pb2
from crm.identity.v1 import department_service_pb2 as pb
from identity.testing import grant, outcome, refused


def merge(suite, sources, target, *, namesakes=False, metadata=None):
    request = pb.MergeDepartmentsRequest(
        sources=[each.name for each in sources],
        target=target.name,
        merge_namesakes=namesakes,
        request_id=str(uuid4()),
    )
    return suite.departments.MergeDepartments(request, metadata=metadata or suite.admin)


def get(suite, department):
    return suite.departments.GetDepartment(pb.GetDepartmentRequest(name=department.name), metadata=suite.admin)


def key(department):
    return department.name.removeprefix("departments/")


def home(suite, user):
    found = suite.rows("SELECT department_id, department_path FROM user_account WHERE username = :name", name=user)
    return f"departments/{found[0].department_id}", found[0].department_path


def test_people_and_departments_move_to_the_target(suite):
    target, first, second = suite.department(), suite.department(), suite.department()
    below = suite.department(first.name)
    nested = suite.department(second.name)
    people = [suite.user(each.name) for each in (first, below, second, target)]
    _, metadata = suite.somebody(department=first.name)
    seen = {name: len(suite.events(name)) for name in ("DepartmentChanged", "DepartmentDeleted", "UserChanged")}

    merged = merge(suite, [first, second, nested], target)
    assert merged == get(suite, target)
    assert get(suite, below).parent == target.name
    assert get(suite, below).path == f"{target.path}{key(below)}/"
    assert home(suite, people[0].username) == home(suite, people[2].username) == (target.name, target.path)
    assert home(suite, people[1].username) == (below.name, get(suite, below).path)
    for gone in (first, second, nested):
        with refused("NOT_FOUND", "DEPARTMENT_NOT_FOUND"):
            get(suite, gone)
        assert suite.audited(gone.name)[-1] == "department.delete"
    facts = {name: suite.events(name)[count:] for name, count in seen.items()}
    assert [(fact["department"], fact["path"]) for fact in facts["DepartmentChanged"]] == [
        (below.name, f"{target.path}{key(below)}/")
    ]
    assert {(fact["department"], fact["merged_into"]) for fact in facts["DepartmentDeleted"]} == {
        (each.name, target.name) for each in (first, second, nested)
    }
    moved = {fact["user"]: (fact["department"], fact["department_path"]) for fact in facts["UserChanged"]}
    assert moved[people[0].name] == (target.name, target.path)
    assert people[3].name not in moved
    assert suite.audited(target.name)[-1] == "department.merge"
    eventually(lambda: outcome(lambda: suite.me(metadata)) == "TOKEN_REVOKED")


def test_a_retried_merge_is_answered_the_same(suite):
    target, source = suite.department(), suite.department()
    request = pb.MergeDepartmentsRequest(sources=[source.name], target=target.name, request_id=str(uuid4()))
    first = suite.departments.MergeDepartments(request, metadata=suite.admin)
    assert suite.departments.MergeDepartments(request, metadata=suite.admin) == first


def test_namesakes_are_merged_if_wished(suite):
    target, source = suite.department(), suite.department()
    kept, lost = suite.department(target.name, "一组"), suite.department(source.name, "一组")
    inner_kept, inner_lost = suite.department(kept.name, "甲"), suite.department(lost.name, "甲")
    other = suite.department(lost.name, "乙")
    user = suite.user(inner_lost.name)
    with refused("ALREADY_EXISTS", "DEPARTMENT_NAME_TAKEN"):
        merge(suite, [source], target)
    assert get(suite, lost).parent == source.name
    merge(suite, [source], target, namesakes=True)
    assert home(suite, user.username)[0] == inner_kept.name
    assert get(suite, other).path == f"{kept.path}{key(other)}/"
    for gone in (lost, inner_lost):
        with refused("NOT_FOUND", "DEPARTMENT_NOT_FOUND"):
            get(suite, gone)


def test_sources_of_one_name_take_no_place(suite):
    target = suite.department()
    below = suite.department(target.name, "销售")
    child = suite.department(below.name, "销售")
    other = suite.department(name=suite.unique("别处"))
    twin = suite.department(other.name, "销售")
    merge(suite, [below, other], target, namesakes=True)
    assert get(suite, child).parent == target.name
    with refused("NOT_FOUND", "DEPARTMENT_NOT_FOUND"):
        get(suite, twin)


def test_what_cannot_be_merged_is_refused_and_changes_nothing(suite):
    above = suite.department()
    target = suite.department(above.name)
    source = suite.department()
    missing = department_pb2.Department(name=f"departments/{uuid4()}")
    for sources, reason in (
        ([], "INVALID_MERGE"),
        ([target], "INVALID_MERGE"),
        ([source, above], "INVALID_MERGE"),
        ([suite.root], "INVALID_MERGE"),
        ([missing], "UNKNOWN_DEPARTMENT"),
    ):
        with refused("INVALID_ARGUMENT", reason):
            merge(suite, sources, target)
    suite.role(grant("customer.read", "CUSTOM", source.name))
    with refused("FAILED_PRECONDITION", "DEPARTMENT_IN_GRANTS"):
        merge(suite, [source], target)
    assert get(suite, source) == source


def test_a_merge_may_not_make_the_tree_too_deep(suite):
    deep = suite.department()
    while deep.path.count("/") < 19:
        deep = suite.department(deep.name)
    source = suite.department()
    child = suite.department(source.name)
    suite.department(child.name)
    with refused("FAILED_PRECONDITION", "TREE_TOO_DEEP"):
        merge(suite, [source], deep)
    assert get(suite, child).parent == source.name


def test_merging_needs_two_permissions_on_the_whole_organisation(suite):
    target, source = suite.department(), suite.department()
    for grants, reason in (
        ([grant("department.update")], "PERMISSION_DENIED"),
        ([grant("department.update"), grant("department.delete", "DEPARTMENT_TREE")], "SCOPE_TOO_NARROW"),
        ([grant("department.delete")], "PERMISSION_DENIED"),
    ):
        with refused("PERMISSION_DENIED", reason):
            merge(suite, [source], target, metadata=suite.somebody(*grants)[1])


def test_any_merges_leave_a_sound_tree(suite):
    random = Random(7)
    for _ in range(6):
        base = suite.department()
        made = [base]
        for _ in range(14):
            name = random.choice("甲乙丙丁")
            parent = random.choice(made).name
            created = outcome(lambda name=name, parent=parent: suite.department(parent, name))
            if not isinstance(created, str):
                made.append(created)
        people = {suite.user(random.choice(made[1:]).name).username for _ in range(6)}
        sources = random.sample(made[1:], 3)
        targets = [each for each in made if not any(each.path.startswith(source.path) for source in sources)]
        merge(suite, sources, random.choice(targets), namesakes=True)
        rows = suite.rows("SELECT id, parent_id, path, display_name FROM department")
        paths = {row.id: row.path for row in rows}
        assert all(row.path == f"{paths.get(row.parent_id, '')}{row.id}/" for row in rows)
        assert len({(row.parent_id, row.display_name) for row in rows}) == len(rows)
        homes = suite.rows("SELECT username, department_id, department_path FROM user_account")
        assert all(paths[row.department_id] == row.department_path for row in homes)
        assert people <= {row.username for row in homes}


@pytest.mark.parametrize("scope", ["DEPARTMENT", "DEPARTMENT_TREE", "CUSTOM"])
def test_nobody_widens_their_reach_by_merging(suite, scope):
    own, other = suite.department(), suite.department()
    named = [own.name] if scope == "CUSTOM" else []
    rights = [grant("department.update"), grant("department.delete")]
    _, narrow = suite.somebody(*rights, grant("customer.read", scope, *named), department=own.name)
    _, wide = suite.somebody(*rights, grant("customer.read"), department=own.name)
    pairs = [([other], own)] if scope == "CUSTOM" else [([other], own), ([own], other)]
    for sources, target in pairs:
        with refused("PERMISSION_DENIED", "REACH_WOULD_WIDEN"):
            merge(suite, sources, target, metadata=narrow)
    merge(suite, [other], own, metadata=wide)
