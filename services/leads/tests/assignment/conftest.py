"""People, rules and leads for assignments. The present is a Monday at noon in Shanghai, in the default lunch break."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import OPERATOR_EQUAL, Condition, Filter, FilterValue
from google.protobuf.json_format import MessageToDict
from leads.assignment import queries
from leads.assignment.capacities import update_capacity
from leads.assignment.rules import create_rule
from leads.assignment.running import assign_new
from leads.model import AssignmentRule, Lead, WaitingLead
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_organisation import learn_department, learn_user
from sqlalchemy import select

SYSTEM = service_caller("leads")
MORNING = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
"""Monday, ten o'clock in Shanghai."""


@pytest.fixture(autouse=True)
def _morning(database: Database, clock: FixedClock) -> None:
    clock.set(MORNING)


@pytest.fixture
def person(database: Database) -> Callable[..., UUID]:
    """Makes somebody known, with the capacity that is stated."""

    def make(path: str = "r/", *, active: bool = True, **capacity: Any) -> UUID:
        key = new_id()
        with database.write(service_caller("leads")) as session:
            learn_user(session, key, 1, None, path, active=active)
            if capacity:
                update_capacity(session, key, capacity)
        return key

    return make


@pytest.fixture
def department(database: Database) -> Callable[[str], UUID]:
    """Makes a department known by its path."""

    def make(path: str) -> UUID:
        key = new_id()
        with database.write(service_caller("leads")) as session:
            learn_department(session, key, 1, path)
        return key

    return make


@pytest.fixture
def rule(database: Database) -> Callable[..., AssignmentRule]:
    """Makes a rule for the leads of a source, or for all."""

    def make(users: Any, source: str = "", **values: Any) -> AssignmentRule:
        given = {"display_name": "规则", "strategy": "ROUND_ROBIN", "users": list(users)}
        if source:
            given["condition"] = where("source", source)
        with database.write(make_caller()) as session:
            return create_rule(session, given | values)

    return make


def where(field: str, value: str) -> dict[str, Any]:
    """A condition in the form in which it is kept."""
    condition = Condition(field=field, operator=OPERATOR_EQUAL, values=[FilterValue(text=value)])
    return MessageToDict(Filter(condition=condition))


@pytest.fixture
def leads(database: Database) -> Callable[..., list[Lead]]:
    """Enters leads that nobody owns, and lets the rules look at them."""

    def make(count: int = 1, *, assigned: bool = True, **values: Any) -> list[Lead]:
        with database.write(service_caller("leads")) as session:
            made = [
                create_lead(session, LeadDraft({"company_name": f"公司{new_id().hex}"} | values)) for _ in range(count)
            ]
        if assigned:
            with database.write(service_caller("leads")) as session:
                assign_new(session, [lead.id for lead in made])
        with database.read(make_caller()) as session:
            return [session.get_one(Lead, lead.id) for lead in made]

    return make


def explained(database, lead):
    with database.read(make_caller()) as session:
        return queries.explain_assignment(session, lead.id, None)


def fresh(database, lead):
    with database.read(make_caller()) as session:
        return session.get_one(Lead, lead.id)


def pool(database):
    with database.read(make_caller()) as session:
        return {row.lead_id: row for row in session.scalars(select(WaitingLead))}


def run(database, timer):
    with database.write(SYSTEM) as session:
        timer(session, session.now)
