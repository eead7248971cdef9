"""What the organisation asks of passwords."""

from dataclasses import dataclass
from enum import StrEnum

from chassis.db import ServiceSession
from chassis.errors import Invalid
from sqlalchemy import select

from identity.model.passwords import StoredPasswordRules

MAXIMUM_LENGTH = 256


class CharacterClass(StrEnum):
    """A kind of characters. The names are those of `crm.identity.v1.CharacterClass`."""

    LOWER = "LOWER"
    UPPER = "UPPER"
    DIGIT = "DIGIT"
    SYMBOL = "SYMBOL"

    def holds(self, letter: str) -> bool:
        """Whether a character is of the kind. Chinese characters are letters without case, so of none."""
        tests = {
            CharacterClass.LOWER: letter.islower(),
            CharacterClass.UPPER: letter.isupper(),
            CharacterClass.DIGIT: letter.isdigit(),
            CharacterClass.SYMBOL: not letter.isalnum(),
        }
        return tests[self]


@dataclass(frozen=True)
class PasswordRules:
    """The rules. What they say of a password holds when it is set, not for those set before."""

    min_length: int = 10
    required_classes: tuple[CharacterClass, ...] = ()
    history_count: int = 5
    """How many of a person's last passwords are refused."""
    expire_days: int = 0
    """After how many days a password must be replaced; 0 for never."""

    def __post_init__(self) -> None:
        for field, value, least, most in (
            ("min_length", self.min_length, 8, 64),
            ("history_count", self.history_count, 0, 24),
            ("expire_days", self.expire_days, 0, 3650),
        ):
            if not least <= value <= most:
                raise Invalid("INVALID_PASSWORD_RULES", f"{field} must be {least} to {most}", field=field)

    def check(self, plain: str, *, field: str) -> None:
        """Raise Invalid unless a password fits the rules that concern it alone."""
        if len(plain) < self.min_length:
            message = f"a password needs at least {self.min_length} characters"
            raise Invalid("PASSWORD_TOO_SHORT", message, field=field, minimum=self.min_length)
        if len(plain) > MAXIMUM_LENGTH:
            raise Invalid("PASSWORD_TOO_LONG", f"a password has at most {MAXIMUM_LENGTH} characters", field=field)
        missing = [kind for kind in self.required_classes if not any(map(kind.holds, plain))]
        if missing:
            wanted = ", ".join(missing)
            raise Invalid("PASSWORD_TOO_SIMPLE", f"the password lacks {wanted}", field=field, missing=wanted)


def stored_rules(session: ServiceSession, *, lock: bool = False) -> StoredPasswordRules:
    """The row of the rules."""
    statement = select(StoredPasswordRules)
    return session.scalars(statement.with_for_update() if lock else statement).one()


def read_rules(session: ServiceSession) -> PasswordRules:
    """The rules that hold now."""
    return rules_of(stored_rules(session))


def rules_of(stored: StoredPasswordRules) -> PasswordRules:
    """The rules in their row."""
    classes = tuple(CharacterClass(value) for value in stored.required_classes)
    return PasswordRules(stored.min_length, classes, stored.history_count, stored.expire_days)
