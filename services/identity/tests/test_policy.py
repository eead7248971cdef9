"""The policy as services fetch it."""

from chassis.testing.edge import bearer
from crm.identity.v1 import auth_service_pb2, role_pb2, role_service_pb2, user_pb2
from crm.identity.v1.policy_service_pb2 import GetPolicyRequest
from identity.testing import grant, refused


def service_token(suite):
    request = auth_service_pb2.IssueClientTokenRequest(client_id="svc-customers", client_secret=suite.service_secret)
    return bearer(suite.auth.IssueClientToken(request).access_token)


def fetch(suite, known_version=0):
    return suite.policies.GetPolicy(GetPolicyRequest(known_version=known_version), metadata=service_token(suite))


def test_policy_tells_what_roles_and_clients_may_do(suite):
    department = suite.department()
    role = suite.role(grant("customer.read", "CUSTOM", department.name))
    policy = fetch(suite)
    assert {item.role: list(item.grants) for item in policy.roles}[role.name] == list(role.grants)
    assert dict(policy.department_paths)[department.name] == department.path
    assert [grant("policy.read")] in [list(item.grants) for item in policy.clients]
    assert not policy.unchanged


def test_known_version_is_not_sent_again(suite):
    version = fetch(suite).version
    again = fetch(suite, version)
    assert (again.version, again.unchanged, len(again.roles)) == (version, True, 0)
    assert len(fetch(suite, version - 1).roles) > 0
    assert len(fetch(suite, version + 1000).roles) > 0


def test_every_change_of_standing_counts(suite):
    version = fetch(suite).version

    def counted():
        nonlocal version
        before, version = version, fetch(suite).version
        return version > before

    department, user = suite.department(), suite.user()
    assert not counted()
    suite.update(user_pb2.User(name=user.name, display_name="新名"))
    assert not counted()
    role = suite.role()
    assert counted()
    suite.update(user_pb2.User(name=user.name, roles=[role.name]))
    assert counted()
    suite.update(user_pb2.User(name=user.name, department=department.name))
    assert counted()
    suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_DEACTIVATED))
    assert counted()
    renamed = role_pb2.Role(name=role.name, display_name=suite.unique("改名"))
    suite.roles.UpdateRole(role_service_pb2.UpdateRoleRequest(role=renamed), metadata=suite.admin)
    assert counted()


def test_revocation_names_whose_tokens_are_refused(suite):
    user = suite.user()
    pair = suite.login(user.username)
    suite.auth.Logout(auth_service_pb2.LogoutRequest(refresh_token=pair.refresh_token))
    suite.update(user_pb2.User(name=user.name, state=user_pb2.USER_STATE_DEACTIVATED))
    subjects = [item.subject for item in fetch(suite).revocations]
    assert user.name in subjects
    assert any(subject.startswith("sessions/") for subject in subjects)


def test_policy_is_for_those_who_may_read_it(suite):
    _, metadata = suite.somebody()
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        suite.policies.GetPolicy(GetPolicyRequest(), metadata=metadata)
    with refused("UNAUTHENTICATED", "MISSING_TOKEN"):
        suite.policies.GetPolicy(GetPolicyRequest())
