"""An identity service, and providers that people sign in by."""

import pytest
from identity.main import SERVICE
from identity.testing import running_suite
from identity.testing_oidc import running_provider


@pytest.fixture(scope="module")
def suite(make_database):
    with running_suite(make_database("identity", SERVICE.migrations), OIDC_ALLOW_LOCAL_HTTP="1") as running:
        yield running


@pytest.fixture(scope="module")
def running():
    with running_provider() as started:
        yield started


@pytest.fixture
def provider(running):
    running.honest()
    return running


@pytest.fixture
def fresh():
    """A provider of which nothing is known yet, as what it says of itself is kept for minutes."""
    with running_provider() as started:
        yield started
