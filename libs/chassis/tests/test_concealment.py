"""What a caller may not see leaves a service nowhere, and what they may not change comes in nowhere."""

import json
from importlib import import_module
from itertools import count
from pathlib import Path

import crm
import orjson
import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.concealment import (
    MethodRules,
    Shape,
    conceal,
    conceal_json,
    conceal_snapshot,
    conceal_value,
    shape_of,
)
from chassis.entities import collections, entities, entity_of, protection_of, restrictable
from chassis.errors import Denied
from chassis.field_rules import (
    FieldEffect,
    MaskForm,
)
from chassis.jobs.store import _pack_caller, unpack_caller
from chassis.names import new_id
from crm.customers.v1 import contact_service_pb2, customer_pb2, customer_service_pb2, timeline_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

READ_ONLY, MASK, HIDE = FieldEffect.READ_ONLY, FieldEffect.MASK, FieldEffect.HIDE


def reader(**rules) -> Caller:
    return Caller("users/1", field_rules=rules)


def messages():
    for folder in map(Path, crm.__path__):
        for path in sorted(folder.rglob("*_pb2.py")):
            name = ".".join(("crm", *path.relative_to(folder).with_suffix("").parts))
            yield from import_module(name).DESCRIPTOR.message_types_by_name.values()


def part_of(field):
    """The type of the messages that a field holds, whether one, several or by key."""
    held = field.message_type
    return held.fields_by_name["value"].message_type if held is not None and held.GetOptions().map_entry else held


def reaches_records(message, seen=()) -> bool:
    if message in seen:
        return False
    if entity_of(message) or any(protection_of(field).shows for field in message.fields):
        return True
    return any(reaches_records(part, (*seen, message)) for field in message.fields if (part := part_of(field)))


HOLDERS = [message for message in messages() if reaches_records(message)]


def test_every_message_with_records_in_it_is_known_as_one():
    known = {message.full_name for message in messages() if shape_of(message) is not None}
    assert known == {message.full_name for message in HOLDERS}
    assert {"crm.customers.v1.CustomerOverview", "crm.customers.v1.ListCustomersResponse"} <= known
    assert len(entities()) >= 4


@pytest.mark.parametrize("entity", entities())
def test_an_entity_is_readable_by_a_permission_of_its_name_and_tells_what_is_hidden(entity):
    record = next(message for message in HOLDERS if entity_of(message) == entity)
    assert protection_of(record.fields_by_name["name"]).open
    assert "hidden_fields" in record.fields_by_name
    asked = {
        method.GetOptions().Extensions[import_module("crm.common.v1.access_pb2").access].permission
        for message in messages()
        for service in message.file.services_by_name.values()
        for method in service.methods
    }
    assert f"{entity}.read" in asked


def test_what_a_field_shows_exists():
    for message in messages():
        for field in message.fields:
            if shows := protection_of(field).shows:
                entity, _, name = shows.partition(".")
                assert name in entities()[entity], field.full_name


def filled(message, marks, depth=0):
    """A message with something in every field, each text of its own."""
    made = GetMessageClass(message)()
    for field in message.fields:
        part = part_of(field)
        if field.message_type is not None and field.message_type.full_name == "google.protobuf.Struct":
            getattr(made, field.name).update({"a": next(marks), "b": {"c": next(marks)}})
        elif part is not None and (part.full_name.startswith("google.") or depth > 3):
            continue
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            if part is not None:
                getattr(made, field.name)["k"].CopyFrom(filled(part, marks, depth + 1))
        elif part is not None and field.is_repeated:
            getattr(made, field.name).extend([filled(part, marks, depth + 1) for _ in range(2)])
        elif part is not None:
            getattr(made, field.name).CopyFrom(filled(part, marks, depth + 1))
        elif field.type == FieldDescriptor.TYPE_STRING and field.name != "hidden_fields":
            value = [next(marks), next(marks)] if field.is_repeated else next(marks)
            setattr(made, field.name, value) if not field.is_repeated else getattr(made, field.name).extend(value)
        elif field.type == FieldDescriptor.TYPE_BOOL and not field.is_repeated:
            setattr(made, field.name, True)
    return made


def secrets(message, rules) -> list[str]:
    """The texts in a message that a reader with these rules must not see whole. Judged without `Shape`."""
    found = []
    own = rules.get(entity_of(message.DESCRIPTOR), {})
    for field, value in message.ListFields():
        shown_entity, _, shown_field = protection_of(field).shows.partition(".")
        kept = max(own.get(field.name, 0), rules.get(shown_entity, {}).get(shown_field, 0)) >= MASK
        if protection_of(field).keyed:
            found += [value[key[7:]] for key, effect in own.items() if key.startswith("custom.") and effect >= MASK]
        elif kept:
            found += texts(value)
        part = part_of(field)
        if part is not None and not part.full_name.startswith("google."):
            by_key = field.message_type.GetOptions().map_entry
            several = value.values() if by_key else value if field.is_repeated else [value]
            found += [text for each in several for text in secrets(each, rules)]
    return found


def texts(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if hasattr(value, "ListFields"):
        return [text for _, each in value.ListFields() for text in texts(each)]
    if hasattr(value, "values"):
        return [text for each in value.values() for text in texts(each)]
    return [text for each in value for text in texts(each)] if hasattr(value, "__iter__") else []


NAMES = {
    entity: sorted(["custom.a" if field.keyed else field.name for field in fields.values()])
    for entity, fields in entities().items()
}
RULES = st.fixed_dictionaries(
    {},
    optional={
        entity: st.dictionaries(st.sampled_from(names), st.sampled_from(FieldEffect), min_size=1)
        for entity, names in NAMES.items()
    },
)


@pytest.mark.parametrize("message", HOLDERS, ids=lambda message: message.full_name)
@settings(max_examples=15, deadline=None)
@given(rules=RULES)
def test_what_a_caller_may_not_read_is_nowhere_in_a_response(message, rules):
    marks = (f"mark{number:06}secret" for number in count())
    response = filled(message, marks)
    before, kept, everything = response.SerializeToString(), secrets(response, rules), set(texts(response))
    assert all(mark.encode() in before for mark in kept)
    conceal(response, Caller("users/1", field_rules=rules))
    after = response.SerializeToString()
    assert [mark for mark in kept if mark.encode() in after] == []
    assert [mark for mark in everything - set(kept) if mark.encode() not in after] == []


def test_what_no_rule_speaks_of_stays_as_it_is():
    entry = timeline_pb2.TimelineEntry(name="timelineEntries/1", summary="谈妥了", kind="FOLLOW_UP_LOGGED")
    customer = customer_pb2.Customer(name="customers/1", phones=["+8613812341234"], level="A")
    customer.custom_fields.update({"budget": 3, "grade": "金牌"})
    for rules in ({}, {"user": {"phone": HIDE}}, {"customer": {"level": READ_ONLY}}):
        for message in (entry, customer):
            copy = type(message).FromString(message.SerializeToString())
            conceal(copy, reader(**rules))
            assert copy == message


def test_hidden_and_masked_fields_of_a_customer():
    customer = customer_pb2.Customer(name="customers/1", phones=["+8613812341234"], level="A", remark="密", creator="x")
    customer.custom_fields.update({"budget": 3, "grade": "金牌", "open": "y"})
    rules = {"phones": MASK, "level": HIDE, "creator": MASK, "custom.budget": MASK, "custom.grade": MASK, "gone": HIDE}
    conceal(customer, reader(customer=rules))
    conceal(customer, reader(customer={"level": HIDE}))  # as if by another rule before the edge
    assert list(customer.phones) == ["138****1234"]
    assert (customer.level, customer.remark, customer.creator) == ("", "密", "")
    assert dict(customer.custom_fields) == {"grade": "金***", "open": "y"}
    assert sorted(customer.hidden_fields) == ["creator", "custom.budget", "level"]


# What comes in


def asked(method: str) -> MethodRules:
    return MethodRules.of(f"crm.customers.v1.{method}")


WRITES = {"customer": {"phones": MASK, "level": READ_ONLY, "custom.budget": HIDE}}


@pytest.mark.parametrize(
    ("customer", "mask", "refused"),
    [
        ({"name": "n", "remark": "x"}, [], None),
        ({"name": "n", "phones": ["138****1234"]}, [], "phones"),
        ({"name": "n", "phones": ["138****1234"], "remark": "x"}, ["remark"], None),
        ({"name": "n"}, ["phones"], "phones"),
        ({"name": "n"}, ["*"], "phones"),
        ({"name": "n", "level": "A"}, [], "level"),
        ({"name": "n", "custom_fields": {"budget": 1}}, [], "custom_fields.budget"),
        ({"name": "n", "custom_fields": {"other": 1}}, [], None),
        ({"name": "n", "custom_fields": {"other": 1}}, ["custom_fields.other"], None),
        ({"name": "n"}, ["custom_fields.budget"], "custom_fields.budget"),
        ({"name": "n"}, ["custom_fields"], "custom_fields"),
    ],
)
def test_a_restricted_field_that_is_given_is_refused(customer, mask, refused):
    request = customer_service_pb2.UpdateCustomerRequest(customer=customer, update_mask={"paths": mask})
    check = asked("CustomerService/UpdateCustomer").check
    check(request, reader())
    check(request, reader(contact=WRITES["customer"]))
    if refused is None:
        check(request, reader(**WRITES))
        return
    with pytest.raises(Denied) as error:
        check(request, reader(**WRITES))
    assert (error.value.reason, error.value.field) == ("FIELD_NOT_WRITABLE", refused)


def test_a_request_without_a_record_is_not_looked_into():
    request = contact_service_pb2.ListContactsRequest(customers=["customers/1"])
    asked("ContactService/ListContacts").check(request, reader(contact={"phones": HIDE}))


# Other ways out


def test_snapshots_are_concealed_like_records():
    snapshot = {
        "display_name": "华诚", "phones": ["+8613812341234"], "level": "A", "city": "上海", "remark": None,
        "custom": {"budget": 3, "grade": "金牌"}, "status": "WON",
    }  # fmt: skip
    rules = {
        "phones": MASK,
        "level": HIDE,
        "address": HIDE,
        "remark": HIDE,
        "custom.budget": HIDE,
        "custom.grade": MASK,
    }
    assert conceal_json(reader(customer=rules), "customer", snapshot) == {
        "display_name": "华诚", "phones": ["138****1234"], "custom": {"grade": "金***"}, "status": "WON",
    }  # fmt: skip
    assert conceal_json(reader(user=rules), "customer", snapshot) == snapshot
    assert conceal_json(reader(customer={"status": MASK}), "customer", {"status": "WON"}) == {}


def test_snapshots_are_known_by_their_resource():
    caller = reader(customer={"phones": MASK}, follow_up={"content": HIDE})
    assert conceal_snapshot(caller, "customers/1", {"phones": ["+8613812341234"]}) == {"phones": ["138****1234"]}
    assert conceal_snapshot(caller, "followUps/1", {"content": "谈妥了", "method": "CALL"}) == {"method": "CALL"}
    assert conceal_snapshot(caller, "exportJobs/1", {"phones": ["x"]}) == {"phones": ["x"]}
    assert conceal_snapshot(caller, "customers/1", None) is None


def test_records_are_in_the_collection_of_their_entity():
    comments = json.loads((Path(crm.__path__[0]) / "descriptions.json").read_text(encoding="utf-8"))
    names = {entity: collection for collection, entity in collections().items()}
    for message in HOLDERS:
        if entity := entity_of(message):
            assert f"`{names[entity]}/{{uuid}}`" in comments[f"{message.full_name}.name"]


def test_values_in_files_are_concealed_like_records():
    caller = reader(
        customer={"phones": MASK, "address": MASK, "level": HIDE, "custom.grade": MASK, "remark": READ_ONLY}
    )
    shown = {
        field: conceal_value(caller, "customer", field, value)
        for field, value in {
            "phones": ["+8613812341234"],
            "address.city": "上海",
            "level": "A",
            "custom_fields.grade": "金牌",
            "remark": "密",
            "source": "展会",
        }.items()
    }
    assert shown == {
        "phones": ["138****1234"], "address.city": None, "level": None, "custom_fields.grade": "金***", "remark": "密",
        "source": "展会",
    }  # fmt: skip


def test_a_job_runs_under_what_held_for_its_creator():
    caller = Caller(
        "users/1",
        new_id(),
        "1/2/",
        {"customer.export": (Grant("customer.export", Reach.CUSTOM, ("1/",)),)},
        partner_id=new_id(),
        field_rules={"customer": {"phones": MASK, "level": READ_ONLY}},
    )
    assert unpack_caller(orjson.loads(orjson.dumps(_pack_caller(caller)))) == caller


def test_open_fields_cannot_be_restricted():
    fields = restrictable(customer_pb2.Customer.DESCRIPTOR)
    assert not {"name", "display_name", "owner", "etag", "hidden_fields"} & set(fields)
    assert fields["phones"].form is MaskForm.PHONE
    assert fields["status"].form is fields["creator"].form is MaskForm.NOTHING
    assert isinstance(shape_of(customer_pb2.Customer.DESCRIPTOR), Shape)
