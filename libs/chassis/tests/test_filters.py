"""Filters select what they say, whatever is NULL; what makes no sense is refused with the place where it stands."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest
from chassis.db import service_base
from chassis.errors import Invalid
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.paging import SortKey
from crm.common.v1.filter_pb2 import Filter, OrderBy
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, Enum, Numeric, Text, create_engine, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

Base = service_base("Base")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column(Text)
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    count: Mapped[int | None]
    ratio: Mapped[float | None]
    done: Mapped[bool | None]
    day: Mapped[date | None]
    time: Mapped[datetime | None]
    state: Mapped[str | None] = mapped_column(Text)
    colour: Mapped[Colour | None] = mapped_column(Enum(Colour, native_enum=False))
    owner: Mapped[UUID | None]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


REGISTRY = FieldRegistry(
    [
        Field("label", FieldKind.TEXT, Item.label, sortable=True),
        Field("price", FieldKind.NUMBER, Item.price, sortable=True),
        Field("count", FieldKind.NUMBER, Item.count),
        Field("ratio", FieldKind.NUMBER, Item.ratio),
        Field("done", FieldKind.BOOLEAN, Item.done),
        Field("day", FieldKind.DATE, Item.day),
        Field("time", FieldKind.TIME, Item.time, sortable=True),
        Field("state", FieldKind.ENUM, Item.state, choices=("NEW", "OLD")),
        Field("colour", FieldKind.ENUM, Item.colour, choices=("RED", "GREEN")),
        Field("owner", FieldKind.REFERENCE, Item.owner, collection="users"),
        Field("tags", FieldKind.TEXT_LIST, Item.tags),
    ],
    dynamic=lambda name: Field(name, FieldKind.TEXT, Item.label) if name == "custom.label" else None,
)

USERS = [UUID(int=n) for n in (1, 2)]
TEXTS = ["", "a", "A", "ab", "ba", "%", "_", "a%b", "\\", "中文", "文"]
NUMBERS = ["0", "1", "-1", "1.5", "1.50", "0.005", "2.01", "99999999999999", "0.1"]
DAYS = [date(2026, 1, 31), date(2026, 2, 1), date(1999, 12, 31)]
TIMES = [NOON, NOON + timedelta(microseconds=1), NOON - timedelta(days=1)]
KINDS = {
    "label": "text", "price": "number", "count": "number", "ratio": "number", "done": "flag", "day": "day",
    "time": "time", "state": "state", "colour": "colour", "owner": "owner", "tags": "list", "custom.label": "text",
}  # fmt: skip

rows = st.fixed_dictionaries(
    {
        "label": st.none() | st.sampled_from(TEXTS),
        "price": st.none() | st.sampled_from([Decimal(n) for n in ("0", "1", "-1", "1.5", "2.01", "0.01", "0.1")]),
        "count": st.none() | st.sampled_from([0, 1, -1, 2]),
        "ratio": st.none() | st.sampled_from([0.0, 1.0, 1.5, 0.1, -1.0]),
        "done": st.none() | st.booleans(),
        "day": st.none() | st.sampled_from(DAYS),
        "time": st.none() | st.sampled_from(TIMES),
        "state": st.none() | st.sampled_from(["NEW", "OLD"]),
        "colour": st.none() | st.sampled_from(Colour),
        "owner": st.none() | st.sampled_from(USERS),
        "tags": st.none() | st.lists(st.sampled_from(["a", "b", "中"]), max_size=2),
    }
)

WIRE = {
    "text": st.sampled_from(TEXTS).map(lambda text: {"text": text}),
    "number": st.sampled_from(NUMBERS).flatmap(lambda text: st.sampled_from([{"text": text}, {"number": float(text)}])),
    "flag": st.booleans().map(lambda flag: {"flag": flag}),
    "day": st.sampled_from(DAYS).map(lambda day: {"text": day.isoformat()}),
    "time": st.sampled_from(TIMES).map(lambda time: {"text": time.isoformat()}),
    "state": st.sampled_from(["NEW", "OLD"]).map(lambda text: {"text": text}),
    "colour": st.sampled_from(["RED", "GREEN"]).map(lambda text: {"text": text}),
    "owner": st.sampled_from(USERS).map(lambda user: {"text": f"users/{user}"}),
    "list": st.sampled_from(["a", "b", "中", "x"]).map(lambda text: {"text": text}),
}
ORDERED = ["LESS", "LESS_OR_EQUAL", "GREATER", "GREATER_OR_EQUAL"]
SINGLE = {
    "text": ["EQUAL", "NOT_EQUAL", "CONTAINS", "STARTS_WITH"],
    "number": ["EQUAL", "NOT_EQUAL", *ORDERED],
    "day": ["EQUAL", "NOT_EQUAL", *ORDERED],
    "time": ["EQUAL", "NOT_EQUAL", *ORDERED],
    "list": ["CONTAINS"],
}


@st.composite
def conditions(draw):
    name = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[name]
    arity = draw(st.sampled_from(["one", "one", "empty", "many"]))
    if arity == "empty":
        operator, values = draw(st.sampled_from(["IS_EMPTY", "IS_NOT_EMPTY"])), []
    elif arity == "one" or kind == "flag":
        operator = draw(st.sampled_from(SINGLE.get(kind, ["EQUAL", "NOT_EQUAL"])))
        values = [draw(WIRE[kind])]
    elif kind in ("number", "day", "time") and draw(st.booleans()):
        operator = "BETWEEN"
        values = sorted((draw(WIRE[kind]) for _ in range(2)), key=lambda value: parsed(kind, value))
    else:
        operator = draw(st.sampled_from(["IN", "NOT_IN"]))
        values = draw(st.lists(WIRE[kind], min_size=1, max_size=3))
    return {"condition": {"field": name, "operator": f"OPERATOR_{operator}", "values": values}}


trees = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda nodes: {"all": {"filters": nodes}}),
        st.lists(inner, max_size=3).map(lambda nodes: {"any": {"filters": nodes}}),
        inner.map(lambda node: {"not": node}),
        st.just({}),
    ),
    max_leaves=6,
)


def parsed(kind, value):
    (raw,) = value.values()
    if kind == "number":
        return Decimal(repr(raw) if isinstance(raw, float) else raw)
    if kind == "day":
        return date.fromisoformat(raw)
    if kind == "time":
        return datetime.fromisoformat(raw)
    if kind == "owner":
        return UUID(raw.removeprefix("users/"))
    return raw


def evaluate(node, row):
    ((kind, body),) = node.items() if node else ((None, None),)
    match kind:
        case None:
            return True
        case "all":
            return all(evaluate(inner, row) for inner in body["filters"])
        case "any":
            return any(evaluate(inner, row) for inner in body["filters"])
        case "not":
            return not evaluate(body, row)
    name = body["field"]
    value = row["label" if name == "custom.label" else name]
    if name == "colour" and value is not None:
        value = value.name
    if name == "ratio" and value is not None:
        value = Decimal(repr(value))
    return holds(body["operator"].removeprefix("OPERATOR_"), value, [parsed(KINDS[name], v) for v in body["values"]])


def holds(operator, value, given):
    if operator in ("IS_EMPTY", "IS_NOT_EMPTY"):
        return (value in (None, "", [])) == (operator == "IS_EMPTY")
    if operator in ("NOT_EQUAL", "NOT_IN"):
        return not holds("IN", value, given)
    if value is None:
        return False
    if isinstance(value, list):
        return any(item in value for item in given)
    return COMPARE[operator](value, given)


COMPARE = {
    "EQUAL": lambda value, given: value == given[0],
    "IN": lambda value, given: value in given,
    "LESS": lambda value, given: value < given[0],
    "LESS_OR_EQUAL": lambda value, given: value <= given[0],
    "GREATER": lambda value, given: value > given[0],
    "GREATER_OR_EQUAL": lambda value, given: value >= given[0],
    "BETWEEN": lambda value, given: given[0] <= value <= given[1],
    "CONTAINS": lambda value, given: given[0].lower() in value.lower(),
    "STARTS_WITH": lambda value, given: value.lower().startswith(given[0].lower()),
}


@pytest.fixture(scope="module")
def session(make_database):
    engine = create_engine(make_database("filters").replace("postgresql://", "postgresql+psycopg://", 1))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(some=st.lists(rows, min_size=1, max_size=10), tree=trees)
def test_sql_agrees_with_a_plain_evaluation(session, some, tree):
    some = [{**row, "id": number} for number, row in enumerate(some)]
    session.execute(delete(Item))
    session.execute(insert(Item), some)
    found = session.scalars(select(Item.id).where(REGISTRY.where(ParseDict(tree, Filter()))))
    assert set(found) == {row["id"] for row in some if evaluate(tree, row)}


def condition(field, operator, *values):
    return {"condition": {"field": field, "operator": f"OPERATOR_{operator}", "values": list(values)}}


def text(value):
    return {"text": value}


ONE = condition("count", "EQUAL", {"number": 1})


def nested(levels):
    tree = ONE
    for _ in range(levels - 1):
        tree = {"not": tree}
    return tree


@pytest.mark.parametrize(
    ("tree", "reason", "path"),
    [
        (condition("nothing", "EQUAL", text("x")), "UNKNOWN_FIELD", "filter.condition.field"),
        (condition("custom.nothing", "EQUAL", text("x")), "UNKNOWN_FIELD", "filter.condition.field"),
        ({"all": {"filters": [ONE, {"not": condition("x", "EQUAL")}]}}, "UNKNOWN_FIELD",
         "filter.all.filters[1].not.condition.field"),
        (condition("label", "LESS", text("x")), "UNSUPPORTED_OPERATOR", "filter.condition.operator"),
        (condition("tags", "EQUAL", text("x")), "UNSUPPORTED_OPERATOR", "filter.condition.operator"),
        (condition("done", "IN", {"flag": True}), "UNSUPPORTED_OPERATOR", "filter.condition.operator"),
        (condition("label", "UNSPECIFIED", text("x")), "UNSUPPORTED_OPERATOR", "filter.condition.operator"),
        (condition("label", "EQUAL"), "INVALID_VALUE", "filter.condition.values"),
        (condition("label", "EQUAL", text("a"), text("b")), "INVALID_VALUE", "filter.condition.values"),
        (condition("label", "IS_EMPTY", text("a")), "INVALID_VALUE", "filter.condition.values"),
        (condition("label", "IN"), "INVALID_VALUE", "filter.condition.values"),
        (condition("count", "BETWEEN", {"number": 1}), "INVALID_VALUE", "filter.condition.values"),
        (condition("count", "BETWEEN", {"number": 2}, {"number": 1}), "INVALID_VALUE", "filter.condition.values"),
        (condition("label", "EQUAL", {"number": 1}), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("label", "EQUAL", {}), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("label", "EQUAL", text("a\0b")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("label", "EQUAL", text("a" * 1001)), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("done", "EQUAL", text("true")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("count", "EQUAL", text("many")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("count", "EQUAL", text("NaN")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("count", "EQUAL", text("1e999999")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("count", "EQUAL", {"number": "Infinity"}), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("day", "EQUAL", text("31.1.2026")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("day", "EQUAL", text("2026-02-30")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("time", "EQUAL", text("2026-01-31T12:00:00")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("time", "EQUAL", text("0001-01-01T00:00:00+08:00")), "INVALID_VALUE", "filter.condition.values[0]"),
        (condition("state", "IN", text("NEW"), text("new")), "INVALID_VALUE", "filter.condition.values[1]"),
        (condition("owner", "EQUAL", text("customers/1")), "INVALID_VALUE", "filter.condition.values[0]"),
        (nested(9), "FILTER_TOO_DEEP", "filter" + 8 * ".not"),
        ({"any": {"filters": [ONE] * 200}}, "FILTER_TOO_LARGE", "filter.any.filters[199]"),
        (condition("label", "IN", *[text("a")] * 501), "FILTER_TOO_LARGE", "filter.condition"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tree, reason, path):
    with pytest.raises(Invalid) as caught:
        REGISTRY.where(ParseDict(tree, Filter()))
    assert (caught.value.reason, caught.value.field) == (reason, path)


def test_the_limits_themselves_are_accepted(session):
    for tree in (nested(8), {"any": {"filters": [ONE] * 199}}, condition("label", "IN", *[text("a")] * 500)):
        session.execute(select(Item.id).where(REGISTRY.where(ParseDict(tree, Filter()))))


def test_numbers_beyond_the_column_compare_as_numbers(session):
    session.execute(delete(Item))
    session.execute(insert(Item), [{"id": 1, "count": 5}])
    for operator, value, expected in [("LESS", "1e20", [1]), ("EQUAL", "5.0", [1]), ("EQUAL", "5.1", [])]:
        tree = ParseDict(condition("count", operator, text(value)), Filter())
        assert session.scalars(select(Item.id).where(REGISTRY.where(tree))).all() == expected


def test_orders():
    tie = SortKey(Item.id, nullable=False)
    default = [SortKey(Item.time, descending=True)]
    assert REGISTRY.order([], default, tie) == [*default, SortKey(Item.id, descending=True, nullable=False)]
    keys = REGISTRY.order([OrderBy(field="label"), OrderBy(field="price", descending=True)], default, tie)
    assert [(key.column.key, key.descending, key.nullable) for key in keys] == [
        ("label", False, True),
        ("price", True, True),
        ("id", True, False),
    ]


@pytest.mark.parametrize(
    ("names", "reason", "path"),
    [
        (["nothing"], "UNKNOWN_FIELD", "order_by[0].field"),
        (["label", "tags"], "UNSORTABLE_FIELD", "order_by[1].field"),
        (["label", "label"], "INVALID_ORDER", "order_by"),
        (list("abcdef"), "INVALID_ORDER", "order_by"),
    ],
)
def test_orders_that_make_no_sense_are_refused(names, reason, path):
    with pytest.raises(Invalid) as caught:
        REGISTRY.order([OrderBy(field=name) for name in names], [], SortKey(Item.id))
    assert (caught.value.reason, caught.value.field) == (reason, path)
