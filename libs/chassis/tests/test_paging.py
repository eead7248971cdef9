"""A walk over all pages returns every row once and in order, whatever the sort and whatever is written meanwhile."""

import base64
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cmp_to_key
from uuid import UUID

import orjson
import pytest
from chassis.db import service_base
from chassis.errors import Invalid
from chassis.paging import SortKey, fetch_page, fingerprint, page_size
from crm.common.v1.filter_pb2 import Filter, OrderBy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Index, Numeric, Text, create_engine, delete, func, insert, literal, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

Base = service_base("Base")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Item(Base):
    __tablename__ = "item"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column(Text(collation="C"))
    amount: Mapped[Decimal | None] = mapped_column(Numeric)
    at: Mapped[datetime | None]
    day: Mapped[date | None]
    number: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[float | None]
    flag: Mapped[bool | None]


Index("ix_item_at", Item.at.desc().nulls_last(), Item.id.desc())
Index("ix_item_number", Item.number, Item.id)


OPTIONAL = ["label", "amount", "at", "day", "size", "flag"]
VALUES = {
    "label": ["", "a", "b", "中", "s:x", "%_"],
    "amount": [Decimal("0.1"), Decimal("0.10000000000000000001"), Decimal("-1E+30")],
    "at": [NOON, NOON + timedelta(microseconds=1), NOON - timedelta(days=9000)],
    "day": [date(2026, 1, 31), date(1, 1, 1)],
    "number": [0, 1, -1, 2**62],
    "size": [0.1, 0.1 + 2**-55, 1e300],
    "flag": [True, False],
}

items = st.fixed_dictionaries(
    {name: st.sampled_from(some if name == "number" else [None, *some]) for name, some in VALUES.items()}
)
orders = st.lists(st.tuples(st.sampled_from(sorted(VALUES)), st.booleans()), max_size=3, unique_by=lambda key: key[0])


@pytest.fixture(scope="module")
def session(make_database):
    engine = create_engine(make_database("paging").replace("postgresql://", "postgresql+psycopg://", 1))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def sort_keys(order, last_descending):
    keys = [SortKey(getattr(Item, name), descending, nullable=name in OPTIONAL) for name, descending in order]
    return [*keys, SortKey(Item.id, last_descending, nullable=False)]


def fill(session, rows):
    session.rollback()
    session.execute(delete(Item))
    if rows:
        session.execute(insert(Item), rows)


def with_ids(rows, seed=1):
    source = random.Random(seed)
    return [{**row, "id": UUID(int=source.getrandbits(128))} for row in rows]


def ordered(rows, order, last_descending):
    def compare(a, b):
        for name, descending in [*order, ("id", last_descending)]:
            left, right = a[name], b[name]
            if left == right:
                continue
            if left is None or right is None:
                return 1 if left is None else -1
            return (-1 if left < right else 1) * (-1 if descending else 1)
        return 0

    return [row["id"] for row in sorted(rows, key=cmp_to_key(compare))]


def walk(session, keys, size, between=lambda: None):
    token, found = "", []
    while True:
        page = fetch_page(session, select(Item.id), keys, size, token, "f")
        assert len(page.rows) <= size
        found += page.rows
        if not page.next_token:
            return found
        token = page.next_token
        between()


relaxed = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@relaxed
@given(rows=st.lists(items, max_size=25), order=orders, last=st.booleans(), size=st.integers(1, 7))
def test_all_pages_give_every_row_once_and_in_order(session, rows, order, last, size):
    rows = with_ids(rows)
    fill(session, rows)
    assert walk(session, sort_keys(order, last), size) == ordered(rows, order, last)


@relaxed
@given(
    rows=st.lists(items, min_size=1, max_size=15),
    late=st.lists(items, min_size=1, max_size=6),
    order=orders,
    last=st.booleans(),
    size=st.integers(1, 4),
)
def test_rows_written_meanwhile_neither_hide_nor_repeat_others(session, rows, late, order, last, size):
    rows, late = with_ids(rows), with_ids(late, seed=2)
    fill(session, rows)
    waiting = list(late)
    found = walk(
        session,
        sort_keys(order, last),
        size,
        lambda: session.execute(insert(Item), [waiting.pop()]) if waiting else None,
    )
    assert len(found) == len(set(found))
    new = {row["id"] for row in late}
    assert [item for item in found if item not in new] == ordered(rows, order, last)
    everything = ordered(rows + late, order, last)
    assert found == [item for item in everything if item in set(found)]


def test_entities_and_several_columns_can_be_listed(session):
    fill(session, with_ids([{"number": 1}, {"number": 2}]))
    keys = sort_keys([("number", False)], last_descending=False)
    assert [item.number for item in fetch_page(session, select(Item), keys, 5, "", "").rows] == [1, 2]
    pairs = fetch_page(session, select(Item.number, Item.label), keys, 5, "", "").rows
    assert [(pair.number, pair.label) for pair in pairs] == [(1, None), (2, None)]


@pytest.mark.parametrize("order", [[("number", False)], [("at", True)]])
def test_a_deep_page_starts_from_the_index(session, order):
    rows = [{"number": n, "at": NOON + timedelta(seconds=n) if n % 10 else None} for n in range(5000)]
    fill(session, with_ids(rows))
    session.execute(text("ANALYZE item"))
    descending = order[0][1]
    keys = sort_keys(order, last_descending=descending)
    token = _token_after(session, keys, 3000)
    plans = _plans(session, lambda: fetch_page(session, select(Item.id), keys, 20, token, "f"))
    assert plans
    for plan in plans:
        assert "Sort" not in plan
        assert "Rows Removed" not in plan


def _token_after(session, keys, count):
    return fetch_page(session, select(Item.id), keys, count, "", "f").next_token


def _plans(session, run):
    """The plans of the statements that are run, with the numbers of rows read."""
    from sqlalchemy import event

    statements = []

    def listen(connection, cursor, statement, parameters, context, many):
        statements.append((statement, parameters))

    event.listen(session.get_bind(), "before_cursor_execute", listen)
    try:
        run()
    finally:
        event.remove(session.get_bind(), "before_cursor_execute", listen)
    connection = session.connection().connection.driver_connection
    found = []
    for statement, parameters in statements:
        explained = connection.execute("EXPLAIN (ANALYZE, COSTS OFF) " + statement, parameters).fetchall()
        found.append("\n".join(line for (line,) in explained))
    return found


def forged(*values):
    return base64.urlsafe_b64encode(orjson.dumps(["f", *values])).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "garbage", "!!", "AAAA", "é", forged(), forged(1), forged(1, 2, 3), forged("x1", "u1"), forged("tnever", "u1"),
        forged("sabc", f"u{UUID(int=1)}"), forged(1.5, "sx"), forged({}, []), forged("s\0", f"u{UUID(int=1)}"),
        forged("n1e999999", f"u{UUID(int=1)}"), forged(None, None), base64.urlsafe_b64encode(b'{"a":1}').decode(),
    ],
)  # fmt: skip
def test_a_token_that_was_not_issued_is_refused(session, token):
    fill(session, with_ids([{"number": 1}]))
    keys = sort_keys([("number", False)], last_descending=False)
    with pytest.raises(Invalid) as caught:
        fetch_page(session, select(Item), keys, 5, token, "f")
    assert caught.value.reason == "INVALID_PAGE_TOKEN"
    session.rollback()


def test_a_token_of_another_list_is_refused(session):
    fill(session, with_ids([{"number": n} for n in range(3)]))
    keys = sort_keys([], last_descending=False)
    token = fetch_page(session, select(Item), keys, 1, "", fingerprint("a")).next_token
    with pytest.raises(Invalid, match="page_token"):
        fetch_page(session, select(Item), keys, 1, token, fingerprint("b"))


def test_fingerprints_differ_with_what_is_listed():
    one, other = Filter(all={"filters": []}), Filter(any={"filters": []})
    prints = {
        fingerprint(one, "search", [OrderBy(field="a")]),
        fingerprint(other, "search", [OrderBy(field="a")]),
        fingerprint(one, "searc", [OrderBy(field="a")]),
        fingerprint(one, "search", []),
        fingerprint(one, "search", [OrderBy(field="a"), OrderBy(field="b")]),
        fingerprint("ab", "c"),
        fingerprint("a", "bc"),
    }
    assert len(prints) == 7


def test_page_sizes():
    assert page_size(0) == 50
    assert page_size(200) == 200
    assert page_size(0, default=10, maximum=20) == 10
    for wrong in (-1, 201):
        with pytest.raises(Invalid) as caught:
            page_size(wrong)
        assert caught.value.reason == "PAGE_SIZE_OUT_OF_RANGE"


def test_an_expression_can_be_a_key(session):
    fill(session, with_ids([{"number": n, "label": None} for n in (3, 1, 2)]))
    key = SortKey(func.coalesce(Item.number, literal(0)), nullable=False)
    assert len(walk(session, [key, SortKey(Item.id, nullable=False)], 1)) == 3
