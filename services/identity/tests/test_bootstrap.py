"""What an installation begins with."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from chassis import cli
from chassis.access import known_permissions
from chassis.callers import service_caller
from chassis.errors import Invalid
from chassis.service import Runtime
from chassis.settings import Settings
from crm.identity.v1 import auth_service_pb2, role_service_pb2
from identity.bootstrap import bootstrap
from identity.main import SERVICE
from identity.role_templates import TEMPLATES
from identity.testing import SERVICE_SECRET, refused, running_suite
from identity.usecases.forget_expired import forget_expired


def again(suite, **environment):
    settings = replace(suite.runtime.settings, environment={**suite.runtime.settings.environment, **environment})
    bootstrap(Runtime(settings, suite.runtime.database))


def count(suite, table):
    return suite.rows(f"SELECT count(*) FROM {table}")[0].count


def test_new_installation_has_a_root_roles_and_an_administrator(suite):
    assert (suite.root.display_name, suite.root.parent) == ("总部", "")
    page = suite.roles.ListRoles(role_service_pb2.ListRolesRequest(), metadata=suite.admin)
    assert {"系统管理员", "销售代表", "销售经理", "客服", "财务", "市场"} <= {role.display_name for role in page.roles}
    me = suite.me(suite.admin)
    assert (me.username, me.department) == ("admin", suite.root.name)
    assert suite.events("UserChanged")[0]["user"] == me.name
    assert suite.events("DepartmentChanged")[0]["department"] == suite.root.name
    assert suite.audited(suite.root.name) == ["department.create"]


def test_templates_grant_what_methods_ask_for():
    granted = {grant.permission for template in TEMPLATES for grant in template.grants}
    assert granted <= known_permissions().keys()


def test_running_again_changes_nothing(suite):
    tables = ("department", "role", "user_account", "client", "audit_entry", "outbox")
    before = [count(suite, table) for table in tables]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: again(suite, BOOTSTRAP_ADMIN_PASSWORD="another good password"), range(3)))
    assert [count(suite, table) for table in tables] == before
    assert suite.login("admin", suite.admin_password).access_token


def test_a_template_that_was_deleted_stays_deleted(suite):
    page = suite.roles.ListRoles(role_service_pb2.ListRolesRequest(), metadata=suite.admin)
    template = next(role for role in page.roles if role.display_name == "市场")
    suite.roles.DeleteRole(role_service_pb2.DeleteRoleRequest(name=template.name), metadata=suite.admin)
    again(suite)
    page = suite.roles.ListRoles(role_service_pb2.ListRolesRequest(), metadata=suite.admin)
    assert "市场" not in [role.display_name for role in page.roles]


def test_services_get_their_present_secrets(suite):
    again(suite, SERVICE_CLIENT_SECRET_CUSTOMERS="a new secret of customers", SERVICE_CLIENT_SECRET_LEADS="x" * 32)
    for client_id, secret in [("svc-customers", "a new secret of customers"), ("svc-leads", "x" * 32)]:
        request = auth_service_pb2.IssueClientTokenRequest(client_id=client_id, client_secret=secret)
        assert suite.auth.IssueClientToken(request).access_token
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.auth.IssueClientToken(
            auth_service_pb2.IssueClientTokenRequest(client_id="svc-customers", client_secret=SERVICE_SECRET)
        )


@pytest.mark.parametrize(
    ("variable", "value"), [("BOOTSTRAP_ADMIN_PASSWORD", "admin"), ("SERVICE_CLIENT_SECRET_LEADS", "secret")]
)
def test_weak_secrets_are_refused_by_the_name_of_the_variable(suite, variable, value):
    with pytest.raises(Invalid) as caught:
        again(suite, **{variable: value})
    assert caught.value.field == variable


def test_many_replicas_may_begin_at_once(make_database):
    url = make_database("identity", SERVICE.migrations)
    settings = Settings.read(
        {"DATABASE_URL_IDENTITY": url, "BOOTSTRAP_ADMIN_PASSWORD": "stable staple orange", "ORGANISATION_NAME": "关系"}
    )
    runtime = cli.make_runtime(settings, SERVICE)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: bootstrap(runtime), range(4)))
    with runtime.database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT display_name FROM department").all()
        users = connection.exec_driver_sql("SELECT count(*) FROM user_account").scalar_one()
    runtime.database.dispose()
    assert ([tuple(row) for row in found], users) == ([("关系",)], 1)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TOKEN_SIGNING_KEY", ""), ("TOKEN_SIGNING_KEY", "no key"), ("ACCESS_TOKEN_SECONDS", "86400")],
)
def test_settings_that_cannot_be_used_are_named(make_database, variable, value):
    url = make_database("identity", SERVICE.migrations)
    with pytest.raises(Invalid) as caught, running_suite(url, **{variable: value}):
        pass
    assert caught.value.field == variable


def test_what_has_expired_is_forgotten(suite):
    pair = suite.login("admin", suite.admin_password)
    suite.auth.Logout(auth_service_pb2.LogoutRequest(refresh_token=pair.refresh_token))
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login("nobody", "wrong password")
    tables = {
        "login_session": "expire_time",
        "login_attempt": "time",
        "revocation": "not_before",
    }
    with suite.runtime.database.engine.begin() as connection:
        for table, column in tables.items():
            assert count(suite, table)
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = now() - interval '40 days'")

    with suite.runtime.database.write(service_caller("identity")) as session:
        forget_expired(session)
    assert [count(suite, table) for table in tables] == [0, 0, 0]
    assert count(suite, "refresh_token") == 0
