"""Leads, and follow-ups on them."""

from collections.abc import Callable
from typing import Any

import pytest
from chassis.callers import Caller, service_caller
from chassis.db import Database
from chassis.names import new_id
from chassis.testing import make_caller
from leads.drafts import FollowUpDraft
from leads.model import FollowUp, Lead
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.log_follow_up import log_follow_up
from leads.usecases.remind_due import remind_due

GOOD = "张总说下周定合同，价格再谈两个点"


@pytest.fixture
def create(database: Database) -> Callable[..., Lead]:
    def make(caller: Caller, **values: Any) -> Lead:
        values.setdefault("company_name", f"公司{new_id().hex}")
        with database.write(caller) as session:
            return create_lead(session, LeadDraft(values))

    return make


@pytest.fixture
def reread(database: Database) -> Callable[[Lead], Lead]:
    def read(lead: Lead) -> Lead:
        with database.read(make_caller()) as session:
            return session.get_one(Lead, lead.id)

    return read


@pytest.fixture
def log(database: Database, directory: Any) -> Callable[..., FollowUp]:
    """Logs a follow-up on a lead."""

    def write(caller: Caller, lead: Lead, content: str = GOOD, **values: Any) -> FollowUp:
        draft = FollowUpDraft(None, "WECHAT", content, lead_id=lead.id, **values)
        with database.write(caller) as session:
            return log_follow_up(session, draft, directory)

    return write


@pytest.fixture
def remind(database: Database, clock: Any, facts: Any) -> Callable[[], list[dict[str, Any]]]:
    """Sends the reminders that are due, and tells which."""

    def run() -> list[dict[str, Any]]:
        before = len(facts())
        with database.write(service_caller("leads")) as session:
            remind_due(session, clock.now)
        return [data for kind, data in facts()[before:] if kind == "NotificationRaised"]

    return run
