"""Which field of a lead each column of a file holds, judged by its heading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.callers import Caller
from chassis.errors import Invalid
from chassis.field_rules import require_writable
from chassis.transfers import folded, own_columns

from leads.capture.reading import LISTS
from leads.lead_queries import ENTITY
from leads.rules import LEAD_RULES

FIELDS = frozenset(LEAD_RULES) - {"status", "status_reason", "status_note"}
"""The fields that a file can hold. How far a lead has come is told by what is done with it."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "company_name": ("公司名称", "公司", "企业名称", "单位名称", "客户名称", "company", "account"),
    "contact_name": ("联系人", "联系人姓名", "姓名", "contact", "name", "full name"),
    "phones": ("电话", "手机", "手机号", "手机号码", "联系电话", "联系人电话", "phone", "mobile", "telephone", "tel"),
    "emails": ("邮箱", "电子邮箱", "电子邮件", "邮件", "email", "e-mail", "mail"),
    "wechat": ("微信", "微信号", "wechat id"),
    "credit_code": ("统一社会信用代码", "社会信用代码", "信用代码", "税号", "uscc"),
    "source": ("来源", "线索来源", "lead source"),
    "channel": ("渠道", "来源渠道", "lead channel"),
    "source_detail": ("来源明细", "来源详情", "utm_source"),
    "medium": ("媒介", "utm_medium"),
    "campaign": ("活动", "营销活动", "市场活动", "utm_campaign"),
    "campaign_term": ("关键词", "搜索词", "keyword", "utm_term"),
    "campaign_content": ("广告内容", "创意", "utm_content"),
    "landing_page": ("落地页", "着陆页"),
    "external_id": ("外部编号", "线索编号", "编号", "原系统编号", "lead id", "lead no"),
    "industry": ("行业", "所属行业", "sector"),
    "province": ("省", "省份", "所在省份", "state"),
    "city": ("市", "城市", "所在城市"),
    "requirement": ("需求", "需求描述", "采购需求", "needs", "message"),
    "remark": ("备注", "说明", "notes", "note", "remarks", "comment"),
}
"""The headings that each field is recognised by, besides its own name."""


@dataclass(frozen=True)
class Layout:
    """Where the fields stand in a row."""

    columns: tuple[tuple[int, str], ...]
    """The index of the cell and the field."""
    ignored: tuple[str, ...]
    """The headings that no field was found for."""


def read_heading(heading: Sequence[str], chosen: Mapping[str, str]) -> Layout:
    """Find the field of each column. `chosen` says so for some headings; an empty field leaves the column out.

    Raises Invalid MISSING_COLUMN if no column holds the name of the company or of the person.
    """
    known = {folded(name): field for field, names in NAMES.items() for name in (field, *names)}
    columns: list[tuple[int, str]] = []
    ignored: list[str] = []
    own = own_columns(heading)
    for index, title in enumerate(heading[own:], start=own):
        field = chosen[title] if title in chosen else known.get(folded(title), "")
        if field and (field in LISTS or field not in {taken for _, taken in columns}):
            columns.append((index, field))
        elif title and chosen.get(title, title):
            ignored.append(title)
    if not {"company_name", "contact_name"} & {field for _, field in columns}:
        message = "no column holds the name of the company or the person: call one 公司名称 or 联系人"
        raise Invalid("MISSING_COLUMN", message, field="company_name")
    return Layout(tuple(columns), tuple(ignored))


def check_columns(chosen: Mapping[str, str]) -> None:
    """Raise Invalid UNKNOWN_FIELD if a column is assigned to a field that does not exist."""
    for title, field in chosen.items():
        if field and field not in FIELDS:
            message = f"the column {title!r} goes to no field called {field!r}"
            raise Invalid("UNKNOWN_FIELD", message, field="columns", name=field)


def require_writable_columns(caller: Caller, layout: Layout) -> None:
    """Raise Denied FIELD_NOT_WRITABLE if a column holds a field that the caller's roles restrict."""
    for _, field in layout.columns:
        require_writable(caller, ENTITY, field, path=field)
