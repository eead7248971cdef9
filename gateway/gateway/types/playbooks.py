"""Playbooks, where leads are in them, and what happens when nobody follows up."""

from typing import Any, cast

import strawberry
from crm.leads.v1 import escalation_pb2, playbook_pb2

from gateway.conditions import from_filter
from gateway.deriver import Record, derive
from gateway.fields import field


@derive(
    playbook_pb2.TaskTemplate,
    required={"id", "trigger", "title", "assignee_rule", "priority"},
    relations={"assignee": "users"},
)
class TaskTemplate(Record[playbook_pb2.TaskTemplate]):
    pass


@derive(playbook_pb2.PlaybookStage, required={"id", "title"})
class PlaybookStage(Record[playbook_pb2.PlaybookStage]):
    pass


@derive(playbook_pb2.Playbook, required={"display_name", "etag"}, hide={"filter"}, relations={"creator": "users"})
class Playbook(Record[playbook_pb2.Playbook]):
    @field("The filter that leads fulfil who start it; null if all do.")
    def filter(self) -> strawberry.scalars.JSON | None:
        held: Any = from_filter(self.wire.filter)
        return cast(strawberry.scalars.JSON | None, held)


@derive(playbook_pb2.LeadProgress, required={"lead", "playbook", "playbook_title"})
class LeadProgress(Record[playbook_pb2.LeadProgress]):
    pass


@derive(playbook_pb2.StageStay, required={"lead", "playbook", "stage", "stage_title"}, relations={"actor": "users"})
class StageStay(Record[playbook_pb2.StageStay]):
    pass


@derive(escalation_pb2.EscalationStep, relations={"assignee": "users"})
class EscalationStep(Record[escalation_pb2.EscalationStep]):
    pass


@derive(
    escalation_pb2.EscalationPolicy,
    required={"display_name", "subject", "etag"},
    relations={"department": "departments"},
)
class EscalationPolicy(Record[escalation_pb2.EscalationPolicy]):
    pass


@derive(escalation_pb2.Escalation, hide={"subject"}, relations={"owner": "users", "manager": "users"})
class Escalation(Record[escalation_pb2.Escalation]):
    @field("What nobody followed up: the id of a lead or customer.")
    def subject(self) -> strawberry.ID:
        return strawberry.ID(self.wire.subject)
