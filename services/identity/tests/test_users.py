"""The people of the organisation: who sees and changes whom, and what cannot be."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from chassis.testing import eventually
from crm.common.v1 import filter_pb2
from crm.identity.v1 import role_pb2, user_pb2
from crm.identity.v1 import user_service_pb2 as pb
from identity.main import SERVICE
from identity.testing import grant, outcome, refused, running_suite


def get(suite, name, metadata=None):
    return suite.users.GetUser(pb.GetUserRequest(name=name), metadata=metadata or suite.admin)


def names(suite, metadata, **fields):
    """The user names on all pages of a list."""
    found, token = [], ""
    while True:
        page = suite.users.ListUsers(pb.ListUsersRequest(page_token=token, **fields), metadata=metadata)
        found += [user.username for user in page.users]
        token = page.next_page_token
        if not token:
            return found


def condition(field, operator, *texts):
    values = [filter_pb2.FilterValue(text=text) for text in texts]
    return filter_pb2.Filter(
        condition=filter_pb2.Condition(field=field, operator=filter_pb2.Operator.Value(operator), values=values)
    )


def with_builtin_role(suite):
    roles = suite.rows("SELECT id FROM role WHERE builtin")
    return role_pb2.Role(name=f"roles/{roles[0].id}")


def test_created_user_reads_back_and_is_announced(suite):
    department, role = suite.department(), suite.role(grant("customer.read", "SELF"))
    user = suite.user(
        department.name,
        [role],
        username="Li.Wei",
        display_name=" 李  伟 ",
        email="Li.Wei@Example.com",
        phone="138 0013 8000",
        locale="en",
    )
    assert (user.username, user.display_name, user.email) == ("li.wei", "李 伟", "li.wei@example.com")
    assert (user.phone, user.locale, user.state) == ("+8613800138000", "en", user_pb2.USER_STATE_ACTIVE)
    assert (user.department, list(user.roles)) == (department.name, [role.name])
    assert get(suite, user.name) == user
    assert suite.audited(user.name) == ["user.create"]
    assert suite.events("UserChanged")[-1] == {
        "user": user.name,
        "version": 1,
        "display_name": "李 伟",
        "department": department.name,
        "department_path": department.path,
        "active": True,
        "username": "li.wei",
        "partner": "",
        "roles": [role.name],
    }


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"username": "a"}, "INVALID_ARGUMENT", "INVALID_USERNAME"),
        ({"username": "li@wei"}, "INVALID_ARGUMENT", "INVALID_USERNAME"),
        ({"display_name": " "}, "INVALID_ARGUMENT", "INVALID_DISPLAY_NAME"),
        ({"email": "nowhere"}, "INVALID_ARGUMENT", "INVALID_EMAIL"),
        ({"phone": "12"}, "INVALID_ARGUMENT", "INVALID_PHONE"),
        ({"locale": "fr"}, "INVALID_ARGUMENT", "INVALID_LOCALE"),
        ({"department": f"departments/{uuid4()}"}, "INVALID_ARGUMENT", "UNKNOWN_DEPARTMENT"),
        ({"department": "nowhere"}, "INVALID_ARGUMENT", "INVALID_NAME"),
        ({"roles": [role_pb2.Role(name=f"roles/{uuid4()}")]}, "INVALID_ARGUMENT", "UNKNOWN_ROLE"),
        ({"username": "taken"}, "ALREADY_EXISTS", "USERNAME_TAKEN"),
        ({"username": "TAKEN"}, "ALREADY_EXISTS", "USERNAME_TAKEN"),
        ({"email": "Taken@example.com"}, "ALREADY_EXISTS", "EMAIL_TAKEN"),
    ],
)
def test_what_cannot_be_is_refused(suite, fields, code, reason):
    if not suite.rows("SELECT 1 FROM user_account WHERE username = 'taken'"):
        suite.user(username="taken", email="taken@example.com")
    before = suite.rows("SELECT count(*) FROM user_account")
    with refused(code, reason):
        suite.user(**fields)
    assert suite.rows("SELECT count(*) FROM user_account") == before


def test_weak_password_is_refused(suite):
    draft = user_pb2.User(username="weak.password", display_name="弱", department=suite.root.name)
    for password, reason in [("short", "PASSWORD_TOO_SHORT"), ("Weak.Password", "PASSWORD_IS_USERNAME")]:
        with refused("INVALID_ARGUMENT", reason):
            suite.users.CreateUser(pb.CreateUserRequest(user=draft, password=password), metadata=suite.admin)


def test_of_many_at_once_one_gets_the_name(suite):
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: outcome(lambda: suite.user(username="wanted")), range(6)))
    assert results.count("USERNAME_TAKEN") == 5


def test_retry_creates_one_user(suite):
    draft = user_pb2.User(username="retried", display_name="再", department=suite.root.name)
    request = pb.CreateUserRequest(user=draft, password=suite.password, request_id=str(uuid4()))
    first, second = [suite.users.CreateUser(request, metadata=suite.admin) for _ in range(2)]
    assert first == second
    request.user.display_name = "又"
    with refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED"):
        suite.users.CreateUser(request, metadata=suite.admin)


@pytest.mark.feature("A1")
def test_scopes_show_exactly_their_users(suite):
    east = suite.department()
    shanghai, west = suite.department(east.name), suite.department()
    in_east, in_shanghai, in_west = (suite.user(place.name) for place in (east, shanghai, west))

    def seen(*grants, department=east):
        me, metadata = suite.somebody(*grants, department=department.name)
        listed = set(names(suite, metadata))
        batch = suite.users.BatchGetUsers(
            pb.BatchGetUsersRequest(names=[in_west.name, in_shanghai.name, in_east.name]), metadata=metadata
        )
        for user in (in_east, in_shanghai, in_west):
            if user.username in listed:
                assert get(suite, user.name, metadata).name == user.name
            else:
                with refused("NOT_FOUND", "USER_NOT_FOUND"):
                    get(suite, user.name, metadata)
        expected = [user.name for user in (in_west, in_shanghai, in_east) if user.username in listed]
        assert [user.name for user in batch.users] == expected
        assert me.username in listed
        return listed & {in_east.username, in_shanghai.username, in_west.username}

    assert seen(grant("user.read", "SELF")) == set()
    assert seen(grant("user.read", "DEPARTMENT")) == {in_east.username}
    assert seen(grant("user.read", "DEPARTMENT_TREE")) == {in_east.username, in_shanghai.username}
    assert seen(grant("user.read", "CUSTOM", west.name, shanghai.name)) == {in_west.username, in_shanghai.username}
    assert len(seen(grant("user.read", "ALL"))) == 3


def test_list_filters_sorts_and_pages(suite):
    department = suite.department()
    for number in range(5):
        suite.user(department.name, username=f"page.{number}", display_name=f"页{9 - number}")
    suite.update(
        user_pb2.User(
            name=suite.user(department.name, username="page.gone").name, state=user_pb2.USER_STATE_DEACTIVATED
        )
    )
    here = condition("department", "OPERATOR_EQUAL", department.name)
    assert names(suite, suite.admin, filter=here, page_size=2) == [f"page.{n}" for n in range(5)] + ["page.gone"]
    active = filter_pb2.Filter(
        all=filter_pb2.FilterList(filters=[here, condition("state", "OPERATOR_EQUAL", "ACTIVE")])
    )
    by_name = [filter_pb2.OrderBy(field="display_name")]
    assert names(suite, suite.admin, filter=active, order_by=by_name, page_size=2) == [
        f"page.{n}" for n in reversed(range(5))
    ]
    assert names(suite, suite.admin, filter=condition("username", "OPERATOR_STARTS_WITH", "page.g")) == ["page.gone"]
    assert names(suite, suite.admin, filter=condition("email", "OPERATOR_IS_EMPTY"), page_size=200)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"page_size": 201}, "PAGE_SIZE_OUT_OF_RANGE"),
        ({"page_size": -1}, "PAGE_SIZE_OUT_OF_RANGE"),
        ({"page_token": "made up"}, "INVALID_PAGE_TOKEN"),
        ({"filter": condition("password_hash", "OPERATOR_EQUAL", "x")}, "UNKNOWN_FIELD"),
        ({"order_by": [filter_pb2.OrderBy(field="password_hash")]}, "UNKNOWN_FIELD"),
    ],
)
def test_lists_that_make_no_sense_are_refused(suite, fields, reason):
    with refused("INVALID_ARGUMENT", reason):
        suite.users.ListUsers(pb.ListUsersRequest(**fields), metadata=suite.admin)


def test_batch_is_limited(suite):
    many = [f"users/{uuid4()}" for _ in range(201)]
    with refused("INVALID_ARGUMENT", "TOO_MANY_NAMES"):
        suite.users.BatchGetUsers(pb.BatchGetUsersRequest(names=many), metadata=suite.admin)
    assert not suite.users.BatchGetUsers(pb.BatchGetUsersRequest(names=many[:200]), metadata=suite.admin).users


def test_change_of_profile_keeps_tokens_and_counts_versions(suite):
    user = suite.user()
    metadata = suite.sign_in(user.username)
    changed = suite.update(user_pb2.User(name=user.name, display_name="王芳", phone="+8613900139000"))
    assert (changed.display_name, changed.phone, changed.email) == ("王芳", "+8613900139000", user.email)
    assert changed.etag != user.etag
    assert suite.me(metadata).display_name == "王芳"
    assert suite.events("UserChanged")[-1]["version"] == 2
    same = suite.update(user_pb2.User(name=user.name, display_name="王芳"))
    assert same.etag == changed.etag
    assert suite.audited(user.name) == ["user.create", "user.login", "user.update"]


def test_stale_etag_is_refused(suite):
    user = suite.user()
    suite.update(user_pb2.User(name=user.name, display_name="甲"))
    with refused("ABORTED", "STALE_ETAG"):
        suite.update(user_pb2.User(name=user.name, display_name="乙", etag=user.etag))
    assert get(suite, user.name).display_name == "甲"


def test_mask_must_name_what_can_change(suite):
    user = suite.user()
    for path in ("name", "nowhere", "create_time"):
        with refused("INVALID_ARGUMENT", "INVALID_FIELD_MASK"):
            suite.update(user, path)
    with refused("INVALID_ARGUMENT", "INVALID_STATE"):
        suite.update(user_pb2.User(name=user.name), "state")


def test_deactivated_user_is_out_at_once_and_may_come_back(suite):
    user = suite.user()
    metadata = suite.sign_in(user.username)
    suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_DEACTIVATED))
    eventually(lambda: outcome(lambda: suite.me(metadata)) == "TOKEN_REVOKED")
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login(user.username)
    assert suite.events("UserChanged")[-1]["active"] is False
    suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_ACTIVE))
    assert suite.me(suite.sign_in(user.username)).name == user.name


def test_last_administrator_stays(suite):
    me = get(suite, suite.admin_name)
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        suite.update(user_pb2.User(name=me.name), "roles")
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        suite.update(user_pb2.User(name=me.name, state=user_pb2.USER_STATE_DEACTIVATED))
    assert get(suite, me.name) == me


def test_two_administrators_cannot_remove_each_other_at_once(make_database):
    with running_suite(make_database("identity", SERVICE.migrations)) as suite:
        second = suite.user(roles=[with_builtin_role(suite)])
        attempts = [(suite.admin, second.name), (suite.sign_in(second.username), suite.admin_name)]

        def demote(attempt):
            metadata, name = attempt
            return outcome(lambda: suite.update(user_pb2.User(name=name), "roles", as_caller=metadata))

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(demote, attempts))
        assert [isinstance(result, str) for result in results].count(True) == 1
        administrators = suite.rows("SELECT user_id FROM user_role JOIN role ON role.id = role_id WHERE builtin")
        assert len(administrators) == 1


def test_nobody_creates_or_makes_somebody_who_may_do_more(suite):
    office, metadata = suite.somebody(
        grant("user.create"), grant("user.update"), grant("user.read"), grant("customer.read", "DEPARTMENT_TREE")
    )
    rep = suite.role(grant("customer.read", "SELF"))
    manager = suite.role(grant("customer.read", "DEPARTMENT_TREE"))
    boss = suite.role(grant("customer.read", "ALL"))
    exporter = suite.role(grant("customer.export", "SELF"))
    below = suite.department()
    assert suite.user(below.name, [rep, manager], as_caller=metadata).roles
    for role in (boss, exporter, with_builtin_role(suite)):
        with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
            suite.user(below.name, [role], as_caller=metadata)
        with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
            suite.update(user_pb2.User(name=office.name, roles=[*office.roles, role.name]), "roles", as_caller=metadata)


def test_nobody_moves_themselves_up_to_see_more(suite):
    department = suite.department()
    me, metadata = suite.somebody(
        grant("user.update"), grant("customer.read", "DEPARTMENT_TREE"), department=department.name
    )
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.update(user_pb2.User(name=me.name, department=suite.root.name), as_caller=metadata)


def test_nobody_takes_over_who_may_do_more(suite):
    _, metadata = suite.somebody(grant("user.update"))
    request = pb.ResetUserPasswordRequest(name=suite.admin_name, password="now it is mine")
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.users.ResetUserPassword(request, metadata=metadata)
    assert suite.login("admin", suite.admin_password).access_token


def test_nobody_resets_their_own_password_without_the_present_one(suite):
    request = pb.ResetUserPasswordRequest(name=suite.admin_name, password="now it is mine")
    with refused("PERMISSION_DENIED", "OWN_PASSWORD"):
        suite.users.ResetUserPassword(request, metadata=suite.admin)


def test_scope_limits_whom_one_may_change_and_where_to(suite):
    east, west = suite.department(), suite.department()
    in_east, in_west = suite.user(east.name), suite.user(west.name)
    _, metadata = suite.somebody(
        grant("user.update", "DEPARTMENT_TREE"), grant("user.create", "DEPARTMENT_TREE"), department=east.name
    )
    assert suite.update(user_pb2.User(name=in_east.name, display_name="改"), as_caller=metadata).display_name == "改"
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        suite.update(user_pb2.User(name=in_west.name, display_name="改"), as_caller=metadata)
    with refused("PERMISSION_DENIED", "OUT_OF_SCOPE"):
        suite.update(user_pb2.User(name=in_east.name, department=west.name), as_caller=metadata)
    with refused("PERMISSION_DENIED", "OUT_OF_SCOPE"):
        suite.user(west.name, as_caller=metadata)
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        request = pb.ResetUserPasswordRequest(name=in_west.name, password="now it is mine")
        suite.users.ResetUserPassword(request, metadata=metadata)
    assert suite.user(east.name, as_caller=metadata).department == east.name
