"""Whatever is killed while events flow, each takes effect once, in the order of its subject."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded import rabbitmq

sys.path.append(str(Path(__file__).parent))

from event_suite import EventSuite, Producers, kill

EVENTS = 5000


class Suite(EventSuite):
    """With a broker of its own, which can be killed, too."""

    def __init__(self, folder: Path) -> None:
        self.broker = rabbitmq.start(folder / "rabbitmq")
        super().__init__(folder, self.broker.url)

    def kill_broker(self) -> None:
        """Kill the broker and start it again."""
        kill(self.broker.process.pid)
        self.broker = rabbitmq.start(self.folder / "rabbitmq", self.broker.port)

    def close(self) -> None:
        """Stop all."""
        super().close()
        self.broker.stop()


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    suite = Suite(tmp_path)
    try:
        suite.begin()
        yield suite
    finally:
        suite.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_event_is_lost_doubled_or_overtaken_whatever_is_killed(suite: Suite) -> None:
    with Producers(suite, EVENTS) as producers:
        suite.let_flow(300)
        for fault in (
            lambda: suite.kill_worker("first"),  # one of them has the relay and the handler, the other waits
            lambda: suite.kill_worker("second"),
            suite.kill_broker,
            suite.kill_database,
            lambda: suite.kill_worker("first"),
        ):
            fault()
            suite.let_flow(300)
        producers.finish()
    suite.judge(EVENTS)
