"""The running suite that tests in this folder share: every process by itself, as in production.

`/conftest.py` says which files share one, and puts them one after the other. It stops as soon as the next test is none
of them: its timers and its databases would keep an eighth of a processor busy for the rest of the run.
"""

from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError
from local_suite.organisations import Organisation
from local_suite.standing import how_it_stands
from local_suite.testing import Suite, running_suite

SHARED_SUITE = pytest.StashKey[Suite | None]()
"""The suite, while it runs."""
UNHEARD_OF = {"UNKNOWN_DEPARTMENT", "UNKNOWN_MEMBER"}
"""Reasons for which the customers service refuses a pool while it has not heard of its people."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of a failed test how its suite stands, as long as that is there to look at."""
    report = yield
    suite = getattr(item, "funcargs", {}).get("suite")
    if report.failed and isinstance(suite, Suite):
        began = datetime.fromtimestamp(call.start, UTC)
        report.sections.append(("how the suite stands", "\n".join(how_it_stands(suite, began))))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Stop the suite once it has served."""
    yield
    if _group(nextitem) != _group(item):
        _stop_suite(item.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop it after a run that was broken off, too."""
    _stop_suite(session.config)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Suite:
    running = pytestconfig.stash.get(SHARED_SUITE, None)
    if running is None:
        running = running_suite(tmp_path_factory.mktemp("suite"), split=True, test_clock=True)
        pytestconfig.stash[SHARED_SUITE] = running
    return running


def _group(item: pytest.Item | None) -> int | None:
    """Which of the groups of `/conftest.py` a test is of."""
    mark = item.get_closest_marker("on_one_suite") if item is not None else None
    return mark.args[0] if mark is not None else None


def _stop_suite(config: pytest.Config) -> None:
    running = config.stash.get(SHARED_SUITE, None)
    if running is not None:
        config.stash[SHARED_SUITE] = None
        running.stop()


@pytest.fixture(scope="module")
def anyone(suite: Suite) -> GraphQLClient:
    """A client that is not signed in."""
    return GraphQLClient(suite.gateway_url)


@pytest.fixture
def admin(suite: Suite, anyone: GraphQLClient) -> GraphQLClient:
    return anyone.sign_in("admin", suite.admin_password)


@pytest.fixture
def organisation(admin: GraphQLClient) -> Organisation:
    return Organisation(admin)


@pytest.fixture(scope="module")
def new_pool(suite: Suite, anyone: GraphQLClient) -> Iterator[Callable[..., str]]:
    """Makes pools into which only the customers of one department fall. After the file they are disabled: the suite is
    shared, and no pool of one file is to catch the customers of another, or to hand out customers as its clock moves.
    """
    admin, made = anyone.sign_in("admin", suite.admin_password), []

    def make(department: str, **values: object) -> str:
        wanted = {"name": f"公海{uuid4().hex[:8]}", "departmentIds": [department], **values}
        made.append(_create_pool(admin, wanted))
        return made[-1]

    yield make
    admin = anyone.sign_in("admin", suite.admin_password)
    for pool in made:
        disable = "mutation($id: ID!) { updatePool(input: { id: $id, disabled: true }) { disabled } }"
        assert admin.run(disable, id=pool)["updatePool"] == {"disabled": True}


def _create_pool(admin: GraphQLClient, values: dict[str, object]) -> str:
    """Make a pool, once the customers service has heard of its departments. Raises GraphQLError if it may not be."""
    document = "mutation($input: CreatePoolInput!) { createPool(input: $input) { id } }"

    def made() -> str | None:
        try:
            return str(admin.run(document, input=values)["createPool"]["id"])
        except GraphQLError as error:
            if not UNHEARD_OF.issuperset(error.reasons):
                raise
            return None

    return eventually(made) or ""


@pytest.fixture
def real_time(admin: GraphQLClient) -> Iterator[datetime]:
    """The real time now; the suite's clock is set back to it after the test."""
    yield datetime.now(UTC)
    admin.run("mutation { moveTestClock(input: { reset: true }) { now } }")
