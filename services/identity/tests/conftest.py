"""Fixtures for the tests of this service."""

from collections.abc import Callable, Iterator

import pytest
from identity.main import SERVICE
from identity.passwords import LIGHT
from identity.testing import COSTLY, Suite, hashing_with, running_suite


@pytest.fixture(scope="module", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Passwords are hashed at their real cost only where that is asked for."""
    with hashing_with(LIGHT):
        yield


@pytest.fixture
def costly_passwords() -> Iterator[None]:
    """Passwords are hashed as in production."""
    with hashing_with(COSTLY):
        yield


@pytest.fixture(scope="module")
def suite(make_database: Callable[..., str]) -> Iterator[Suite]:
    """One running service for the tests of a module."""
    with running_suite(make_database("identity", SERVICE.migrations)) as running:
        yield running
