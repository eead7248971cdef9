"""Tasks as the tests of this folder make them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import Caller, service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.names import new_id
from chassis.testing import make_caller
from leads.model import Task
from leads.subjects import Subject
from leads.tasks.making import TaskDraft, create_task
from leads.tasks.reminding import remind_of_tasks
from leads.usecases.learn_organisation import learn_user

ME = make_caller()


@pytest.fixture
def create(database: Database, directory: Any, known: Callable[..., UUID]) -> Callable[..., Task]:
    """Makes a task about a customer of its own, or about the one given."""

    def make(caller: Caller = ME, customer: UUID | None = None, **values: Any) -> Task:
        stated = {
            key: values.pop(key) for key in ("assignee_id", "due_time", "due_rule", "dependencies") if key in values
        }
        subject = values.pop("subject", None) or Subject("customers", customer or known())
        with database.write(caller) as session:
            return create_task(session, TaskDraft(subject, {"title": "回访"} | values, **stated), directory)

    return make


@pytest.fixture
def run(database: Database) -> Callable[..., Any]:
    """Calls a use case in a transaction of a caller's."""

    def call(use_case: Callable[..., Any], *args: Any, caller: Caller = ME, **values: Any) -> Any:
        with database.write(caller) as session:
            return use_case(session, *args, **values)

    return call


@pytest.fixture
def colleague(database: Database) -> Callable[..., UUID]:
    """Makes a user known."""

    def make(path: str = "r/", **values: Any) -> UUID:
        key = values.pop("id", None) or new_id()
        with database.write(service_caller("leads")) as session:
            learn_user(session, key, 1, new_id(), path, **values)
        return key

    return make


@pytest.fixture
def tick(database: Database, clock: FixedClock, facts: Callable[[], list[Any]]) -> Callable[[], list[tuple[str, str]]]:
    """Runs the timer. Returns the kinds and records of the notifications it raised."""

    def run() -> list[tuple[str, str]]:
        before = len(facts())
        with database.write(service_caller("leads")) as session:
            remind_of_tasks(session, clock.now)
        raised = [data for kind, data in facts()[before:] if kind == "NotificationRaised"]
        return sorted((data["kind"], data["resource"]) for data in raised)

    return run


@pytest.fixture
def tasks(database: Database) -> Callable[[], list[Task]]:
    """All tasks, the oldest first."""

    def read() -> list[Task]:
        with database.read(ME) as session:
            return list(session.query(Task).order_by(Task.id))

    return read
