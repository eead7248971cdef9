"""What is said of the access to tasks, plans, visits and calls is what reading and changing them really comes to."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.db import UtcDateTime
from chassis.errors import DomainError
from chassis.explaining import HeldRole, UserAccess, explain
from chassis.names import make_name, new_id
from chassis.sharing import RecordShare
from chassis.testing import make_caller
from leads.calls.queries import get_call
from leads.explainers import EXPLAINERS
from leads.model import Call, KnownTheatre, Lead, Plan, PlanParticipant, Task, Visit
from leads.plans.queries import get_plan, lock_plan
from leads.tasks.queries import get_task, lock_task
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.visits.checking_out import own_visit
from leads.visits.queries import get_visit
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import JSONB

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PATHS = ("r/", "r/a/", "r/a/b/", "r/c/")
CALLERS = 30
BY_COLLECTION = {explainer.collection: explainer for explainer in EXPLAINERS}
ACTIONS = {
    "task.read": ("tasks", lambda session, key: get_task(session, key)),
    "task.update": ("tasks", lambda session, key: lock_task(session, key, "task.update")),
    "plan.read": ("plans", lambda session, key: get_plan(session, key)),
    "plan.update": ("plans", lambda session, key: lock_plan(session, key)),
    "visit.read": ("visits", lambda session, key: get_visit(session, key)),
    "visit.create": ("visits", lambda session, key: own_visit(session, key)),
    "call.read": ("calls", lambda session, key: get_call(session, key)),
}
"""What decides on each action."""
FILLED: dict[type, Any] = {str: "", int: 0, bool: False, list: []}
USUAL = {
    Task: {"status": "OPEN", "priority": "NORMAL"},
    Plan: {"kind": "MEETING", "status": "PLANNED", "end_time": NOON + timedelta(hours=1), "time_zone": "UTC"},
    Visit: {"geofence": "UNKNOWN", "review_state": "NOT_NEEDED"},
    Call: {"direction": "OUTBOUND", "state": "ENDED"},
}


class Directory:
    """Tells of one user what identity would."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def access_of(self, user: str, permission: str) -> UserAccess:
        assert self.caller.user_id is not None
        role = HeldRole("roles/1", "角色", self.caller.granted(permission))
        return UserAccess(self.caller.user_id, active=True, department_path=self.caller.department_path, roles=(role,))


def a_row(table: Any, **values: Any) -> Any:
    """A row of a table, of which the test says what matters."""
    needed = [
        column
        for column in table.__table__.columns
        if not column.nullable and column.default is None and column.server_default is None
    ]
    return table(**{column.key: _filled(column.type) for column in needed} | USUAL[table] | values)


def _filled(kind: Any) -> Any:
    if isinstance(kind, UtcDateTime):
        return NOON
    return [] if isinstance(kind, JSONB) else FILLED[kind.python_type]


@pytest.fixture
def people():
    return [new_id() for _ in range(4)]


@pytest.fixture
def work(database, people, known):
    """Work of everybody and nobody, about leads and customers of others, some of them shared or followed."""
    dice, made = Random(3), []
    with database.write(make_caller()) as session:
        leads = [create_lead(session, LeadDraft({"company_name": f"公司{new_id().hex}"}, None)).id for _ in range(6)]
        for lead in leads:
            place = {"owner_id": dice.choice((*people, None)), "owner_department_path": dice.choice(PATHS)}
            session.execute(update(Lead).where(Lead.id == lead).values(place))
    customers = [known(dice.choice((*people, None)), dice.choice(PATHS), name=f"客户{n}") for n in range(8)]
    with database.write(make_caller()) as session:
        for customer, person in zip(customers[:3], people, strict=False):
            times = {"create_time": NOON, "update_time": NOON, "expire_time": None, "revoke_time": None}
            to = {"grantee": make_name("users", person), "level": "READ_ONLY", "creator": "users/x", "version": 1}
            session.add(RecordShare(id=new_id(), entity="customer", record_id=customer, **to, **times))
        for customer in customers[2:5]:
            place = {"owner_id": dice.choice(people), "owner_department_path": dice.choice(PATHS)}
            session.add(KnownTheatre(customer_id=customer, theatre="departments/1", active=True, version=1, **place))
        for number in range(24):
            for table in (Task, Plan, Visit, Call):
                about = {"customer_id": dice.choice(customers)} if number % 3 else {"lead_id": dice.choice(leads)}
                whose = {"assignee_id": dice.choice((*people, None)), "assignee_department_path": dice.choice(PATHS)}
                if table is Visit:  # one open visit per person: these have ended
                    about |= {"check_out_time": NOON}
                if table is Plan:
                    about |= {"private": dice.random() < 0.4, "organiser": make_name("users", dice.choice(people))}
                row = a_row(table, **about, **whose)
                session.add(row)
                session.flush()
                if table is Plan and number % 2:
                    joins = {"plan_id": row.id, "user_id": dice.choice(people), "reminded_until": NOON}
                    session.add(PlanParticipant(response="ACCEPTED", **joins))
                made.append((table.__tablename__ + "s", row.id))
    return made


def is_done(session, decide, key) -> bool:
    try:
        decide(session, key)
    except DomainError:
        return False
    return True


def test_the_verdict_is_what_the_action_comes_to(database, people, work):
    dice, verdicts = Random(7), set()
    for _ in range(CALLERS):
        user, path = dice.choice(people), dice.choice(PATHS)
        grants = tuple(
            Grant("*", reach, (dice.choice(PATHS),) if reach is Reach.CUSTOM else ())
            for reach in dice.choices(list(Reach), k=dice.randint(1, 2))
        )
        caller = Caller(make_name("users", user), user, path, {"*": grants})
        with database.read(caller) as session:
            for permission, (collection, decide) in ACTIONS.items():
                rows = [key for kind, key in work if kind == collection]
                for key in dice.sample(rows, 4):
                    name = make_name(collection, key)
                    found = explain(
                        session, BY_COLLECTION[collection], name, caller.subject, permission, Directory(caller)
                    )
                    told = [reason.code for reason in found.reasons]
                    assert found.allowed is is_done(session, decide, key), (permission, told)
                    verdicts.add((permission, found.allowed))
    assert verdicts == {(permission, allowed) for permission in ACTIONS for allowed in (True, False)}


def test_nobody_reviews_their_own_visit(database, people):
    with database.write(make_caller()) as session:
        visit = a_row(Visit, customer_id=new_id(), assignee_id=people[0], assignee_department_path="r/a/")
        session.add(visit)
    for person, expected in ((people[0], (False, ["OWN_WORK"])), (people[1], (True, ["ROLE_REACHES_TREE"]))):
        grants = {"*": (Grant("*", Reach.DEPARTMENT_TREE),)}
        caller = Caller(make_name("users", person), person, "r/a/", grants)
        with database.read(caller) as session:
            name = make_name("visits", visit.id)
            found = explain(session, BY_COLLECTION["visits"], name, caller.subject, "visit.review", Directory(caller))
        assert (found.allowed, [reason.code for reason in found.reasons]) == expected
