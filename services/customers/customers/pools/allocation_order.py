"""What somebody, or a pool's schedule, wants allocated among whom, judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from chassis.errors import Invalid

MOST_CUSTOMERS = 200_000
MOST_NAMES = 10_000
MOST_RECEIVERS = 500
MOST_WEIGHT = 1_000_000


class Strategy(StrEnum):
    """By what customers are shared out. The names are those of `AllocationStrategy`."""

    EVEN_RANDOM = "EVEN_RANDOM"
    BY_CAPACITY = "BY_CAPACITY"
    BY_VALUE = "BY_VALUE"


@dataclass(frozen=True)
class Wanted:
    """Somebody who is to get customers."""

    user_id: UUID
    weight: int = 1
    absent: bool = False


@dataclass(frozen=True)
class Order:
    """Which customers are to be allocated to whom."""

    receivers: Sequence[Wanted]
    customer_ids: Sequence[UUID] = ()
    """All of the pool if empty."""
    condition: Mapping[str, Any] | None = None
    """The JSON form of a `crm.common.v1.Filter`."""
    most: int = MOST_CUSTOMERS

    def __post_init__(self) -> None:
        _check_receivers(self.receivers)
        if len(self.customer_ids) > MOST_NAMES:
            raise Invalid("TOO_MANY_NAMES", f"name at most {MOST_NAMES:,} customers, or use a filter", field="names")
        if len(set(self.customer_ids)) < len(self.customer_ids):
            raise Invalid("DUPLICATE_NAMES", "name each customer once", field="names")
        if self.customer_ids and self.condition:
            raise Invalid("INVALID_VALUE", "give either names or a filter", field="filter")
        if not 1 <= self.most <= MOST_CUSTOMERS:
            raise Invalid("OUT_OF_RANGE", f"allocate from 1 to {MOST_CUSTOMERS:,} customers", field="max_customers")

    def to_json(self) -> dict[str, Any]:
        """The form in which it is kept."""
        return {
            "receivers": [[str(one.user_id), one.weight, one.absent] for one in self.receivers],
            "customers": [str(one) for one in self.customer_ids],
            "condition": self.condition,
            "most": self.most,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read the form in which it is kept."""
        receivers = [Wanted(UUID(user), weight, absent) for user, weight, absent in values["receivers"]]
        return cls(receivers, [UUID(one) for one in values["customers"]], values["condition"], values["most"])


def _check_receivers(receivers: Sequence[Wanted]) -> None:
    if not 1 <= len(receivers) <= MOST_RECEIVERS:
        raise Invalid("TOO_MANY_NAMES", f"name from 1 to {MOST_RECEIVERS} receivers", field="receivers")
    if len({one.user_id for one in receivers}) < len(receivers):
        raise Invalid("DUPLICATE_NAMES", "name each receiver once", field="receivers")
    for at, one in enumerate(receivers):
        if not 1 <= one.weight <= MOST_WEIGHT:
            message = f"a weight is from 1 to {MOST_WEIGHT:,}"
            raise Invalid("OUT_OF_RANGE", message, field=f"receivers[{at}].weight")
