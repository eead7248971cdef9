"""Rules for fields as roles hold them: which make sense, and who may leave which out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.callers import Caller
from chassis.entities import entities
from chassis.errors import Denied, Invalid
from chassis.field_rules import CUSTOM, FieldEffect, FieldRules, covers

MAXIMUM_RULES = 500
ANY_CUSTOM = f"{CUSTOM}*"
"""Stands in lists of fields for each field of the company's own: which there are, the owner of the entity knows."""

_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


@dataclass(frozen=True)
class FieldRule:
    """What a role keeps from its holders of one field."""

    entity: str
    field: str
    effect: FieldEffect

    def to_json(self) -> dict[str, Any]:
        """The form it is stored in."""
        return {"entity": self.entity, "field": self.field, "effect": self.effect.name}

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> "FieldRule":
        """From the form it is stored in."""
        return FieldRule(stored["entity"], stored["field"], FieldEffect[stored["effect"]])


def protectable_fields() -> list[tuple[str, str]]:
    """Every field that roles can restrict, as entity and field, sorted."""
    return sorted(
        (entity, ANY_CUSTOM if field.keyed else field.name)
        for entity, fields in entities().items()
        for field in fields.values()
    )


def protectable_fields_page(size: int, token: str) -> tuple[list[tuple[str, str]], str]:
    """A page of these fields and the next token. Raises Invalid INVALID_PAGE_TOKEN."""
    known = protectable_fields()
    after = tuple(token.split(" ")) if token else ("", "")
    if token and after not in known:
        raise Invalid("INVALID_PAGE_TOKEN", "page_token is not one that this list returned", field="page_token")
    rest = [item for item in known if item > after]
    page = rest[:size]
    return page, " ".join(page[-1]) if len(rest) > size else ""


def check_field_rules(rules: Sequence[FieldRule], *, field: str) -> None:
    """Raise Invalid unless every rule names a field that can be restricted, and no two the same."""
    if len(rules) > MAXIMUM_RULES:
        raise Invalid("TOO_MANY_FIELD_RULES", f"a role has at most {MAXIMUM_RULES} rules for fields", field=field)
    known = set(protectable_fields())
    seen: set[tuple[str, str]] = set()
    for index, rule in enumerate(rules):
        named = (rule.entity, rule.field)
        plain = named in known and rule.field != ANY_CUSTOM
        if not plain and not _is_custom(rule, known):
            raise Invalid(
                "UNKNOWN_PROTECTABLE_FIELD",
                f"{rule.entity[:100]!r} has no field {rule.field[:100]!r} that can be restricted",
                field=f"{field}[{index}].field",
            )
        if named in seen:
            raise Invalid(
                "DUPLICATE_FIELD_RULE",
                f"there are two rules for {rule.entity}.{rule.field}",
                field=f"{field}[{index}].field",
            )
        seen.add(named)


def _is_custom(rule: FieldRule, known: set[tuple[str, str]]) -> bool:
    key = rule.field.removeprefix(CUSTOM)
    return key != rule.field and bool(_KEY.fullmatch(key)) and (rule.entity, ANY_CUSTOM) in known


def by_entity(rules: Iterable[FieldRule]) -> FieldRules:
    """The rules as services apply them."""
    found: dict[str, dict[str, FieldEffect]] = {}
    for rule in rules:
        found.setdefault(rule.entity, {})[rule.field] = rule.effect
    return found


def ensure_may_show(caller: Caller, permissions: Iterable[str], rules: Iterable[FieldRule]) -> None:
    """Raise Denied if a role with these permissions and rules would show or open a field that the caller's do not."""
    granted = set(permissions)
    shown = [entity for entity in caller.field_rules if granted & {f"{entity}.read", "*"}]
    if not covers(caller.field_rules, by_entity(rules), shown):
        raise Denied(
            "PRIVILEGE_ESCALATION",
            f"nobody can give more than they hold: restrict the fields of {', '.join(shown)} as your own roles do",
            field="field_rules",
        )
