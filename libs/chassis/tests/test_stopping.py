"""A loop shows that it turns by asking whether to stop; one that does not ask any more fails the liveness probe."""

import json
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from chassis.metrics import Monitor
from chassis.stopping import Stopping
from chassis.testing import eventually


def test_only_a_loop_under_way_is_silent():
    stopping = Stopping()
    time.sleep(0.02)
    assert stopping.silence() == 0, "it has not begun"
    assert not stopping.is_set()
    time.sleep(1)
    assert stopping.silence() >= 1
    assert eventually(lambda: not stopping.wait(0.01) and stopping.silence() < 1)
    time.sleep(0.02)
    stopping.end()
    assert stopping.silence() == 0, "it has returned"


def test_what_only_a_new_process_would_mend_fails_liveness_and_a_server_that_is_away_does_not():
    stuck = {"leads timers": ""}
    monitor = Monitor("127.0.0.1:0", {"database": lambda: "away"}, {"leads timers": lambda: stuck["leads timers"]})
    monitor.start()
    try:
        with urlopen(f"http://127.0.0.1:{monitor.port}/livez", timeout=30) as answer:
            assert json.loads(answer.read()) == {"alive": True, "failing": {}}
        stuck["leads timers"] = "no progress for 901 s"
        with pytest.raises(HTTPError, match="503") as caught:
            urlopen(f"http://127.0.0.1:{monitor.port}/livez", timeout=30)
        assert json.loads(caught.value.read())["failing"] == stuck
    finally:
        monitor.stop()
