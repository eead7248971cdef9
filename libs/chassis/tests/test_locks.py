"""Whoever holds a name keeps others from it until the transaction ends; what reaches all is asked of the caller."""

from collections.abc import Iterator

import pytest
from chassis import locks
from chassis.callers import Reach, service_caller
from chassis.db import Database
from chassis.errors import Denied
from chassis.testing import make_caller
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

CALLER = service_caller("probe")


@pytest.fixture(scope="module")
def database(make_database) -> Iterator[Database]:
    made = Database("probe", make_database("probe"))
    yield made
    made.dispose()


def hold_at_once(database: Database, name: str) -> None:
    with database.write(CALLER) as session:
        session.execute(text("SET LOCAL lock_timeout = '50ms'"))
        locks.hold(session, name)


def test_a_name_is_held_until_the_transaction_ends(database):
    with database.write(CALLER) as session:
        locks.hold(session, "one")
        locks.hold(session, "one")
        hold_at_once(database, "another")
        with pytest.raises(OperationalError, match="lock timeout"):
            hold_at_once(database, "one")
    hold_at_once(database, "one")


def test_several_share_a_name_that_nobody_holds(database):
    with database.write(CALLER) as session, database.write(CALLER) as other:
        locks.share(session, "one")
        locks.share(other, "one")
        with pytest.raises(OperationalError, match="lock timeout"):
            hold_at_once(database, "one")


def test_a_permission_that_does_not_reach_everything_is_told_as_such():
    make_caller("thing.configure").require_everything("thing.configure")
    with pytest.raises(Denied) as narrow:
        make_caller("thing.configure", reach=Reach.SELF).require_everything("thing.configure")
    with pytest.raises(Denied) as none:
        make_caller("thing.read").require_everything("thing.configure")
    assert (narrow.value.reason, none.value.reason) == ("SCOPE_TOO_NARROW", "PERMISSION_DENIED")
