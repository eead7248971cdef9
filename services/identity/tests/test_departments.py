"""The tree of departments."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from chassis.testing import eventually
from crm.identity.v1 import department_pb2, user_pb2
from crm.identity.v1 import department_service_pb2 as pb
from identity.testing import grant, outcome, refused


def update(suite, department, *paths, metadata=None):
    request = pb.UpdateDepartmentRequest(department=department, request_id=str(uuid4()))
    request.update_mask.paths.extend(paths)
    return suite.departments.UpdateDepartment(request, metadata=metadata or suite.admin)


def move(suite, department, parent, metadata=None):
    return update(suite, department_pb2.Department(name=department.name, parent=parent.name), metadata=metadata)


def get(suite, department):
    return suite.departments.GetDepartment(pb.GetDepartmentRequest(name=department.name), metadata=suite.admin)


def delete(suite, department, etag="", metadata=None):
    request = pb.DeleteDepartmentRequest(name=department.name, etag=etag, request_id=str(uuid4()))
    suite.departments.DeleteDepartment(request, metadata=metadata or suite.admin)


def key(department):
    return department.name.removeprefix("departments/")


def tree(suite):
    found, token = [], ""
    while True:
        request = pb.ListDepartmentsRequest(page_size=3, page_token=token)
        page = suite.departments.ListDepartments(request, metadata=suite.admin)
        found += page.departments
        token = page.next_page_token
        if not token:
            return found


def test_path_tells_the_place_in_the_tree(suite):
    theatre = suite.department(name="华东战区")
    office = suite.department(theatre.name)
    assert suite.root.path == f"{key(suite.root)}/"
    assert theatre.path == f"{key(suite.root)}/{key(theatre)}/"
    assert office.path == f"{theatre.path}{key(office)}/"
    assert office.parent == theatre.name
    assert get(suite, office) == office
    assert suite.audited(office.name) == ["department.create"]
    assert suite.events("DepartmentChanged")[-1] == {
        "department": office.name,
        "version": 1,
        "display_name": office.display_name,
        "path": office.path,
        "previous_path": "",
        "head": "",
        "theatre": False,
    }


def test_list_goes_down_the_tree(suite):
    first = suite.department()
    second = suite.department()
    below = suite.department(first.name)
    listed = [department.name for department in tree(suite)]
    assert listed[0] == suite.root.name
    assert listed.index(first.name) < listed.index(below.name) < listed.index(second.name)
    assert len(listed) == len(set(listed)) == suite.rows("SELECT count(*) FROM department")[0].count


def test_batch_keeps_the_order_and_leaves_out_what_is_not_there(suite):
    first, second = suite.department(), suite.department()
    asked = [second.name, f"departments/{uuid4()}", first.name, second.name]
    batch = suite.departments.BatchGetDepartments(pb.BatchGetDepartmentsRequest(names=asked), metadata=suite.admin)
    assert [department.name for department in batch.departments] == [second.name, first.name]


def test_change_of_fields(suite):
    head = suite.user()
    department = suite.department()
    changed = update(
        suite,
        department_pb2.Department(name=department.name, display_name="新名", head=head.name, theatre=True),
    )
    assert (changed.display_name, changed.head, changed.theatre) == ("新名", head.name, True)
    assert changed.path == department.path
    assert update(suite, department_pb2.Department(name=department.name), "head", "theatre").head == ""
    with refused("ABORTED", "STALE_ETAG"):
        update(suite, department_pb2.Department(name=department.name, display_name="旧", etag=department.etag))
    with refused("INVALID_ARGUMENT", "UNKNOWN_USER"):
        update(suite, department_pb2.Department(name=department.name, head=f"users/{uuid4()}"))


def test_names_are_unique_among_siblings(suite):
    first, second = suite.department(), suite.department()
    suite.department(first.name, "销售部")
    suite.department(second.name, "销售部")
    with refused("ALREADY_EXISTS", "DEPARTMENT_NAME_TAKEN"):
        suite.department(first.name, " 销售部 ")
    other = suite.department(first.name)
    with refused("ALREADY_EXISTS", "DEPARTMENT_NAME_TAKEN"):
        update(suite, department_pb2.Department(name=other.name, display_name="销售部"))


@pytest.mark.feature("A5")
def test_move_takes_the_subtree_and_its_people_along(suite):
    old, new = suite.department(), suite.department()
    moved = suite.department(old.name)
    below = suite.department(moved.name)
    user, bystander = suite.user(below.name), suite.user(old.name)
    reader, metadata = suite.somebody(grant("user.read", "DEPARTMENT_TREE"), department=below.name)
    seen = len(suite.events("DepartmentChanged")), len(suite.events("UserChanged"))

    changed = move(suite, moved, new)
    assert changed.path == f"{new.path}{key(moved)}/"
    assert get(suite, below).path == f"{changed.path}{key(below)}/"
    facts = suite.events("DepartmentChanged")[seen[0] :]
    assert [(fact["department"], fact["previous_path"], fact["path"]) for fact in facts] == [
        (moved.name, moved.path, changed.path),
        (below.name, below.path, f"{changed.path}{key(below)}/"),
    ]
    people = {fact["user"]: fact for fact in suite.events("UserChanged")[seen[1] :]}
    assert set(people) == {user.name, reader.name}
    assert people[user.name]["department_path"] == f"{changed.path}{key(below)}/"
    assert people[user.name]["version"] == 2
    stored = suite.rows("SELECT department_path FROM user_account WHERE username = :name", name=bystander.username)
    assert stored[0].department_path == old.path
    # The token states the old path.
    eventually(lambda: outcome(lambda: suite.me(metadata)) == "TOKEN_REVOKED")
    assert suite.me(suite.sign_in(user.username)).name == user.name


def test_no_department_moves_into_itself(suite):
    above = suite.department()
    below = suite.department(above.name)
    for parent in (above, below):
        with refused("FAILED_PRECONDITION", "DEPARTMENT_CYCLE"):
            move(suite, above, parent)


def test_moves_at_once_make_no_cycle(suite):
    for _ in range(5):
        first, second = suite.department(), suite.department()
        pairs = [(first, second), (second, first)]
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda pair: outcome(lambda: move(suite, *pair)), pairs))
        assert results.count("DEPARTMENT_CYCLE") == 1
    paths = {department.name: department.path for department in tree(suite)}
    for department in tree(suite):
        assert department.path == f"{paths.get(department.parent, '')}{key(department)}/"


def test_people_who_join_while_their_department_moves_get_the_new_path(suite):
    for _ in range(4):
        target, moved = suite.department(), suite.department()
        with ThreadPoolExecutor(3) as pool:
            joining = [pool.submit(suite.user, moved.name) for _ in range(2)]
            path = pool.submit(move, suite, moved, target).result().path
            joined = [user.result().name.removeprefix("users/") for user in joining]
        stored = suite.rows("SELECT department_path FROM user_account WHERE id::text = ANY(:ids)", ids=joined)
        assert {row.department_path for row in stored} == {path}


def test_there_is_one_root_and_it_stays(suite):
    with refused("INVALID_ARGUMENT", "REQUIRED"):
        draft = department_pb2.Department(display_name="第二个根")
        suite.departments.CreateDepartment(pb.CreateDepartmentRequest(department=draft), metadata=suite.admin)
    with refused("INVALID_ARGUMENT", "REQUIRED"):
        update(suite, department_pb2.Department(name=suite.department().name), "parent")
    with refused("FAILED_PRECONDITION", "ROOT_DEPARTMENT"):
        move(suite, suite.root, suite.department())
    with refused("FAILED_PRECONDITION", "ROOT_DEPARTMENT"):
        delete(suite, suite.root)


def test_tree_has_a_bottom(suite):
    parent = suite.root
    with refused("FAILED_PRECONDITION", "TREE_TOO_DEEP"):
        for _ in range(30):
            parent = suite.department(parent.name)
    assert parent.path.count("/") == 20
    high = suite.department()
    suite.department(high.name)
    with refused("FAILED_PRECONDITION", "TREE_TOO_DEEP"):
        move(suite, high, department_pb2.Department(name=parent.parent))


def test_only_what_nothing_hangs_on_can_be_deleted(suite):
    department = suite.department()
    below = suite.department(department.name)
    with refused("FAILED_PRECONDITION", "DEPARTMENT_HAS_CHILDREN"):
        delete(suite, department)
    suite.user(below.name)
    with refused("FAILED_PRECONDITION", "DEPARTMENT_HAS_USERS"):
        delete(suite, below)
    named = suite.department()
    suite.role(grant("customer.read", "CUSTOM", named.name))
    with refused("FAILED_PRECONDITION", "DEPARTMENT_IN_GRANTS"):
        delete(suite, named)
    empty = suite.department()
    with refused("ABORTED", "STALE_ETAG"):
        delete(suite, empty, etag="v9")
    delete(suite, empty, etag=empty.etag)
    with refused("NOT_FOUND", "DEPARTMENT_NOT_FOUND"):
        get(suite, empty)
    assert suite.events("DepartmentDeleted")[-1] == {"department": empty.name, "version": 2, "merged_into": ""}
    assert suite.audited(empty.name) == ["department.create", "department.delete"]


@pytest.mark.parametrize("permission", ["department.create", "department.update", "department.delete"])
def test_changes_need_the_whole_organisation(suite, permission):
    department = suite.department()
    _, metadata = suite.somebody(grant(permission, "DEPARTMENT_TREE"), department=department.name)
    with refused("PERMISSION_DENIED", "SCOPE_TOO_NARROW"):
        if permission == "department.create":
            draft = department_pb2.Department(display_name="新", parent=department.name)
            suite.departments.CreateDepartment(pb.CreateDepartmentRequest(department=draft), metadata=metadata)
        elif permission == "department.update":
            update(suite, department_pb2.Department(name=department.name, display_name="新"), metadata=metadata)
        else:
            delete(suite, department, metadata=metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        suite.departments.ListDepartments(pb.ListDepartmentsRequest(), metadata=metadata)


def test_the_nearest_theatre_is_told(suite):
    theatre = suite.department(name="华北战区")
    office = suite.department(theatre.name)
    team = suite.department(office.name)
    theatre = update(suite, department_pb2.Department(name=theatre.name, theatre=True))
    assert theatre.nearest_theatre == theatre.name
    assert get(suite, team).nearest_theatre == theatre.name
    inner = update(suite, department_pb2.Department(name=office.name, theatre=True))
    assert get(suite, team).nearest_theatre == inner.name
    assert suite.root.nearest_theatre == ""
    listed = {each.name: each.nearest_theatre for each in tree(suite)}
    assert (listed[team.name], listed[office.name], listed[suite.root.name]) == (office.name, office.name, "")
    assert suite.events("DepartmentChanged")[-1]["theatre"] is True


def test_only_active_users_head_departments(suite):
    department = suite.department()
    head = suite.user(department.name)
    headed = update(suite, department_pb2.Department(name=department.name, head=head.name))
    assert headed.head == head.name
    assert suite.events("DepartmentChanged")[-1]["head"] == head.name
    suite.update(user_pb2.User(name=head.name, state=user_pb2.USER_STATE_DEACTIVATED), "state")
    left = get(suite, department)
    assert (left.head, left.etag != headed.etag) == ("", True)
    assert suite.events("DepartmentChanged")[-1]["head"] == ""
    assert suite.audited(department.name)[-1] == "department.update"
    with refused("INVALID_ARGUMENT", "INACTIVE_HEAD"):
        update(suite, department_pb2.Department(name=department.name, head=head.name))
    with refused("INVALID_ARGUMENT", "INACTIVE_HEAD"):
        draft = department_pb2.Department(display_name="新", parent=department.name, head=head.name)
        suite.departments.CreateDepartment(pb.CreateDepartmentRequest(department=draft), metadata=suite.admin)


def test_a_head_who_leaves_while_being_named_does_not_stay(suite):
    for _ in range(4):
        department = suite.department()
        head = suite.user(department.name)
        gone = user_pb2.User(name=head.name, state=user_pb2.USER_STATE_DEACTIVATED)
        with ThreadPoolExecutor(2) as pool:
            named = department_pb2.Department(name=department.name, head=head.name)
            calls = [
                pool.submit(lambda each=named: outcome(lambda: update(suite, each))),
                pool.submit(lambda each=gone: outcome(lambda: suite.update(each, "state"))),
            ]
            [call.result() for call in calls]
        assert get(suite, department).head == ""
