"""Plain values survive the way through a Struct, and times that through a Timestamp."""

from datetime import UTC, datetime

from chassis.structs import time_of, to_dict, to_struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_values_come_back_as_they_went(mapping):
    assert to_dict(to_struct(mapping)) == mapping


def test_whole_numbers_come_back_as_integers():
    found = to_dict(to_struct({"whole": 5, "broken": 5.5}))
    assert (type(found["whole"]), type(found["broken"])) == (int, float)


@given(st.datetimes(timezones=st.timezones(), allow_imaginary=False))
def test_times_are_those_that_messages_make_of_them(value):
    expected = Timestamp()
    expected.FromDatetime(value)
    assert Timestamp(**time_of(value)) == expected


def test_no_time_is_none():
    assert time_of(None) is None
    assert time_of(datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)) == {"seconds": -1, "nanos": 500_000_000}
