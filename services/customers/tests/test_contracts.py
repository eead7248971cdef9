"""What leaves and enters the service agrees with the contracts."""

from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, date, datetime
from inspect import getmembers, isclass

import pytest
from chassis.migrations import differences
from chassis.names import new_id
from crm.customers.v1 import contact_pb2, customer_pb2, customer_relation_pb2, events_pb2, search_service_pb2, tier_pb2
from customers import events, facts, mapping, model
from customers.main import SERVICE
from customers.model import Base, Contact, Customer
from customers.searching.reasons import Match
from customers.usecases.create_customer import CustomerDraft
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict

STATE = events.CustomerState("customers/1", 3, "COMPANY", "华诚", "WON", "users/1", "a/b/", "91110000600037341L")
SAMPLES = [
    events.LeadAdmitted("customers/1", "leadConversions/1", "leads/1", "contacts/1", STATE),
    events.LeadNotAdmitted("leads/1", "leadConversions/1"),
    events.CallerIdentified("calls/1", ["customers/1"]),
    events.CustomerCreated("customers/1", 1, STATE),
    events.CustomerUpdated("customers/1", 2, STATE, ["level"]),
    events.CustomerTransferred("customers/1", 3, STATE, "users/2", "调岗"),
    events.CustomerDeleted("customers/1", 3),
    events.CustomersImported("importJobs/1", [STATE]),
    events.CustomersRestated("", [STATE]),
    events.CustomersHandedOver(
        "", "CLAIMED", "", "", "users/2", [events.HandedOver(STATE, "users/1", "", "pools/1", closes_plans=True)]
    ),
    events.CustomerTierChanged("", [events.CustomerMove("customers/1", "", "A")], "MANUAL", "签约", "users/1"),
    events.CustomerLifecycleChanged("customers/1", [events.CustomerMove("customers/1", "NEW", "LOST")], "users/1"),
    events.OwnersRelocated("departments/1", "1/"),
    events.CustomerShareChanged("customers/1", "users/1", 2, "READ_ONLY", None, active=True),
    events.CustomerTheatreChanged("customers/1", "departments/1", "users/1", "1/", 2, active=True),
    events.CustomersMerged(
        "customers/1",
        3,
        STATE,
        "customerMerges/1",
        [events.MergedCustomerFacts("customers/2", 4)],
        [events.UnitedContact("contacts/2", "contacts/1")],
    ),
    events.CustomersUnmerged("customers/1", 4, STATE, "customerMerges/1", [STATE]),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_is_its_message(event):
    message = ParseDict(asdict(event), getattr(events_pb2, type(event).__name__)())
    assert {field.name for field in fields(event)} == {field.name for field in message.DESCRIPTOR.fields}
    assert event.SUBJECT in {field.name for field in fields(event)}


def test_every_event_of_the_contract_is_published_and_sampled():
    published = {name for name, item in getmembers(events, isclass) if is_dataclass(item) and hasattr(item, "SUBJECT")}
    assert published == {type(sample).__name__ for sample in SAMPLES}
    parts = {"CustomerState", "HandedOver", "MergedCustomer", "UnitedContact", "CustomerMove"}
    assert published | parts == set(events_pb2.DESCRIPTOR.message_types_by_name)


def test_the_names_of_kinds_and_statuses_are_those_of_the_contract():
    kinds = {f"CUSTOMER_KIND_{kind}" for kind in model.CustomerKind} | {"CUSTOMER_KIND_UNSPECIFIED"}
    stages = {f"LIFECYCLE_STAGE_{stage}" for stage in model.LifecycleStage} | {"LIFECYCLE_STAGE_UNSPECIFIED"}
    origins = {f"TIER_ORIGIN_{origin}" for origin in model.Origin} | {"TIER_ORIGIN_UNSPECIFIED"}
    statuses = {f"CUSTOMER_STATUS_{status}" for status in model.CustomerStatus} | {"CUSTOMER_STATUS_UNSPECIFIED"}
    assert kinds == set(customer_pb2.CustomerKind.keys())
    assert statuses == set(customer_pb2.CustomerStatus.keys())
    assert stages == set(customer_pb2.LifecycleStage.keys())
    assert origins == set(tier_pb2.TierOrigin.keys())


@pytest.mark.parametrize(
    ("names", "prefix", "contract"),
    [
        (model.DecisionRole, "DECISION_ROLE_", contact_pb2.DecisionRole),
        (model.Stance, "STANCE_", contact_pb2.Stance),
        (model.RelationKind, "CUSTOMER_RELATION_KIND_", customer_relation_pb2.CustomerRelationKind),
        (Match, "SEARCH_MATCH_", search_service_pb2.SearchMatch),
    ],
)
def test_names_are_those_of_the_contract(names, prefix, contract):
    assert {f"{prefix}{name}" for name in names} | {f"{prefix}UNSPECIFIED"} == set(contract.keys())


def test_every_field_of_a_contact_is_mapped_and_audited():
    now = datetime(2026, 3, 2, tzinfo=UTC)
    contact = Contact(
        id=new_id(), customer_id=new_id(), display_name="王芳", job_title="总监", phones=["+8613800138000"],
        emails=["a@example.com"], wechat="wx", is_primary=True, decision_role="BUYER", influence=3, stance="NEUTRAL",
        reports_to_id=new_id(), birthday=date(1980, 5, 1), remark="备注", custom={"a": 1}, version=1, create_time=now,
        update_time=now,
    )  # fmt: skip
    contact.identity_number_shown = "E***"
    message = mapping.contact_to_proto(contact)
    mapped = {field.name for field in message.DESCRIPTOR.fields} - {"hidden_fields"}
    assert {field.name for field, _ in message.ListFields()} == mapped
    audited = set(facts.contact_snapshot(contact))
    assert mapped - {"name", "etag", "create_time", "update_time", "primary", "custom_fields"} <= audited
    assert {"is_primary", "custom", "version"} <= audited


def test_the_migrations_make_what_the_entities_say(make_database):
    assert differences(make_database("customers", SERVICE.migrations), Base.metadata) == []


FULL = customer_pb2.Customer(
    kind=customer_pb2.CUSTOMER_KIND_COMPANY,
    display_name="上海华诚科技有限公司",
    credit_code="91110000600037341L",
    status=customer_pb2.CUSTOMER_STATUS_WON,
    level="A",
    industry="制造业",
    source="展会",
    phones=["+8613800138000"],
    emails=["a@example.com"],
    website="https://example.com/",
    address=customer_pb2.Address(
        country="CN", province="上海市", city="上海市", district="黄浦区", street="南京路1号", postal_code="200001"
    ),
    tags=["a", "b"],
    custom_fields={"region": "华东", "seats": 5, "vip": True, "areas": ["x", "y"]},
    remark="两行\n备注",
    external_id="K-1",
)


def stored(draft: CustomerDraft) -> Customer:
    """The entity that the values of a draft make."""
    columns = {path.removeprefix("address."): value for path, value in draft.values.items()}
    now = datetime(2026, 3, 2, tzinfo=UTC)
    return Customer(
        id=new_id(),
        **columns,
        rule_tags=["b"],
        custom=dict(draft.custom_fields),
        creator="users/1",
        version=1,
        create_time=now,
        update_time=now,
    )


def test_a_customer_survives_the_way_in_and_out():
    entity = stored(mapping.draft_from_proto(FULL))
    message = mapping.customer_to_proto(entity)
    assert (message.name, message.etag, message.creator) == (entity.name, "v1", "users/1")
    assert message.create_time.ToDatetime(UTC) == entity.create_time
    assert [(tag.display_name, tag.origin) for tag in message.tag_details] == [
        ("a", customer_pb2.TAG_ORIGIN_MANUAL),
        ("b", customer_pb2.TAG_ORIGIN_RULE),
    ]
    for field in ("name", "etag", "creator", "create_time", "update_time", "held_since", "tag_details"):
        message.ClearField(field)
    assert message == FULL


def test_every_field_of_a_customer_is_mapped():
    entity = stored(mapping.draft_from_proto(FULL))
    entity.owner_id = entity.owner_department_id = entity.id
    entity.last_follow_up_time = entity.last_effective_follow_up_time = entity.held_since = entity.create_time
    entity.pool_id, entity.locked, entity.identity_number_shown = entity.id, True, "E***"
    entity.quality_score, entity.lifecycle_stage = 80, "ACTIVE"
    message = mapping.customer_to_proto(entity)
    mapped = {field.name for field in message.DESCRIPTOR.fields} - {"hidden_fields"}
    assert {field.name for field, _ in message.ListFields()} == mapped


def test_every_field_of_a_customer_but_derived_ones_is_audited():
    entity = stored(mapping.draft_from_proto(FULL))
    entity.owner_id = entity.owner_department_id = entity.id
    entity.last_follow_up_time = entity.last_effective_follow_up_time = entity.held_since = entity.create_time
    entity.pool_id, entity.locked, entity.identity_number_shown = entity.id, True, "E***"
    derived = {"id", "name_key", "search_text", "grams", "update_time", "owner_id", "owner_department_id"}
    derived |= {"owner_department_path", "pool_id", "pool_entry_time", "rule_tags", "quality_score", "lifecycle_stage"}
    derived |= {"identity_number_sealed", "identity_number_index", "identity_number_shown"}
    columns = {column.key for column in Customer.__table__.columns} - derived
    assert columns | {"owner", "owner_department", "pool", "identity_number"} == set(facts.snapshot(entity))


def test_without_a_mask_a_patch_holds_what_is_set():
    given = customer_pb2.Customer(level="B", address={"city": "上海"}, custom_fields={"region": "x"}, etag="v2")
    patch = mapping.patch_from_proto(given, FieldMask())
    assert patch.values == {"level": "B", "address.city": "上海"}
    assert patch.custom_fields == {"region": "x"}
    assert patch.replace_custom_fields is False
    assert patch.etag == "v2"


def test_a_mask_clears_what_it_names():
    given = customer_pb2.Customer(address={"city": "上海"}, custom_fields={"region": "x"})
    patch = mapping.patch_from_proto(given, FieldMask(paths=["tags", "status", "address", "custom_fields.seats"]))
    assert patch.values == {
        "tags": [],
        "status": "UNSPECIFIED",
        "address.country": "",
        "address.province": "",
        "address.city": "上海",
        "address.district": "",
        "address.street": "",
        "address.postal_code": "",
    }
    assert patch.custom_fields == {"seats": None}
    whole = mapping.patch_from_proto(given, FieldMask(paths=["custom_fields"]))
    assert (whole.custom_fields, whole.replace_custom_fields) == ({"region": "x"}, True)
