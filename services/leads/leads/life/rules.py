"""The company's rules of the life of leads: why a lead may be given up, and whether a follow-up makes it contacted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation
from sqlalchemy import select

from leads.model import LeadRules

MAX_REASONS = 100
MAX_DISPLAY_NAME = 60
_CODE = re.compile("[A-Z][A-Z0-9_]{0,39}")


@dataclass(frozen=True)
class Reason:
    """Why a lead leads nowhere."""

    code: str
    display_name: str
    archived: bool = False
    """True if it is given no more. Leads that bear it keep it."""


DEFAULT_REASONS = (
    Reason("UNREACHABLE", "联系不上"),
    Reason("WRONG_NUMBER", "空号或错号"),
    Reason("NO_NEED", "暂无需求"),
    Reason("NO_BUDGET", "预算不足"),
    Reason("CHOSE_COMPETITOR", "已选竞品"),
    Reason("OUT_OF_REGION", "不在服务区域"),
    Reason("NOT_A_TARGET", "非目标客户"),
    Reason("DUPLICATE_LEAD", "重复线索"),
    Reason("SPAM", "垃圾信息"),
    Reason("OTHER_REASON", "其他"),
)
"""The reasons to begin with."""


@dataclass(frozen=True)
class LifeRules:
    """The rules of the life of leads."""

    contact_on_follow_up: bool = True
    """Whether the first follow-up that counts makes a new lead a contacted one."""
    disqualification_reasons: tuple[Reason, ...] = field(default=DEFAULT_REASONS)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "LifeRules":
        """The rules as they are stored."""
        reasons = tuple(Reason(**one) for one in stored["disqualification_reasons"])
        return cls(stored["contact_on_follow_up"], reasons)

    def to_json(self) -> dict[str, Any]:
        """The rules as they are stored."""
        reasons = [vars(reason) for reason in self.disqualification_reasons]
        return {"contact_on_follow_up": self.contact_on_follow_up, "disqualification_reasons": reasons}

    def gives(self, code: str) -> bool:
        """Whether leads are given up for a reason."""
        return any(reason.code == code and not reason.archived for reason in self.disqualification_reasons)

    def checked(self, before: "LifeRules") -> "LifeRules":
        """The rules, with the reasons that they leave out archived, as leads bear them. Raises Invalid, naming every
        field at fault."""
        faults = list(_faults(self.disqualification_reasons))
        if faults:
            raise Invalid("INVALID_FIELDS", "; ".join(fault.message for fault in faults), violations=faults)
        stated = {reason.code for reason in self.disqualification_reasons}
        left_out = [one for one in before.disqualification_reasons if one.code not in stated]
        archived = tuple(Reason(one.code, one.display_name, archived=True) for one in left_out)
        return LifeRules(self.contact_on_follow_up, (*self.disqualification_reasons, *archived))


def _faults(reasons: tuple[Reason, ...]) -> list[Violation]:
    place, faults = "disqualification_reasons", []
    if len(reasons) > MAX_REASONS:
        return [Violation(place, "TOO_MANY", f"at most {MAX_REASONS} reasons fit")]
    if all(reason.archived for reason in reasons):
        faults.append(Violation(place, "REQUIRED", "leave at least one reason that can be given"))
    codes = [reason.code for reason in reasons]
    for number, reason in enumerate(reasons):
        at = f"{place}[{number}]"
        if not _CODE.fullmatch(reason.code):
            message = "a code is of up to 40 capital letters, digits and underscores, and begins with a letter"
            faults.append(Violation(f"{at}.code", "INVALID_CODE", message))
        elif reason.code in codes[:number]:
            faults.append(Violation(f"{at}.code", "REPEATED_CODE", f"the code {reason.code} is there already"))
        if not 0 < len(reason.display_name.strip()) <= MAX_DISPLAY_NAME:
            message = f"say it in 1 to {MAX_DISPLAY_NAME} characters"
            faults.append(Violation(f"{at}.display_name", "INVALID_DISPLAY_NAME", message))
    return faults


def rules_row(session: ServiceSession, *, lock: bool = False) -> LeadRules:
    """The rules that the company has set; with version 0, and not stored, if it has set none."""
    statement = select(LeadRules)
    kept = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    return kept or LeadRules(id=1, version=0, rules=LifeRules().to_json(), update_time=session.now)


def life_rules(session: ServiceSession) -> LifeRules:
    """The rules in force."""
    return LifeRules.from_json(rules_row(session).rules)
