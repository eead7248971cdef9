"""What may come of calls, and which telephones are whose: the company's to say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

from chassis.errors import Invalid

RULES = "callRules"
"""The resource name of the rules."""
MAX_OUTCOMES, MAX_EXTENSIONS, MAX_NAME = 100, 5_000, 50
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,49}")


@dataclass(frozen=True)
class Outcome:
    """Something that may come of a call."""

    code: str
    display_name: str
    disabled: bool = False


OUTCOMES = (
    Outcome("INTERESTED", "有意向"),
    Outcome("NOT_INTERESTED", "无意向"),
    Outcome("CALL_BACK", "约定回拨"),
    Outcome("NO_ANSWER", "无人接听"),
    Outcome("BUSY", "占线"),
    Outcome("REFUSED", "拒接"),
    Outcome("POWERED_OFF", "关机或停机"),
    Outcome("WRONG_NUMBER", "空号或错号"),
)


@dataclass(frozen=True)
class CallRules:
    """The company sets them; these are what it begins with."""

    outcomes: tuple[Outcome, ...] = OUTCOMES
    extensions: tuple[tuple[str, UUID], ...] = ()
    """What the telephone system calls the telephones, and who speaks there."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """From the form they are stored in."""
        return cls(
            tuple(Outcome(**each) for each in stored["outcomes"]),
            tuple((extension, UUID(user)) for extension, user in stored["extensions"]),
        )

    def to_json(self) -> dict[str, Any]:
        """The form they are stored in."""
        return {
            "outcomes": [vars(each) for each in self.outcomes],
            "extensions": [[extension, str(user)] for extension, user in self.extensions],
        }

    def checked(self) -> Self:
        """The rules with their texts trimmed. Raises Invalid, naming the first field at fault."""
        outcomes = tuple(replace(each, display_name=each.display_name.strip()) for each in self.outcomes)
        if not 1 <= len(outcomes) <= MAX_OUTCOMES:
            raise Invalid("TOO_MANY", f"give from 1 to {MAX_OUTCOMES} outcomes", field="outcomes")
        for at, each in enumerate(outcomes):
            if not _CODE.fullmatch(each.code):
                message = "a code is a capital letter and up to 49 more, digits and underscores"
                raise Invalid("INVALID_CODE", message, field=f"outcomes[{at}].code")
            if not 1 <= len(each.display_name) <= MAX_NAME:
                message = f"from 1 to {MAX_NAME} characters"
                raise Invalid("TOO_LONG", message, field=f"outcomes[{at}].display_name")
        if len({each.code for each in outcomes}) < len(outcomes):
            raise Invalid("DUPLICATE_VALUE", "give each code once", field="outcomes")
        extensions = tuple((extension.strip(), user) for extension, user in self.extensions)
        if len(extensions) > MAX_EXTENSIONS or any(not 1 <= len(each) <= MAX_NAME for each, _ in extensions):
            message = f"at most {MAX_EXTENSIONS:,} extensions of 1 to {MAX_NAME} characters each"
            raise Invalid("TOO_LONG", message, field="extensions")
        if len({extension for extension, _ in extensions}) < len(extensions):
            raise Invalid("DUPLICATE_VALUE", "give each extension once", field="extensions")
        return replace(self, outcomes=outcomes, extensions=extensions)

    def offers(self, code: str) -> bool:
        """Whether an outcome is to be had."""
        return any(each.code == code and not each.disabled for each in self.outcomes)
