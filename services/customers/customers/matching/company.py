"""The parts of a Chinese company's name: region, core (字号), trade (行业), legal form, and branch.

Their order is that of the 企业名称登记管理规定 (State Council order 734, article 6). Names in Latin letters have a
core and a legal form.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from customers.matching.regions import Region, leading, place
from customers.matching.text import bare, simplified, words


class CompanyName(NamedTuple):
    """A company's name, taken apart."""

    region: Region
    core: str
    """What tells the company from others of its trade and place; never empty unless the name is."""
    trade: tuple[str, ...]
    """The words for what it does, e.g. 科技."""
    form: str
    """`公司`, `集团`, or how else it ends, e.g. `厂`; empty if it does not say."""
    unit: str
    """The part of the company that is meant, e.g. 「富阳分公司」; empty for the company itself."""


_BRACKETS = re.compile(r"[(\[【〔《{]([^()\[\]【】〔〕《》{}]*)[)\]】〕》}]")
_COMPANY = "(?:股份有限责任|股份有限|有限责任|股份合作|股份|有限|责任|总)?公司"
_UNIT_WORDS = (
    "分公司|支公司|子公司|分店|分行|支行|分厂|分社|分部|分院|分校|分所|分理处|储蓄所|营业部|营业厅|营业所|加油站|加气站|"
    "门市部|经营部|销售部|服务部|服务站|服务中心|办事处|代表处|联络处|项目部|工程处|专卖店|直营店|旗舰店|门店|分销部|"
    "药店|连锁店|超市|网点|供应站|收购站|批发部|零售部|车间|仓库"
)
_UNIT = re.compile(rf"(?:{_UNIT_WORDS}|店|部|站|处|所|厂|公司)$")
_FIRM = re.compile("(?<![分支子])公司")
_HEAD = re.compile("(?:公司|集团|银行|信用社|联合社|合作社)")
_UNIT_ALONE = re.compile(rf"^(.{{3,}}?)((?:第?[一二三四五六七八九十百\d]+)?(?:{_UNIT_WORDS}))$")
_FORM = re.compile(
    rf"(?:(集团){_COMPANY}|(集团)(?:股份|控股)?(?:有限)?|控股{_COMPANY}|控股|({_COMPANY})|"
    "(专业合作联?社|信用合作联?社|信用合作联合社|合作社|联合社|信用社)|(事务所|研究院|研究所|设计院)|"
    "(厂|店|行|社|院|部|站|场|中心|商行|经营部|门市部|工作室))$"
)
_LATIN_FORM = re.compile(
    r"(?:[\s,.]+(?:co|company|corp|corporation|inc|incorporated|llc|ltd|limited|plc|gmbh|group|holdings))+[\s.]*$"
)
_TRADES = frozenset(words("trades.txt"))
_LONGEST_TRADE = max(map(len, _TRADES))


@lru_cache(maxsize=20_000)
def parse_company(name: str) -> CompanyName:
    """Take a company's name apart."""
    typed = simplified(name)
    regions, plain = _take_brackets(_LATIN_FORM.sub("", typed).strip())
    whole = bare(plain)
    if not whole:
        return CompanyName(Region(), bare(typed) or typed.strip(), (), "", "")
    head, unit = _split_unit(whole)
    region, rest = leading(head)
    for bracketed in regions:
        region = Region(*(mine or theirs for mine, theirs in zip(region, bracketed, strict=True)))
    rest, form = _take_form(rest)
    core, trade = _take_trade(rest)
    if core in _TRADES and len(core) == len(rest) and head.startswith(region.city or region.province or " "):
        # Nothing but a place and a trade: 「朝阳科技」. The place is what tells it from others.
        core, trade, region = head[: head.index(rest)], (core,), Region()
    return CompanyName(region, core or rest or head, trade, form, unit)


def _take_brackets(text: str) -> tuple[list[Region], str]:
    """The places that stand in brackets, and the text with what stands in others left in its place."""
    regions: list[Region] = []

    def keep(found: re.Match[str]) -> str:
        inside = bare(found[1])
        where = place(inside)
        if where is not None:
            regions.append(where)
            return ""
        return "" if inside in _FORMS_IN_BRACKETS else inside

    return regions, _BRACKETS.sub(keep, text)


_FORMS_IN_BRACKETS = ("集团", "有限合伙", "普通合伙", "特殊普通合伙", "个体工商户", "中国", "控股")


def _split_unit(whole: str) -> tuple[str, str]:
    """The company and the part of it that is named after it."""
    for heads in (_FIRM, _HEAD):
        for found in heads.finditer(whole):
            tail = whole[found.end() :]
            if tail and _UNIT.search(tail) and not _is_form_tail(tail):
                return whole[: found.end()], tail
    alone = _UNIT_ALONE.match(whole)
    if alone and re.search("分公司|支公司|分店|分行|支行|分厂|分社", alone[2]):
        return alone[1], alone[2]
    return whole, ""


def _is_form_tail(tail: str) -> bool:
    """Whether it goes on with the legal form of the same company: 「集团」「股份有限公司」."""
    return bool(re.fullmatch(f"(?:集团|控股|股份)*(?:{_COMPANY})?|.*?{_COMPANY}", tail)) and not re.search(
        "分公司|支公司|子公司|销售公司", tail
    )


def _take_form(rest: str) -> tuple[str, str]:
    form = ""
    while (found := _FORM.search(rest)) and found.start() >= 2:
        text = found[0]
        if "集团" in text:
            form = form if form and form != "公司" else "集团"
        elif "公司" in text or text == "控股":
            form = form or "公司"
        elif form:  # 「…厂有限公司」: what comes before the form is part of the name
            break
        else:
            form = text
        rest = rest[: found.start()]
        if form not in ("公司", "集团"):
            break
    return rest, form


def _take_trade(rest: str) -> tuple[str, tuple[str, ...]]:
    """The core, and the words for its trade that follow it, at least two characters being left."""
    words: list[str] = []
    while len(rest) > 3:
        for length in range(min(_LONGEST_TRADE, len(rest) - 2), 1, -1):
            if rest[-length:] in _TRADES:
                words.insert(0, rest[-length:])
                rest = rest[:-length]
                break
        else:
            break
    return rest, tuple(words)
