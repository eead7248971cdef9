"""Plain values survive the way through a Struct."""

from chassis.structs import to_dict, to_struct
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
