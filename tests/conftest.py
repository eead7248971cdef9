"""The running suite that the tests in this folder share, one per worker: every process by itself, as in production."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from local_suite.graphql import GraphQLClient
from local_suite.organisations import Organisation
from local_suite.testing import Suite, running_suite

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Keep the tests of a file on one worker: they count on what is in their suite."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(HERE))))


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
def organisation(admin: GraphQLClient) -> Organisation:
    return Organisation(admin)


@pytest.fixture
def real_time(admin: GraphQLClient) -> Iterator[datetime]:
    """The real time now; the suite's clock is set back to it after the test."""
    yield datetime.now(UTC)
    admin.run("mutation { moveTestClock(input: { reset: true }) { now } }")
