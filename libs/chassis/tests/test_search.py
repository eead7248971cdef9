"""Any part of a name, a phone number or an address finds its row, and so do pinyin initials, by an index."""

import random
import re

import pytest
from chassis.db import service_base
from chassis.errors import Invalid
from chassis.pinyin import initials, pair_keys, spelled, spellings
from chassis.search import grams, matches, normalised, search_text
from hypothesis import assume, given, settings
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
        searchable = search_text(name, mail, private=[phone] if phone else [], spelled=name)
        yield {"id": number, "name": name, "search_text": searchable, "grams": grams(searchable)}
    for number in range(len(KNOWN), count):
        name = source.choice(places) + "".join(source.choices(middle, k=3)) + source.choice(kinds) + "有限公司"
        searchable = search_text(name, f"+861{source.randrange(3 * 10**9, 10**10)}", spelled=name)
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
                "zhang.san@hua", "huacheng", "华诚 8000", "有限　华诚", "huachengkeji", "huach", "hcke", "shanghaihcke",
                "HuaCheng 8000",
            )
        ],
        *[(query, "重庆长安汽车（集团）") for query in ("cqca", "重庆长安汽车集团", "汽车(集", "changanqi", "zhanga")],
        *[(query, "ＡＢＣ-Tech 北京") for query in ("abc-tech", "tech北", "ＴＥＣＨ")],
        *[(query, "厦门建发A座") for query in ("xmjf", "a座", "发A")],
        *[(query, "张伟") for query in ("张", "zw")],
        ("50%_off", "50%_off\\ store"),
    ],
)  # fmt: skip
def test_parts_find_the_row(session, query, name):
    assert name in found(session, query)


@pytest.mark.parametrize(
    "query",
    [
        "诚华",
        "hckjx9",
        "chenghua",
        "huakecheng",
        "huache ke",
        "8001380001",
        "华诚 8002",
        "???",
        "%",
        "_",
        "50x",
        "科技上海",
    ],
)
def test_what_a_row_does_not_contain_does_not_find_it(session, query):
    assert found(session, query) == set()


@pytest.mark.parametrize(
    "query", ["科技", "上海 科技", "hckj", "华诚科技", "huachengkeji", "8000", "zhang.san@", "技上海科"]
)
def test_grams_that_the_index_is_not_asked_for_change_nothing_of_what_is_found(session, query):
    known = select(Row.id).where(Row.id < len(KNOWN)).order_by(Row.id)
    everywhere = set(session.scalars(select(Row.id).where(matches(query, Row.grams, Row.search_text))))
    every = {gram for row in session.scalars(select(Row.grams).where(Row.id.in_(known))) for gram in row}
    some = {gram for gram in every if gram % 2}
    for frequent in (every, some):
        statement = select(Row.id).where(matches(query, Row.grams, Row.search_text, frequent=frequent))
        assert set(session.scalars(statement)) == everywhere


def test_the_index_is_asked_for_rare_grams_alone():
    def asked(query, **options):
        statement = matches(query, Row.grams, Row.search_text, **options)
        options = {"render_postcompile": True, "literal_binds": True}
        return str(statement.compile(dialect=postgresql.dialect(), compile_kwargs=options))

    frequent = frozenset(grams("科技"))
    assert str(grams("华诚")[0]) in asked("华诚科技", frequent=frequent)
    assert str(grams("科技")[0]) not in asked("华诚科技", frequent=frequent)
    assert "@>" not in asked("科技", frequent=frequent)
    # Two frequent words together may be rare, and what not all may read takes too long to look at in every row.
    assert asked("科技 科技", frequent=frequent).count("@>") == 2
    assert "@>" in asked("科技", frequent=frequent, within=Row.name)


def test_the_empty_query_finds_everything(session):
    assert len(found(session, "  ")) == len(KNOWN)


def test_a_long_query_is_refused():
    with pytest.raises(Invalid) as caught:
        matches("a" * 101, Row.grams, Row.search_text)
    assert (caught.value.reason, caught.value.field) == ("SEARCH_TOO_LONG", "search")


@pytest.mark.parametrize("query", ["华诚", "hckj", "38001380", "zhang.san@", "huachengke", "hcke"])
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


@pytest.mark.parametrize(
    ("word", "patterns"),
    [
        ("huacheng", {"'HUA'CHENG", "'HU'A'CHENG"}),
        ("changan", {"'CHANG'AN", "'CHAN'GAN"}),
        ("xian", {"'XI'AN"}),
        ("huach", {"'HUA'CH"}),
        ("hcke", {"'H[A-Z]*'C[A-Z]*'KE"}),
        ("lvdi", {"'LV'DI"}),
        ("hckj", set()),  # the initials of all are found as text
        ("zhang", set()),
    ],
)
def test_how_a_word_may_be_meant_as_pinyin(word, patterns):
    assert {spelling.pattern for spelling in spellings(word)} == patterns


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("华诚长安西重庆科技绿地王芳欧阳曾国藩二厦门区"), min_size=2, max_size=6))
def test_a_name_is_found_by_its_full_pinyin(name):
    runs = spelled(name).split()
    assert len(runs) >= 1
    # Of words that can be read in several ways at several places, some are passed over.
    assume(all(sum(run.count(f"'{vowel}") for vowel in "AEO") < 2 for run in runs))
    for run in runs:
        word = run.replace("'", "").lower()
        found = [one for one in spellings(word) if re.search(one.pattern, run)]
        assert any(is_narrowed_to(one, run) for one in found), (run, spellings(word))


def is_narrowed_to(spelling, run):
    keys = set(pair_keys(run))
    return keys >= set(spelling.required) and (not spelling.one_of or bool(keys & set(spelling.one_of)))


@pytest.mark.parametrize("query", ["5678", "139-1234-5678", "+86 139 1234 5678", "8613912345678", "345678"])
def test_a_number_is_found_by_its_end_alone(session, query):
    searchable = search_text("王芳", tails=["+8613912345678"])
    session.execute(insert(Row), {"id": -1, "name": KNOWN[3][0], "search_text": searchable, "grams": grams(searchable)})
    try:
        assert found(session, query) == {KNOWN[3][0]}
        assert found(session, query[:-1] + "1") == set()
        assert len(grams(searchable)) == 2  # the pair of the name, and the end of the number
    finally:
        session.rollback()


def test_pinyin_is_public_and_numbers_are_not(session):
    text = search_text("王芳", spelled="王芳", tails=["+8613912345678"])
    assert text == "王芳 wf 'WANG'FANG   #8613912345678#"


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
