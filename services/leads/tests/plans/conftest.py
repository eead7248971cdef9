"""Making plans for people who are known."""

from datetime import timedelta
from itertools import count

import chassis.organisation
import pytest
from chassis.callers import Reach, service_caller
from chassis.names import new_id
from chassis.organisation import learn
from chassis.testing import make_caller
from leads.plans.create import create_plan
from leads.plans.drafts import PlanDraft, Times
from leads.plans.rules import update_plan_rules
from leads.usecases.learn_organisation import learn_department, learn_user

HOUR = timedelta(hours=1)
_VERSIONS = count(1)


@pytest.fixture
def person(database):
    """Makes an employee known, and returns a caller who acts as them, with every permission for what is theirs."""

    def make(path="r/", reach=Reach.SELF, *, active=True):
        user_id = new_id()
        with database.write(service_caller("leads")) as session:
            learn_user(session, user_id, 1, None, path, active=active)
        return make_caller(reach=reach, user_id=user_id, department_path=path)

    return make


@pytest.fixture
def department(database):
    def make(path):
        department_id = new_id()
        with database.write(service_caller("leads")) as session:
            learn_department(session, department_id, 1, path)
        return department_id

    return make


@pytest.fixture
def plan(database, directory, clock):
    """Makes a plan of an hour. `at` is when it begins, from now on or as a moment."""

    def make(caller, at=HOUR, length=HOUR, *, zone="Asia/Shanghai", all_day=False, rule="", **given):
        start = clock.now + at if isinstance(at, timedelta) else at
        fields = {key: given.pop(key) for key in ("subject", "assignee_id", "participant_ids") if key in given}
        draft = PlanDraft(
            {"kind": "VISIT", "title": "拜访", **given},
            Times(start, start + length, zone, all_day),
            recurrence=rule,
            **fields,
        )
        with database.write(caller) as session:
            return create_plan(session, draft, directory)

    return make


@pytest.fixture
def policy(database):
    """Sets what happens if plans of a kind overlap."""

    def change(value, kind="visit"):
        with database.write(make_caller()) as session:
            update_plan_rules(session, {f"{kind}_conflicts": value}, "")

    return change


@pytest.fixture
def notified(facts):
    """The notifications raised so far: kind, recipient and params."""

    def read():
        raised = [data for kind, data in facts() if kind == "NotificationRaised"]
        return [(data["kind"], data["recipient"], data["params"]) for data in raised]

    return read


@pytest.fixture
def company(database, monkeypatch):
    """Makes the working calendar known: windows by day of the week, 1 being Monday, and special days."""

    monkeypatch.setattr("chassis.organisation.FRESH_SECONDS", 0.0)

    def make(weekly, special=(), zone="Asia/Shanghai"):
        state = {
            "version": next(_VERSIONS),
            "time_zone": zone,
            "display_name": "",
            "locale": "zh-CN",
            "currency": "CNY",
            "fiscal_year_start_month": 1,
            "fiscal_year_start_day": 1,
            "first_day_of_week": 1,
            "statutory_until_year": 0,
            "weekly": [{"day": day, "windows": windows} for day, windows in weekly.items()],
            "special": list(special),
        }
        with database.write(service_caller("leads")) as session:
            learn(session, state)
        chassis.organisation._known.clear()

    return make
