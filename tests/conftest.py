"""The running suite that all tests in this folder share: every process by itself, as in production."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from local_suite.graphql import GraphQLClient
from local_suite.testing import Suite, running_suite

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Keep the tests of this folder on one worker, so that they share one suite."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("suite"))


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with running_suite(tmp_path_factory.mktemp("suite"), split=True, test_clock=True) as running:
        yield running


@pytest.fixture(scope="session")
def anyone(suite: Suite) -> GraphQLClient:
    """A client that is not signed in."""
    return GraphQLClient(suite.gateway_url)


@pytest.fixture
def admin(suite: Suite, anyone: GraphQLClient) -> GraphQLClient:
    return anyone.sign_in("admin", suite.admin_password)


@pytest.fixture
def organisation(admin: GraphQLClient) -> "Organisation":
    return Organisation(admin)


class Organisation:
    """Makes departments, roles and users of a test's own."""

    def __init__(self, admin: GraphQLClient) -> None:
        self.admin = admin
        self.mark = uuid4().hex[:8]
        departments = admin.run("{ departments(first: 200) { nodes { id parentId } } }")["departments"]["nodes"]
        self.root = next(item["id"] for item in departments if not item["parentId"])

    def department(self, name: str, parent: str = "") -> str:
        """The id of a new department."""
        document = "mutation($input: CreateDepartmentInput!) { createDepartment(input: $input) { id } }"
        values = {"name": f"{name}{self.mark}", "parentId": parent or self.root}
        created: str = self.admin.run(document, input=values)["createDepartment"]["id"]
        return created

    def role(self, scope: str, *permissions: str) -> str:
        """The id of a new role that grants permissions with one scope."""
        document = "mutation($input: CreateRoleInput!) { createRole(input: $input) { id } }"
        grants = [{"permission": permission, "scope": scope} for permission in permissions]
        values = {"name": f"{scope}-{uuid4().hex[:8]}", "grants": grants}
        created: str = self.admin.run(document, input=values)["createRole"]["id"]
        return created

    def user(self, department: str, *roles: str) -> tuple[str, GraphQLClient]:
        """A new user: the id, and a client that is signed in as them."""
        document = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
        username, password = f"user-{uuid4().hex[:8]}", f"Pass-{uuid4().hex}"
        values = {
            "username": username,
            "name": "测试员",
            "departmentId": department,
            "roleIds": list(roles),
            "password": password,
        }
        created = self.admin.run(document, input=values)["createUser"]["id"]
        return created, self.admin.sign_in(username, password)


@pytest.fixture
def real_time(admin: GraphQLClient) -> Iterator[datetime]:
    """The real time now; the suite's clock is set back to it after the test."""
    yield datetime.now(UTC)
    admin.run("mutation { moveTestClock(input: { reset: true }) { now } }")
