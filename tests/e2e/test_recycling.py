"""Customers that fall back into pools by themselves, through GraphQL, as days go by."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

REP = (
    "customer.read",
    "customer.create",
    "customer.release",
    "customer.lock",
    "pool.read",
    "follow_up.create",
    "customer.request_extension",
)
CHINA = timedelta(hours=8)
DAY = """query($customer: ID!) { recycleDay(customer: $customer) {
  pool rule trigger startTime days extensionDays protections dueDate daysLeft reason } }"""


class Theatre:
    """A department of a test's own with a pool, a rep and a manager, whose customers fall back by rule."""

    def __init__(self, organisation, admin: GraphQLClient, new_pool, **recycle) -> None:
        self.admin = admin
        self.department = organisation.department("回收")
        head = organisation.role("DEPARTMENT_TREE", "customer.read", "customer.extend")
        self.head_id, self.head = organisation.user(self.department, head)
        self.rep_id, self.rep = organisation.user(self.department, organisation.role("SELF", *REP))
        rules = {"recycle": {"daysByLevel": {"A": 7, "C": 30}, **recycle}}
        self.pool = new_pool(self.department, memberIds=[self.department], rules=rules)

    def customer(self, **values) -> str:
        document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
        made = self.rep.run(document, input={"name": f"回{uuid4().hex}", **values})
        return made["createCustomer"]["id"]

    def holders(self, *customers: str) -> list[str | None]:
        document = "query($id: ID!) { customer(id: $id) { pool } }"
        return [self.admin.run(document, id=one)["customer"]["pool"] for one in customers]

    def day(self, customer: str) -> dict:
        return self.rep.run(DAY, customer=customer)["recycleDay"]

    def pass_to(self, day: date, hour: int = 12) -> None:
        """Move the clock to an hour in China, and wait until the runs up to then have ended."""
        moment = datetime.combine(day, time(hour), UTC) - CHINA
        self.admin.run("mutation($to: DateTime!) { moveTestClock(input: { set: $to }) { now } }", to=moment.isoformat())
        last = day if hour >= 2 else day - timedelta(days=1)
        query = "{ recycleRuns(first: 200) { nodes { id state createTime } } }"

        def ended() -> bool:
            runs = self.admin.run(query)["recycleRuns"]["nodes"]
            states = {one["id"]: one["state"] for one in runs}
            return states.get(f"recycleRuns/{last}") == "SUCCEEDED" and "RUNNING" not in states.values()

        eventually(ended, 60)


def log(client: GraphQLClient, customer: str) -> None:
    document = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
    note = {"customerId": customer, "method": "CALL", "content": "客户确认下月增购两台设备", "durationSeconds": 120}
    eventually(lambda: "errors" not in client.answer(document, input=note))


@pytest.fixture
def today(admin, real_time) -> date:
    """The day in China, once the runs have ended that other tests brought about by moving the clock. It does not end
    within the next minutes."""
    running = "{ recycleRuns(first: 200) { nodes { state } } }"
    eventually(lambda: all(run["state"] != "RUNNING" for run in admin.run(running)["recycleRuns"]["nodes"]), 60)
    day = (datetime.now(UTC) + CHINA).date()
    soon = datetime.now(UTC) + CHINA + timedelta(minutes=10)
    if soon.date() != day:
        move = "mutation($to: DateTime!) { moveTestClock(input: { set: $to }) { now } }"
        admin.run(move, to=(soon - CHINA).isoformat())
    return soon.date()


@pytest.mark.feature("B3")
def test_a_customer_falls_back_on_day_eight_with_reason_rule_and_former_owner(organisation, admin, new_pool, today):
    theatre = Theatre(organisation, admin, new_pool)
    plain, usual = theatre.customer(level="A"), theatre.customer(level="C")
    won, locked, busy = (
        theatre.customer(level="A", status="WON"),
        theatre.customer(level="A"),
        theatre.customer(level="A"),
    )
    theatre.rep.run("mutation($id: ID!) { lockCustomer(input: { id: $id, locked: true }) { id } }", id=locked)
    standing = (
        "mutation($input: SetCustomerStandingInput!) { setCustomerStanding(input: $input) { openOpportunities } }"
    )
    states = {"customerId": busy, "source": "opportunities", "version": 1, "openOpportunities": 1}
    admin.run(standing, input=states)
    clock = theatre.day(plain)
    assert (clock["pool"], clock["trigger"], clock["dueDate"]) == (
        theatre.pool,
        "NO_FOLLOW_UP",
        str(today + timedelta(days=8)),
    )
    assert [theatre.day(one)["protections"] for one in (won, locked, busy)] == [
        ["WON"],
        ["LOCKED"],
        ["OPEN_OPPORTUNITY"],
    ]
    theatre.pass_to(today + timedelta(days=7))
    assert theatre.holders(plain) == [None]
    theatre.pass_to(today + timedelta(days=8))
    assert theatre.holders(plain, usual, won, locked, busy) == [theatre.pool, None, None, None, None]
    history = """query($id: ID!) { holdingChanges(customer: $id) {
      nodes { kind previousHolder holder reason rule actor { id } } } }"""
    [change] = admin.run(history, id=plain)["holdingChanges"]["nodes"]
    assert (change["kind"], change["reason"], change["rule"]) == (
        "RECYCLED",
        "NO_FOLLOW_UP",
        f"{theatre.pool}/rules/1",
    )
    assert (change["previousHolder"], change["holder"]) == (theatre.rep_id, theatre.pool)


PREVIEW = """query($pool: ID!, $date: Date, $after: String) {
  recyclingPreview(pool: $pool, date: $date, first: 2, after: $after) {
    nodes { customerId dueDate reason } pageInfo { endCursor hasNextPage }
    counts { date total byRule { key count } byLevel { key count } byOwner { key count } } } }"""
COMPARE = """query($drafts: [RecycleDraftInput!]!) { recyclingComparison(drafts: $drafts) {
  gained lost nodes { customerId gained reason } } }"""


@pytest.mark.feature("Z3")
def test_what_is_foreseen_in_the_evening_is_what_is_taken_at_night(organisation, admin, new_pool, today):
    theatre = Theatre(organisation, admin, new_pool)
    foreseen = {theatre.customer(level="A") for _ in range(3)}
    others = [theatre.customer(level="C"), theatre.customer(level="A", status="WON")]
    theatre.pass_to(today + timedelta(days=7), 20)
    pages = [admin.run(PREVIEW, pool=theatre.pool)["recyclingPreview"]]
    while pages[-1]["pageInfo"]["hasNextPage"]:
        after = pages[-1]["pageInfo"]["endCursor"]
        pages.append(admin.run(PREVIEW, pool=theatre.pool, after=after)["recyclingPreview"])
    listed = [one["customerId"] for page in pages for one in page["nodes"]]
    assert sorted(listed) == sorted(foreseen)
    night = str(today + timedelta(days=8))
    assert pages[0]["counts"] == {
        "date": night,
        "total": 3,
        "byRule": [{"key": f"{theatre.pool}/rules/1", "count": 3}],
        "byLevel": [{"key": "A", "count": 3}],
        "byOwner": [{"key": theatre.rep_id, "count": 3}],
    }
    draft = {"poolId": theatre.pool, "recycle": {"daysByLevel": {"A": 20, "C": 5}}}
    difference = admin.run(COMPARE, drafts=[draft])["recyclingComparison"]
    assert (difference["gained"], difference["lost"]) == (1, 3)
    gained, lost = ({one["customerId"] for one in difference["nodes"] if one["gained"] is way} for way in (True, False))
    assert (gained, lost) == ({others[0]}, foreseen)
    history = """query($drafts: [RecycleDraftInput!]) { recyclingHistory(days: 8, drafts: $drafts) {
      days { date wouldHave taken } approximations } }"""
    shorter = {"poolId": theatre.pool, "recycle": {"days": 3}}
    days = admin.run(history, drafts=[shorter])["recyclingHistory"]["days"]
    would_have = {one["date"]: one["wouldHave"] for one in days}
    assert would_have[str(today + timedelta(days=4))] >= 4
    theatre.pass_to(today + timedelta(days=8), 3)
    taken = {one for one in (*foreseen, *others) if theatre.holders(one) == [theatre.pool]}
    assert taken == foreseen


@pytest.mark.feature("B4")
def test_warnings_come_once_each_and_an_approved_extension_moves_the_day(organisation, admin, new_pool, today, suite):
    theatre = Theatre(organisation, admin, new_pool, days=10)
    followed, extended = theatre.customer(), theatre.customer()
    theatre.pass_to(today + timedelta(days=8))
    soon = "{ recycleWarnings(withinDays: 3) { nodes { customerId dueDate daysLeft rule } } }"
    due = str(today + timedelta(days=11))
    listed = theatre.rep.run(soon)["recycleWarnings"]["nodes"]
    line = {"dueDate": due, "daysLeft": 3, "rule": f"{theatre.pool}/rules/1"}
    assert listed == [{"customerId": one, **line} for one in (followed, extended)]
    assert warned(suite, theatre.rep_id, 2) == [(followed, "3"), (extended, "3")]
    log(theatre.rep, followed)
    eventually(lambda: theatre.day(followed)["daysLeft"] == 11, 30)
    ask = "mutation($input: RequestRecycleExtensionInput!) { requestRecycleExtension(input: $input) { id state } }"
    wanted = {"customerId": extended, "days": 5, "reason": "客户出差，下周见面"}
    request = theatre.rep.run(ask, input=wanted)["requestRecycleExtension"]
    theatre.pass_to(today + timedelta(days=10))
    assert warned(suite, theatre.rep_id, 3)[2:] == [(extended, "1")]
    waiting = "{ recycleExtensions(state: PENDING) { nodes { id customerId days reason } } }"
    assert theatre.head.run(waiting)["recycleExtensions"]["nodes"] == [{"id": request["id"], **wanted}]
    approve = "mutation($id: ID!) { approveRecycleExtension(input: { id: $id }) { state } }"
    assert theatre.head.run(approve, id=request["id"])["approveRecycleExtension"]["state"] == "APPROVED"
    clock = theatre.day(extended)
    assert (clock["dueDate"], clock["extensionDays"]) == (str(today + timedelta(days=16)), 5)
    theatre.pass_to(today + timedelta(days=12))
    assert len(warned(suite, theatre.rep_id, 3)) == 3, "each once, and none of the day that was put off"
    assert theatre.holders(extended) == [None]
    again = theatre.rep.answer(ask, input=wanted)["errors"][0]["extensions"]
    assert (again["code"], again["reason"]) == ("RESOURCE_EXHAUSTED", "EXTENSION_LIMIT_REACHED")
    theatre.pass_to(today + timedelta(days=16))
    assert theatre.holders(extended) == [theatre.pool]


def warned(suite, user: str, count: int) -> list[tuple[str, str]]:
    """The warnings that a user was sent: customer and days left, once there are so many."""
    query = """SELECT data ->> 'resource', data -> 'params' ->> 'days_left' FROM outbox
      WHERE data ->> 'kind' = 'RECYCLE_WARNING' AND data ->> 'recipient' = %s ORDER BY position"""
    with suite.database("customers") as customers:
        return eventually(lambda: _at_least(customers.execute(query, [user]).fetchall(), count))


def _at_least(rows: list, count: int) -> list:
    return rows if len(rows) >= count else []
