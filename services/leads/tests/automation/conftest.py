"""People with roles, rules in force, and the way of events to them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from chassis.bus.envelope import Received
from chassis.callers import Caller, Reach, service_caller
from chassis.db import Database
from chassis.names import new_id
from chassis.testing import make_caller
from leads.automation.authors import callers_of, learn_holder, learn_role
from leads.automation.create_rule import create_rule
from leads.automation.listening import react_to_all
from leads.automation.update_rule import publish_rule
from leads.automation.webhooks import WebhookPolicy
from leads.life.conversion import Admission, begin, complete
from leads.model import AutomationRule, AutomationRun, Lead
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_customers import CustomerFacts
from leads.usecases.learn_organisation import learn_user
from leads.usecases.update_lead import update_lead
from sqlalchemy import select, text

POLICY = WebhookPolicy(("*.example.com",), secret="s" * 32)
CREATED = {"kind": "EVENT", "event": "LeadCreated"}
UPDATED = {"kind": "EVENT", "event": "LeadUpdated"}


@dataclass
class House:
    """The service's database with people and rules in it."""

    database: Database
    position: int = 0
    versions: dict[UUID, int] = field(default_factory=dict)

    def person(self, *permissions: str, reach: Reach = Reach.ALL, path: str = "r/", **values: Any) -> Caller:
        """Somebody who is granted some permissions, all if none is named."""
        user_id = values.pop("user_id", None) or new_id()
        version = self.versions[user_id] = self.versions.get(user_id, 0) + 1
        role_id = new_id()
        held = dict.fromkeys(permissions or ("*",), reach) | dict.fromkeys(values.get("everywhere", ()), Reach.ALL)
        grants = [{"permission": each, "reach": str(far), "departments": []} for each, far in held.items()]
        with self.database.write(service_caller("leads")) as session:
            learn_user(session, user_id, version, new_id(), path, active=values.get("active", True))
            learn_role(session, role_id, 1, grants, values.get("field_rules", []))
            learn_holder(session, user_id, version, [f"roles/{role_id}"])
            return callers_of(session, [user_id]).get(user_id) or make_caller(user_id=user_id)

    def rule(self, author: Caller, trigger: Any, actions: Any, condition: str = "", **values: Any) -> AutomationRule:
        """A rule in force."""
        draft = {"display_name": f"规则{new_id().hex}", "trigger": trigger, "condition": condition, "actions": actions}
        with self.database.write(author) as session:
            rule = create_rule(session, draft | values, POLICY)
            return publish_rule(session, rule.id, POLICY)

    def lead(self, caller: Caller, **values: Any) -> Lead:
        """A new lead."""
        values.setdefault("company_name", f"公司{new_id().hex}")
        with self.database.write(caller) as session:
            return create_lead(session, LeadDraft(values))

    def change(self, caller: Caller, lead: Lead, **values: Any) -> None:
        """Change a lead."""
        with self.database.write(caller) as session:
            update_lead(session, lead.id, values)

    def convert(self, caller: Caller, lead: Lead) -> UUID:
        """Let a lead become a customer of the caller's."""
        customer = CustomerFacts(new_id(), 1, "华诚", caller.user_id, None, "华诚")
        with self.database.write(caller) as session:
            begun = begin(session, lead.id, b"1", None)
            complete(session, lead.id, begun.id, Admission(customer, None))
        return customer.id

    def now(self, lead: Lead) -> Lead:
        """A lead as it is now."""
        with self.database.read(service_caller("leads")) as session:
            return session.get_one(Lead, lead.id)

    def events(self) -> list[Received]:
        """The events that were written since last asked."""
        with self.database.read(service_caller("leads")) as session:
            rows = session.execute(
                text("SELECT * FROM outbox WHERE position > :position ORDER BY position"), {"position": self.position}
            ).all()
        self.position = rows[-1].position if rows else self.position
        return [
            Received(row.event_id, row.type, "leads", row.subject, row.time, row.traceparent, row.data) for row in rows
        ]

    def pump(self) -> None:
        """Let all events reach the rules, and those that come of it, until nothing more happens."""
        for _ in range(50):
            events = [
                event for event in self.events() if event.name in ("LeadCreated", "LeadUpdated", "FollowUpLogged")
            ]
            if not events:
                return
            with self.database.write(service_caller("leads")) as session:
                react_to_all(session, events)
        raise AssertionError("the rules go on for ever")

    def runs(self, rule: AutomationRule | None = None) -> list[AutomationRun]:
        """The runs, in order."""
        statement = select(AutomationRun).order_by(AutomationRun.id)
        with self.database.read(service_caller("leads")) as session:
            return list(session.scalars(statement.where(AutomationRun.rule_id == rule.id) if rule else statement))

    def state(self, rule: AutomationRule) -> tuple[str, str | None]:
        """Whether a rule runs, and why not."""
        with self.database.read(service_caller("leads")) as session:
            found = session.get_one(AutomationRule, rule.id)
            return found.state, found.suspension_reason

    def notices(self, facts: Callable[[], list[tuple[str, dict[str, Any]]]], kind: str) -> list[dict[str, Any]]:
        """The notifications of a kind."""
        return [data for name, data in facts() if name == "NotificationRaised" and data["kind"] == kind]


@pytest.fixture
def house(database: Database) -> House:
    return House(database)
