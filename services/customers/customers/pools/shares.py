"""What receivers get of an allocation and what they are owed for it, in the form in which it is kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Self
from uuid import UUID

from customers.pools.fairness import Receiver, jain


@dataclass(frozen=True)
class Received:
    """Customers that somebody received, and what these are worth in millionths."""

    count: int = 0
    value: int = 0


@dataclass(frozen=True)
class AllocationShare:
    """What somebody is to get, gets, and is owed. Values are millionths."""

    user_id: UUID
    weight: int
    skipped: str = ""
    room: int = 0
    entitled: Fraction = Fraction(0)
    count: int = 0
    value: int = 0
    count_debt_before: Fraction = Fraction(0)
    count_debt: Fraction = Fraction(0)
    value_debt_before: int = 0
    value_debt: int = 0

    def to_json(self) -> dict[str, Any]:
        """The form in which it is kept: fractions and large numbers as texts."""
        return {key: value if isinstance(value, str) else str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, str]) -> Self:
        """Read the form in which it is kept."""
        return cls(**{key: _READERS[key](value) for key, value in values.items()})

    @property
    def receiver(self) -> Receiver[UUID]:
        """The same as one who takes part."""
        return Receiver(self.user_id, self.weight, self.room, self.count_debt_before, self.value_debt_before)


_READERS: Mapping[str, Any] = {
    "user_id": UUID, "weight": int, "skipped": str, "room": int, "entitled": Fraction, "count": int, "value": int,
    "count_debt_before": Fraction, "count_debt": Fraction, "value_debt_before": int, "value_debt": int,
}  # fmt: skip


def settled(
    shares: Sequence[AllocationShare], received: Mapping[UUID, Received], *, by_value: bool
) -> list[AllocationShare]:
    """The shares with what was received in the end. Entitled are they to parts of what was given in the end, too: what
    could not be given is owed by nobody."""
    given = sum(one.count for one in received.values())
    worth = sum(one.value for one in received.values())
    entitled = sum((share.entitled for share in shares), Fraction(0))
    result = []
    for share in shares:
        got = received.get(share.user_id, Received())
        part = share.entitled / entitled if entitled else Fraction(0)
        value_debt = share.value_debt_before + (round(worth * part) - got.value if by_value else 0)
        result.append(
            replace(
                share,
                count=got.count,
                value=got.value,
                count_debt=share.count_debt_before + given * part - got.count,
                value_debt=value_debt,
            )
        )
    return result


@dataclass(frozen=True)
class Evenness:
    """How even an allocation is among those who took part."""

    count_spread: int
    count_jain: Fraction
    value_jain: Fraction

    @classmethod
    def of(cls, shares: Iterable[AllocationShare]) -> Self:
        """That of an allocation."""
        parts = [share for share in shares if not share.skipped]
        counts = [share.count for share in parts]
        return cls(
            max(counts, default=0) - min(counts, default=0),
            jain([Fraction(share.count, share.weight) for share in parts]),
            jain([Fraction(share.value, share.weight) for share in parts]),
        )
