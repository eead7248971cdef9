"""How the sample company works on leads: a playbook, rules that give leads to people, and one day of a rep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm.common.v1 import filter_pb2
from crm.leads.v1 import (
    assignment_pb2,
    assignment_service_pb2,
    assignment_service_pb2_grpc,
    lead_pb2,
    lead_service_pb2,
    lead_service_pb2_grpc,
    plan_pb2,
    plan_service_pb2,
    plan_service_pb2_grpc,
    playbook_pb2,
    playbook_service_pb2,
    playbook_service_pb2_grpc,
    task_pb2,
    task_service_pb2,
    task_service_pb2_grpc,
    visit_pb2,
    visit_service_pb2,
    visit_service_pb2_grpc,
)
from google.protobuf.timestamp_pb2 import Timestamp

from local_suite.client import SuiteClient
from local_suite.sample.company import Organisation

SOURCE = "官网"
INQUIRIES = (
    ("示例启明检测技术有限公司", "沈悦", "13900010011", "上海市", "上海市", "实验室设备的报价"),
    ("示例太湖新材料有限公司", "韩冬", "13900010012", "江苏省", "无锡市", "两条产线的样机"),
)
"""Leads that nobody owns when they come in."""
_PLACE = visit_pb2.VisitPosition(latitude=31.2989, longitude=120.5853, accuracy_metres=15)
"""In Suzhou."""


@dataclass(frozen=True)
class LeadWork:
    """Brings in how leads are worked on, and what comes of it."""

    suite: SuiteClient
    request_id: Callable[[str, str], str]
    """(kind, key) → what makes a retry safe."""
    now: datetime

    def prepare(self, theatre: str, department: str) -> None:
        """Make a playbook, which leads start as they come in, and a rule for those from the website."""
        playbooks = playbook_service_pb2_grpc.PlaybookServiceStub(self.suite.leads)
        playbooks.CreatePlaybook(
            playbook_service_pb2.CreatePlaybookRequest(
                playbook=_playbook(), request_id=self.request_id("playbook", "leads")
            ),
            metadata=self.suite.admin,
            timeout=10,
        )
        condition = filter_pb2.Condition(
            field="source", operator=filter_pb2.OPERATOR_EQUAL, values=[filter_pb2.FilterValue(text=SOURCE)]
        )
        rule = assignment_pb2.AssignmentRule(
            display_name=f"{SOURCE}线索轮流分配（{theatre}）",
            condition=filter_pb2.Filter(condition=condition),
            strategy=assignment_pb2.ASSIGNMENT_STRATEGY_ROUND_ROBIN,
            departments=[department],
            accept_minutes=240,
            fallback_department=department,
            manager_is_head=True,
        )
        assignment_service_pb2_grpc.AssignmentServiceStub(self.suite.leads).CreateAssignmentRule(
            assignment_service_pb2.CreateAssignmentRuleRequest(
                rule=rule, request_id=self.request_id("assignment", theatre)
            ),
            metadata=self.suite.admin,
            timeout=10,
        )

    def work(self, organisation: Organisation, leads: Sequence[str]) -> None:
        """Let leads come in that the rule gives to people, and a rep work on the first of theirs: a task, a plan, and a
        visit."""
        self._inquire()
        sellers = organisation.sellers(organisation.theatres[0])
        seller = next(person for person in sellers if person.role == "销售代表")
        caller = self.suite.sign_in(seller.username, self.suite.targets.people_password)
        self._task(leads[0], caller)
        self._plan(leads[0], caller)
        self._visit(leads[0], caller)

    def _inquire(self) -> None:
        stub = lead_service_pb2_grpc.LeadServiceStub(self.suite.leads)
        for company, contact, phone, province, city, requirement in INQUIRIES:
            lead = lead_pb2.Lead(
                company_name=company,
                contact_name=contact,
                phones=[phone],
                source=SOURCE,
                province=province,
                city=city,
                requirement=requirement,
            )
            request = lead_service_pb2.CreateLeadRequest(
                lead=lead, unowned=True, request_id=self.request_id("lead", company)
            )
            stub.CreateLead(request, metadata=self.suite.admin, timeout=10)

    def _task(self, lead: str, caller: Any) -> None:
        task = task_pb2.Task(
            subject=lead,
            title="准备样机演示",
            due_rule=task_pb2.DueRule(amount=2, unit=task_pb2.DUE_UNIT_WORKING_DAYS),
            priority=task_pb2.TASK_PRIORITY_HIGH,
        )
        request = task_service_pb2.CreateTaskRequest(task=task, request_id=self.request_id("task", lead))
        task_service_pb2_grpc.TaskServiceStub(self.suite.leads).CreateTask(request, metadata=caller, timeout=10)

    def _plan(self, lead: str, caller: Any) -> None:
        start = self.now + timedelta(days=1, hours=2)  # ten o'clock in China
        plan = plan_pb2.Plan(
            kind=plan_pb2.PLAN_KIND_VISIT,
            title="上门演示",
            place="苏州工业园区",
            subject=lead,
            start_time=_timestamp(start),
            end_time=_timestamp(start + timedelta(hours=2)),
        )
        request = plan_service_pb2.CreatePlanRequest(plan=plan, request_id=self.request_id("plan", lead))
        plan_service_pb2_grpc.PlanServiceStub(self.suite.leads).CreatePlan(request, metadata=caller, timeout=10)

    def _visit(self, lead: str, caller: Any) -> None:
        stub = visit_service_pb2_grpc.VisitServiceStub(self.suite.leads)
        located = visit_service_pb2.SetSubjectPositionRequest(
            subject=lead, position=_PLACE, request_id=self.request_id("position", lead)
        )
        stub.SetSubjectPosition(located, metadata=self.suite.admin, timeout=10)
        come = visit_service_pb2.CheckInRequest(
            subject=lead, position=_PLACE, device="示例手机", request_id=self.request_id("check-in", lead)
        )
        visit = stub.CheckIn(come, metadata=caller, timeout=10)
        left = visit_service_pb2.CheckOutRequest(
            name=visit.name,
            position=_PLACE,
            report=visit_service_pb2.VisitReport(content="看了装配线，约好明天带样机来演示"),
            request_id=self.request_id("check-out", lead),
        )
        stub.CheckOut(left, metadata=caller, timeout=10)


def _playbook() -> playbook_pb2.Playbook:
    first_call = playbook_pb2.TaskTemplate(
        trigger=playbook_pb2.PLAYBOOK_TRIGGER_STAGE_ENTERED,
        title="首次联系",
        due=task_pb2.DueRule(amount=4, unit=task_pb2.DUE_UNIT_WORKING_HOURS),
        required=True,
    )
    silence = playbook_pb2.TaskTemplate(
        trigger=playbook_pb2.PLAYBOOK_TRIGGER_NO_CALL_FOR, quiet_days=3, title="三天没有联系，请回访"
    )
    stages: Sequence[tuple[str, lead_pb2.LeadStatus.ValueType, str, Sequence[playbook_pb2.TaskTemplate]]] = (
        ("初步接触", lead_pb2.LEAD_STATUS_NEW, "弄清是谁、要什么", [first_call]),
        ("需求确认", lead_pb2.LEAD_STATUS_CONTACTED, "预算、时间、决策人", []),
        ("方案提供", lead_pb2.LEAD_STATUS_QUALIFIED, "一页方案和报价", []),
    )
    return playbook_pb2.Playbook(
        display_name="新线索跟进",
        stages=[
            playbook_pb2.PlaybookStage(
                title=title, lead_status=status, guidance=guidance, auto_advance=bool(made), templates=made
            )
            for title, status, guidance, made in stages
        ],
        templates=[silence],
    )


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
