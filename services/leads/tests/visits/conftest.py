"""Somebody in the field, and the customers they visit."""

from collections.abc import Callable
from typing import Any

import pytest
from chassis.db import Database
from chassis.testing import make_caller
from leads.geo import Position
from leads.model import Visit
from leads.subjects import Subject
from leads.visits.checking_in import CheckInDraft, check_in
from leads.visits.positions import set_position

HERE = Position(31.2304, 121.4737, 20.0)
"""In Shanghai."""


def north(metres: float, accuracy: float = 20.0) -> Position:
    """A position that many metres north of HERE: a degree of latitude is 111,195.08 m on the sphere."""
    return Position(HERE.latitude + metres / 111_195.0802, HERE.longitude, accuracy)


@pytest.fixture
def somebody() -> Any:
    return make_caller(department_path="1/")


@pytest.fixture
def customer(known, somebody) -> Subject:
    return Subject("customers", known(somebody.user_id, "1/"))


@pytest.fixture
def locate(database: Database, directory) -> Callable[..., None]:
    """Say where a subject is."""

    def set_(caller, subject, position=HERE):
        with database.write(caller) as session:
            set_position(session, subject, position, None, directory)

    return set_


@pytest.fixture
def arrive(database: Database, directory) -> Callable[..., Visit]:
    """Check somebody in."""

    def arrived(caller, subject, position=HERE, **values):
        with database.write(caller) as session:
            visit = check_in(session, CheckInDraft(subject, position, **values), directory)
            session.expunge(visit)
            return visit

    return arrived
