"""Automation rules through GraphQL: written, judged, tried on what has happened, run, logged, and stopped."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

AUTHOR = (
    "automation.read", "automation.configure", "lead.read", "lead.create", "lead.update", "lead.transfer",
    "task.read", "task.create", "task.assign", "user.read",
)  # fmt: skip
RULE = "id name state etag suspensionReason authorId"
CREATE = f"mutation($input: CreateAutomationRuleInput!) {{ createAutomationRule(input: $input) {{ {RULE} }} }}"
PUBLISH = f"mutation($id: ID!) {{ publishAutomationRule(input: {{ id: $id }}) {{ {RULE} }} }}"
STATE = f"query($id: ID!) {{ automationRule(id: $id) {{ {RULE} }} }}"
RUNS = """query($rule: ID!) { automationRuns(rule: $rule, first: 50) { nodes {
  record event outcome reason values depth results { kind state detail } } } }"""
PREVIEW = """query($rule: PreviewAutomationRuleInput!) { previewAutomationRule(rule: $rule) {
  tried matched matches { record outcome values results { kind state detail } } } }"""
JUDGE = """query($expression: String!, $trigger: AutomationTriggerInput!) {
  automationExpression(expression: $expression, trigger: $trigger) {
    issues { reason message line column } variables { name type choices } } }"""
LEAD = "query($id: ID!) { lead(id: $id) { channel ownerId status } }"
CREATED = {"kind": "EVENT", "event": "LeadCreated"}


class Office:
    """Somebody who makes rules, somebody who sells, and a source of leads that no other test has."""

    def __init__(self, suite, admin: GraphQLClient, organisation) -> None:
        self.suite, self.admin, self.source = suite, admin, f"源{uuid4().hex[:8]}"
        self.rules: list[str] = []
        department = organisation.department("自动化")
        self.role = organisation.role("ALL", *AUTHOR)
        self.author_id, self.author = organisation.user(department, self.role)
        self.rep_id, self.rep = organisation.user(department, organisation.role("SELF", "lead.read", "task.read"))
        eventually(lambda: self.known(self.author_id) and self.known(self.rep_id))

    def known(self, user: str) -> bool:
        """Whether the service of leads knows what the user may do."""
        with self.suite.database("leads") as connection:
            query = """SELECT 1 FROM known_holder JOIN known_user USING (id) JOIN known_role ON
              'roles/' || known_role.id = ANY (roles) WHERE known_holder.id = %s"""
            return bool(connection.execute(query, (user.partition("/")[2],)).fetchall())

    def grants(self, permission: str) -> bool:
        """Whether the service of leads takes the author's role to grant a permission."""
        with self.suite.database("leads") as connection:
            query = "SELECT grants::text FROM known_role WHERE id = %s"
            [(held,)] = connection.execute(query, (self.role.partition("/")[2],)).fetchall()
        return f'"{permission}"' in held

    def mine(self, condition: str = "") -> str:
        """A condition that holds for leads of this test alone."""
        return " && ".join(filter(None, [f'lead.source == "{self.source}"', condition]))

    def rule(self, trigger: dict, actions: list[dict], condition: str = "", **values: object) -> str:
        """A rule in force."""
        given = {"name": f"规则{uuid4().hex[:8]}", "trigger": trigger, "actions": actions, **values}
        made = self.author.run(CREATE, input={"condition": self.mine(condition), **given})["createAutomationRule"]
        assert (made["state"], made["authorId"]) == ("DRAFT", self.author_id)
        rule: str = made["id"]
        self.rules.append(rule)
        assert self.author.run(PUBLISH, id=rule)["publishAutomationRule"]["state"] == "PUBLISHED"
        return rule

    def lead(self, **values: object) -> str:
        document = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }"
        given = {"companyName": f"线索{uuid4().hex}", "source": self.source, **values}
        made: str = self.author.run(document, input=given)["createLead"]["id"]
        return made

    def runs(self, rule: str, *outcomes: str) -> list[dict]:
        """The runs of a rule, once there are as many with these outcomes; the newest first."""

        def found() -> list[dict]:
            nodes: list[dict] = self.author.run(RUNS, rule=rule)["automationRuns"]["nodes"]
            return nodes if sorted(run["outcome"] for run in nodes) == sorted(outcomes) else []

        return eventually(found, timeout=60)

    def state(self, rule: str) -> tuple[str, str | None]:
        found = self.author.run(STATE, id=rule)["automationRule"]
        return found["state"], found["suspensionReason"]


@pytest.fixture
def office(suite, admin, organisation) -> Iterator[Office]:
    made = Office(suite, admin, organisation)
    yield made
    for rule in made.rules:  # the suite is shared: no rule of this file is to look at the leads of another
        made.admin.answer("mutation($id: ID!) { deleteAutomationRule(input: { id: $id }) }", id=rule)


def test_a_rule_is_judged_tried_run_and_logged(office):
    judged = office.author.run(JUDGE, expression='lead.state == "NEW" &&\n  lead.status > 1', trigger=CREATED)
    issues = judged["automationExpression"]["issues"]
    assert [(issue["reason"], issue["line"], issue["column"]) for issue in issues] == [
        ("INVALID_CONDITION", 1, 5),
        ("INVALID_CONDITION", 2, 15),
    ]
    variables = {each["name"]: each for each in judged["automationExpression"]["variables"]}
    assert "CONTACTED" in variables["lead.status"]["choices"]
    actions = [
        {"kind": "SET_FIELD", "field": "channel", "value": "线下"},
        {"kind": "ASSIGN", "userId": office.rep_id},
        {"kind": "CREATE_TASK", "text": "回访 {lead.company_name}", "userId": office.rep_id, "dueHours": 4},
        {"kind": "NOTIFY", "text": "{lead.company_name} 归您了", "toOwner": True},
    ]
    before = office.lead(phones=["13800138000"])
    draft = {"trigger": CREATED, "condition": office.mine("size(lead.phones) == 1"), "actions": actions}
    seen = office.author.run(PREVIEW, rule=draft)["previewAutomationRule"]
    [match] = seen["matches"]
    assert (seen["matched"], match["record"], match["values"]["lead.phones"]) == (1, before, True)
    assert [result["state"] for result in match["results"]] == ["WOULD"] * 4
    assert office.author.run(LEAD, id=before)["lead"]["channel"] is None

    rule = office.rule(CREATED, actions, "size(lead.phones) == 1")
    lead, other = office.lead(phones=["13900139000"]), office.lead()
    runs = {run["outcome"]: run for run in office.runs(rule, "DONE", "NOT_MATCHED")}
    passed, done = runs["NOT_MATCHED"], runs["DONE"]
    assert (passed["record"], done["record"], done["values"]["lead.source"]) == (other, lead, office.source)
    assert [result["state"] for result in done["results"]] == ["DONE"] * 4
    now = office.rep.run(LEAD, id=lead)["lead"]
    assert (now["channel"], now["ownerId"]) == ("线下", office.rep_id)
    [task] = office.rep.run("{ tasks { nodes { id title subject } } }")["tasks"]["nodes"]
    assert (task["id"], task["subject"]) == (done["results"][2]["detail"], lead)


def test_a_circle_of_rules_is_stopped_and_so_is_a_rule_whose_author_may_no_more(office):
    forth = {"kind": "FIELD_CHANGE", "field": "channel", "toValue": "甲"}
    back = {"kind": "FIELD_CHANGE", "field": "channel", "toValue": "乙"}
    one = office.rule(forth, [{"kind": "SET_FIELD", "field": "channel", "value": "乙"}])
    other = office.rule(back, [{"kind": "SET_FIELD", "field": "channel", "value": "甲"}])
    lead = office.lead()
    change = 'mutation($id: ID!) { updateLead(input: { id: $id, channel: "甲" }) { id } }'
    office.author.run(change, id=lead)
    assert [run["depth"] for run in office.runs(one, "DONE", "LOOP")] == [2, 0]
    assert (office.state(one), office.state(other)[0]) == (("SUSPENDED", "RULE_LOOP"), "PUBLISHED")

    rule = office.rule(CREATED, [{"kind": "SET_FIELD", "field": "channel", "value": "丙"}])
    less = [{"permission": each, "scope": "ALL"} for each in AUTHOR if each != "lead.update"]
    office.admin.run(
        "mutation($input: UpdateRoleInput!) { updateRole(input: $input) { id } }",
        input={"id": office.role, "grants": less},
    )
    eventually(lambda: not office.grants("lead.update"))
    lead = office.lead()
    [run] = office.runs(rule, "REFUSED")
    assert (run["record"], run["reason"]) == (lead, "PERMISSION_DENIED")
    assert office.state(rule) == ("SUSPENDED", "PERMISSION_DENIED")
    assert office.author.run(LEAD, id=lead)["lead"]["channel"] is None
    # What servers know of roles may be a second old.
    eventually(lambda: "errors" in office.author.answer(change, id=lead))
    with pytest.raises(GraphQLError, match="PERMISSION_DENIED"):
        office.author.run(PUBLISH, id=rule)


def test_a_delay_in_working_time_starts_a_rule_once(office, real_time):
    trigger = {
        "kind": "TIME_AFTER", "field": "create_time", "amount": 1, "unit": "WORKING_DAYS",
        "filter": {"condition": {"field": "source", "operator": "EQUAL", "values": [office.source]}},
    }  # fmt: skip
    rule = office.rule(trigger, [{"kind": "CHANGE_STATUS", "value": "CONTACTED"}], 'lead.status == "NEW"')
    lead = office.lead()
    clock = "mutation($to: DateTime!) { moveTestClock(input: { set: $to }) { now } }"
    for days in (12, 13):  # past any public holidays
        office.admin.run(clock, to=(real_time + timedelta(days=days)).isoformat())
        [run] = office.runs(rule, "DONE")
    assert run["record"] == lead
    assert office.author.run(LEAD, id=lead)["lead"]["status"] == "CONTACTED"
