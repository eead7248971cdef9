"""What a service does by the clock: every so often, or at a time of day.

A run and the note that it was made are one transaction, under an advisory lock per timer: a timer runs once per
period, on one replica, whatever dies. After downtime a timer runs once, for the last time that it was due, and one
whose every day counts once for each day missed, in order. In a test installation the loop looks at the business time
every second and whenever it is moved, so that timers follow it.
"""

import logging
import time as monotonic_time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from chassis import metrics
from chassis.callers import service_caller
from chassis.db import ChassisTables, Database, ServiceSession
from chassis.hearing import Hearing
from chassis.organisation import organisation
from chassis.stopping import Stopping
from chassis.telemetry import span_from

RETRY_SECONDS = (1, 5, 30, 120, 300)
"""How long a timer that failed waits before it is tried again; then always the last."""

_MOST_SECONDS = 30.0
_TEST_SECONDS = 1.0
_BUSY_SECONDS = 1.0
_BEGINNING = datetime.min.replace(tzinfo=UTC)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timer:
    """Something to do by the clock: give either `every` or `daily_at`."""

    name: str
    """Unique in the service. A timer that is renamed begins anew."""
    run: Callable[[ServiceSession, datetime], bool | None]
    """Does it, for the time at which it was due, in a transaction that it must not commit. After a failure it is
    called again for the same time. So it is a second later if it returns True: it passed over what others hold."""
    every: timedelta | None = None
    daily_at: time | None = None
    """By the organisation's clock."""
    each_day: bool = False
    """Whether a daily timer makes up for every day missed, rather than for the last."""

    def __post_init__(self) -> None:
        if (self.every is None) == (self.daily_at is None):
            raise ValueError(f"timer {self.name}: give either every or daily_at")
        if self.every is not None and self.every <= timedelta(0):
            raise ValueError(f"timer {self.name}: every must be longer than nothing")
        if self.each_day and self.daily_at is None:
            raise ValueError(f"timer {self.name}: only a daily timer has days to make up for")

    def next_due(self, last: datetime, zone: ZoneInfo) -> datetime:
        """The first time it is due after it was last due."""
        if self.every is not None:
            return last + self.every
        day = last.astimezone(zone).date()
        due = self._on(day, zone)
        return due if due > last else self._on(day + timedelta(days=1), zone)

    def due(self, last: datetime, now: datetime, zone: ZoneInfo) -> datetime | None:
        """The time that it is to run for now, or None if it is not due."""
        following = self.next_due(last, zone)
        if following > now:
            return None
        if self.every is not None:
            return last + (now - last) // self.every * self.every
        if self.each_day:
            return following
        day = now.astimezone(zone).date()
        today = self._on(day, zone)
        return today if today <= now else self._on(day - timedelta(days=1), zone)

    def _on(self, day: date, zone: ZoneInfo) -> datetime:
        assert self.daily_at is not None
        return datetime.combine(day, self.daily_at, zone).astimezone(UTC)


class TimerRun(ChassisTables):
    """How far a timer has come."""

    __tablename__ = "timer_run"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_due: Mapped[datetime]
    """The time that it last ran for, or when it was first seen. Business time."""
    checked_until: Mapped[datetime]
    """Nothing that was due before this time is still to be done. Business time."""


def caught_up(session: ServiceSession, until: datetime) -> bool:
    """Whether the service's timers have done all that was due before a time. In a test installation only: elsewhere
    `checked_until` moves when a timer runs."""
    behind = select(func.count()).select_from(TimerRun).where(TimerRun.checked_until < until)
    return not session.scalar(behind)


def has_rows(session: ServiceSession, passed_over: Select[*tuple[Any, ...]]) -> bool:
    """Whether anything is left of what a timer dealt with, passing over what others hold: what its run returns."""
    return bool(session.scalar(select(passed_over.order_by(None).limit(None).exists())))


def turn_back(session: ServiceSession, now: datetime) -> None:
    """Note that the business time was moved back to `now`: what is due from there on is due again."""
    session.execute(
        update(TimerRun).values(
            last_due=func.least(TimerRun.last_due, now), checked_until=func.least(TimerRun.checked_until, now)
        )
    )


@dataclass
class _Progress:
    due: datetime = _BEGINNING
    failures: int = 0
    retry_at: float = 0.0


class TimerLoop:
    """Runs a service's timers until it is stopped. Waits for a database that is away."""

    def __init__(
        self, database: Database, timers: Sequence[Timer], *, test_clock: bool, moves: Hearing | None = None
    ) -> None:
        """`moves` of the test clock end a pause between two looks."""
        self._database = database
        self._timers = timers
        self._zone = database.zone
        self._test_clock = test_clock
        self._moves = moves
        self._progress = {timer.name: _Progress() for timer in timers}
        self._looked_at = _BEGINNING
        self._looked_until = _BEGINNING
        """Nothing that was due before this time is still to be done."""
        self.stopping = Stopping()
        for name in self._progress:
            metrics.TIMER_RUNS.labels(database.service, name, "failed")  # from 0 on, so that the first is an increase
        if len(self._progress) < len(timers):
            raise ValueError(f"{database.service} has two timers of one name")

    def stop(self) -> None:
        """Ask `run` to finish the timer under way and return."""
        self.stopping.set()

    def run(self) -> None:
        """Run timers until stopped."""
        has_begun = False
        while self._timers and not self.stopping.is_set():
            try:
                if not has_begun:
                    self._begin()
                    has_begun = True
                self._pause(self.look())
            except Exception:  # the clock itself may fail: it is read from the database
                log.exception("timers cannot be looked at", extra={"service": self._database.service})
                self.stopping.wait(_BUSY_SECONDS)
        if self._moves is not None:
            self._moves.close()

    def _pause(self, seconds: float) -> None:
        if self._moves is None:
            self.stopping.wait(seconds)
        else:
            self._moves.wait(seconds)

    def look(self) -> float:
        """Run what is due. Returns how many seconds may pass until the next look."""
        with self._database.read(service_caller(self._database.service)) as session:
            now, zone = session.now, organisation(session).zone
            turned_back = self._test_clock and (now < self._looked_at or self._was_turned_back(session))
        if turned_back:
            self._turn_back(now)
        self._looked_at = now
        self._follow(zone)
        for timer in self._timers:
            if self.stopping.is_set():
                return 0.0
            self._attend(timer, now)
        self._note(now)
        if self._test_clock:
            return _TEST_SECONDS
        waits = [self._wait_of(progress, now) for progress in self._progress.values()]
        return max(0.0, min(waits, default=_MOST_SECONDS))

    def _attend(self, timer: Timer, now: datetime) -> None:
        progress = self._progress[timer.name]
        if now < progress.due or monotonic_time.monotonic() < progress.retry_at:
            return
        try:
            while progress.due <= now and not self.stopping.is_set():
                following = self._run_once(timer, now)
                if following is None:
                    progress.retry_at = monotonic_time.monotonic() + _BUSY_SECONDS
                    return
                progress.due, progress.failures, progress.retry_at = following, 0, 0.0
        except Exception:
            seconds = RETRY_SECONDS[min(progress.failures, len(RETRY_SECONDS) - 1)]
            progress.failures += 1
            progress.retry_at = monotonic_time.monotonic() + seconds
            metrics.TIMER_RUNS.labels(self._database.service, timer.name, "failed").inc()
            log.exception("timer failed", extra={"timer": timer.name, "retry_in": seconds})

    def _run_once(self, timer: Timer, now: datetime) -> datetime | None:
        """Run a timer for the first time it is due, if it is. Returns when it is due next; None if it is to be looked
        at again soon, as another replica is at it, or others hold a part of what it is about."""
        database, started = self._database, monotonic_time.monotonic()
        with (
            span_from("", f"timer {timer.name}"),
            database.write(service_caller(database.service)) as session,
        ):
            last = _claim(session, timer, now)
            if last is None:
                return None
            due = timer.due(last, now, self._zone)
            if due is None:
                return timer.next_due(last, self._zone)
            if timer.run(session, due):
                return None
            session.execute(update(TimerRun).where(TimerRun.name == timer.name).values(last_due=due, checked_until=due))
        metrics.TIMER_RUNS.labels(database.service, timer.name, "done").inc()
        log.info(
            "timer ran",
            extra={
                "timer": timer.name,
                "due": due.isoformat(),
                "ms": round((monotonic_time.monotonic() - started) * 1000, 1),
            },
        )
        return timer.next_due(due, self._zone)

    def _note(self, now: datetime) -> None:
        """In a test installation: note how far the timers have come, for whoever moved the clock and waits."""
        if not self._test_clock:
            return
        done = [timer.name for timer in self._timers if self._progress[timer.name].due > now]
        with self._database.write(service_caller(self._database.service)) as session:
            if session.now < now:
                return  # the time was moved back meanwhile, as the next look finds out
            session.execute(update(TimerRun).where(TimerRun.name.in_(done)).values(checked_until=now))
        if len(done) == len(self._timers):
            self._looked_until = now

    def _begin(self) -> None:
        if not self._test_clock:
            return
        with self._database.write(service_caller(self._database.service)) as session:
            turn_back(session, session.now)  # in case it was moved while nobody looked
            # Nobody brings the timers of former releases up to date, so nobody should wait for them.
            session.execute(delete(TimerRun).where(TimerRun.name.not_in(self._progress)))

    def _was_turned_back(self, session: ServiceSession) -> bool:
        """Whether the time was moved back and forth since the last look."""
        behind = select(TimerRun.name).where(
            TimerRun.name.in_(self._progress), TimerRun.checked_until < self._looked_until
        )
        return bool(session.scalar(select(behind.exists())))

    def _turn_back(self, now: datetime) -> None:
        with self._database.write(service_caller(self._database.service)) as session:
            turn_back(session, now)
        self._looked_until = _BEGINNING
        self._progress = {timer.name: _Progress() for timer in self._timers}

    def _follow(self, zone: ZoneInfo) -> None:
        """When the organisation's clock changes, times of day are due at other moments."""
        if zone != self._zone:
            self._zone = zone
            for timer in self._timers:
                self._progress[timer.name].due = _BEGINNING

    def _wait_of(self, progress: _Progress, now: datetime) -> float:
        wait = max((progress.due - now).total_seconds(), progress.retry_at - monotonic_time.monotonic())
        return min(wait, _MOST_SECONDS)


def _claim(session: ServiceSession, timer: Timer, now: datetime) -> datetime | None:
    """When a timer was last due; None if another transaction holds it. One never seen before begins now."""
    if not session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(f"timer {timer.name}", 0)))):
        return None
    last = session.scalar(select(TimerRun.last_due).where(TimerRun.name == timer.name))
    if last is None:
        session.execute(insert(TimerRun).values(name=timer.name, last_due=now, checked_until=now))
        return now
    return last
