"""Edits of an older version: other fields merge, the same field asks."""

import pytest
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.names import new_id
from customers.model import Customer
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.merge_customer_edits import merge_customer_edits
from customers.usecases.update_customer import CustomerPatch, update_customer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIELDS = ("level", "industry", "remark", "tags")
VALUES = {
    "level": ("A", "B", ""),
    "industry": ("制造", "零售", ""),
    "remark": ("甲", "乙", ""),
    "tags": (["一"], ["二"], []),
}
edits = st.fixed_dictionaries({}, optional={field: st.sampled_from(VALUES[field]) for field in FIELDS})


def merge(database, person, customer, patch, base):
    with database.write(person.caller()) as session:
        done = merge_customer_edits(session, customer, patch, CustomerPatch(base))
        return done.conflicts, {field: getattr(done.customer, field) for field in FIELDS}


def start(database, person, name, **values):
    with database.write(person.caller()) as session:
        made = create_customer(session, CustomerDraft({"display_name": name, **values}, {}))
        return made.id


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(theirs=edits, yours=edits)
def test_edits_merge_unless_both_made_something_else_of_a_field(database, organisation, theirs, yours):
    base = {"level": "C", "industry": "教育", "remark": "丙", "tags": ["三"]}
    customer = start(database, organisation.li, f"合并{new_id()}", **base)
    with database.write(organisation.wang.caller()) as session:
        update_customer(session, customer, CustomerPatch(theirs))
    patch = CustomerPatch(yours, etag=etag(1))
    conflicts, now = merge(database, organisation.li, customer, patch, {key: base[key] for key in yours})
    expected = sorted(key for key in yours.keys() & theirs.keys() if yours[key] != theirs[key])
    assert list(conflicts) == expected
    merged = base | theirs | ({} if expected else yours)
    assert now == {key: value or (value if key == "tags" else None) for key, value in merged.items()}


def test_an_edit_of_the_current_version_asks_nothing_and_one_without_etag_is_refused(database, organisation):
    customer = start(database, organisation.li, "当前公司", level="A")
    conflicts, now = merge(database, organisation.li, customer, CustomerPatch({"level": "B"}, etag=etag(1)), {})
    assert (conflicts, now["level"]) == ((), "B")
    with pytest.raises(Invalid):
        merge(database, organisation.li, customer, CustomerPatch({"level": "C"}), {})
    conflicts, now = merge(
        database, organisation.li, customer, CustomerPatch({"level": "C"}, etag=etag(1)), {"level": "A"}
    )
    assert (conflicts, now["level"]) == (("level",), "B")
    with database.read(organisation.li.caller()) as session:
        assert session.get_one(Customer, customer).version == 2
