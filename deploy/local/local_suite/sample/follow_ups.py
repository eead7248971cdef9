"""Two years of follow-ups with the customers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from local_suite.sample.customers import SampleCustomer
from local_suite.sample.words import NOTES

ZONE = ZoneInfo("Asia/Shanghai")
PATHS = {
    "POTENTIAL": ("POTENTIAL",),
    "ENGAGED": ("POTENTIAL", "ENGAGED"),
    "WON": ("POTENTIAL", "ENGAGED", "WON"),
    "DORMANT": ("POTENTIAL", "ENGAGED", "WON", "DORMANT"),
    "LOST": ("POTENTIAL", "ENGAGED", "LOST"),
}


@dataclass(frozen=True)
class SampleFollowUp:
    """One touch with a customer."""

    number: int
    customer: SampleCustomer
    method: str
    content: str
    occur_time: datetime
    next_contact_time: datetime | None


def make_follow_ups(
    random: Random, customers: Sequence[SampleCustomer], now: datetime, count: int
) -> Iterator[SampleFollowUp]:
    """That many follow-ups, most with the customers that matter, in office hours of the last two years."""
    weights = [{"A": 8, "B": 4, "C": 2, "D": 1, "E": 0.5}[customer.level] for customer in customers]
    shares: dict[int, int] = {}
    for customer in random.choices(customers, weights=weights, k=count):
        shares[customer.number] = shares.get(customer.number, 0) + 1
    number = 0
    for customer in customers:
        touches = shares.get(customer.number, 0)
        times = sorted(_office_time(random, now) for _ in range(touches))
        path = PATHS[customer.status]
        for position, occur_time in enumerate(times):
            number += 1
            stage = path[position * len(path) // touches]
            method, template = random.choice(NOTES[stage])
            content = template.format(
                person=customer.contact, want=random.choice(customer.industry.wants), industry=customer.industry.name
            )
            last = position == touches - 1
            upcoming = now + timedelta(days=random.randint(1, 30)) if last and random.random() < 0.3 else None
            yield SampleFollowUp(number, customer, method, content, occur_time, upcoming)


def _office_time(random: Random, now: datetime) -> datetime:
    """A time between 9:00 and 18:00 in China on a working day of the two years before now."""
    while True:
        day = (now.astimezone(ZONE) - timedelta(days=random.randint(1, 730))).date()
        if day.weekday() < 5:
            minute = timedelta(minutes=random.randint(0, 9 * 60))
            return (datetime.combine(day, time(9), ZONE) + minute).astimezone(UTC)
