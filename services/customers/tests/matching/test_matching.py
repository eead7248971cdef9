"""How names are taken apart, and which customers are told to be one."""

import os
from pathlib import Path

import pytest
from customers.matching import LIKELY, Profile, Relation, compare, parse_company
from customers.matching.evaluate import judge, name_pairs, registered_pairs
from customers.matching.regions import Region
from hypothesis import given
from hypothesis import strategies as st

ONE, OTHER = "91310000775785552L", "91110108551385082Q"
DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[4].parent / "shared" / "data"))


@pytest.mark.parametrize(
    ("name", "region", "core", "trade", "unit"),
    [
        ("上海华诚科技有限公司", "上海", "华诚", ("科技",), ""),
        ("华诚科技（上海）公司", "上海", "华诚", ("科技",), ""),
        ("上海華誠科技股份有限公司", "上海", "华诚", ("科技",), ""),
        ("杭州工艺织带有限公司富阳分公司", "浙江", "工艺织带", (), "富阳分公司"),
        ("中国工商银行股份有限公司南阳七一路支行", "", "工商银行", (), "南阳七一路支行"),
        ("吉林省吉林市远方物流有限公司", "吉林", "远方", ("物流",), ""),
        ("朝阳科技有限公司", "", "朝阳", ("科技",), ""),
        ("Acme Co., Ltd.", "", "acme", (), ""),
        ("——", "", "——", (), ""),
    ],
)
def test_a_name_is_taken_apart(name: str, region: str, core: str, trade: tuple[str, ...], unit: str) -> None:
    parsed = parse_company(name)
    assert (parsed.core, parsed.trade, parsed.unit) == (core, trade, unit)
    assert region in ("", parsed.region.province)


def test_a_city_and_its_province_do_not_conflict() -> None:
    assert not Region("浙江").conflicts(Region("浙江", "杭州"))
    assert Region("浙江", "宁波").conflicts(Region("浙江", "杭州"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("上海华诚科技有限公司", "华诚科技(上海)公司"),
        ("上海华诚科技有限公司", "上海華誠科技股份有限公司"),
        ("上海华诚科技有限公司", "上海市华诚科技集团有限公司"),
        ("宜兴市远大窑炉有限公司", "宜兴远大窑炉有限公司"),
    ],
)
def test_spellings_of_one_company_are_likely_duplicates(one: str, other: str) -> None:
    assert compare(Profile(one), Profile(other)).score >= LIKELY


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("上海华诚科技有限公司", "北京华诚科技有限公司"),
        ("上海华诚科技有限公司", "上海华城科技有限公司"),
        ("上海华诚科技有限公司", "上海华诚餐饮有限公司"),
        ("杭州工艺织带有限公司", "杭州工艺织带有限公司富阳分公司"),
    ],
)
def test_others_are_not(one: str, other: str) -> None:
    assert compare(Profile(one), Profile(other)).score < LIKELY


def test_credit_codes_decide() -> None:
    one, same = Profile("甲有限公司", credit_code=ONE), Profile("乙有限公司", credit_code=ONE)
    assert compare(one, same).relation is Relation.SAME
    twin = Profile("甲有限公司", credit_code=OTHER, phones=["+8613800138000"], emails=["a@jia.cn"])
    vetoed = compare(Profile("甲有限公司", credit_code=ONE, phones=["+8613800138000"], emails=["a@jia.cn"]), twin)
    assert (vetoed.score, vetoed.reasons) == (0.0, ("DIFFERENT_CREDIT_CODE",))


def test_evidence_adds_up_and_public_mail_proves_nothing() -> None:
    names = "上海华诚科技有限公司", "上海华诚实业有限公司"
    bare = compare(*map(Profile, names)).score
    own = compare(*(Profile(name, emails=[f"{key}@huacheng.cn"]) for key, name in enumerate(names)))
    public = compare(*(Profile(name, emails=[f"{key}@qq.com"]) for key, name in enumerate(names)))
    assert own.score > bare == public.score
    assert "SAME_EMAIL_DOMAIN" in own.reasons


def test_namesakes_are_persons_of_their_own_until_something_else_agrees() -> None:
    one, other = (Profile("王伟", company=False, phones=[phone]) for phone in ("+8613800138000", "+8613800138001"))
    assert compare(one, other).score < LIKELY <= compare(one, one).score


NAMES = st.text(st.sampled_from("上海北京市省县华诚科技贸易有限责任集团公司分店行(（)） aB股份"), max_size=16)


@given(NAMES, NAMES)
def test_the_order_makes_no_difference(one: str, other: str) -> None:
    there, back = compare(Profile(one), Profile(other)), compare(Profile(other), Profile(one))
    assert (there.score, there.relation) == (back.score, back.relation)
    assert 0 <= there.score <= 1


@given(NAMES)
def test_a_name_that_has_letters_has_a_core_and_is_its_own_duplicate(name: str) -> None:
    if any(map(str.isalnum, name)):
        assert parse_company(name).core
        assert compare(Profile(name), Profile(name)).score >= LIKELY


@pytest.mark.skipif(not (DATA / "zh_companies_uscc").is_dir(), reason=f"no labelled names in {DATA}: set SHARED_DATA")
@pytest.mark.parametrize("held_out", [False, True])
def test_labelled_names_are_told_apart(held_out: bool) -> None:
    figures = judge(name_pairs(DATA, held_out=held_out))
    assert figures.true_positives + figures.false_negatives == 250
    assert figures.precision >= 0.95
    assert figures.recall >= 0.9


@pytest.mark.skipif(not (DATA / "zh_companies_uscc").is_dir(), reason=f"no labelled names in {DATA}: set SHARED_DATA")
def test_registered_pairs_are_told_by_their_codes() -> None:
    figures = judge(registered_pairs(DATA))
    assert (figures.precision, figures.recall) == (1, 1)
