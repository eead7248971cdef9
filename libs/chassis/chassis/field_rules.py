"""What roles keep from their holders of single fields: some cannot be changed, some are masked, some hidden.

The rules themselves are `crm.identity.v1.FieldRule`; a caller comes with those that hold for them. They are applied

- on the way out in one place, the edge of a server (`chassis.concealment`),
- on the way in there, too, for records that requests hold,
- to filters and orders by `chassis.filters`, to searches by `public_part` in `chassis.search`,
- with the functions of this module wherever records leave or enter by another way: files, webhooks, audit entries.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from chassis.errors import Denied

if TYPE_CHECKING:
    from chassis.callers import Caller

CUSTOM = "custom."
"""What the name of a field of the company's own begins with."""

_REST = "***"
_PHONE_REST = "****"
_CHINA, _MOBILE_DIGITS, _SHOWN_AT_ALL = "+86", 11, 9
_ID_HEAD, _ID_TAIL = 3, 4


class FieldEffect(IntEnum):
    """What a rule for a field does, from the least to the most. The names are those of `FieldEffect` in the contract.

    Whatever the effect, the field cannot be written.
    """

    READ_ONLY = 1
    MASK = 2
    """It shows but a part, and can be neither filtered nor sorted nor searched by."""
    HIDE = 3


FieldRules = Mapping[str, Mapping[str, FieldEffect]]
"""Entity → field → effect."""


class MaskForm(StrEnum):
    """What a masked value still shows. The names are those of `crm.common.v1.MaskForm`."""

    TEXT = "TEXT"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    ID_NUMBER = "ID_NUMBER"
    NOTHING = "NOTHING"


def merged(held: Sequence[tuple[Container[str], FieldRules]]) -> FieldRules:
    """The rules for somebody who holds several roles, each given as its permissions and its own rules.

    Of the roles that let them read an entity, the most permissive decides on each field. If none does, as for who
    may only create records of it, the strictest of all their roles does.
    """
    known = sorted({entity for _, rules in held for entity in rules})
    return {entity: rules for entity in known if (rules := _merged_for(entity, held))}


def _merged_for(entity: str, held: Sequence[tuple[Container[str], FieldRules]]) -> Mapping[str, FieldEffect]:
    reading = [rules for permissions, rules in held if f"{entity}.read" in permissions or "*" in permissions]
    roles = [rules.get(entity, {}) for rules in reading or [rules for _, rules in held]]
    named = set(roles[0]).intersection(*roles[1:]) if reading else set().union(*roles)
    decide = min if reading else max
    return {field: decide(role[field] for role in roles if field in role) for field in sorted(named)}


def covers(mine: FieldRules, theirs: FieldRules, entities: Iterable[str]) -> bool:
    """Whether whoever has their rules gets to see and change no more of these entities than whoever has mine."""
    return all(
        theirs.get(entity, {}).get(field, 0) >= effect
        for entity in entities
        for field, effect in mine.get(entity, {}).items()
    )


def rule_name(field: str) -> str:
    """The name that rules call a field by, from a path in filters, files and masks: `address.city` → `address`."""
    if field.startswith("custom_fields."):
        return CUSTOM + field.removeprefix("custom_fields.")
    return field if field.startswith(CUSTOM) else field.partition(".")[0]


def effect_on(caller: "Caller", entity: str, field: str) -> FieldEffect | None:
    """What the caller's roles do to a field, given by a path as above; None if nothing."""
    rules = caller.field_rules.get(entity)
    return rules.get(rule_name(field)) if rules else None


def may_read(caller: "Caller", entity: str, field: str) -> bool:
    """Whether the caller sees the values of a field as they are."""
    effect = effect_on(caller, entity, field)
    return effect is None or effect < FieldEffect.MASK


def unreadable(caller: "Caller", entity: str) -> set[str]:
    """The fields whose values the caller does not see as they are, as rules name them."""
    rules = caller.field_rules.get(entity, {})
    return {field for field, effect in rules.items() if effect >= FieldEffect.MASK}


def require_readable(caller: "Caller", entity: str, field: str, *, path: str) -> None:
    """Raise Denied FIELD_NOT_READABLE if the caller does not see the values of a field as they are."""
    if not may_read(caller, entity, field):
        raise Denied(
            "FIELD_NOT_READABLE",
            f"your roles keep the field {field} of {entity} from you; leave it out",
            field=path,
            entity=entity,
            name=field,
        )


def require_writable(caller: "Caller", entity: str, field: str, *, path: str) -> None:
    """Raise Denied FIELD_NOT_WRITABLE if the caller's roles restrict a field in any way."""
    if effect_on(caller, entity, field) is not None:
        raise not_writable(entity, field, path=path)


def not_writable(entity: str, field: str, *, path: str) -> Denied:
    """The refusal of a change of a field."""
    return Denied(
        "FIELD_NOT_WRITABLE",
        f"your roles do not let you change the field {field} of {entity}; leave it out",
        field=path,
        entity=entity,
        name=field,
    )


def masked(form: MaskForm, value: Any) -> Any:
    """A value as far as a mask lets it be seen; None if it shows nothing."""
    if form is MaskForm.NOTHING:
        return None
    if isinstance(value, str):
        return _MASKS[form](value) if value else value
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return [masked(form, item) for item in value]
    return None


def masked_by_look(value: Any) -> Any:
    """The same for a value of a field of the company's own, whose form its look tells."""
    if isinstance(value, list):
        return [masked_by_look(item) for item in value] if all(isinstance(item, str) for item in value) else None
    return masked(_form_of(value), value) if isinstance(value, str) else None


def _form_of(value: str) -> MaskForm:
    if value.startswith("+") and value[1:].isdigit():
        return MaskForm.PHONE
    return MaskForm.EMAIL if "@" in value else MaskForm.TEXT


def mask_phone(number: str) -> str:
    """`+8613812341234` → `138****1234`: a Chinese number as people write it, others with the start of their code."""
    if number.startswith(_CHINA):
        rest = number.removeprefix(_CHINA)
        number = rest if len(rest) == _MOBILE_DIGITS and rest[0] == "1" else f"0{rest}"
    if len(number) < _SHOWN_AT_ALL:
        return _PHONE_REST
    return f"{number[:3]}{_PHONE_REST}{number[-4:]}"


def mask_email(address: str) -> str:
    """`ann@x.com` → `a***@x.com`."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}{_REST}@{domain}" if at else _mask_text(address)


def mask_id_number(number: str) -> str:
    """`110101199003071234` → `110***********1234`; what is short shows nothing."""
    if len(number) < 2 * (_ID_HEAD + _ID_TAIL):
        return "*" * len(number)
    return f"{number[:_ID_HEAD]}{'*' * (len(number) - _ID_HEAD - _ID_TAIL)}{number[-_ID_TAIL:]}"


def _mask_text(text: str) -> str:
    return f"{text[0]}{_REST}" if len(text) > 1 else _REST


_MASKS = {
    MaskForm.TEXT: _mask_text,
    MaskForm.PHONE: mask_phone,
    MaskForm.EMAIL: mask_email,
    MaskForm.ID_NUMBER: mask_id_number,
}
