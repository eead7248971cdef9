"""The rules of tags: which customers each is set on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.prepared import Prepared
from sqlalchemy import ColumnElement, func, select

from customers.model import Customer
from customers.model.tags import Tag
from customers.pools.conditions import met

_RULES = Prepared(select(Tag.display_name, Tag.rule).where(Tag.rule.is_not(None)).order_by(Tag.id))

Tags = tuple[list[str], list[str]]
"""All tags of a customer, and those of them that rules have set."""


@dataclass(frozen=True)
class TagRules:
    """The rules as they are now."""

    conditions: Sequence[tuple[str, ColumnElement[bool]]]

    @classmethod
    def read(cls, session: ServiceSession) -> "TagRules":
        """The rules of all tags that have one."""
        return cls.of(session, [(tag.display_name, tag.rule) for tag in _RULES.all(session)])

    @classmethod
    def of(cls, session: ServiceSession, rules: Iterable[tuple[str, Mapping[str, Any]]]) -> "TagRules":
        """The same rules that were read otherwise, by the names of their tags, in the order of the tags' ids."""
        return cls([(name, met(session, rule)) for name, rule in rules])

    def changes(self, session: ServiceSession, ids: Sequence[UUID], *, sweep: bool = False) -> dict[UUID, Tags]:
        """What the rules change of some customers' tags. What somebody has set stays, and stays set by hand.

        With `sweep`, what the last rule has left behind goes too.
        """
        if not self.conditions and not sweep:
            return {}
        changes: dict[UUID, Tags] = {}
        judged = [condition.label(f"rule_{at}") for at, (_, condition) in enumerate(self.conditions)]
        statement = select(Customer.id, Customer.tags, Customer.rule_tags, *judged).where(Customer.id.in_(ids))
        if not self.conditions:
            statement = statement.where(func.cardinality(Customer.rule_tags) > 0)
        for key, tags, by_rule, *holds in session.execute(statement):
            manual = set(tags) - set(by_rule)
            wanted = {name for (name, _), held in zip(self.conditions, holds, strict=True) if held} - manual
            after = sorted(manual | wanted), sorted(wanted)
            if after != (sorted(tags), sorted(by_rule)):
                changes[key] = after
        return changes
