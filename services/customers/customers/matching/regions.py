"""Provinces and cities as company names bear them: with or without 省, 市 and the names of peoples."""

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_PEOPLES = re.compile(
    "(?:蒙古族|藏族|哈萨克|蒙古|回族|壮族|维吾尔|朝鲜族|土家族|苗族|布依族|侗族|彝族|白族|傣族|哈尼族|傈僳族|柯尔克孜|"
    "景颇族|羌族)+"
)
_KIND = re.compile("(?:自治区|自治州|地区|省|市|州|盟)$")
_MADE_UP = re.compile("[\u4e00-\u9fff]{2,3}?(?:自治县|市(?!场)|县|区|旗)")
"""A county or district that is not listed, by its last character."""
_NOT_PLACES = ("城市", "都市", "超市", "社区", "小区", "园区", "景区", "校区", "战区", "夜市", "股市", "门市", "上市")
_NATIONAL = ("中国", "中华", "全国")


class Region(NamedTuple):
    """Where a company says it is. Empty parts are not known."""

    province: str = ""
    city: str = ""
    district: str = ""

    def conflicts(self, other: "Region") -> bool:
        """Whether one of them must be elsewhere than the other."""
        return any(mine and theirs and mine != theirs for mine, theirs in zip(self, other, strict=True))

    @property
    def known(self) -> bool:
        """Whether any part is known."""
        return bool(self.province or self.city or self.district)


def short(place: str) -> str:
    """What a place is called for short: 「新疆维吾尔自治区」 is 「新疆」."""
    stem = _KIND.sub("", place)
    return _PEOPLES.sub("", stem) or stem if stem != place else place


@cache
def _places() -> dict[str, Region]:
    """Every listed name in its long and short forms → where that is."""
    lines = files("customers.matching").joinpath("regions.txt").read_text("utf-8").splitlines()
    entries = [line.partition(":") for line in lines if not line.startswith("#")]
    found: dict[str, Region] = {}
    for name, _, cities in entries:
        for city in cities.split():
            found |= {form: Region(short(name), short(city)) for form in (city, short(city)) if len(form) > 1}
    # Of a name that both bear, such as 吉林 and 海南, the province is meant unless 市 or 州 follows.
    for name, _, _ in entries:
        found |= {form: Region(short(name)) for form in (name, short(name))}
    return found


@cache
def _longest() -> int:
    return max(map(len, _places()))


def place(text: str) -> Region | None:
    """The region that a text is the name of, if it is one."""
    return _places().get(text) or (Region(district=text) if _MADE_UP.fullmatch(text) else None)


def leading(text: str) -> tuple[Region, str]:
    """The places that a name begins with, and what follows them."""
    found, rest = Region(), text
    for nation in _NATIONAL:
        if rest.startswith(nation) and len(rest) > len(nation) + 3:
            rest = rest[len(nation) :]
    while (step := _listed(rest)) is not None:
        where, after = step
        if found.known and found.conflicts(where):
            break
        found, rest = Region(*(new or old for new, old in zip(where, found, strict=True))), after
    made_up = _MADE_UP.match(rest)
    if made_up and len(rest) - made_up.end() >= 2 and not made_up[0].endswith(_NOT_PLACES):
        found, rest = found._replace(district=made_up[0]), rest[made_up.end() :]
    return found, rest


def _listed(text: str) -> tuple[Region, str] | None:
    places = _places()
    for length in range(min(_longest(), len(text) - 2), 1, -1):
        where = places.get(text[:length])
        if where is not None:
            return where, text[length:]
    return None
