"""Tasks by rule, playbooks with gates, and what happens when nobody follows up, through GraphQL."""

from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

REP = (
    "lead.read", "lead.create", "lead.update", "customer.read", "customer.create", "follow_up.create", "follow_up.read",
    "task.read", "task.create", "task.update", "user.read", "playbook.read", "escalation.read",
)  # fmt: skip
HEAD = (*REP, "task.assign", "task.delete", "lead.transfer")
CHINA = ZoneInfo("Asia/Shanghai")
TASKS = """query($filter: FilterInput) { tasks(filter: $filter, first: 200) { nodes {
  id title status assigneeId dueTime createTime required subject subjectTitle } } }"""
PROGRESS = "query($id: ID!) { leadProgress(lead: $id) { version stage openRequiredTasks } }"
ENTER = "mutation($input: MoveLeadStageInput!) { moveLeadStage(input: $input) { stage } }"
BOARD = """query($filter: FilterInput) { taskBoard(filter: $filter) { nodes {
  assigneeId openCount overdueCount dueTodayCount doneThisWeekCount } } }"""
BUCKETS = {
    "OPEN": "openCount",
    "OVERDUE": "overdueCount",
    "DUE_TODAY": "dueTodayCount",
    "DONE_THIS_WEEK": "doneThisWeekCount",
}


class Team:
    """A department with a rep and a head, and a source of leads that no other test has."""

    def __init__(self, suite, admin: GraphQLClient, organisation) -> None:
        self.suite, self.admin, self.source = suite, admin, f"源{uuid4().hex[:8]}"
        self.department = organisation.department("任务")
        self.rep_id, self.rep = organisation.user(self.department, organisation.role("SELF", *REP))
        role = organisation.role("DEPARTMENT_TREE", *HEAD)
        self.head_id, self.head = organisation.user(self.department, role)
        change = "mutation($input: UpdateDepartmentInput!) { updateDepartment(input: $input) { id } }"
        admin.run(change, input={"id": self.department, "headId": self.head_id})
        eventually(self._is_known)

    def _is_known(self) -> bool:
        """Whether the service of leads has heard of both, and of who heads the department."""
        rep, head = (user.partition("/")[2] for user in (self.rep_id, self.head_id))
        known = """SELECT (SELECT count(*) FROM known_user WHERE id = ANY(%s)),
          (SELECT count(*) FROM known_department WHERE head_id = %s)"""
        with self.suite.database("leads") as connection:
            return connection.execute(known, ([rep, head], head)).fetchone() == (2, 1)

    def make(self, client: GraphQLClient, kind: str, **values: object) -> str:
        document = f"mutation($input: Create{kind}Input!) {{ create{kind}(input: $input) {{ id }} }}"
        made: str = client.run(document, input=values)[f"create{kind}"]["id"]
        return made

    def playbook(self, **values: object) -> str:
        mine = {"condition": {"field": "source", "operator": "EQUAL", "values": [self.source]}}
        return self.make(self.admin, "Playbook", name=f"流程{uuid4().hex[:6]}", filter=mine, **values)

    def lead(self) -> str:
        return self.make(self.rep, "Lead", companyName=f"线索{uuid4().hex}", source=self.source)

    def tasks(self, subject: str, client: GraphQLClient | None = None) -> list[dict]:
        about = {"condition": {"field": "subject", "operator": "EQUAL", "values": [subject]}}
        nodes: list[dict] = (client or self.head).run(TASKS, filter=about)["tasks"]["nodes"]
        return nodes

    def complete(self, task: str) -> None:
        self.rep.run("mutation($id: ID!) { completeTask(input: { id: $id }) { status } }", id=task)

    def told_of(self, subject: str) -> list[tuple[str, str]]:
        """The notifications that were raised about a record: to whom, and of which kind."""
        raised = """SELECT data->>'recipient', data->>'kind' FROM outbox
          WHERE type = 'crm.common.v1.NotificationRaised' AND data->>'resource' = %s ORDER BY position"""
        with self.suite.database("leads") as connection:
            return [(row[0], row[1]) for row in connection.execute(raised, (subject,)).fetchall()]

    def told(self) -> dict[tuple[str, str], int]:
        """Of how many records the representative and the head were told by escalation, by person and kind."""
        raised = """SELECT data->>'recipient', data->>'kind', data->'params'->>'count' FROM outbox
          WHERE type = 'crm.common.v1.NotificationRaised' AND data->>'recipient' = ANY(%s)"""
        told: dict[tuple[str, str], int] = {}
        with self.suite.database("leads") as connection:
            for recipient, kind, count in connection.execute(raised, ([self.rep_id, self.head_id],)):
                one = ESCALATED.get(kind)
                if one is not None:
                    told[recipient, one] = told.get((recipient, one), 0) + int(count or 1)
        return told

    def pass_to(self, moment: datetime) -> None:
        move = "mutation($to: DateTime!) { moveTestClock(input: { set: $to }) { now } }"
        self.admin.run(move, to=moment.isoformat())


ESCALATED = {
    "FOLLOW_UP_OVERDUE": "FOLLOW_UP_OVERDUE",
    "FOLLOW_UPS_OVERDUE": "FOLLOW_UP_OVERDUE",
    "FOLLOW_UP_ESCALATED": "FOLLOW_UP_ESCALATED",
    "FOLLOW_UPS_ESCALATED": "FOLLOW_UP_ESCALATED",
    "HIGH_RISK_MARKED": "HIGH_RISK_MARKED",
    "HIGH_RISKS_MARKED": "HIGH_RISK_MARKED",
}
"""The kinds of notifications, of one record and of several."""


@pytest.fixture
def team(suite, admin, organisation) -> Team:
    return Team(suite, admin, organisation)


@pytest.mark.feature("C4")
def test_an_assignment_makes_its_tasks_once_in_working_hours_and_days_of_silence_one(team, real_time):
    call = {"title": "三天内致电", "trigger": "LEAD_ASSIGNED", "due": {"amount": 4, "unit": "WORKING_HOURS"}}
    quiet = {"title": "三天未联系", "trigger": "NO_CALL_FOR", "quietDays": 3, "priority": "HIGH"}
    team.playbook(templates=[{**call, "checklist": ["开场白"]}, quiet])
    lead = team.lead()
    [task] = eventually(lambda: team.tasks(lead))
    due = datetime.fromisoformat(task["dueTime"]).astimezone(CHINA)
    assert (task["title"], task["assigneeId"], task["subject"]) == ("三天内致电", team.rep_id, lead)
    assert due - real_time >= timedelta(hours=4)
    assert 9 <= due.hour + due.minute / 60 <= 18
    assert (team.rep_id, "TASK_ASSIGNED") in team.told_of(task["id"])
    team.rep.run('mutation($id: ID!) { updateLead(input: { id: $id, remark: "急" }) { id } }', id=lead)
    team.pass_to(real_time + timedelta(days=3, hours=1))
    eventually(lambda: len(team.tasks(lead)) == 2)
    team.pass_to(real_time + timedelta(days=4))
    assert sorted(each["title"] for each in team.tasks(lead)) == ["三天内致电", "三天未联系"]
    transfer = "mutation($id: ID!, $to: ID!) { transferLead(input: { id: $id, ownerId: $to }) { id } }"
    team.head.run(transfer, id=lead, to=team.head_id)
    eventually(lambda: len(team.tasks(lead)) == 3)
    assert {each["assigneeId"] for each in team.tasks(lead)} == {team.head_id}


@pytest.mark.feature("C6")
def test_a_stage_is_left_once_its_required_tasks_are_done_by_itself_if_so_set(team):
    templates = [
        {"title": title, "required": required}
        for title, required in (("需求", True), ("预算", True), ("加微信", False))
    ]
    stages = [
        {"title": "初步接触"},
        {"title": "需求确认", "templates": templates, "autoAdvance": True, "leadStatus": "CONTACTED"},
        {"title": "方案", "goals": ["报价"], "guidance": "先听后说"},
    ]
    team.playbook(stages=stages)
    lead = team.lead()
    query = "query($id: ID!) { leadProgress(lead: $id) { stage stages { id } } }"
    eventually(lambda: "errors" not in team.rep.answer(query, id=lead))
    _, second, third = [stage["id"] for stage in team.rep.run(query, id=lead)["leadProgress"]["stages"]]
    team.rep.run(ENTER, input={"leadId": lead, "stage": second})
    required = [task["id"] for task in team.tasks(lead) if task["required"]]
    with pytest.raises(GraphQLError) as refused:
        team.rep.run(ENTER, input={"leadId": lead, "stage": third})
    [error] = refused.value.errors
    assert error["extensions"]["reason"] == "STAGE_GATE"
    assert sorted(error["extensions"]["tasks"].split(",")) == sorted(required)
    assert len(required) == 2
    for task in required:
        team.complete(task)
    eventually(lambda: team.rep.run(PROGRESS, id=lead)["leadProgress"]["stage"] == third)
    history = "query($id: ID!) { stageHistory(lead: $id) { nodes { stageTitle leaveTime seconds } } }"
    stays = team.rep.run(history, id=lead)["stageHistory"]["nodes"]
    assert [(stay["stageTitle"], stay["leaveTime"] is None) for stay in stays] == [
        ("方案", True),
        ("需求确认", False),
        ("初步接触", False),
    ]
    assert team.rep.run("query($id: ID!) { lead(id: $id) { status } }", id=lead)["lead"]["status"] == "CONTACTED"


@pytest.mark.feature("C5")
def test_on_days_three_five_and_seven_just_these_are_told_and_nobody_after_a_follow_up(team, real_time):
    for subject in ("LEADS", "CUSTOMERS"):
        values = {"name": "三五七", "subject": subject, "departmentId": team.department}
        team.make(team.admin, "EscalationPolicy", **values)
    quiet, talked = team.lead(), team.lead()
    customer = team.make(team.rep, "Customer", name=f"客户{uuid4().hex}")
    with team.suite.database("leads") as connection:
        known = "SELECT 1 FROM known_customer WHERE id = %s"
        eventually(lambda: connection.execute(known, (customer.partition("/")[2],)).fetchone())
    rep, head = team.rep_id, team.head_id
    team.pass_to(real_time + timedelta(days=2, hours=20))
    assert team.told() == {}
    team.pass_to(real_time + timedelta(days=3, hours=1))
    third = {(rep, "FOLLOW_UP_OVERDUE"): 3}
    eventually(lambda: team.told() == third)
    log = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
    team.rep.run(log, input={"leadId": talked, "method": "CALL", "content": "客户下周看样"})
    team.pass_to(real_time + timedelta(days=5, hours=1))
    fifth = {(rep, "FOLLOW_UP_OVERDUE"): 5, (head, "FOLLOW_UP_ESCALATED"): 2}
    eventually(lambda: team.told() == fifth)
    team.pass_to(real_time + timedelta(days=5, hours=20))
    assert team.told() == fifth
    team.rep.run(log, input={"leadId": talked, "method": "CALL", "content": "客户定了时间"})
    team.pass_to(real_time + timedelta(days=7, hours=1))
    seventh = fifth | {(rep, "HIGH_RISK_MARKED"): 2, (head, "HIGH_RISK_MARKED"): 2}
    eventually(lambda: team.told() == seventh)
    risky = "query { escalations(highRisk: true, standing: true) { nodes { subject days owner { id } } } }"
    found = team.head.run(risky)["escalations"]["nodes"]
    assert {each["subject"] for each in found} == {quiet, customer}
    team.rep.run(log, input={"customerId": customer, "method": "CALL", "content": "客户同意再谈"})
    assert {each["subject"] for each in team.head.run(risky)["escalations"]["nodes"]} == {quiet}


@pytest.mark.feature("C5")
def test_a_manager_sees_who_does_what_and_the_numbers_are_those_of_the_list(team, real_time):
    lead = team.lead()
    for hours in (-30, -1, 1, 50, None):
        due = {"dueTime": (real_time + timedelta(hours=hours)).isoformat()} if hours is not None else {}
        team.make(team.rep, "Task", subject=lead, title="回访", **due)
    given = team.make(team.head, "Task", subject=lead, title="陪访", assigneeId=team.head_id)
    team.complete(team.make(team.rep, "Task", subject=lead, title="寄样品"))
    query = """query($filter: FilterInput, $bucket: TaskBucket) { tasks(filter: $filter, bucket: $bucket) {
      totalCount nodes { id } } }"""
    for viewer, people in ((team.head, {team.rep_id, team.head_id}), (team.rep, {team.rep_id, team.head_id})):
        rows = viewer.run(BOARD)["taskBoard"]["nodes"]
        assert {row["assigneeId"] for row in rows} == people
        for row in rows:
            mine = {"condition": {"field": "assigneeId", "operator": "EQUAL", "values": [row["assigneeId"]]}}
            for bucket, field in BUCKETS.items():
                listed = viewer.run(query, filter=mine, bucket=bucket)["tasks"]
                assert row[field] == listed["totalCount"] == len(listed["nodes"])
    [row] = [one for one in team.head.run(BOARD)["taskBoard"]["nodes"] if one["assigneeId"] == team.rep_id]
    assert (row["openCount"], row["overdueCount"], row["doneThisWeekCount"]) == (5, 2, 1)
    done = "mutation($ids: [ID!]!) { batchCompleteTasks(input: { ids: $ids }) { task { id status } reason } }"
    outcomes = team.head.run(done, ids=[given, f"tasks/{uuid4()}"])["batchCompleteTasks"]
    assert [(one["task"] or {}).get("status") for one in outcomes] == ["DONE", None]
    assert outcomes[1]["reason"] == "TASK_NOT_FOUND"
