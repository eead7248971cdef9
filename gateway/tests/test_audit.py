"""The audit logs of all services as one list, whole and in order whatever happens meanwhile."""

import pytest
from chassis.errors import Denied
from gateway.merging import Part, from_cursor, merge, to_cursor
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

LIST = """query($first: Int! = 3, $after: String, $filter: AuditFilterInput) {
  auditEntries(first: $first, after: $after, filter: $filter) {
    nodes { id time actorId actor { name } } edges { cursor node { id } }
    pageInfo { hasNextPage endCursor startCursor } missingServices } }"""
VERIFY = """query($after: String) { verifyAudit(after: $after) {
  complete endCursor services { service complete entryCount headHash broken { kind } } } }"""


def ids(connection):
    return [node["id"].removeprefix("auditEntries/") for node in connection["nodes"]]


async def test_entries_of_all_services_come_newest_first(suite):
    suite.world.logs |= {"identity": [10, 40], "customers": [20, 40], "leads": [30, 50]}
    page = (await suite.run(LIST, {"first": 6}))["auditEntries"]
    assert ids(page) == ["leads.1", "customers.1", "identity.1", "leads.0", "customers.0", "identity.0"]
    assert page["pageInfo"]["hasNextPage"] is False
    assert page["missingServices"] == []
    assert page["nodes"][0]["time"] == "1970-01-01T00:00:50Z"
    assert page["nodes"][0]["actor"] == {"name": "李伟"}
    assert suite.world.calls["BatchGetUsers"] == 1


async def test_pages_go_on_where_the_one_before_ended_while_entries_arrive(suite):
    logs = suite.world.logs
    logs |= {"identity": [1, 4], "customers": [2, 5], "leads": []}
    first = (await suite.run(LIST))["auditEntries"]
    logs["customers"].append(6)
    logs["leads"].append(7)
    second = (await suite.run(LIST, {"after": first["pageInfo"]["endCursor"]}))["auditEntries"]
    assert [*ids(first), *ids(second)] == ["customers.1", "identity.1", "customers.0", "identity.0"]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)


async def test_every_cursor_can_be_gone_on_from(suite):
    suite.world.logs |= {"identity": [1, 4, 4], "customers": [2, 4, 5], "leads": [3]}
    whole = (await suite.run(LIST, {"first": 50}))["auditEntries"]
    suite.world.logs["leads"].append(9)
    for place, edge in enumerate(whole["edges"], 1):
        rest = (await suite.run(LIST, {"first": 50, "after": edge["cursor"]}))["auditEntries"]
        assert ids(rest) == ids(whole)[place:]


async def test_a_service_that_is_down_costs_its_own_entries(suite):
    suite.world.logs |= {"identity": [1, 4], "customers": [2], "leads": [3, 5]}
    await suite.servers["leads"].stop(0)
    answer = (await suite.post(LIST)).json()
    [error] = answer["errors"]
    assert (error["extensions"]["code"], error["extensions"]["service"]) == ("UNAVAILABLE", "leads")
    assert error["path"] == ["auditEntries"]
    page = answer["data"]["auditEntries"]
    assert ids(page) == ["identity.1", "customers.0", "identity.0"]
    assert page["missingServices"] == ["leads"]
    assert page["pageInfo"]["hasNextPage"] is True


async def test_what_a_service_failed_to_give_comes_with_the_next_page(suite):
    suite.world.logs |= {"identity": [1, 4], "customers": [2], "leads": [3, 5]}
    first = (await suite.run(LIST, {"first": 1}))["auditEntries"]
    places = {"identity": "", "customers": "", "leads": ""}
    assert ids(first) == ["leads.1"]
    cursor = to_cursor({**places, "identity": None, "customers": None})  # the page after both were read to the end
    rest = (await suite.run(LIST, {"after": cursor}))["auditEntries"]
    assert ids(rest) == ["leads.1", "leads.0"]


async def test_without_any_answer_there_is_none(suite):
    suite.world.raising["ListAuditEntries"] = Denied("PERMISSION_DENIED", "no")
    refused = await suite.refused(LIST)
    assert (refused["code"], refused["reason"]) == ("PERMISSION_DENIED", "PERMISSION_DENIED")


@pytest.mark.parametrize("cursor", ["x", "bm8", to_cursor({})[:-1] + "!", "W10", "eyJhIjoxfQ"])
async def test_a_made_up_cursor_is_refused(suite, cursor):
    for query in (LIST, VERIFY):
        assert (await suite.refused(query, {"after": cursor}))["reason"] == "INVALID_PAGE_TOKEN"
    assert (await suite.refused(LIST, {"first": 201}))["reason"] == "PAGE_SIZE_OUT_OF_RANGE"


async def test_filters_reach_every_service(suite):
    await suite.run(LIST, {"filter": {"action": "customer.", "startTime": "2026-01-31T08:00:00+08:00"}})
    filters = [request.filter for request in suite.world.requests]
    assert len(filters) == 3
    assert {(each.action, each.start_time.ToJsonString()) for each in filters} == {
        ("customer.", "2026-01-31T00:00:00Z")
    }


async def test_a_long_log_is_verified_in_several_queries(suite):
    suite.world.logs |= {"identity": [0] * 250, "customers": [0] * 50, "leads": [0] * 150}
    seen, cursor = [], None
    while True:
        answer = (await suite.run(VERIFY, {"after": cursor}))["verifyAudit"]
        seen.append({each["service"]: each["entryCount"] for each in answer["services"]})
        cursor = answer["endCursor"]
        if answer["complete"]:
            break
    assert seen == [
        {"customers": 50, "identity": 100, "leads": 100},
        {"identity": 200, "leads": 150},
        {"identity": 250},
    ]
    assert cursor is None


async def test_a_log_that_cannot_be_verified_now_is_verified_later(suite):
    suite.world.logs["leads"] = [0] * 150
    await suite.servers["customers"].stop(0)
    answer = (await suite.post(VERIFY)).json()
    assert [error["extensions"]["service"] for error in answer["errors"]] == ["customers"]
    found = answer["data"]["verifyAudit"]
    assert [each["service"] for each in found["services"]] == ["identity", "leads"]
    assert found["complete"] is False


@given(
    logs=st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 5), max_size=8).map(sorted), min_size=1),
    arriving=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=6),
    size=st.integers(1, 5),
    data=st.data(),
)
def test_a_walk_sees_each_entry_once_in_order_whatever_arrives(logs, arriving, size, data):
    """Entries are (time, number); newer ones are appended while the pages are read, at the newest time at least."""

    def read(name, token, limit):
        below = int(token) if token else 10**9
        found = [(time, number) for number, time in enumerate(logs[name]) if number < below][::-1]
        start = str(found[0][1] + 1) if found else ""
        return Part(found[:limit], start, str(found[limit - 1][1]) if len(found) > limit else "")

    expected = {(name, number) for name, log in logs.items() for number in range(len(log))}
    seen, cursor = [], None
    while True:
        places = from_cursor(cursor, logs)
        parts = {name: read(name, token, size) for name, token in places.items() if token is not None}
        page = list(merge(parts, places, lambda entry: -entry[0], lambda entry: str(entry[1])))[:size]
        seen += [(entry[0], entry[1], place) for entry, place in page]
        for name, step in arriving[:2] if data.draw(st.booleans()) else ():
            if name in logs:
                newest = max((time for log in logs.values() for time in log), default=0)
                logs[name].append(newest + step)
        if not page or all(token is None for token in page[-1][1].values()):
            break
        cursor = to_cursor(page[-1][1])
    times = [time for time, _, _ in seen]
    assert times == sorted(times, reverse=True)
    assert len(seen) == len(expected)
    assert sorted(number for _, number, _ in seen) == sorted(number for _, number in expected)
