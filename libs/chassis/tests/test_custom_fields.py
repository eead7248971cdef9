"""The company's own fields take what their definitions say, from the moment they are defined."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import pytest
from chassis import custom_fields
from chassis.audit import AuditEntry
from chassis.clock import FixedClock
from chassis.custom_entities import Children, Records
from chassis.custom_field_messages import changes_from_proto, custom_field_to_proto, draft_from_proto
from chassis.custom_fields import CustomField, CustomFieldDraft
from chassis.custom_filters import dynamic_field
from chassis.custom_records import Judge, validate
from chassis.custom_serials import CustomSerial
from chassis.custom_values import FieldType, ValueRule, normalise
from chassis.db import Database, service_base
from chassis.errors import Conflict, Duplicate, Exhausted, Invalid, NotFound, Stale
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.testing import make_caller
from crm.common.v1 import custom_field_pb2
from crm.common.v1.filter_pb2 import Filter
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Index, Numeric, delete, insert, inspect, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

Base = service_base("Base")
KNOWN = uuid4()
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CALLER = make_caller()


class Thing(Base):
    __tablename__ = "thing"

    id: Mapped[int] = mapped_column(primary_key=True)
    custom: Mapped[dict] = mapped_column(JSONB)


Index("ix_thing_custom", Thing.custom, postgresql_using="gin", postgresql_ops={"custom": "jsonb_path_ops"})


class Part(Base):
    __tablename__ = "part"

    id: Mapped[int] = mapped_column(primary_key=True)
    thing_id: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Numeric)
    made: Mapped[date]


PART_FIELDS = {"price": Field("price", FieldKind.NUMBER, Part.price), "made": Field("made", FieldKind.DATE, Part.made)}
THINGS = Records(
    "thing",
    Thing.id,
    Thing.custom,
    referable={"users": lambda session, ids: {one for one in ids if one == KNOWN}},
    plain={"level": FieldType.TEXT, "create_time": FieldType.DATETIME},
    children={"parts": Children(Part.__table__, Part.thing_id, lambda session, name: PART_FIELDS.get(name))},
)
ENTITIES = {"thing": THINGS}


@pytest.fixture(scope="module")
def shared(make_database):
    database = Database("things", make_database("custom_fields"), clock=FixedClock(NOON))
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()


@pytest.fixture
def session(shared):
    with shared.write(CALLER) as session:
        for table in (CustomField, CustomSerial, Thing, Part, AuditEntry):
            session.execute(delete(table))
        yield session
        session.rollback()


def define(session, key, kind="TEXT", **more):
    draft = CustomFieldDraft(**{"entity": "thing", "key": key, "label": f"标签 {key}", "type": kind, **more})
    return custom_fields.create_field(session, draft, entities=ENTITIES)


def update(session, field, etag="", **changes):
    return custom_fields.update_field(session, field.id, changes, etag=etag, entities=ENTITIES)


def violations(call, *args, **more):
    with pytest.raises(Invalid) as caught:
        call(*args, **more)
    return {(violation.field, violation.reason) for violation in caught.value.violations}


def test_a_field_takes_values_from_its_definition_on(session):
    assert violations(validate, session, THINGS, {"region": "华东"}, current=None) == {
        ("custom_fields.region", "UNKNOWN_FIELD")
    }
    define(session, "region")
    assert validate(session, THINGS, {"region": " 华东 "}, current=None) == {"region": "华东"}


def test_formulas_reckon_days_by_the_calendar_of_the_organisation(session):
    define(session, "signed", "DATETIME")
    define(session, "year", "FORMULA", expression="YEAR(signed)", result_type="NUMBER")
    define(session, "day", "FORMULA", expression="DATE(signed)", result_type="DATE")
    define(session, "lasted", "FORMULA", expression="DAYS(signed, create_time)", result_type="NUMBER")
    define(session, "same", "FORMULA", expression="signed", result_type="DATETIME")
    judge = Judge(session, THINGS)
    midnight = datetime(2025, 12, 31, 16, 30, tzinfo=UTC)  # half past midnight in Shanghai
    plain = {"level": None, "create_time": midnight - timedelta(hours=1)}
    derived = judge.derive(judge({"signed": midnight.isoformat()}), plain)
    assert [derived[key] for key in ("year", "day", "lasted", "same")] == [
        2026,
        "2026-01-01",
        1,
        "2025-12-31T16:30:00Z",
    ]
    last = judge.derive(judge({"signed": "9999-12-31T23:59:59Z"}), plain)
    assert (last["day"], last["same"]) == ("9999-12-31", "9999-12-31T23:59:59Z")


NORMALISED = [
    ("TEXT", " a ", "a"),
    ("NUMBER", 5, 5),
    ("NUMBER", 5.0, 5),
    ("NUMBER", "5.50", 5.5),
    ("NUMBER", Decimal("0.1"), 0.1),
    ("NUMBER", "0.10000000000000000001", "0.10000000000000000001"),
    ("NUMBER", "12345678901234567890.50", "12345678901234567890.5"),
    ("NUMBER", 2**53 + 1, "9007199254740993"),
    ("BOOLEAN", False, False),
    ("DATE", "2026-01-31", "2026-01-31"),
    ("DATE", date(2026, 1, 31), "2026-01-31"),
    ("DATETIME", "2026-01-31T20:00:00+08:00", "2026-01-31T12:00:00Z"),
    ("DATETIME", datetime(2026, 1, 31, 20, tzinfo=timezone(timedelta(hours=8))), "2026-01-31T12:00:00Z"),
    ("CHOICE", "甲", "甲"),
    ("MULTI_CHOICE", ["乙", "甲", "乙"], ["甲", "乙"]),
    ("MULTI_CHOICE", "乙", ["乙"]),
    ("PHONE", "138 0013 8000", "+8613800138000"),
    ("EMAIL", "a@Example.com", "a@example.com"),
    ("URL", "www.example.com", "https://www.example.com"),
]


@pytest.mark.parametrize(("kind", "given", "kept"), NORMALISED)
def test_values_are_kept_in_one_form(kind, given, kept):
    rule = ValueRule(FieldType(kind), ("甲", "乙"))
    found = normalise(rule, given)
    assert (found, found.__class__) == (kept, kept.__class__)
    assert normalise(rule, found) == kept


@pytest.mark.parametrize(
    ("kind", "given", "reason"),
    [
        ("TEXT", 5, "INVALID_TEXT"),
        ("TEXT", "a" * 501, "TEXT_TOO_LONG"),
        ("TEXT", "a\0b", "INVALID_TEXT"),
        ("NUMBER", True, "INVALID_NUMBER"),
        ("NUMBER", "x", "INVALID_NUMBER"),
        ("NUMBER", "NaN", "INVALID_NUMBER"),
        ("NUMBER", "1" * 39, "INVALID_NUMBER"),
        ("NUMBER", "1e500", "INVALID_NUMBER"),
        ("NUMBER", [1], "INVALID_NUMBER"),
        ("NUMBER", float("inf"), "INVALID_NUMBER"),
        ("BOOLEAN", "true", "INVALID_BOOLEAN"),
        ("BOOLEAN", 1, "INVALID_BOOLEAN"),
        ("DATE", "2026-02-30", "INVALID_DATE"),
        ("DATE", "20260131", "INVALID_DATE"),
        ("DATE", NOON, "INVALID_DATE"),
        ("DATETIME", "2026-01-31T12:00:00", "INVALID_DATETIME"),
        ("DATETIME", 5, "INVALID_DATETIME"),
        ("DATETIME", "0001-01-01T00:00:00+08:00", "INVALID_DATETIME"),
        ("CHOICE", "丙", "INVALID_CHOICE"),
        ("CHOICE", ["甲"], "INVALID_CHOICE"),
        ("MULTI_CHOICE", ["甲", "丙"], "INVALID_CHOICE"),
        ("MULTI_CHOICE", 5, "INVALID_CHOICE"),
        ("PHONE", "1", "INVALID_PHONE"),
        ("EMAIL", "x", "INVALID_EMAIL"),
        ("URL", "x", "INVALID_URL"),
        ("PHONE", 5, "INVALID_PHONE"),
    ],
)
def test_values_of_another_type_are_refused(session, kind, given, reason):
    define(session, "own", kind, options=("甲", "乙") if "CHOICE" in kind else ())
    found = violations(validate, session, THINGS, {"own": given}, current={})
    assert found == {("custom_fields.own", reason)}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.integers() | st.floats(-1e30, 1e30))
def test_a_number_is_kept_exactly(number):
    given = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    try:
        kept = normalise(ValueRule(FieldType.NUMBER), number)
    except Invalid:
        assert len(given.as_tuple().digits) > 38 or abs(given.adjusted()) > 38
    else:
        assert Decimal(repr(kept) if isinstance(kept, float) else kept) == given


def test_all_keys_at_fault_are_named(session):
    define(session, "region", required=True)
    define(session, "size", "NUMBER")
    found = violations(validate, session, THINGS, {"size": "big", "colour": "red"}, current=None)
    assert found == {
        ("custom_fields.size", "INVALID_NUMBER"),
        ("custom_fields.colour", "UNKNOWN_FIELD"),
        ("custom_fields.region", "REQUIRED"),
    }


def test_an_update_keeps_what_it_does_not_mention(session):
    define(session, "region")
    define(session, "size", "NUMBER")
    current = {"region": "华东", "size": 5}
    assert validate(session, THINGS, {}, current=current) == current
    assert validate(session, THINGS, {"size": 6}, current=current) == {"region": "华东", "size": 6}
    for blank in (None, "", "  ", []):
        assert validate(session, THINGS, {"size": blank}, current=current) == {"region": "华东"}


def test_a_required_value_cannot_be_taken_away_but_may_be_lacking_from_before(session):
    define(session, "region", required=True)
    found = violations(validate, session, THINGS, {"region": ""}, current={"region": "华东"})
    assert found == {("custom_fields.region", "REQUIRED")}
    define(session, "other")
    assert validate(session, THINGS, {"other": "x"}, current={}) == {"other": "x"}


def test_fields_read_as_one_value_are_those_of_the_list(session):
    assert custom_fields.fields_from_json(session.scalar(select(custom_fields.fields_as_json("thing")))) == []
    define(session, "region", "CHOICE", options=["华东", "华北"], required=True, default_value="华东")
    define(session, "staff", "NUMBER", unique=True, minimum="1", help_text="在册")
    define(session, "people", "ROLLUP", rollup={"children": "parts", "function": "COUNT", "field": ""})
    update(session, define(session, "old"), archived=True)
    read = custom_fields.fields_from_json(session.scalar(select(custom_fields.fields_as_json("thing"))))
    listed, columns = custom_fields.list_fields(session, "thing"), inspect(CustomField).column_attrs.keys()
    assert len(read) == 4
    assert [[getattr(field, key) for key in columns] for field in read] == [
        [getattr(field, key) for key in columns] for field in listed
    ]
    assert Judge(session, THINGS, read)({"staff": 5}) == {"region": "华东", "staff": 5}
    assert not session.new


def test_an_archived_field_keeps_its_values_and_takes_no_new_ones(session):
    field = define(session, "region", required=True)
    update(session, field, archived=True)
    judge = Judge(session, THINGS)
    assert judge({}) == {}
    assert judge({"region": "华东"}, current={"region": "华东"}) == {"region": "华东"}
    assert judge({"region": None}, current={"region": "华东"}) == {}
    assert violations(judge, {"region": "华北"}, current={"region": "华东"}) == {
        ("custom_fields.region", "ARCHIVED_FIELD")
    }


def test_a_value_that_stays_is_not_judged_again(session):
    field = define(session, "region")
    update(session, field, max_length=2)
    assert validate(session, THINGS, {"region": "华东区"}, current={"region": "华东区"}) == {"region": "华东区"}


@pytest.mark.parametrize(
    ("draft", "path", "reason"),
    [
        ({"entity": "lead"}, "entity", "UNKNOWN_ENTITY"),
        ({"key": "Region"}, "key", "INVALID_KEY"),
        ({"key": "1a"}, "key", "INVALID_KEY"),
        ({"key": "a" * 64}, "key", "INVALID_KEY"),
        ({"key": ""}, "key", "INVALID_KEY"),
        ({"key": "a.b"}, "key", "INVALID_KEY"),
        ({"label": " "}, "label", "INVALID_LABEL"),
        ({"label": "a" * 101}, "label", "INVALID_LABEL"),
        ({"label": "a\nb"}, "label", "INVALID_LABEL"),
        ({"type": "UNSPECIFIED"}, "type", "INVALID_TYPE"),
        ({"type": ""}, "type", "INVALID_TYPE"),
        ({"type": "CHOICE"}, "options", "INVALID_OPTIONS"),
        ({"type": "CHOICE", "options": ["a", "a"]}, "options", "INVALID_OPTIONS"),
        ({"type": "CHOICE", "options": [""]}, "options", "INVALID_OPTIONS"),
        ({"options": ["a"]}, "options", "INVALID_OPTIONS"),
        ({"type": "CHOICE", "options": [str(n) for n in range(201)]}, "options", "INVALID_OPTIONS"),
        ({"max_length": -1}, "max_length", "INVALID_MAX_LENGTH"),
        ({"max_length": 10_001}, "max_length", "INVALID_MAX_LENGTH"),
        ({"type": "NUMBER", "max_length": 5}, "max_length", "INVALID_MAX_LENGTH"),
    ],
)
def test_definitions_that_make_no_sense_are_refused(session, draft, path, reason):
    draft = {"entity": "thing", "key": "region", "label": "大区", "type": "TEXT", **draft}
    found = violations(custom_fields.create_field, session, CustomFieldDraft(**draft), entities=ENTITIES)
    assert found == {(f"custom_field.{path}", reason)}


def test_keys_and_labels_are_unique_in_an_entity(session):
    define(session, "region")
    with pytest.raises(Duplicate, match="key"):
        define(session, "region", label="别的")
    with pytest.raises(Duplicate, match="called"):
        define(session, "other", label="标签 region")
    other = define(session, "other")
    with pytest.raises(Duplicate, match="called"):
        update(session, other, label="标签 region")


def test_the_number_of_fields_is_limited(session, monkeypatch):
    monkeypatch.setattr(custom_fields, "MAX_FIELDS", 1)
    define(session, "a")
    with pytest.raises(Exhausted):
        define(session, "b")


def test_an_option_in_use_cannot_be_removed(session):
    one = define(session, "one", "CHOICE", options=("甲", "乙"))
    many = define(session, "many", "MULTI_CHOICE", options=("甲", "乙"))
    session.execute(insert(Thing), [{"id": 1, "custom": {"one": "甲", "many": ["甲", "乙"]}}])
    with pytest.raises(Conflict) as caught:
        update(session, one, options=["乙", "丙"])
    assert (caught.value.reason, caught.value.details) == ("OPTION_IN_USE", {"option": "甲"})
    with pytest.raises(Conflict):
        update(session, many, options=["甲"])
    assert update(session, one, options=["丙", "甲"]).options == ["丙", "甲"]


def test_changes_are_counted_and_audited(session):
    field = define(session, "region")
    assert update(session, field, label="大区", etag="v1").version == 2
    assert update(session, field, label="大区").version == 2
    with pytest.raises(Stale):
        update(session, field, label="区", etag="v1")
    with pytest.raises(NotFound):
        custom_fields.update_field(session, uuid4(), {}, entities=ENTITIES)
    entries = session.execute(
        select(AuditEntry.action, AuditEntry.before, AuditEntry.after).order_by(AuditEntry.id)
    ).all()
    assert [entry.action for entry in entries] == ["custom_field.create", "custom_field.update"]
    assert (entries[0].before, entries[0].after["label"]) == (None, "标签 region")
    assert (entries[1].before["label"], entries[1].after["label"]) == ("标签 region", "大区")


def test_fields_are_listed_in_the_order_of_their_creation(session):
    for key in "cab":
        define(session, key)
    assert [field.key for field in custom_fields.list_fields(session, "thing")] == list("cab")
    assert custom_fields.list_fields(session, "other") == []
    page = custom_fields.page_of_fields(session, "thing", size=2, token="")
    rest = custom_fields.page_of_fields(session, "thing", size=2, token=page.next_token)
    assert [field.key for field in [*page.rows, *rest.rows]] == list("cab")


def test_messages(session):
    message = custom_field_pb2.CustomField(
        entity="thing",
        key="one",
        label="一",
        type=custom_field_pb2.CUSTOM_FIELD_TYPE_CHOICE,
        options=["甲"],
        required=True,
    )
    field = custom_fields.create_field(session, draft_from_proto(message), entities=ENTITIES)
    shown = custom_field_to_proto(field)
    assert (shown.name, shown.etag, shown.create_time.ToDatetime(tzinfo=UTC)) == (
        f"customFields/{field.id}",
        "v1",
        NOON,
    )
    for name in ("entity", "key", "label", "type", "options", "required"):
        assert getattr(shown, name) == getattr(message, name)
    assert changes_from_proto(shown, FieldMask(paths=["options", "archived"])) == {
        "options": ("甲",),
        "archived": False,
    }
    with pytest.raises(Invalid):
        changes_from_proto(shown, FieldMask(paths=["key"]))
    assert draft_from_proto(custom_field_pb2.CustomField(type=99)).type == ""


def find(session, operator, key, *values):
    registry = FieldRegistry([], dynamic=lambda name: dynamic_field(session, "thing", name, Thing.custom))
    body = {"field": f"custom.{key}", "operator": f"OPERATOR_{operator}", "values": list(values)}
    predicate = registry.where(ParseDict({"condition": body}, Filter()))
    return session.scalars(select(Thing.id).where(predicate).order_by(Thing.id)).all()


T = "text"


@pytest.mark.parametrize(
    ("kind", "stored", "operator", "values", "found"),
    [
        ("TEXT", ["ab", "Abc", None], "STARTS_WITH", [{T: "aB"}], [0, 1]),
        ("TEXT", ["ab", "abc", None], "EQUAL", [{T: "ab"}], [0]),
        ("TEXT", ["ab", "abc", None], "NOT_EQUAL", [{T: "ab"}], [1, 2]),
        ("TEXT", ["ab", "abc", None], "IS_EMPTY", [], [2]),
        ("NUMBER", [5, 5.5, "0.10000000000000000001", None], "LESS", [{"number": 5.5}], [0, 2]),
        ("NUMBER", [5, 5.5, "0.10000000000000000001", None], "EQUAL", [{T: "0.10000000000000000001"}], [2]),
        ("NUMBER", [5, 5.5, None], "EQUAL", [{T: "5.0"}], [0]),
        ("NUMBER", [5, None], "EQUAL", [{T: "1" * 50}], []),
        ("NUMBER", [5, 5.5, 7], "BETWEEN", [{"number": 5}, {T: "6"}], [0, 1]),
        ("BOOLEAN", [True, False, None], "EQUAL", [{"flag": False}], [1]),
        ("BOOLEAN", [True, False, None], "NOT_EQUAL", [{"flag": False}], [0, 2]),
        ("DATE", ["2026-01-31", "2026-02-01", None], "GREATER", [{T: "2026-01-31"}], [1]),
        ("DATE", ["2026-01-31", "2026-02-01", None], "IN", [{T: "2026-01-31"}], [0]),
        ("DATETIME", ["2026-01-31T12:00:00Z", None], "EQUAL", [{T: "2026-01-31T20:00:00+08:00"}], [0]),
        ("DATETIME", ["2026-01-31T12:00:00Z", None], "LESS", [{T: "2026-01-31T20:00:01+08:00"}], [0]),
        ("CHOICE", ["甲", "乙", None], "NOT_IN", [{T: "甲"}], [1, 2]),
        ("MULTI_CHOICE", [["甲"], ["甲", "乙"], None], "CONTAINS", [{T: "乙"}], [1]),
        ("MULTI_CHOICE", [["甲"], ["甲", "乙"], None], "IN", [{T: "乙"}, {T: "甲"}], [0, 1]),
        ("MULTI_CHOICE", [["甲"], None], "IS_NOT_EMPTY", [], [0]),
        ("PHONE", ["+8613800138000", None], "CONTAINS", [{T: "8000"}], [0]),
    ],
)
def test_filters_on_own_fields(session, kind, stored, operator, values, found):
    define(session, "own", kind, options=("甲", "乙") if "CHOICE" in kind else ())
    customs = [{} if value is None else {"own": value} for value in stored]
    session.execute(insert(Thing), [{"id": number, "custom": custom} for number, custom in enumerate(customs)])
    assert find(session, operator, "own", *values) == found


def test_filters_on_unknown_fields_and_values_are_refused(session):
    define(session, "own", "CHOICE", options=("甲",))
    for key, value, reason in [("other", "甲", "UNKNOWN_FIELD"), ("own", "丙", "INVALID_VALUE")]:
        with pytest.raises(Invalid) as caught:
            find(session, "EQUAL", key, {T: value})
        assert caught.value.reason == reason
    assert dynamic_field(session, "thing", "own", Thing.custom) is None


def test_equality_uses_the_index(session):
    define(session, "own")
    session.execute(insert(Thing), [{"id": n, "custom": {"own": f"x{n}"}} for n in range(3000)])
    session.execute(text("ANALYZE thing"))
    field = dynamic_field(session, "thing", "custom.own", Thing.custom)
    statement = select(Thing.id).where(field.holds("x7")).compile(session.get_bind())
    cursor = session.connection().connection.driver_connection
    plan = cursor.execute(f"EXPLAIN {statement}", {"param_1": '{"own": "x7"}'}).fetchall()
    assert "ix_thing_custom" in str(plan)
