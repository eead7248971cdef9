"""Fixtures for the tests of this service."""

from collections.abc import Callable, Iterator

import pytest
from identity.main import SERVICE
from identity.testing import Suite, running_suite


@pytest.fixture(scope="module")
def suite(make_database: Callable[..., str]) -> Iterator[Suite]:
    """One running service for the tests of a module."""
    with running_suite(make_database("identity", SERVICE.migrations)) as running:
        yield running
