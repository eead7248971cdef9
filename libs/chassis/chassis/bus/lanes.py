"""The events a consumer has in hand, and which of them may be handled next."""

from collections import deque
from dataclasses import dataclass, field

from chassis.bus.envelope import Received


@dataclass
class Delivery:
    """An event that the broker delivered and that is not acknowledged yet."""

    tag: int
    body: bytes
    event: Received
    attempts: int = 0
    """How often its handler has failed."""
    alone: bool = False
    """Whether to handle it in a transaction of its own."""

    @property
    def lane(self) -> str:
        """What it must stay in order with. An event without a subject has no order."""
        return self.event.subject or str(self.event.id)


@dataclass
class _Parked:
    due: float
    deliveries: deque[Delivery] = field(default_factory=deque)


class Lanes:
    """Hands out deliveries in the order they came, except that a subject whose event failed waits.

    Invariant: the deliveries of one subject are all ready or all parked, and in the order they came. A failed
    event is parked with everything of its subject behind it, what comes later joins them, and they get ready
    together. So no event is handed out before an earlier one of its subject is settled.
    """

    def __init__(self) -> None:
        self._ready: deque[Delivery] = deque()
        self._parked: dict[str, _Parked] = {}

    def __bool__(self) -> bool:
        """Whether any delivery may be handled without waiting."""
        return bool(self._ready)

    def add(self, delivery: Delivery) -> None:
        """Take in what the broker delivered."""
        parked = self._parked.get(delivery.lane)
        (parked.deliveries if parked else self._ready).append(delivery)

    def take(self, limit: int) -> list[Delivery]:
        """Hand out what is to be handled next in one transaction: at most `limit` deliveries."""
        batch: list[Delivery] = []
        while self._ready and len(batch) < limit:
            if self._ready[0].alone and batch:
                break
            batch.append(self._ready.popleft())
            if batch[-1].alone:
                break
        return batch

    def put_back(self, batch: list[Delivery]) -> None:
        """Return what was handed out last, to be handed out again first."""
        self._ready.extendleft(reversed(batch))

    def park(self, failed: Delivery, due: float) -> None:
        """Let a delivery that was handed out, and all later ones of its subject, wait until `due`."""
        behind = [delivery for delivery in self._ready if delivery.lane == failed.lane]
        if behind:
            self._ready = deque(delivery for delivery in self._ready if delivery.lane != failed.lane)
        self._parked[failed.lane] = _Parked(due, deque([failed, *behind]))

    def release(self, now: float) -> None:
        """Make ready what has waited long enough."""
        for lane in [lane for lane, parked in self._parked.items() if parked.due <= now]:
            self._ready.extendleft(reversed(self._parked.pop(lane).deliveries))

    def next_due(self) -> float | None:
        """When the next parked delivery is due."""
        return min((parked.due for parked in self._parked.values()), default=None)
