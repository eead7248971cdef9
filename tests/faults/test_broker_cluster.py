"""Each node of a cluster of brokers is lost once while events flow: each of them takes effect once, in order."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chassis.bus.topology import connected
from embedded.rabbitmq_cluster import Cluster

sys.path.append(str(Path(__file__).parent))

from event_services import SUBSCRIPTION
from event_suite import EventSuite, Producers

NODES = 3
EVENTS = 1500


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "rabbitmq", NODES) as cluster:
        yield cluster


@pytest.fixture
def suite(tmp_path: Path, cluster: Cluster) -> Iterator[EventSuite]:
    suite = EventSuite(tmp_path, cluster.url)
    try:
        suite.begin()
        yield suite
    finally:
        suite.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_events_go_on_over_the_nodes_that_are_left_and_none_is_lost_or_doubled(suite: EventSuite, cluster: Cluster):
    for url in cluster.urls:
        with connected(url) as connection:
            assert connection.channel().queue_declare(SUBSCRIPTION.queue, passive=True), "it is one cluster"
    with Producers(suite, EVENTS) as producers:
        suite.let_flow(200)
        for node in range(NODES):  # one of them leads the queue, and each the clients that are connected to it
            cluster.kill(node)
            suite.let_flow(200)
            cluster.start(node)
        producers.finish()
    suite.judge(EVENTS)
