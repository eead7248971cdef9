"""Counts equal the records that whoever looks may list, for any person, team, method and period."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Invalid, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import Filter
from hypothesis import given, settings
from hypothesis import strategies as st
from leads import queries as follow_ups
from leads.model import Call, FollowUp, KnownCustomer, KnownDepartment, KnownUser, Task
from leads.worklog import queries
from leads.worklog.criteria import Criteria

SHANGHAI = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 1, 26, 15, 30, tzinfo=UTC)
PATHS = ("r/", "r/a/", "r/a/x/", "r/b/", "s/")
METHODS = ("CALL", "VISIT", "WECHAT")
PERMISSIONS = ("follow_up.read", "customer.read", "task.read", "lead.read", "visit.read", "call.read")
ALL_DAYS = Criteria("2026-01-01", "2026-12-31")


@pytest.fixture(scope="module")
def company(module_database):
    """People of five departments, and what they logged on each other's customers over six weeks."""
    users = {path: [new_id(), new_id()] for path in PATHS}
    departments = {path: new_id() for path in PATHS}
    with module_database.write(service_caller("leads")) as session:
        for path, people in users.items():
            session.add(KnownDepartment(id=departments[path], version=1, path=path))
            session.add_all(
                KnownUser(id=key, version=1, department_id=departments[path], department_path=path) for key in people
            )
        everybody = [(key, path) for path, people in users.items() for key in people]
        for number in range(240):
            owner, path = everybody[number * 7 % len(everybody)]
            author, _ = everybody[number * 3 % len(everybody)]
            customer = KnownCustomer(
                id=new_id(), version=1, display_name="华诚", owner_id=owner, owner_department_path=path, deleted=False
            )
            session.add(customer)
            session.add(
                FollowUp(
                    customer_id=customer.id,
                    method=METHODS[number % 3],
                    content=f"第{number}次",
                    occur_time=BEGIN + timedelta(hours=4.2) * number,
                    author=f"users/{author}",
                    reminder_open=False,
                    verdict=(None, "EFFECTIVE", "NOT_EFFECTIVE", "EFFECTIVE")[number % 4],
                    create_time=BEGIN,
                )
            )
    return users, departments


def viewer(company, path, reach):
    return make_caller(*PERMISSIONS, reach=reach, user_id=company[0][path][0], department_path=path)


def raw(session):
    """All follow-ups that the caller may list, page by page."""
    rows, token = [], ""
    while True:
        page = follow_ups.list_follow_ups(session, conditions=Filter(), order_by=(), page_size=200, page_token=token)
        rows += page.rows
        token = page.next_token
        if not token:
            return rows


def counted(session, criteria, groupings, size=200):
    rows, token = [], ""
    while True:
        page = queries.list_statistics(session, criteria, groupings, page_size=size, page_token=token)
        rows += page.rows
        token = page.next_token
        if not token:
            return rows


def keys_of(row, grouping, company):
    """What a follow-up counts under, reckoned by hand."""
    users, departments = company
    day = row.occur_time.astimezone(SHANGHAI).date()
    path = next(path for path, people in users.items() if row.author in {f"users/{key}" for key in people})
    match grouping:
        case "PERSON":
            return [row.author]
        case "DEPARTMENT":
            return [key for above, key in departments.items() if path.startswith(above)]
        case "METHOD":
            return [row.method]
        case "KIND":
            return ["FOLLOW_UP"]
        case "DAY":
            return [day]
        case "WEEK":
            return [day - timedelta(days=day.weekday())]
    return [day.replace(day=1)]


_GROUPINGS = st.lists(st.sampled_from(queries.GROUPINGS), max_size=3, unique=True).filter(
    lambda chosen: sum(each in queries.PERIODS for each in chosen) <= 1
)


@settings(max_examples=60)
@given(
    path=st.sampled_from(PATHS),
    reach=st.sampled_from([Reach.SELF, Reach.DEPARTMENT, Reach.DEPARTMENT_TREE, Reach.ALL]),
    groupings=_GROUPINGS,
    first=st.integers(0, 45),
    days=st.integers(0, 45),
    method=st.sampled_from(["", *METHODS]),
    verdict=st.sampled_from(["", "EFFECTIVE", "NOT_EFFECTIVE"]),
    whose=st.sampled_from(["", *PATHS]),
    of=st.sampled_from(["", *PATHS]),
)
def test_counts_equal_the_raw_records_of_whoever_looks(
    module_database, company, path, reach, groupings, first, days, method, verdict, whose, of
):
    users, departments = company
    begin = date(2026, 1, 20) + timedelta(days=first)
    end = begin + timedelta(days=days)
    person = f"users/{users[whose][0]}" if whose else ""
    department = f"departments/{departments[of]}" if of else ""
    criteria = Criteria(begin.isoformat(), end.isoformat(), person, department, ("FOLLOW_UP",), method, verdict)
    with module_database.read(viewer(company, path, reach)) as session:
        wanted = [
            row
            for row in raw(session)
            if begin <= row.occur_time.astimezone(SHANGHAI).date() <= end
            and (not person or row.author == person)
            and (not of or departments[of] in keys_of(row, "DEPARTMENT", company))
            and (not method or row.method == method)
            and (not verdict or row.verdict == verdict)
        ]
        totals, effective = Counter(), Counter()
        for row in wanted:
            combined = [()]
            for grouping in groupings:
                combined = [(*key, each) for key in combined for each in keys_of(row, grouping, company)]
            totals.update(combined)
            effective.update(combined if row.verdict == "EFFECTIVE" else [])
        rows = counted(session, criteria, groupings, size=7)
        got = {tuple(row._mapping[each.lower()] for each in groupings): row for row in rows}
        assert {key: row.total for key, row in got.items()} == dict(totals)
        assert {key: row.effective for key, row in got.items() if row.effective} == dict(effective)
        listed = queries.list_work(session, criteria, page_size=200, page_token="").rows
        assert [row.id for row in listed] == [row.id for row in wanted][: len(listed)]


def test_each_count_is_that_of_the_log_with_its_keys(module_database, company):
    boss = viewer(company, "r/", Reach.DEPARTMENT_TREE)
    with module_database.read(boss) as session:
        rows = counted(session, replace(ALL_DAYS, kinds=("FOLLOW_UP",)), ["DEPARTMENT", "METHOD", "MONTH"])
        assert len(rows) > 10
        for row in rows[::4]:
            last = (row.month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            narrowed = Criteria(
                row.month.isoformat(),
                last.isoformat(),
                department=f"departments/{row.department}",
                kinds=("FOLLOW_UP",),
                method=row.method,
            )
            assert len(queries.list_work(session, narrowed, page_size=200, page_token="").rows) == row.total


def test_tasks_count_for_whoever_completed_them_and_only_when_they_may_be_read(module_database, company):
    users, _ = company
    me, other = users["s/"]
    with module_database.write(service_caller("leads")) as session:
        values = {"creator": f"users/{me}", "priority": "NORMAL", "checklist": [], "remind_minutes": 0, "version": 1}
        values |= {"create_time": BEGIN, "update_time": BEGIN, "lead_id": new_id(), "assignee_id": me}
        values |= {"required": False, "follows_owner": False}
        ended = {"status": "DONE", "ender": f"users/{other}", "end_time": BEGIN}
        session.add_all([Task(title="报价", **values, **ended), Task(title="打样", status="OPEN", **values)])
    criteria = replace(ALL_DAYS, kinds=("TASK",))
    with module_database.read(viewer(company, "s/", Reach.SELF)) as session:
        [row] = counted(session, criteria, ["PERSON", "KIND"])
        assert (row.person, row.kind, row.total, row.effective) == (f"users/{other}", "TASK", 1, 0)
        [entry] = queries.list_work(session, criteria, page_size=0, page_token="").rows
        assert (entry.summary, entry.method) == ("报价", None)
    blind = make_caller("follow_up.read", reach=Reach.ALL)
    with module_database.read(blind) as session:
        assert counted(session, criteria, ["KIND"]) == []
        assert {row.kind for row in counted(session, ALL_DAYS, ["KIND"])} == {"FOLLOW_UP"}


def test_calls_count_for_whoever_made_them(module_database, company):
    me = company[0]["s/"][0]
    with module_database.write(service_caller("leads")) as session:
        values = {"direction": "OUTBOUND", "phone": "+8613800138000", "provider": "log", "state": "ENDED"}
        values |= {"recording_url": "", "outcome": "", "failure_reason": "", "candidates": [], "version": 1}
        call = Call(**values, lead_id=new_id(), assignee_id=me, start_time=BEGIN, duration_seconds=60, note="约好周五")
        session.add(call)
    criteria = replace(ALL_DAYS, kinds=("CALL",), person=f"users/{me}")
    with module_database.read(viewer(company, "s/", Reach.SELF)) as session:
        [row] = counted(session, criteria, ["KIND", "METHOD"])
        assert (row.kind, row.method, row.total) == ("CALL", "CALL", 1)
        [entry] = queries.list_work(session, criteria, page_size=0, page_token="").rows
        assert (entry.id, entry.person, entry.summary) == (call.id, f"users/{me}", "约好周五")
        assert counted(session, replace(criteria, person=f"clients/{me}"), ["KIND"]) == []
    with module_database.read(viewer(company, "r/b/", Reach.SELF)) as session:
        assert counted(session, criteria, ["KIND"]) == []


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"from_day": "gestern"}, "from_day", "INVALID_DATE"),
        ({"from_day": "0001-01-01"}, "from_day", "INVALID_DATE"),
        ({"until_day": "2025-12-31"}, "until_day", "INVALID_PERIOD"),
        ({"until_day": "2036-01-01"}, "until_day", "PERIOD_TOO_LONG"),
        ({"person": "roles/x"}, "person", "INVALID_NAME"),
        ({"department": "x"}, "department", "INVALID_NAME"),
        ({"kinds": ("0",)}, "kinds", "UNKNOWN_VALUE"),
        ({"method": "SMOKE"}, "method", "UNKNOWN_VALUE"),
        ({"verdict": "GOOD"}, "verdict", "UNKNOWN_VALUE"),
    ],
)
def test_criteria_that_make_no_sense_are_refused(module_database, values, field, reason):
    with module_database.read(make_caller()) as session, pytest.raises(Invalid) as refused:
        queries.list_work(session, replace(ALL_DAYS, **values), page_size=0, page_token="")
    assert (refused.value.field, refused.value.reason) == (field, reason)


@pytest.mark.parametrize(
    "groupings", [["DAY", "WEEK"], ["PERSON", "PERSON"], ["0"], ["PERSON", "KIND", "METHOD", "DAY"]]
)
def test_groupings_that_make_no_sense_are_refused(module_database, groupings):
    with module_database.read(make_caller()) as session, pytest.raises(Invalid) as refused:
        queries.list_statistics(session, ALL_DAYS, groupings, page_size=0, page_token="")
    assert refused.value.reason == "INVALID_GROUPING"


def test_an_unknown_department_is_not_found(module_database):
    criteria = replace(ALL_DAYS, department=f"departments/{new_id()}")
    with module_database.read(make_caller()) as session, pytest.raises(NotFound):
        queries.list_work(session, criteria, page_size=0, page_token="")
