"""Plans in the calendars of people and teams, what speaks against their times, and calendars that programs read."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from chassis.testing import eventually
from icalendar import Calendar
from local_suite.graphql import GraphQLClient, GraphQLError
from local_suite.organisations import Organisation

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
PERMISSIONS = ("plan.read", "plan.create", "plan.update", "customer.read", "customer.create", "follow_up.read")
CREATE = """mutation($input: CreatePlanInput!) { createPlan(input: $input) {
  plan { id sequence etag participants { userId response } } outsideWorkingHours
  conflicts { plan title userId startTime endTime } } }"""
MOVE = """mutation($input: MovePlanInput!) { movePlan(input: $input) {
  plan { id sequence } conflicts { plan } } }"""
CALENDAR = """query($start: DateTime!, $end: DateTime!, $users: [ID!], $department: ID) {
  calendar(startTime: $start, endTime: $end, users: $users, department: $department, first: 200) { nodes {
    plan { id title } startTime endTime originalStartTime status userIds } } }"""
RULES = "mutation($input: UpdatePlanRulesInput!) { updatePlanRules(input: $input) { otherConflicts } }"
CLOCK = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"


@pytest.fixture
def team(organisation: Organisation) -> tuple[str, str, tuple[str, GraphQLClient], tuple[str, GraphQLClient]]:
    """A department, the role of its people, and two of them: the id and a client of each."""
    department = organisation.department("拜访组")
    rep = organisation.role("SELF", *PERMISSIONS, "follow_up.create")
    return department, rep, organisation.user(department, rep), organisation.user(department, rep)


@pytest.fixture
def other_conflicts(admin: GraphQLClient) -> Iterator[Callable[[str], None]]:
    """Sets what happens if plans of the kind OTHER overlap; afterwards it is as it was."""

    def change(policy: str) -> None:
        assert admin.run(RULES, input={"otherConflicts": policy})["updatePlanRules"]["otherConflicts"] == policy

    yield change
    change("WARN")


def at(moment: datetime) -> str:
    return moment.isoformat()


def times(start: datetime, length: timedelta = HOUR) -> dict[str, str]:
    return {"startTime": at(start), "endTime": at(start + length)}


def create(client: GraphQLClient, start: datetime, length: timedelta = HOUR, **values: Any) -> dict[str, Any]:
    """The answer to a plan, once the service has heard of its people."""
    given = {"kind": "OTHER", "title": "拜访", **times(start, length), **values}

    def made() -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = client.run(CREATE, input=given)["createPlan"]
        except GraphQLError as error:
            if error.reasons != ["UNKNOWN_PARTICIPANT"]:
                raise
            return None
        return answer

    return eventually(made) or {}


def calendar(client: GraphQLClient, start: datetime, end: datetime, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.run(CALENDAR, start=at(start), end=at(end), **wanted)["calendar"]["nodes"]
    return found


def monday(now: datetime) -> datetime:
    """Ten in the morning of a Monday to come, by the clock of Shanghai."""
    now = now.astimezone(ZoneInfo("Asia/Shanghai"))
    day = now + (7 - now.weekday()) * DAY
    return day.replace(hour=10, minute=0, second=0, microsecond=0).astimezone(UTC) + WEEK


@pytest.mark.feature("C7")
def test_overlap_warns_or_blocks_by_setting_and_adjacent_plans_do_not_conflict(team, other_conflicts, real_time):
    _, _, (_, mine), (colleague, theirs) = team
    start = monday(real_time)
    secret = create(theirs, start, private=True, title="体检")["plan"]["id"]
    assert create(mine, start + HOUR, participantIds=[colleague])["conflicts"] == []
    assert create(mine, start - HOUR, participantIds=[colleague])["conflicts"] == []
    [warned] = create(mine, start + HOUR / 2, HOUR / 2, participantIds=[colleague])["conflicts"]
    assert (warned["plan"], warned["title"], warned["userId"]) == (None, None, colleague)
    assert datetime.fromisoformat(warned["startTime"]) == start
    other_conflicts("BLOCK")
    with pytest.raises(GraphQLError) as refused:
        create(mine, start + HOUR / 4, HOUR / 4, participantIds=[colleague])
    [error] = refused.value.errors
    assert (error["extensions"]["reason"], error["extensions"]["code"]) == ("PLAN_CONFLICT", "FAILED_PRECONDITION")
    assert colleague in error["extensions"]["busy"]
    assert secret not in str(error)
    assert create(mine, start + 5 * HOUR, participantIds=[colleague])["conflicts"] == []
    assert create(mine, start + 6 * HOUR, participantIds=[colleague])["conflicts"] == []
    with pytest.raises(GraphQLError) as own:
        create(theirs, start + 5 * HOUR + HOUR / 2)
    assert own.value.reasons == ["PLAN_CONFLICT"]
    other_conflicts("ALLOW")
    assert create(mine, start, participantIds=[colleague])["conflicts"] == []


@pytest.mark.feature("C7")
def test_a_series_keeps_its_local_time_and_a_team_is_seen_in_one_calendar(team, organisation):
    department, _, (me, mine), (colleague, theirs) = team
    zone = ZoneInfo("America/New_York")
    start = datetime(2027, 3, 8, 9, tzinfo=zone)  # a Monday; the clocks change on the 14th
    series = create(
        mine, start, title="周会", timeZone="America/New_York", recurrence="FREQ=WEEKLY;BYDAY=MO,WE", kind="MEETING"
    )["plan"]["id"]
    create(theirs, start + HOUR, private=True, title="体检")
    found = calendar(mine, start - HOUR, start + 2 * WEEK + HOUR)
    begins = [datetime.fromisoformat(one["startTime"]) for one in found]
    assert [one.astimezone(zone).strftime("%d %H:%M") for one in begins] == [
        "08 09:00",
        "10 09:00",
        "15 09:00",
        "17 09:00",
        "22 09:00",
    ]
    assert {one.astimezone(UTC).hour for one in begins[:2]} == {14}
    assert {one.astimezone(UTC).hour for one in begins[2:]} == {13}
    moved = {"id": series, "occurrenceTime": at(begins[1]), **times(begins[1] + 3 * HOUR)}
    assert mine.run(MOVE, input=moved)["movePlan"]["plan"]["sequence"] == 1
    off = "mutation($input: CancelPlanInput!) { cancelPlan(input: $input) { deviations { status } } }"
    mine.run(off, input={"id": series, "occurrenceTime": at(begins[2]), "reason": "放假"})
    after = [datetime.fromisoformat(one["startTime"]) for one in calendar(mine, start - HOUR, start + 2 * WEEK + HOUR)]
    assert after == [begins[0], begins[1] + 3 * HOUR, begins[3], begins[4]]
    _, manager = organisation.user(department, organisation.role("DEPARTMENT_TREE", "plan.read"))

    def team_day() -> list[tuple[str | None, list[str]]]:
        day = calendar(manager, start, start + 8 * HOUR, department=department)
        return [(one["plan"] and one["plan"]["title"], one["userIds"]) for one in day]

    eventually(lambda: team_day() == [("周会", [me]), (None, [colleague])])
    busy = """query($users: [ID!]!, $start: DateTime!, $end: DateTime!) {
      busyTimes(users: $users, startTime: $start, endTime: $end) { userId spans { startTime endTime } } }"""
    [told] = theirs.run(busy, users=[me], start=at(start), end=at(start + DAY))["busyTimes"]
    assert [datetime.fromisoformat(span["endTime"]) for span in told["spans"]] == [start + HOUR]


@pytest.mark.feature("C7")
def test_free_time_is_found_within_the_company_s_working_hours(team):
    _, _, (me, mine), (colleague, theirs) = team
    start = datetime(2027, 4, 12, 2, tzinfo=UTC)  # ten on a Monday in Shanghai
    outside = create(mine, start + 12 * HOUR)["outsideWorkingHours"]
    assert [datetime.fromisoformat(one) for one in outside] == [start + 12 * HOUR]
    assert create(mine, start)["outsideWorkingHours"] == []
    create(theirs, start + 3 * HOUR, 2 * HOUR)
    free = """query($users: [ID!]!, $start: DateTime!, $end: DateTime!) {
      freeSlots(users: $users, startTime: $start, endTime: $end, minutes: 60) { startTime endTime }
      workingDays(startDate: "2027-04-12", endDate: "2027-04-12") { days { windows { start end } } } }"""
    answer = mine.run(free, users=[me, colleague], start=at(start - 10 * HOUR), end=at(start + 14 * HOUR))
    [day] = answer["workingDays"]["days"]
    midnight = start - 10 * HOUR

    def clock(text: str) -> datetime:
        return midnight + timedelta(hours=int(text[:2]), minutes=int(text[3:]))

    slots = [tuple(map(datetime.fromisoformat, one.values())) for one in answer["freeSlots"]]
    assert slots
    windows = [(clock(one["start"]), clock(one["end"])) for one in day["windows"]]
    taken = [(start, start + HOUR), (start + 3 * HOUR, start + 5 * HOUR)]
    for begins, ends in slots:
        assert ends - begins >= HOUR
        assert any(opens <= begins and ends <= closes for opens, closes in windows)
        assert all(ends <= busy or free_again <= begins for busy, free_again in taken)


@pytest.mark.feature("C7")
def test_an_occurrence_and_all_that_follow_it_are_moved_by_themselves(team, real_time):
    _, _, (_, mine), _ = team
    start = (real_time + DAY).replace(microsecond=0)
    made = create(mine, start, recurrence="FREQ=DAILY;COUNT=4")["plan"]["id"]
    third = start + 2 * DAY
    given = {"id": made, "occurrenceTime": at(third), "following": True, **times(third + HOUR)}
    moved = mine.run(MOVE, input=given)["movePlan"]["plan"]["id"]
    span = {"start": at(start - HOUR), "end": at(start + 5 * DAY)}
    seen = [(one["plan"]["id"], one["startTime"]) for one in mine.run(CALENDAR, **span)["calendar"]["nodes"]]
    wanted = [(made, start), (made, start + DAY), (moved, third + HOUR), (moved, third + DAY + HOUR)]
    assert [(plan, datetime.fromisoformat(time)) for plan, time in seen] == wanted


@pytest.mark.feature("C7")
def test_people_are_asked_reminded_and_told_and_what_took_place_is_followed_up(team, admin, real_time):
    _, _, (_, mine), (colleague, theirs) = team
    made = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer, twin = (mine.run(made, input={"name": f"客户{uuid4().hex[:10]}"})["createCustomer"]["id"] for _ in "ab")
    start = real_time.replace(microsecond=0) + timedelta(minutes=20)
    with theirs.subscribe("subscription { notifications { kind resource params } }") as notifications:

        def told() -> tuple[str, str]:
            item = next(one["notifications"] for one in notifications)
            return item["kind"], item["resource"]

        plan = create(mine, start, kind="VISIT", subject=customer, participantIds=[colleague])["plan"]
        assert told() == ("PLAN_INVITED", plan["id"])
        answer = "mutation($input: RespondToPlanInput!) { respondToPlan(input: $input) { status } }"
        theirs.run(answer, input={"id": plan["id"], "response": "ACCEPTED"})
        mine.run(MOVE, input={"id": plan["id"], **times(start + timedelta(minutes=10))})
        assert told() == ("PLAN_MOVED", plan["id"])
        admin.run(CLOCK, input={"advanceSeconds": 60 * 16})
        assert told() == ("PLAN_REMINDER", plan["id"])
        off = "mutation($input: CancelPlanInput!) { cancelPlan(input: $input) { status } }"
        other = create(mine, start + DAY, participantIds=[colleague])["plan"]["id"]
        assert told() == ("PLAN_INVITED", other)
        mine.run(off, input={"id": other})
        assert told() == ("PLAN_CANCELLED", other)
    admin.run(CLOCK, input={"advanceSeconds": 3600 * 2})
    done = """mutation($input: CompletePlanInput!) { completePlan(input: $input) {
      plan { status result subject subjectTitle } followUp { customerId method content } } }"""
    completed = mine.run(done, input={"id": plan["id"], "result": "约定下月签约", "followUp": {}})["completePlan"]
    assert (completed["plan"]["status"], completed["plan"]["subject"]) == ("DONE", customer)
    assert completed["followUp"] == {"customerId": customer, "method": "VISIT", "content": "约定下月签约"}
    merge = "mutation($input: MergeCustomersInput!) { mergeCustomers(input: $input) { id } }"
    admin.run(merge, input={"customerId": twin, "otherIds": [customer]})
    listed = "query($subject: ID!) { plans(subject: $subject) { nodes { id } } }"
    eventually(lambda: [one["id"] for one in admin.run(listed, subject=twin)["plans"]["nodes"]] == [plan["id"]])


@pytest.mark.feature("X4")
def test_a_calendar_is_read_by_a_secret_link_and_a_move_keeps_its_uid(team, suite, real_time):
    _, _, (_, mine), _ = team
    start = monday(real_time)
    single = create(mine, start, kind="VISIT", title="拜访华诚", place="总部")["plan"]["id"]
    series = create(mine, start + DAY, title="例会", recurrence="FREQ=WEEKLY;COUNT=6", timeZone="Europe/Berlin")
    rotate = "mutation { rotateCalendarFeed { path settings { feedCreateTime } } }"
    path = mine.run(rotate)["rotateCalendarFeed"]["path"]

    def read(etag: str = "", link: str = path) -> httpx.Response:
        return httpx.get(suite.gateway_url + link, headers={"if-none-match": etag} if etag else {}, timeout=30)

    def events(answer: httpx.Response) -> dict[str, Any]:
        parsed = Calendar.from_ical(answer.content)
        return {str(one["UID"]): one for one in parsed.walk("VEVENT") if "RECURRENCE-ID" not in one}

    first = read()
    assert (first.status_code, first.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    before = events(first)
    uids = {name: name.partition("/")[2] for name in (single, series["plan"]["id"])}
    assert set(before) == set(uids.values())
    visit, meeting = (before[uid] for uid in uids.values())
    assert (str(visit["SUMMARY"]), str(visit["LOCATION"])) == ("拜访华诚", "总部")
    assert (visit["DTSTART"].dt, visit["DTEND"].dt, visit["SEQUENCE"]) == (start, start + HOUR, 0)
    assert (meeting["RRULE"]["COUNT"], meeting["DTSTART"].params["TZID"]) == ([6], "Europe/Berlin")
    same = read(first.headers["etag"])
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    mine.run(MOVE, input={"id": single, **times(start + 2 * HOUR)})
    second = read(first.headers["etag"])
    assert second.status_code == 200
    moved = events(second)
    assert set(moved) == set(before)
    assert (moved[uids[single]]["SEQUENCE"], moved[uids[single]]["DTSTART"].dt) == (1, start + 2 * HOUR)
    off = "mutation($input: CancelPlanInput!) { cancelPlan(input: $input) { status } }"
    mine.run(off, input={"id": single})
    called_off = events(read())[uids[single]]
    assert (str(called_off["STATUS"]), called_off["SEQUENCE"]) == ("CANCELLED", 2)
    newer = mine.run(rotate)["rotateCalendarFeed"]["path"]
    assert (read().status_code, read(link=newer).status_code) == (404, 200)
    assert mine.run("mutation { revokeCalendarFeed }")["revokeCalendarFeed"] is True
    assert read(link=newer).json()["reason"] == "CALENDAR_NOT_FOUND"
