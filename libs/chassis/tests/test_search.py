"""Any part of a name, a phone number or an address finds its row, and so do pinyin initials, by an index."""

import random

import pytest
from chassis.db import service_base
from chassis.errors import Invalid
from chassis.search import grams, initials, matches, normalised, search_text
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, Index, Integer, Text, create_engine, insert, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, Session, mapped_column

Base = service_base("Base")


class Row(Base):
    __tablename__ = "row"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(Text)
    grams: Mapped[list[int]] = mapped_column(ARRAY(Integer))


Index("ix_row_grams", Row.grams, postgresql_using="gin")

KNOWN = [
    ("上海华诚科技有限公司", "+8613800138000", "zhang.san@huacheng.com"),
    ("重庆长安汽车（集团）", "+8602367591111", None),
    ("ＡＢＣ-Tech 北京", None, None),
    ("张伟", "+8613912345678", None),
    ("50%_off\\ store", None, None),
    ("厦门建发A座", None, None),
]


@pytest.fixture(scope="module")
def session(make_database):
    engine = create_engine(make_database("search").replace("postgresql://", "postgresql+psycopg://", 1))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(insert(Row), list(rows(20_000)))
        session.commit()
        yield session
    engine.dispose()


def rows(count):
    source = random.Random(4)
    places = ["上海", "北京", "广州", "深圳", "杭州", "成都", "武汉", "西安"]
    middle = [chr(code) for code in range(0x4E00, 0x5200)]
    kinds = ["科技", "贸易", "实业", "信息技术", "医疗器械"]
    for number, (name, phone, mail) in enumerate(KNOWN):
        searchable = search_text(name, phone, mail)
        yield {"id": number, "name": name, "search_text": searchable, "grams": grams(searchable)}
    for number in range(len(KNOWN), count):
        name = source.choice(places) + "".join(source.choices(middle, k=3)) + source.choice(kinds) + "有限公司"
        searchable = search_text(name, f"+861{source.randrange(3 * 10**9, 10**10)}")
        yield {"id": number, "name": name, "search_text": searchable, "grams": grams(searchable)}


def found(session, query):
    statement = select(Row.name).where(matches(query, Row.grams, Row.search_text))
    return {name for name in session.scalars(statement) if name in {known[0] for known in KNOWN}}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *[
            (query, "上海华诚科技有限公司")
            for query in (
                "华诚", "上海华诚科技有限公司", "诚", "hckj", "SHHC", "8000", "138-0013", "+86 138 0013 8000",
                "zhang.san@hua", "huacheng", "华诚 8000", "有限　华诚",
            )
        ],
        *[(query, "重庆长安汽车（集团）") for query in ("cqca", "重庆长安汽车集团", "汽车(集")],
        *[(query, "ＡＢＣ-Tech 北京") for query in ("abc-tech", "tech北", "ＴＥＣＨ")],
        *[(query, "厦门建发A座") for query in ("xmjf", "a座", "发A")],
        *[(query, "张伟") for query in ("张", "zw")],
        ("50%_off", "50%_off\\ store"),
    ],
)  # fmt: skip
def test_parts_find_the_row(session, query, name):
    assert name in found(session, query)


@pytest.mark.parametrize("query", ["诚华", "hckjx9", "8001380001", "华诚 8002", "???", "%", "_", "50x", "科技上海"])
def test_what_a_row_does_not_contain_does_not_find_it(session, query):
    assert found(session, query) == set()


def test_the_empty_query_finds_everything(session):
    assert len(found(session, "  ")) == len(KNOWN)


def test_a_long_query_is_refused():
    with pytest.raises(Invalid) as caught:
        matches("a" * 101, Row.grams, Row.search_text)
    assert (caught.value.reason, caught.value.field) == ("SEARCH_TOO_LONG", "search")


@pytest.mark.parametrize("query", ["华诚", "hckj", "38001380", "zhang.san@"])
def test_a_selective_query_uses_the_index(session, query):
    session.execute(text("ANALYZE row"))
    statement = select(Row.id).where(matches(query, Row.grams, Row.search_text))
    compiled = statement.compile(dialect=postgresql.psycopg.dialect(), compile_kwargs={"render_postcompile": True})
    connection = session.connection().connection.driver_connection
    explained = connection.execute("EXPLAIN (ANALYZE, COSTS OFF) " + str(compiled), compiled.params).fetchall()
    plan = "\n".join(line for (line,) in explained)
    assert "ix_row_grams" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("华诚", {"hc"}), ("重庆", {"cq", "zq"}), ("招商银行", {"zsyx", "zsyh"}),
        ("长沙重工", {"zszg", "zscg", "cszg", "cscg"}),
        ("厦门", {"xm", "sm"}), ("曾国藩", {"zgf"}), ("a座", {"az"}), ("abc", set()), ("安", {"a"}), ("欧阳", {"oy"}),
    ],
)  # fmt: skip
def test_initials(name, letters):
    assert set(initials(name)) == letters


alphabet = st.characters(whitelist_categories=["L", "N", "P", "Zs"]) | st.sampled_from("华诚长ab1 -")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet, min_size=1, max_size=20), st.data())
def test_a_part_has_no_gram_that_the_whole_lacks(name, data):
    whole = normalised(name)
    start = data.draw(st.integers(0, len(whole)))
    part = whole[start : start + data.draw(st.integers(0, len(whole)))]
    assert set(grams(part)) <= set(grams(search_text("x", name, "y")))
    assert part in search_text(name)


def test_grams_fit_the_column_and_stay_few():
    searchable = search_text("上海华诚科技有限公司", "+8613800138000", "zhang.san@huacheng.com", "\U00020000\U0002a6d6")
    keys = grams(searchable)
    assert keys == sorted(set(keys))
    assert all(-(2**31) <= key < 2**31 for key in keys)
    assert len(keys) < len(searchable)
