"""What rules make of customers: their stages, and then their tiers. One statement for all customers of a part.

The first tier whose rule a customer meets is the customer's. One that is locked keeps its tier; one that meets no rule
keeps what people gave it, and loses what a rule gave it. Neither is a change of the record: its version stays.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.filters import Field, FieldKind, FieldRegistry, filter_from_json
from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    String,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from customers.dynamic_fields import rule_field
from customers.fields import CUSTOMER_FIELDS
from customers.model import (
    Aspect,
    ClassificationChange,
    Customer,
    LifecycleStage,
    Origin,
    Tier,
    TierLock,
    TimelineEntry,
    TimelineKind,
)
from customers.tiers.changes import NOTHING, Move, newest_origin, tell
from customers.tiers.stages import Stages
from customers.tiers.vocabulary import require_codes

EXAMPLES = 5
_CUSTOMER = Customer.__table__
_COLUMNS = {Aspect.TIER: _CUSTOMER.c.level, Aspect.STAGE: _CUSTOMER.c.lifecycle_stage}
_KINDS = {Aspect.TIER: TimelineKind.TIER_CHANGED, Aspect.STAGE: TimelineKind.LIFECYCLE_CHANGED}
_IDS = bindparam("ids", type_=ARRAY(Uuid))

Drafts = Mapping[str, Mapping[str, Any] | None]
"""By the code of a tier: a rule that is only tried, None for no rule."""


class Group(NamedTuple):
    """Customers that would go from one tier to another."""

    before: str | None
    after: str | None
    customers: int
    examples: Sequence[UUID]


class Evaluation:
    """The rules and the policy as they are now."""

    def __init__(self, session: ServiceSession, drafts: Drafts | None = None) -> None:
        self._session, self._stages, self._drafts = session, Stages(session), drafts or {}

    def apply(self, ids: Sequence[UUID], *, run_id: UUID | None = None) -> dict[Aspect, list[Move]]:
        """Give customers the stages and tiers that are theirs. Returns what changed."""
        return {aspect: self._apply(aspect, ids, run_id) for aspect in (Aspect.STAGE, Aspect.TIER)}

    def stage_again(self, ids: Sequence[UUID]) -> None:
        """Bring the stages of customers up to date between evaluations."""
        self._apply(Aspect.STAGE, ids, None, where=_CUSTOMER.c.lifecycle_stage.is_not(None))

    def preview(self) -> tuple[int, list[Group]]:
        """How many customers there are, and which of them would be given another tier."""
        judged = self._judged(Aspect.TIER).cte("judged").prefix_with("MATERIALIZED")
        found: Any = func.array_agg(aggregate_order_by(judged.c.id, judged.c.id), type_=ARRAY(Uuid))
        count = func.count()
        moves = select(judged.c.before, judged.c.after, count, found[1:EXAMPLES]).where(_moved(judged))
        rows = self._session.execute(
            moves.group_by(judged.c.before, judged.c.after).order_by(count.desc(), judged.c.before, judged.c.after)
        )
        total = self._session.scalar(select(func.count()).select_from(_CUSTOMER)) or 0
        return total, [Group(*row) for row in rows]

    def _locked(self) -> ColumnElement[bool]:
        holds = or_(TierLock.until.is_(None), TierLock.until >= self._stages.day)
        return exists(select(literal(1)).where(TierLock.customer_id == _CUSTOMER.c.id, holds).correlate(_CUSTOMER))

    def _judged(self, aspect: Aspect) -> Select[Any]:
        after = self._tier() if aspect is Aspect.TIER else self._stages.expression()
        return select(_CUSTOMER.c.id, _COLUMNS[aspect].label("before"), after.label("after"))

    def _tier(self) -> ColumnElement[Any]:
        """The tier of a customer. Raises Invalid for a rule that makes no sense any more."""
        open_tiers = select(Tier).where(Tier.archived.is_(False)).order_by(Tier.position)
        rules = {tier.code: tier.rule for tier in self._session.scalars(open_tiers)}
        require_codes(self._drafts, list(rules), field="drafts")
        met = [
            (condition(self._session, rule, stages=self._stages, path=f"rules.{code}"), literal(code, Text))
            for code, rule in {**rules, **self._drafts}.items()
            if rule is not None
        ]
        found = case((self._locked(), _CUSTOMER.c.level), *met, (_given_by_rule(), null()), else_=_CUSTOMER.c.level)
        return cast(found, Text)

    def _apply(
        self, aspect: Aspect, ids: Sequence[UUID], run_id: UUID | None, where: ColumnElement[bool] | None = None
    ) -> list[Move]:
        """The customers, their history and the timeline in one statement, and the events of what it changed.

        Only customers that move are locked, in one order for everybody, and judged again once they are.
        """
        judged = self._judged(aspect).where(_CUSTOMER.c.id == any_(_IDS), true() if where is None else where)
        looked = judged.subquery("looked")
        movers = select(_CUSTOMER.c.id).where(_CUSTOMER.c.id.in_(select(looked.c.id).where(_moved(looked))))
        # Over the connection: what the session has loaded is brought up to date by whoever goes on with it.
        connection = self._session.connection()
        found = connection.scalars(
            movers.order_by(_CUSTOMER.c.id).with_for_update(key_share=True), {"ids": list(ids)}
        ).all()
        if not found:
            return []
        rows = connection.execute(self._moving(judged, aspect, run_id), {"ids": found})
        moves = [Move(*row) for row in rows]
        tell(self._session, aspect, moves, Origin.RULE)
        return moves

    def _moving(self, wanted: Select[Any], aspect: Aspect, run_id: UUID | None) -> Select[Any]:
        judged = wanted.cte("judged").prefix_with("MATERIALIZED")
        moved = (
            update(Customer)
            .where(_CUSTOMER.c.id == judged.c.id, _moved(judged))
            .values({_COLUMNS[aspect]: judged.c.after})
            .returning(judged.c.id, judged.c.before, judged.c.after)
            .cte("moved")
        )
        statement = select(moved.c.id, moved.c.before, moved.c.after).order_by(moved.c.id)
        return statement.add_cte(self._noted(moved, aspect, run_id), self._told(moved, aspect))

    def _noted(self, moved: CTE, aspect: Aspect, run_id: UUID | None) -> CTE:
        values = {
            "customer_id": moved.c.id,
            "aspect": literal(aspect.value, Text),
            "before": moved.c.before,
            "after": moved.c.after,
            "origin": literal(Origin.RULE.value, Text),
            "reason": literal("", Text),
            "actor": literal(self._session.caller.subject, Text),
            "run_id": cast(literal(run_id, Uuid) if run_id else null(), Uuid),
            "time": literal(self._session.now, ClassificationChange.time.type),
        }
        return _insert("noted", ClassificationChange, values, select(*values.values()))

    def _told(self, moved: CTE, aspect: Aspect) -> CTE:
        before, after = (func.coalesce(moved.c[side], "", type_=String) for side in ("before", "after"))
        shown = [func.coalesce(moved.c[side], NOTHING, type_=String) for side in ("before", "after")]
        details = ("before", before, "after", after, "origin", literal(Origin.RULE.value, Text), "reason", "")
        values = {
            "id": func.gen_random_uuid(),
            "customer_id": moved.c.id,
            "kind": literal(_KINDS[aspect].value, Text),
            "source": literal(self._session.service, Text),
            "resource": func.concat("customers/", moved.c.id),
            "actor": literal(self._session.caller.subject, Text),
            "summary": func.concat(shown[0], " → ", shown[1]),
            "details": func.jsonb_build_object(*(_text(part) for part in details)),
            "occur_time": literal(self._session.now, TimelineEntry.occur_time.type),
        }
        # What a customer begins with is no news, but for a tier that it has earned.
        news = true() if aspect is Aspect.TIER else moved.c.before.is_not(None)
        return _insert("told", TimelineEntry, values, select(*values.values()).where(news))


def condition(session: ServiceSession, rule: Mapping[str, Any], *, stages: Stages, path: str) -> ColumnElement[bool]:
    """A tier's rule as a predicate on customers. The stage is the one that is the customer's now, not the one that
    was found last, so that an evaluation needs no other before it.

    Raises Invalid as filters do, and RULE_OF_ITSELF for a rule over the level: what it gave would depend on what it
    gave before.
    """

    def field(name: str) -> Field | None:
        if name == "level":
            message = "a rule cannot tell tiers by the level that it gives itself"
            raise Invalid("RULE_OF_ITSELF", message, field=path)
        if name == "lifecycle_stage":
            return Field(name, FieldKind.ENUM, stages.expression(), choices=tuple(LifecycleStage), index="none")
        return rule_field(session, name)

    fields = [known for known in CUSTOMER_FIELDS if known.name != "lifecycle_stage"]
    return FieldRegistry(fields, dynamic=field).where(filter_from_json(rule, path=path), path=path)


def _moved(judged: Any) -> ColumnElement[bool]:
    different: ColumnElement[bool] = judged.c.before.is_distinct_from(judged.c.after)
    return different


def _given_by_rule() -> ColumnElement[bool]:
    """Whether the level that a customer has was given by a rule."""
    newest = newest_origin(_CUSTOMER.c.id).correlate(_CUSTOMER).scalar_subquery()
    return func.coalesce(and_(_CUSTOMER.c.level.is_not(None), newest == Origin.RULE.value), false())


def _insert(name: str, entity: Any, values: Mapping[str, Any], rows: Select[Any]) -> CTE:
    key = next(iter(entity.__table__.primary_key))
    inserted: CTE = insert(entity.__table__).from_select(list(values), rows).returning(key).cte(name)
    return inserted


def _text(part: Any) -> Any:
    return literal(part, Text) if isinstance(part, str) else part
