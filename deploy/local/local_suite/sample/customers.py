"""The customers: companies with a code, a place, an industry, an owner and somebody to call."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from stdnum.cn import uscc

from local_suite.sample.company import Organisation, Person, person_name
from local_suite.sample.words import (
    BRAND_FIRST,
    BRAND_SECOND,
    CITIES,
    INDUSTRIES,
    JOB_TITLES,
    LEGAL_FORMS,
    SOURCES,
    STREETS,
    TAGS,
    City,
    Industry,
)

STATUSES = {"POTENTIAL": 40, "ENGAGED": 28, "WON": 18, "DORMANT": 8, "LOST": 6}
STATUS_WORDS = {"POTENTIAL": "潜在", "ENGAGED": "跟进中", "WON": "成交", "DORMANT": "沉睡", "LOST": "流失"}
DECISION_ROLES = ("决策人", "影响者", "使用者", "把关者", "采购", "支持者", "审批人")
STANCES = ("支持", "中立", "中立", "反对", "未知", "支持")
LEVELS = {"A": 8, "B": 20, "C": 40, "D": 24, "E": 8}
HEADINGS = (
    "客户名称", "统一社会信用代码", "负责人", "状态", "等级", "行业", "来源", "电话", "邮箱", "网址",
    "省", "市", "区", "地址", "标签", "联系人", "职务", "联系电话", "决策角色", "影响力", "立场", "外部编号",
)  # fmt: skip
MOBILE_PREFIXES = ("30", "35", "38", "39", "50", "58", "77", "86", "89")
ORG_CODE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@dataclass(frozen=True)
class SampleCustomer:
    """A customer as the sample knows it."""

    number: int
    name: str
    credit_code: str
    owner: Person
    status: str
    level: str
    industry: Industry
    source: str
    phone: str
    email: str
    website: str
    city: City
    district: str
    street: str
    tags: tuple[str, ...]
    contact: str
    contact_title: str
    contact_phone: str

    @property
    def external_id(self) -> str:
        """The key that the import and the follow-ups share."""
        return f"SAMPLE-{self.number:05d}"

    def row(self) -> list[str]:
        """The customer as a row of the import file, under `HEADINGS`."""
        return [
            self.name, self.credit_code, self.owner.username, STATUS_WORDS[self.status], self.level,
            self.industry.name, self.source, self.phone, self.email, self.website, self.city.province, self.city.name,
            self.district, self.street, ",".join(self.tags), self.contact, self.contact_title, self.contact_phone,
            DECISION_ROLES[self.number % len(DECISION_ROLES)], str(1 + self.number % 5),
            STANCES[self.number % len(STANCES)], self.external_id,
        ]  # fmt: skip


def make_customers(random: Random, organisation: Organisation, count: int) -> Iterator[SampleCustomer]:
    """That many customers, spread over the theatres and their people, no name twice."""
    theatres = list(CITIES)
    names: set[str] = set()
    while len(names) < count:
        theatre = random.choices(theatres, weights=(40, 28, 20, 12))[0]
        customer = _make(random, len(names) + 1, random.choice(organisation.sellers(theatre)), theatre)
        if customer.name not in names:
            names.add(customer.name)
            yield customer


def _make(random: Random, number: int, owner: Person, theatre: str) -> SampleCustomer:
    city, industry = random.choice(CITIES[theatre]), random.choice(INDUSTRIES)
    district = random.choice(city.districts)
    brand = random.choice(BRAND_FIRST) + random.choice(BRAND_SECOND)
    place, form, trade = city.name.removesuffix("市"), random.choice(LEGAL_FORMS), random.choice(industry.trades)
    name = random.choice((f"{place}{brand}{trade}{form}", f"{brand}{trade}（{place}）{form}", f"{place}{brand}{form}"))
    domain = f"sample-{number:05d}.example.cn"
    return SampleCustomer(
        number=number,
        name=name,
        credit_code=make_credit_code(random, city.division),
        owner=owner,
        status=random.choices(list(STATUSES), weights=list(STATUSES.values()))[0],
        level=random.choices(list(LEVELS), weights=list(LEVELS.values()))[0],
        industry=industry,
        source=random.choice(SOURCES),
        phone=f"{city.area_code}-{random.randint(5, 6)}{random.randint(0, 10**7 - 1):07d}"[:13],
        email=f"info@{domain}",
        website=f"https://www.{domain}",
        city=city,
        district=district,
        street=f"{random.choice(STREETS)}{random.randint(1, 999)}号",
        tags=tuple(sorted(random.sample(TAGS, k=random.choices((0, 1, 2, 3), weights=(50, 30, 15, 5))[0]))),
        contact=person_name(random),
        contact_title=random.choice(JOB_TITLES),
        contact_phone=f"1{random.choice(MOBILE_PREFIXES)}{random.randint(0, 10**8 - 1):08d}",
    )


def make_credit_code(random: Random, division: str) -> str:
    """A credit code that passes GB 32100-2015: an enterprise registered in a division, with both check digits right."""
    body = "".join(random.choices(ORG_CODE_ALPHABET, k=8))
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    values = [int(char, 36) for char in body]
    rest = (11 - sum(value * weight for value, weight in zip(values, weights, strict=True)) % 11) % 11
    head = "91" + division + body + ("X" if rest == 10 else str(rest))
    return head + uscc.calc_check_digit(head)
