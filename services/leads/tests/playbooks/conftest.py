"""Playbooks, leads and events as the tests of this folder make them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from chassis.bus.handlers import Received
from chassis.callers import Caller, service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.names import new_id
from chassis.testing import make_caller
from leads.model import Lead, Playbook, Task
from leads.playbooks.content import Content
from leads.playbooks.editing import create_playbook
from leads.playbooks.listening import SUBSCRIPTIONS, follow_leads
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_organisation import learn_department, learn_user
from sqlalchemy import select, text

ME = make_caller(department_path="r/")
SERVICE = service_caller("leads")


@pytest.fixture
def run(database: Database) -> Callable[..., Any]:
    """Calls a use case in a transaction of a caller's."""

    def call(use_case: Callable[..., Any], *args: Any, caller: Caller = ME, **values: Any) -> Any:
        with database.write(caller) as session:
            return use_case(session, *args, **values)

    return call


@pytest.fixture
def deliver(database: Database, clock: FixedClock) -> Callable[[], None]:
    """Hands the events that were written to the playbooks' handler, each once, and those that follow from them."""
    last = 0

    def hand_out() -> None:
        nonlocal last
        while True:
            with database.read(SERVICE) as session:
                wanted = text("SELECT * FROM outbox WHERE position > :last ORDER BY position")
                rows = session.execute(wanted, {"last": last}).all()
            if not rows:
                return
            for row in rows:
                last = row.position
                if row.type.rpartition(".")[2] in SUBSCRIPTIONS[0].events:
                    received = Received(row.event_id, row.type, "leads", row.subject, row.time, "", row.data)
                    with database.write(SERVICE) as session:
                        follow_leads(session, received)

    return hand_out


@pytest.fixture
def playbook(run: Callable[..., Any]) -> Callable[..., Playbook]:
    """Makes a playbook of stages and templates."""

    def make(*stages: Any, templates: Any = (), **values: Any) -> Playbook:
        made: Playbook = run(create_playbook, {"display_name": "流程"} | values, Content(stages, tuple(templates)))[0]
        return made

    return make


@pytest.fixture
def lead(run: Callable[..., Any], deliver: Callable[[], None]) -> Callable[..., Lead]:
    """Enters a lead, and lets follow what does."""

    def make(caller: Caller = ME, **values: Any) -> Lead:
        made: Lead = run(create_lead, LeadDraft({"company_name": f"公司{new_id().hex}"} | values), caller=caller)
        deliver()
        return made

    return make


@pytest.fixture
def person(run: Callable[..., Any]) -> Callable[..., UUID]:
    """Makes a user of a department known, and who heads it."""

    def make(department: UUID | None = None, user_id: UUID | None = None, *, heads: bool = False) -> UUID:
        department, user_id = department or new_id(), user_id or new_id()
        path = f"{department}/"
        run(learn_user, user_id, 1, department, path, caller=SERVICE)
        if heads:
            run(learn_department, department, 1, path, head_id=user_id, caller=SERVICE)
        return user_id

    return make


@pytest.fixture
def tasks(database: Database) -> Callable[..., list[Task]]:
    """The tasks about a lead, the oldest first."""

    def read(lead_id: UUID) -> list[Task]:
        with database.read(ME) as session:
            return list(session.scalars(select(Task).where(Task.lead_id == lead_id).order_by(Task.id)))

    return read
