"""A field mask names exactly the fields that an update changes."""

import pytest
from chassis.errors import Invalid
from chassis.masks import changed_paths
from crm.common.v1.job_pb2 import ImportOptions
from crm.customers.v1.customer_pb2 import Address, Customer
from google.protobuf.field_mask_pb2 import FieldMask

ALLOWED = frozenset({"display_name", "phones", "address", "custom_fields", "remark"})


def mask(*paths):
    return FieldMask(paths=paths)


def test_without_a_mask_the_allowed_fields_that_are_set_change():
    customer = Customer(name="customers/1", etag="v1", display_name="华诚", address=Address(city="上海"))
    assert changed_paths(customer, mask(), ALLOWED) == {"display_name", "address"}


def test_a_nested_allowed_path_counts_if_it_is_set():
    customer = Customer(address=Address(city="上海"))
    assert changed_paths(customer, mask(), {"address.city", "address.street"}) == {"address.city"}


def test_a_mask_can_clear_fields():
    assert changed_paths(Customer(), mask("remark", "phones"), ALLOWED) == {"remark", "phones"}


def test_a_star_means_all_allowed_fields():
    assert changed_paths(Customer(), mask("*"), ALLOWED) == ALLOWED


def test_paths_go_down_into_messages_structs_and_maps():
    asked = mask("address.city", "custom_fields.region")
    assert changed_paths(Customer(), asked, ALLOWED) == {"address.city", "custom_fields.region"}
    assert changed_paths(ImportOptions(), mask("columns.姓名"), {"columns"}) == {"columns.姓名"}


def test_a_path_covers_what_lies_below_it():
    assert changed_paths(Customer(), mask("address.city", "address"), ALLOWED) == {"address"}


@pytest.mark.parametrize(
    "path",
    ["nothing", "name", "etag", "kind", "address.nothing", "phones.0", "custom_fields.a.b", "remark.x", "", "address."],
)
def test_unknown_and_immutable_fields_are_refused(path):
    with pytest.raises(Invalid) as caught:
        changed_paths(Customer(), mask("remark", path), ALLOWED)
    assert caught.value.reason == "INVALID_FIELD_MASK"
    assert caught.value.field == "update_mask"


def test_a_child_may_be_allowed_without_its_parent():
    assert changed_paths(Customer(), mask("address.city"), {"address.city"}) == {"address.city"}
    with pytest.raises(Invalid):
        changed_paths(Customer(), mask("address"), {"address.city"})
