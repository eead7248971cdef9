"""Which field of a customer each column of a file holds, judged by its heading."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.callers import Caller
from chassis.errors import Invalid
from chassis.field_rules import require_writable
from chassis.transfers import folded, own_columns

from customers.own_fields import CONTACT_ENTITY, ENTITY

CUSTOM = "custom_fields."
CONTACT = "contact."

NAMES: Mapping[str, tuple[str, ...]] = {
    "display_name": ("客户名称", "客户", "客户名", "名称", "公司名称", "公司", "企业名称", "单位名称",
                     "客户全称", "姓名", "name", "customer", "customer name", "company", "company name",
                     "account", "account name"),
    "kind": ("客户类型", "客户性质", "customer type", "customer kind"),
    "credit_code": ("统一社会信用代码", "社会信用代码", "信用代码", "税号", "纳税人识别号", "uscc",
                    "unified social credit code"),
    "owner": ("负责人", "所有人", "归属人", "客户经理", "销售", "业务员", "跟进人", "account owner", "sales rep"),
    "status": ("客户状态", "状态", "跟进状态", "customer status"),
    "level": ("客户级别", "客户等级", "级别", "等级", "customer level"),
    "industry": ("行业", "所属行业", "sector"),
    "source": ("来源", "客户来源", "lead source"),
    "phones": ("电话", "手机", "手机号", "手机号码", "联系电话", "电话号码", "固定电话", "座机", "公司电话", "phone",
               "mobile", "telephone", "tel", "cell", "phone number"),
    "emails": ("邮箱", "电子邮箱", "电子邮件", "邮件", "email", "e-mail", "mail", "email address"),
    "website": ("网站", "网址", "官网", "公司网址", "url", "web site", "homepage"),
    "address.country": ("国家", "国家/地区", "country"),
    "address.province": ("省", "省份", "所在省份", "省/直辖市", "province", "state"),
    "address.city": ("市", "城市", "所在城市", "地区", "city"),
    "address.district": ("区", "县", "区县", "区/县", "district", "county"),
    "address.street": ("地址", "详细地址", "联系地址", "通讯地址", "注册地址", "街道", "street", "address",
                       "street address"),
    "address.postal_code": ("邮编", "邮政编码", "postal code", "postcode", "zip", "zip code"),
    "tags": ("标签", "客户标签", "labels"),
    "remark": ("备注", "说明", "描述", "notes", "note", "remarks", "comment", "description"),
    "external_id": ("外部编号", "客户编号", "编号", "原系统编号", "external key", "customer id", "customer no"),
    "contact.display_name": ("联系人", "联系人姓名", "首要联系人", "主要联系人", "contact name", "contact person",
                             "primary contact"),
    "contact.job_title": ("职务", "联系人职务", "职位", "job title", "title", "position"),
    "contact.phones": ("联系人电话", "联系人手机", "联系人手机号", "contact phone", "contact mobile"),
    "contact.emails": ("联系人邮箱", "联系人邮件", "contact email", "contact e-mail"),
    "contact.decision_role": ("决策角色", "角色", "联系人角色", "decision role", "buying role"),
    "contact.influence": ("影响力", "联系人影响力", "影响程度", "influence"),
    "contact.stance": ("立场", "态度", "联系人态度", "stance", "attitude"),
    "contact.birthday": ("联系人生日", "生日", "birthday", "date of birth"),
    "contact.wechat": ("微信", "微信号", "联系人微信", "wechat", "wechat id"),
}  # fmt: skip
"""The headings that each field is recognised by, besides its own name."""

LIST_FIELDS = frozenset({"phones", "emails", "tags", "contact.phones", "contact.emails"})
"""Fields that several columns may hold a part of."""


@dataclass(frozen=True)
class Layout:
    """Where the fields stand in a row."""

    columns: tuple[tuple[int, str], ...]
    """The index of the cell and the field."""
    ignored: tuple[str, ...]
    """The headings that no field was found for."""


def read_heading(heading: Sequence[str], chosen: Mapping[str, str], custom_fields: Iterable[Any]) -> Layout:
    """Find the field of each column.

    `chosen` says so for some headings; an empty field leaves the column out. `custom_fields` have a `key` and a
    `label`. Raises Invalid MISSING_COLUMN if no column holds the name.
    """
    known = _known(custom_fields)
    own = own_columns(heading)
    columns: list[tuple[int, str]] = []
    ignored: list[str] = []
    taken: set[str] = set()
    titles = {title.strip() for title in heading}
    names_contact = any(folded(title) in ("联系人", "联系人姓名") for title in titles)
    for index, title in enumerate(heading[own:], start=own):
        field = chosen.get(title)
        if field is None:
            field = known.get(folded(title), "")
            if names_contact and folded(title) == "联系电话":
                field = "contact.phones"
        if field and (field not in taken or field in LIST_FIELDS):
            columns.append((index, field))
            taken.add(field)
        elif title and (title not in chosen or chosen[title]):
            ignored.append(title)
    if "display_name" not in taken:
        raise Invalid(
            "MISSING_COLUMN", "no column holds the customer's name: call one 客户名称 or name", field="display_name"
        )
    return Layout(tuple(columns), tuple(ignored))


def check_columns(chosen: Mapping[str, str], custom_fields: Iterable[Any]) -> None:
    """Raise Invalid UNKNOWN_FIELD if a column is assigned to a field that does not exist."""
    fields = set(_known(custom_fields).values()) | {""}
    for title, field in chosen.items():
        if field not in fields:
            raise Invalid("UNKNOWN_FIELD", f"the column {title!r} goes to no field called {field!r}", field="columns")


def require_writable_columns(caller: Caller, layout: Layout) -> None:
    """Raise Denied FIELD_NOT_WRITABLE if a column holds a field that the caller's roles restrict."""
    for _, field in layout.columns:
        own = field.removeprefix(CONTACT)
        if own != field:
            require_writable(caller, CONTACT_ENTITY, own, path=field)
        if own == field or field in LIST_FIELDS:  # which are the customer's own if no contact is named
            require_writable(caller, ENTITY, own, path=field)


def _known(custom_fields: Iterable[Any]) -> dict[str, str]:
    """The field of each heading that is recognised, in folded form."""
    known: dict[str, str] = {}
    for custom in custom_fields:
        path = CUSTOM + custom.key
        known |= {folded(custom.key): path, folded(custom.label): path, folded(path): path}
    for field, names in NAMES.items():
        short = field.removeprefix("address.")
        known |= {folded(name): field for name in (field, short if "." not in short else field, *names)}
    return known
