"""What the company has set that bears on customers who are about to be written, read at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.custom_fields import CustomField, fields_as_json, fields_from_json
from chassis.custom_records import Judge
from chassis.db import ServiceSession
from chassis.prepared import Prepared
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from customers.duplicate_finding.settings import policy_of
from customers.field_templates import required_in
from customers.model import Tier
from customers.model.duplicates import DuplicatePolicy, DuplicateSettings
from customers.model.tags import FieldTemplate, QualityWeights, Tag
from customers.own_fields import ENTITY
from customers.own_records import CUSTOMERS
from customers.quality import Scorer, with_defaults
from customers.tag_rules import TagRules

_TEMPLATES = select(func.json_object_agg(FieldTemplate.kind, FieldTemplate.fields)).where(
    FieldTemplate.entity == ENTITY
)
_WEIGHTS = select(func.json_object_agg(QualityWeights.kind, QualityWeights.weights))
_LEVELS = select(func.array_agg(aggregate_order_by(Tier.code, Tier.position))).where(Tier.archived.is_(False))
_POLICY = select(DuplicateSettings.policy).where(DuplicateSettings.id == 1)
_RULES = select(func.json_agg(aggregate_order_by(func.json_build_array(Tag.display_name, Tag.rule), Tag.id))).where(
    Tag.rule.is_not(None)
)
_PREMISES = Prepared(
    select(
        fields_as_json(ENTITY).label("custom_fields"),
        _TEMPLATES.scalar_subquery().label("templates"),
        _WEIGHTS.scalar_subquery().label("weights"),
        _LEVELS.scalar_subquery().label("levels"),
        _POLICY.scalar_subquery().label("policy"),
        _RULES.scalar_subquery().label("rules"),
    )
)


@dataclass(frozen=True)
class Premises:
    """The company's settings as one transaction has read them: a change of them holds for the next one."""

    custom_fields: Sequence[CustomField]
    templates: Mapping[str, Sequence[Mapping[str, Any]]]
    """The fields of a template, by the kind of customers."""
    scorer: Scorer
    open_levels: Sequence[str]
    """The codes of the tiers that customers can be given, by their position."""
    duplicate_policy: DuplicatePolicy
    rules: Sequence[tuple[str, Mapping[str, Any]]]
    """Those of tags, with the names of these."""

    def judge(self, session: ServiceSession) -> Judge:
        """Who judges the company's own fields."""
        return Judge(session, CUSTOMERS, self.custom_fields)

    def required(self, kind: str) -> list[str]:
        """The fields that a new customer of a kind must have, as filters call them."""
        return required_in(self.templates.get(kind, ()))

    def tag_rules(self, session: ServiceSession) -> TagRules:
        """The rules of tags, ready to be asked."""
        return TagRules.of(session, self.rules)


def read_premises(session: ServiceSession) -> Premises:
    """The settings as they are now, in one statement."""
    [row] = _PREMISES.all(session)
    return Premises(
        custom_fields=fields_from_json(row.custom_fields),
        templates=row.templates or {},
        scorer=Scorer(with_defaults(row.weights or {})),
        open_levels=row.levels or [],
        duplicate_policy=policy_of(row.policy),
        rules=row.rules or [],
    )
