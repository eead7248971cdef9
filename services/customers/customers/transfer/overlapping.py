"""Writing chunks in transactions that overlap, and end in the order of the file.

While PostgreSQL flushes one chunk to disk, or waits for its rows, another process of it works on the next one.
The checkpoint of a job says up to which row all is in: so each transaction waits for the one before to be committed
before it saves its own. Only chunks may overlap that cannot be in each other's way: a transaction that waits for its
turn holds locks of which PostgreSQL cannot know that somebody waits for them in turn. If what others write brings
such a circle about all the same, a lock times out, and both chunks are written again, one after the other.
"""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

AT_ONCE = 2
"""Transactions under way. A third one would only wait: there is one thread that makes customers ready."""

T = TypeVar("T")


class GaveWay(Exception):
    """The chunk before is written again. The transaction must roll back, and begin anew when that is done."""


class Turn:
    """The place of one chunk in the order."""

    def __init__(self, before: "Turn | None" = None) -> None:
        self._before = before
        self._settled, self._ended = threading.Event(), threading.Event()
        self._committed = False

    def wait(self) -> None:
        """Wait until what this chunk saves may be saved. Raises GaveWay if that is not to be expected soon."""
        if self._before is not None:
            self._before._settled.wait()
            if not self._before._committed:
                raise GaveWay

    def wait_alone(self) -> None:
        """Let nobody wait for this chunk any longer, and wait until the one before has ended, well or not."""
        self._settled.set()
        if self._before is not None:
            self._before._ended.wait()
            if not self._before._committed:
                raise GaveWay

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The writing of the chunk, from its first attempt to its commit or its failure."""
        try:
            yield
            self._committed = True
        finally:
            self._settled.set()
            self._ended.set()
            self._before = None


class Overlapping(Generic[T]):
    """Runs steps in threads of its own, some at once. Use it as a context: in the end all have ended."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._steps: deque[tuple[Future[T], Turn]] = deque()

    def __enter__(self) -> "Overlapping[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def start(self, step: Callable[[Turn], T], *, alone: bool) -> Iterator[T]:
        """Start a step. Yields what earlier ones came to that had to end before, and raises what they raised.

        A step `alone` starts when all others have ended.
        """
        while len(self._steps) >= (1 if alone else AT_ONCE):
            yield self._steps.popleft()[0].result()
        turn = Turn(self._steps[-1][1] if self._steps else None)
        context = contextvars.copy_context()  # so that what the thread does is part of the same trace
        self._steps.append((self._pool.submit(context.run, _run, step, turn), turn))

    def finish(self) -> Iterator[T]:
        """Yields what the last steps came to."""
        while self._steps:
            yield self._steps.popleft()[0].result()


def _run(step: Callable[[Turn], T], turn: Turn) -> T:
    with turn.taken():
        return step(turn)
