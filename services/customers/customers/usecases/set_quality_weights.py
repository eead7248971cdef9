"""Set what counts for the quality of the data on customers of a kind."""

from collections.abc import Sequence

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation
from chassis.etags import check_etag

from customers.model import CustomerKind
from customers.model.tags import QualityWeights
from customers.own_fields import ENTITY
from customers.pools.conditions import registry
from customers.quality import DEFAULT_WEIGHTS
from customers.refreshing import queue_refresh
from customers.rules import CUSTOMER_RULES

MOST_FIELDS = 100
MOST_WEIGHT = 1_000
NOT_WEIGHED = frozenset({"kind", "status", "tags"})
"""Fields that every customer has, or that follow from the score itself."""


def set_quality_weights(
    session: ServiceSession, kind: str, weights: Sequence[tuple[str, int]], *, etag: str = ""
) -> QualityWeights:
    """Set the weights of a kind, and have the scores reckoned anew by a job. Raises Invalid, naming what is wrong."""
    if kind not in CustomerKind.__members__:
        raise Invalid("INVALID_KIND", "say of which kind of customers", field="quality_weights.kind")
    _check(session, weights)
    stored = session.get(QualityWeights, kind, with_for_update=True, populate_existing=True)
    check_etag(etag, stored.version if stored is not None else 0)
    before = dict(stored.weights if stored is not None else DEFAULT_WEIGHTS[kind])
    after = dict(weights)
    if stored is None:
        stored = QualityWeights(kind=kind, weights=after, version=1, update_time=session.now)
        session.add(stored)
    elif before != after:
        stored.weights, stored.update_time = after, session.now
        stored.version += 1
    session.flush()
    if before != after:
        audit.record(session, "quality.update", f"qualityWeights/{kind}", before, after)
        queue_refresh(session, ENTITY)
    return stored


def _check(session: ServiceSession, weights: Sequence[tuple[str, int]]) -> None:
    if not 1 <= len(weights) <= MOST_FIELDS:
        message = f"give from 1 to {MOST_FIELDS} fields"
        raise Invalid("INVALID_WEIGHT", message, field="quality_weights.weights")
    known, faults, seen = registry(session), list[Violation](), set[str]()
    for at, (name, weight) in enumerate(weights):
        path = f"quality_weights.weights[{at}]"
        weighable = name in CUSTOMER_RULES or (name.startswith("custom.") and known.knows(name))
        if not weighable or name in NOT_WEIGHED:
            faults.append(Violation(f"{path}.field", "UNKNOWN_FIELD", f"{name[:100]!r} is no field that counts"))
        if name in seen:
            faults.append(Violation(f"{path}.field", "DUPLICATE_FIELD", f"{name[:100]!r} is given twice"))
        if not 1 <= weight <= MOST_WEIGHT:
            faults.append(Violation(f"{path}.weight", "INVALID_WEIGHT", f"a weight is from 1 to {MOST_WEIGHT}"))
        seen.add(name)
    if faults:
        raise Invalid("INVALID_WEIGHT", "the weights cannot be set like this", violations=faults)
