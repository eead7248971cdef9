"""Producing in one thread what another uses, some items ahead."""

import contextvars
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Iterates over a source in a thread, so that reading goes on while the database works. Close it in the end."""

    def __init__(self, source: Iterable[T], depth: int = 2) -> None:
        self._source = source
        self._items: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
        self._closed = threading.Event()
        context = contextvars.copy_context()  # so that what the thread does is part of the same trace
        self._thread = threading.Thread(target=context.run, args=(self._produce,), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        while True:
            more, item = self._items.get()
            if more:
                yield item
            elif item is not None:
                raise item
            else:
                return

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        self._thread.join()

    def _produce(self) -> None:
        try:
            for item in self._source:
                if not self._put((True, item)):
                    return
            self._put((False, None))
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that iterates)
            self._put((False, error))

    def _put(self, item: tuple[bool, Any]) -> bool:
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
