"""What identity tells again to a service that was not there when it was told first."""

from datetime import UTC, datetime
from random import Random
from uuid import uuid4

import pytest
from chassis import restating
from chassis.bus.handlers import Received
from chassis.callers import service_caller
from chassis.names import new_id
from crm.identity.v1 import department_pb2, department_service_pb2
from identity.restatements import RESTATEMENTS

EVENTS = [each.event for each in RESTATEMENTS]
ME = service_caller("identity")


class Telling:
    """Identity's answers to a request, a page at a time."""

    def __init__(self, suite):
        self.suite, self.pending = suite, [{"source": "identity", "events": EVENTS}]
        self.heard = []
        self.seen = self.position()

    def position(self):
        return self.suite.rows("SELECT coalesce(max(position), 0) AS last FROM outbox")[0].last

    def go_on(self):
        """Tell the next page. Says whether there is one more."""
        data = self.pending.pop(0)
        event = Received(new_id(), "crm.common.v1.StateRequested", "leads", "identity", datetime.now(UTC), "", data)
        with self.suite.runtime.database.write(ME) as session:
            restating.subscription("identity", RESTATEMENTS).handle(session, event)
        self.pending += [data for kind, data in self.told() if kind == "StateRequested"]
        return bool(self.pending)

    def told(self):
        """The events since the last look."""
        query = "SELECT position, type, data FROM outbox WHERE position > :seen ORDER BY position"
        rows = self.suite.rows(query, seen=self.seen)
        self.seen = rows[-1].position if rows else self.seen
        events = [(row.type.rpartition(".")[2], row.data) for row in rows]
        self.heard += events
        return events


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(restating, "PAGE", 4)


def kept(events):
    """What a service knows that compares versions: paths of departments, and homes of users."""
    departments, users, versions = {}, {}, {}
    for kind, data in events:
        key = data.get("department") if kind.startswith("Department") else data.get("user")
        if kind == "DepartmentDeleted":
            departments.pop(key, None)
        elif kind in ("DepartmentChanged", "UserChanged") and data["version"] > versions.get(key, 0):
            versions[key] = data["version"]
            if kind == "UserChanged":
                users[key] = (data["department"], data["active"])
            else:
                departments[key] = (data["path"], data["head"], data["theatre"])
    return departments, users


def truth(suite):
    departments = suite.rows("SELECT id, path, head_id, theatre FROM department")
    users = suite.rows("SELECT id, department_id, state FROM user_account")
    return (
        {f"departments/{d.id}": (d.path, f"users/{d.head_id}" if d.head_id else "", d.theatre) for d in departments},
        {f"users/{u.id}": (f"departments/{u.department_id}", u.state == "ACTIVE") for u in users},
    )


def move(suite, department, parent):
    request = department_service_pb2.UpdateDepartmentRequest(
        department=department_pb2.Department(name=department.name, parent=parent), request_id=str(uuid4())
    )
    request.update_mask.paths.append("parent")
    suite.departments.UpdateDepartment(request, metadata=suite.admin)


def merge(suite, source, target):
    request = department_service_pb2.MergeDepartmentsRequest(
        sources=[source.name], target=target.name, request_id=str(uuid4())
    )
    suite.departments.MergeDepartments(request, metadata=suite.admin)


@pytest.mark.parametrize("seed", range(3))
def test_who_begins_to_listen_late_comes_to_know_the_same(suite, small_pages, seed):
    """Departments move and merge between the pages; what is told again is heard among what happens meanwhile."""
    dice = Random(seed)
    parents = [suite.department() for _ in range(3)]
    children = [suite.department(dice.choice(parents).name) for _ in range(6)]
    for child in children:
        suite.user(child.name)
    telling = Telling(suite)
    moves = 0
    while telling.go_on():
        child = dice.choice(children)
        if moves % 5 == 4 and len(children) > 2:
            children.remove(child)
            merge(suite, child, dice.choice(children))
        else:
            move(suite, child, dice.choice(parents).name)
        moves += 1
        telling.told()
    telling.told()
    assert moves > 5
    assert kept(telling.heard) == truth(suite)


def test_departments_that_are_gone_and_the_company_are_told_of(suite, small_pages):
    target, source = suite.department(), suite.department()
    merge(suite, source, target)
    telling = Telling(suite)
    while telling.go_on():
        pass
    gone = {data["department"]: data["merged_into"] for kind, data in telling.heard if kind == "DepartmentDeleted"}
    assert gone[source.name] == target.name
    assert [kind for kind, _ in telling.heard].count("OrganisationChanged") == 1
