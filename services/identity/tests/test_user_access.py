"""What decides on a user's calls."""

import pytest
from crm.identity.v1 import user_access_service_pb2 as pb
from crm.identity.v1 import user_access_service_pb2_grpc, user_pb2
from identity.testing import grant, refused


@pytest.fixture
def access(suite):
    stub = user_access_service_pb2_grpc.UserAccessServiceStub(suite.channel)

    def get(user, permission="", metadata=None):
        request = pb.GetUserAccessRequest(name=user.name, permission=permission)
        return stub.GetUserAccess(request, metadata=metadata or suite.admin)

    return get


def test_the_roles_and_the_place_of_a_user_are_told(suite, access):
    east, west = suite.department(), suite.department()
    reader = suite.role(grant("customer.read", "CUSTOM", west.name), grant("contact.read", "SELF"))
    user = suite.user(east.name, [reader])
    told = access(user)
    assert (told.user, told.active, told.department, told.department_path) == (user.name, True, east.name, east.path)
    [held] = told.roles
    assert (held.role, held.display_name) == (reader.name, reader.display_name)
    assert {each.permission for each in held.grants} == {"customer.read", "contact.read"}
    assert dict(told.department_paths) == {west.name: west.path}
    [covering] = access(user, "customer.read").roles[0].grants
    assert (covering.permission, list(covering.departments)) == ("customer.read", [west.name])


def test_a_role_that_grants_every_permission_covers_each(suite, access):
    admin = suite.me(suite.admin)
    [role] = access(admin, "customer.update").roles
    assert [each.permission for each in role.grants] == ["*"]


def test_a_deactivated_user_is_told_as_such(suite, access):
    user = suite.user()
    user.state = user_pb2.USER_STATE_DEACTIVATED
    suite.update(user, "state")
    assert access(user).active is False


def test_a_permission_that_no_method_asks_for_is_refused(suite, access):
    with refused("INVALID_ARGUMENT", "UNKNOWN_PERMISSION"):
        access(suite.user(), "customer.fly")


def test_only_users_within_reach_are_told_of(suite, access):
    east = suite.department()
    _, manager = suite.somebody(grant("access.explain", "DEPARTMENT_TREE"), department=east.name)
    assert access(suite.user(east.name), metadata=manager).active
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        access(suite.user(), metadata=manager)
