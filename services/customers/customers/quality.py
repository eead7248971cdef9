"""How good the data on a customer is: the weight of the fields that are filled in, of the weight of all."""

from collections.abc import Callable, Mapping
from typing import Any

from chassis.db import ServiceSession
from chassis.field_rules import CUSTOM
from sqlalchemy import select

from customers.model import CustomerKind
from customers.model.tags import QualityWeights
from customers.rules import column

DEFAULT_WEIGHTS: Mapping[str, Mapping[str, int]] = {
    CustomerKind.COMPANY: {
        "credit_code": 20, "phones": 20, "emails": 10, "industry": 10, "level": 10, "source": 5, "website": 5,
        "address.province": 5, "address.city": 5, "address.street": 10,
    },
    CustomerKind.PERSON: {
        "phones": 30, "emails": 20, "level": 10, "source": 10, "industry": 10, "address.province": 10,
        "address.city": 10,
    },
}  # fmt: skip
"""What counts until the company says otherwise."""


def weights_of(session: ServiceSession) -> dict[str, Mapping[str, int]]:
    """The weights by kind."""
    stored = session.execute(select(QualityWeights.kind, QualityWeights.weights)).all()
    return with_defaults({row.kind: row.weights for row in stored})


def with_defaults(stored: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
    """The weights by kind, given those that the company has set."""
    return dict(DEFAULT_WEIGHTS) | dict(stored)


class Scorer:
    """Scores many customers by the same weights."""

    def __init__(self, weights: Mapping[str, Mapping[str, int]]) -> None:
        self._columns = {kind: _columns(of_kind) for kind, of_kind in weights.items()}
        self._own = {
            kind: [(name.removeprefix(CUSTOM), weight) for name, weight in of_kind.items() if name.startswith(CUSTOM)]
            for kind, of_kind in weights.items()
        }
        self._totals = {kind: sum(of_kind.values()) for kind, of_kind in weights.items()}
        self.key = sorted((kind, sorted(of_kind.items())) for kind, of_kind in weights.items())
        """What scores depend on, for comparison."""

    def score(self, kind: str, get: Callable[[str], Any], custom: Mapping[str, Any]) -> int:
        """The share of the weights whose fields hold something, in percent, a half up. `get` reads a column."""
        filled = 0
        for name, weight in self._columns[kind]:
            if get(name):
                filled += weight
        for key, weight in self._own[kind]:
            if custom.get(key) is not None:
                filled += weight
        total = self._totals[kind]
        return (200 * filled + total) // (2 * total)

    def score_of(self, customer: Any) -> int:
        """The same for an entity or row."""
        return self.score(customer.kind, lambda name: getattr(customer, name), customer.custom)


def _columns(weights: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(column(name), weight) for name, weight in weights.items() if not name.startswith(CUSTOM)]
