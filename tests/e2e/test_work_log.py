"""What people did in a period, counted and exported for whoever may see it, through GraphQL."""

from collections import Counter
from uuid import uuid4

import pytest
from chassis.testing import eventually

ROLE = ("customer.read", "customer.create", "follow_up.read", "follow_up.create", "user.read")
LOG = "mutation($input: BatchLogFollowUpsInput!) { batchLogFollowUps(input: $input) { reason followUp { id } } }"
STATISTICS = """query($criteria: WorkCriteriaInput!, $by: [WorkGrouping!]) {
  workStatistics(criteria: $criteria, groupBy: $by, first: 200) {
    nodes { personId departmentId method day total effective ineffective subjects } } }"""
WORK = """query($criteria: WorkCriteriaInput!) { workLog(criteria: $criteria, first: 200) {
  nodes { resource kind personId method summary subject subjectTitle } } }"""
RAW = "{ followUps(first: 200) { nodes { id authorId method occurTime verdict } } }"
PERIOD = {"fromDay": "2026-01-05", "untilDay": "2026-01-11"}


@pytest.fixture
def team(organisation):
    """A manager and two representatives, who logged some follow-ups in the second week of January."""
    department = organisation.department("日志")
    rep, boss = organisation.role("SELF", *ROLE), organisation.role("DEPARTMENT_TREE", *ROLE, "follow_up.export")
    _, manager = organisation.user(department, boss)
    reps = [organisation.user(department, rep) for _ in range(2)]
    for number, (_, client) in enumerate(reps):
        create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
        customer = client.run(create, input={"name": f"日志{uuid4().hex}"})["createCustomer"]["id"]
        drafts = [
            {
                "customerId": customer,
                "method": ("CALL", "WECHAT")[each % 2],
                "content": f"=1+1 第{each}次沟通",
                "occurTime": f"2026-01-{4 + each:02}T17:30:00Z",
            }
            for each in range(1 + 3 * (number + 1))
        ]
        done = client.run(LOG, input={"followUps": drafts})["batchLogFollowUps"]
        assert all(one["followUp"] for one in done)
    counts = "query($c: WorkCriteriaInput!) { workStatistics(criteria: $c) { nodes { total } } }"
    # The manager sees what the customers' events have brought here.
    eventually(lambda: manager.run(counts, c=PERIOD)["workStatistics"]["nodes"] == [{"total": 11}], timeout=30)
    return department, manager, reps


@pytest.mark.feature("C9")
def test_counts_equal_the_raw_records_of_whoever_looks(team):
    department, manager, reps = team
    for client in (manager, *(client for _, client in reps)):
        raw = [
            one
            for one in client.run(RAW)["followUps"]["nodes"]
            if "2026-01-04T16" <= one["occurTime"] < "2026-01-11T16"
        ]
        wanted = Counter((one["authorId"], one["method"]) for one in raw)
        told = client.run(STATISTICS, criteria=PERIOD, by=["PERSON", "METHOD"])["workStatistics"]["nodes"]
        assert {(one["personId"], one["method"]): one["total"] for one in told} == dict(wanted)
        [whole] = client.run(STATISTICS, criteria=PERIOD | {"departmentId": department})["workStatistics"]["nodes"]
        effective = sum(one["verdict"] == "EFFECTIVE" for one in raw)
        assert (whole["total"], whole["effective"]) == (len(raw), effective)
    days = manager.run(STATISTICS, criteria=PERIOD, by=["DAY"])["workStatistics"]["nodes"]
    assert [(one["day"], one["total"]) for one in days[:2]] == [("2026-01-05", 2), ("2026-01-06", 2)]


@pytest.mark.feature("C9")
def test_the_daily_log_of_any_person_is_that_of_the_count(team):
    _, manager, reps = team
    rep = reps[0][0]
    criteria = PERIOD | {"personId": rep, "method": "CALL"}
    entries = manager.run(WORK, criteria=criteria)["workLog"]["nodes"]
    [count] = manager.run(STATISTICS, criteria=criteria)["workStatistics"]["nodes"]
    assert (len(entries), {one["personId"] for one in entries}) == (count["total"], {rep})
    assert all(one["kind"] == "FOLLOW_UP" and one["subjectTitle"].startswith("日志") for one in entries)


@pytest.mark.feature("C9")
def test_the_log_is_exported_with_no_cell_that_a_spreadsheet_runs(team):
    _, manager, _ = team
    start = "mutation($input: ExportWorkLogInput!) { exportWorkLog(input: $input) { id } }"
    job = manager.run(start, input={"criteria": PERIOD})["exportWorkLog"]["id"]
    state = "query($id: ID!) { workExport(id: $id) { state fileUrl exportedRows } }"

    def finished():
        told = manager.run(state, id=job)["workExport"]
        return told if told["state"] == "SUCCEEDED" else None

    done = eventually(finished, timeout=60)
    heading, *rows = manager.http.get(done["fileUrl"]).content.decode("utf-8-sig").splitlines()
    assert (heading.split(",")[0], len(rows), done["exportedRows"]) == ("时间", 11, 11)
    assert all(",'=1+1" in row for row in rows)
