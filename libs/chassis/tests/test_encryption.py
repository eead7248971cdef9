"""Sealed values open with the right key at the right place, and not otherwise."""

from uuid import UUID, uuid4

import pytest
from chassis.callers import service_caller
from chassis.db import Database, service_base
from chassis.encryption import DataKeys, Encrypted, Place, SealBroken, Sealed, new_key
from chassis.errors import Invalid
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import LargeBinary, cast, select
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Mapped, mapped_column

Base = service_base("Base")
OLD, NEW = new_key(), new_key()
NUMBER = "11010519491231002X"


class Paper(Base):
    """A made-up record with something to hide."""

    __tablename__ = "paper"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[Sealed | None] = mapped_column(Encrypted)
    number_index: Mapped[bytes] = mapped_column(LargeBinary)


@pytest.fixture
def keys():
    return DataKeys.parse(f"old:{OLD}")


def place(row=None):
    return Place("paper", "number", row or uuid4())


@given(st.text(), st.uuids())
def test_what_is_sealed_opens_to_the_same(value, row):
    keys = DataKeys.parse(f"old:{OLD}")
    assert keys.open(keys.seal(value, place(row)), place(row)) == value


def test_equal_values_look_different_each_time(keys):
    here = place()
    assert keys.seal(NUMBER, here) != keys.seal(NUMBER, here)


def test_any_altered_byte_is_noticed(keys):
    here = place()
    data = keys.seal(NUMBER, here).data
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= 1
        with pytest.raises(SealBroken):
            keys.open(Sealed(bytes(altered)), here)


@pytest.mark.parametrize("length", range(40))
def test_a_cut_value_is_noticed(keys, length):
    here = place()
    with pytest.raises(SealBroken):
        keys.open(Sealed(keys.seal(NUMBER, here).data[:length]), here)


def test_a_value_opens_at_its_own_place_alone(keys):
    row = uuid4()
    sealed = keys.seal(NUMBER, Place("paper", "number", row))
    for other in (Place("paper", "number", uuid4()), Place("paper", "title", row), Place("letter", "number", row)):
        with pytest.raises(SealBroken):
            keys.open(sealed, other)


def test_a_wrong_key_opens_nothing(keys):
    here = place()
    sealed = keys.seal(NUMBER, here)
    for others in (f"new:{NEW}", f"old:{NEW}"):
        with pytest.raises(SealBroken):
            DataKeys.parse(others).open(sealed, here)


def test_keys_can_be_changed(keys):
    here = place()
    sealed = keys.seal(NUMBER, here)
    both = DataKeys.parse(f"new:{NEW}, old:{OLD}")
    assert both.open(sealed, here) == NUMBER
    assert not both.is_current(sealed)
    renewed = both.seal(NUMBER, here)
    assert both.is_current(renewed)
    after = DataKeys.parse(f"new:{NEW}")
    assert after.open(renewed, here) == NUMBER
    assert keys.blind_index(NUMBER, "paper.number") in both.blind_indexes(NUMBER, "paper.number")
    assert both.blind_index(NUMBER, "paper.number") == after.blind_index(NUMBER, "paper.number")


def test_a_blind_index_finds_equal_values_of_one_purpose(keys):
    index = keys.blind_index(NUMBER, "paper.number")
    assert len(index) == 32
    assert index == DataKeys.parse(f"renamed:{OLD}").blind_index(NUMBER, "paper.number")
    assert index != keys.blind_index(NUMBER, "paper.title")
    assert index != keys.blind_index(NUMBER[:-1], "paper.number")
    assert index != DataKeys.parse(f"new:{NEW}").blind_index(NUMBER, "paper.number")


@pytest.mark.parametrize(
    "text",
    ["nonsense", "a:", f":{OLD}", f"a b:{OLD}", f"a:{OLD},a:{NEW}", f"a:{OLD[:-8]}", f"a:{OLD}!", f"a:{OLD}:b"],
    ids=range(8),  # the keys are random, and names of tests must not be
)
def test_keys_that_are_none_are_a_wrong_setting(text):
    with pytest.raises(Invalid) as caught:
        DataKeys.parse(text)
    assert caught.value.reason == "INVALID_SETTING"
    assert OLD not in caught.value.message


def test_without_keys_the_setting_is_asked_for():
    none = DataKeys.parse("")
    for use in (lambda: none.seal("", place()), lambda: none.blind_index("", ""), lambda: none.current):
        with pytest.raises(Invalid) as caught:
            use()
        assert (caught.value.reason, caught.value.field) == ("MISSING_SETTING", "DATA_KEYS")


def test_a_dump_of_the_database_tells_nothing(make_database, keys):
    database = Database("papers", make_database("papers"), data_keys=keys)
    Base.metadata.create_all(database.engine)
    row = uuid4()
    with database.write(service_caller("papers")) as session:
        index = session.data_keys.blind_index(NUMBER, "paper.number")
        session.add(Paper(id=row, number=session.data_keys.seal(NUMBER, place(row)), number_index=index))
        session.add(Paper(id=uuid4(), number=None, number_index=b""))
    with database.read(service_caller("papers")) as session:
        found = session.scalars(select(Paper).where(Paper.number_index == index)).one()
        assert session.data_keys.open(found.number, place(row)) == NUMBER
        raw = session.scalars(select(cast(Paper.number, LargeBinary)).where(Paper.id == row)).one()
        assert session.scalars(select(Paper.number).where(Paper.id != row)).one() is None
    assert NUMBER.encode() not in bytes(raw)
    assert NUMBER not in repr(found.number)
    database.dispose()


def test_what_an_old_key_sealed_is_found(make_database, keys):
    both = DataKeys.parse(f"new:{NEW},old:{OLD}")
    database = Database("papers", make_database("papers"), data_keys=both)
    Base.metadata.create_all(database.engine)
    rows = [uuid4(), uuid4(), uuid4()]
    with database.write(service_caller("papers")) as session:
        for row, sealing in zip(rows, (keys, both, None), strict=True):
            sealed = sealing.seal(NUMBER, place(row)) if sealing else None
            session.add(Paper(id=row, number=sealed, number_index=b""))
    with database.read(service_caller("papers")) as session:
        assert session.scalars(select(Paper.id).where(both.outdated(Paper.number))).all() == rows[:1]
    database.dispose()


def test_an_encrypted_column_takes_no_readable_value(make_database, keys):
    database = Database("papers", make_database("papers"), data_keys=keys)
    Base.metadata.create_all(database.engine)
    with pytest.raises(StatementError, match="sealed values"), database.write(service_caller("papers")) as session:
        session.add(Paper(id=uuid4(), number=NUMBER, number_index=b""))
    database.dispose()
