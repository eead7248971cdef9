"""What was taken in stays, though the database goes away: each receipt becomes one lead, whatever is killed when."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from chassis.testing import eventually

SECONDS, PER_SECOND, SENDERS = 6, 60, 24
FAULT_AFTER = 1.5
CREATE = """mutation($input: CreateCaptureSourceInput!) {
  createCaptureSource(input: $input) { secret captureSource { id capturePath } } }"""
TAKEN = [{"field": "contact_name", "path": "name"}, {"field": "external_id", "path": "id"}]
REFUSALS = {429, 503, 504}
"""What a sender is told that may send it again."""


class World:
    """Sends at a steady rate, and again what was not acknowledged, as other systems do."""

    def __init__(self, url: str, path: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=SENDERS))
        self._path, self._headers = path, {"x-capture-key": key, "content-type": "application/json"}
        self._lock = threading.Lock()
        self.acknowledged: list[str] = []
        self.refused = 0

    def send(self, number: int, began: float) -> None:
        time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
        body = json.dumps({"name": f"压力{number}", "id": f"{number}"})
        while True:
            answer = self._client.post(self._path, content=body, headers=self._headers)
            with self._lock:
                if answer.status_code == 202:
                    self.acknowledged.append(answer.json()["receipt"])
                    return
                assert answer.status_code in REFUSALS, answer.text
                self.refused += 1
            time.sleep(0.3)


@pytest.fixture
def make_durable(suite):
    """Lets a killed database keep what it has confirmed, as in production: suites of tests give that up for speed."""

    def make() -> None:
        with suite.database("leads") as connection:
            connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = on")
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = CURRENT_USER"
            connection.execute(f"{others} AND pid <> pg_backend_pid()")

    yield make
    with suite.database("leads") as connection:
        connection.execute("ALTER ROLE CURRENT_USER RESET synchronous_commit")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("process", ["postgres", "leads-serve", "leads-work"])
def test_nothing_that_was_taken_in_is_lost_or_doubled(suite, admin, make_durable, process):
    limits = {"callsPerMinute": 100_000, "callsPerAddressPerMinute": 100_000}
    values = {"name": f"故障{uuid4().hex[:6]}", "kind": "FORM", "leadFields": TAKEN, **limits}
    made = admin.run(CREATE, input=values)["createCaptureSource"]
    source = made["captureSource"]
    make_durable()
    world = World(suite.gateway_url, source["capturePath"], made["secret"])
    with ThreadPoolExecutor(SENDERS) as pool:
        began = time.monotonic()
        sending = [pool.submit(world.send, number, began) for number in range(SECONDS * PER_SECOND)]
        time.sleep(FAULT_AFTER)
        suite.kill(process)
        suite.start(process)
        for each in sending:
            each.result(240)
    count = SECONDS * PER_SECOND
    assert len(set(world.acknowledged)) == len(world.acknowledged) == count
    key = source["id"].partition("/")[2]

    def judged() -> bool:
        with suite.database("leads") as connection:
            query = "SELECT count(*) FROM capture_submission WHERE source_id = %s AND state = 'NEW'"
            return connection.execute(query, (key,)).fetchone() == (0,)

    eventually(judged, timeout=180)
    with suite.database("leads") as connection:
        query = "SELECT external_id FROM lead WHERE capture_source_id = %s"
        leads = [row[0] for row in connection.execute(query, (key,))]
        query = "SELECT id::text FROM capture_submission WHERE source_id = %s"
        kept = {f"captureSubmissions/{row[0]}" for row in connection.execute(query, (key,))}
    assert sorted(leads, key=int) == [str(number) for number in range(count)]
    assert kept >= set(world.acknowledged)
