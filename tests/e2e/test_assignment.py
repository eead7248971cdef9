"""Leads that nobody owns are given to people by rules, and none is ever lost."""

import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLError

MOVE = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
CREATE_RULE = "mutation($input: CreateAssignmentRuleInput!) { createAssignmentRule(input: $input) { id priority } }"
CREATE_LEAD = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id ownerId } }"
CAPACITY = "mutation($input: UpdateLeadCapacityInput!) { updateLeadCapacity(input: $input) { monthlyCapacity } }"
EXPLAIN = """
query($lead: ID!) {
  explainAssignment(lead: $lead) {
    assignment { id outcome cause reason rule ruleDisplayName assigneeId acceptance acceptDueTime }
    rules { rule name priority matched applied reason }
    strategy candidates { userId score debt chosen exclusion } tieBreak
  }
}
"""
HISTORY = """
query($lead: ID!, $after: String) {
  leadAssignments(lead: $lead, first: 1, after: $after) {
    nodes { outcome cause assigneeId acceptance declineReason } pageInfo { endCursor hasNextPage }
  }
}
"""
ASSIGN = """
mutation($input: AssignLeadsInput!) {
  assignLeads(input: $input) {
    assignments { lead outcome assigneeId } assignedCount pooledCount passedOverCount queuedCount
  }
}
"""
UNHEARD_OF = {"UNKNOWN_OWNER", "UNKNOWN_DEPARTMENT"}
"""Reasons for which the service refuses a rule while it has not heard of its people."""
POOL = "{ leadPool(first: 200) { nodes { lead { id companyName } reason fallbackDepartmentId } } }"


class Desk:
    """Rules and leads of a test's own: by a source that no other test uses."""

    def __init__(self, admin, organisation):
        self.admin = admin
        self.source = f"展会{uuid4().hex[:8]}"
        self.department = organisation.department("电销")
        own = organisation.role("SELF", "lead.read", "lead.update", "lead_absence.update", "lead_capacity.read")
        ours = organisation.role("DEPARTMENT", "lead.claim")
        self.people = [organisation.user(self.department, own, ours) for _ in range(3)]
        self.users = [user for user, _ in self.people]
        self.clients = dict(self.people)
        self.first = random.randrange(1_000, 900_000, 100)
        self.rules = []

    def rule(self, **values):
        condition = {"condition": {"field": "source", "operator": "EQUAL", "values": [self.source]}}
        given = {"name": "规则", "strategy": "ROUND_ROBIN", "outsideHours": "IGNORE", "condition": condition} | values

        def made():
            try:
                return self.admin.run(CREATE_RULE, input=given)["createAssignmentRule"]["id"]
            except GraphQLError as error:
                if not UNHEARD_OF.issuperset(error.reasons):
                    raise
                return None

        self.rules.append(eventually(made))
        return self.rules[-1]

    def lead(self, source=None):
        values = {"companyName": f"公司{uuid4().hex}", "source": source or self.source, "unowned": True}
        return self.admin.run(CREATE_LEAD, input=values)["createLead"]["id"]

    def explained(self, lead):
        return self.admin.run(EXPLAIN, lead=lead)["explainAssignment"]

    def decided(self, lead, cause="CREATED"):
        """The explanation of the newest decision, once there is one for a cause."""

        def found():
            explanation = self.explained(lead)
            there = explanation["assignment"]
            return explanation if there["id"] and there["cause"] == cause else None

        return eventually(found, timeout=30)

    def capacity(self, user, **values):
        wanted = {"id": user.replace("users", "leadCapacities"), **values}
        return self.admin.run(CAPACITY, input=wanted)["updateLeadCapacity"]

    def end(self):
        delete = "mutation($id: ID!) { deleteAssignmentRule(input: { id: $id }) }"
        for rule in self.rules:
            assert self.admin.run(delete, id=rule)["deleteAssignmentRule"] == rule


@pytest.fixture
def desk(admin, organisation):
    made = Desk(admin, organisation)
    yield made
    made.admin = admin
    made.end()


@pytest.mark.feature("C2")
def test_a_lead_follows_the_lower_number_and_is_explained(desk):
    anna, bob, carl = desk.users
    everybody = desk.rule(name="其余", priority=desk.first + 20, departmentIds=[desk.department])
    chosen = desk.rule(name="展会", priority=desk.first + 10, userIds=[anna, bob, carl])
    away = {"startTime": "2020-01-01T00:00:00Z", "endTime": "2020-12-31T00:00:00Z"}
    note = "mutation($input: CreateLeadAbsenceInput!) { createLeadAbsence(input: $input) { id userId } }"
    assert desk.clients[carl].run(note, input=away)["createLeadAbsence"]["userId"] == carl
    now = datetime.now(UTC)
    away = {"startTime": now.isoformat(), "endTime": (now + timedelta(days=30)).isoformat()}
    desk.clients[carl].run(note, input=away)

    first, second = desk.decided(desk.lead()), desk.decided(desk.lead())
    assert {first["assignment"]["assigneeId"], second["assignment"]["assigneeId"]} == {anna, bob}
    assert (second["assignment"]["rule"], second["assignment"]["ruleDisplayName"]) == (chosen, "展会")
    told = {rule["rule"]: (rule["matched"], rule["applied"], rule["reason"]) for rule in second["rules"]}
    assert (told[chosen], told[everybody]) == ((True, True, None), (True, False, "LOWER_PRIORITY"))
    assert (first["strategy"], first["tieBreak"], second["tieBreak"]) == ("ROUND_ROBIN", "ORDER", "FAIRNESS_DEBT")
    winner, other, absent = second["candidates"]
    assert (winner["chosen"], winner["debt"], other["debt"]) == (True, 0.5, -0.5)
    assert (absent["userId"], absent["exclusion"]) == (carl, "ABSENT")
    lead = desk.clients[second["assignment"]["assigneeId"]].run("{ leads { nodes { id } } }")["leads"]["nodes"]
    assert len(lead) == 1


@pytest.mark.feature("C2")
def test_what_nobody_can_take_is_in_the_fallback_pool_never_lost(desk, organisation):
    anna, bob, _ = desk.users
    desk.rule(userIds=[anna], fallbackDepartmentId=desk.department)
    eventually(lambda: desk.capacity(anna, monthlyCapacity=1))
    taken, claimed, retried = desk.lead(), desk.lead(), desk.lead()
    decided = {lead: desk.decided(lead)["assignment"] for lead in (taken, claimed, retried)}
    assert sorted(one["outcome"] for one in decided.values()) == ["ASSIGNED", "POOLED", "POOLED"]
    left = [lead for lead, one in decided.items() if one["outcome"] == "POOLED"]
    [candidate] = desk.explained(left[0])["candidates"]
    assert (candidate["userId"], candidate["exclusion"]) == (anna, "FULL_30_DAYS")

    stranger = organisation.user(organisation.department("别处"), organisation.role("DEPARTMENT", "lead.claim"))[1]
    assert {each["lead"]["id"] for each in stranger.run(POOL)["leadPool"]["nodes"]}.isdisjoint(left)
    nodes = desk.clients[bob].run(POOL)["leadPool"]["nodes"]
    assert {each["lead"]["id"]: each["reason"] for each in nodes} == dict.fromkeys(left, "NO_CANDIDATES")
    claim = "mutation($id: ID!) { claimLead(input: { id: $id }) { ownerId } }"
    assert desk.clients[bob].run(claim, id=left[0])["claimLead"]["ownerId"] == bob
    with pytest.raises(GraphQLError) as caught:
        desk.clients[anna].run(claim, id=left[0])
    assert caught.value.reasons == ["LEAD_CAPACITY_REACHED"]

    # Room comes back, and with it the lead, without anybody asking.
    desk.capacity(anna, monthlyCapacity=2)
    desk.admin.run(MOVE, input={"advanceSeconds": 61})
    try:
        assert desk.decided(left[1], "RETRIED")["assignment"]["assigneeId"] == anna
    finally:
        desk.admin.run("mutation { moveTestClock(input: { reset: true }) { now } }")
    newest = desk.admin.run(HISTORY, lead=left[1])["leadAssignments"]
    older = desk.admin.run(HISTORY, lead=left[1], after=newest["pageInfo"]["endCursor"])["leadAssignments"]
    assert [one["nodes"][0]["outcome"] for one in (newest, older)] == ["ASSIGNED", "POOLED"]
    assert not older["pageInfo"]["hasNextPage"]


@pytest.mark.feature("C2")
def test_who_lets_a_lead_pass_or_declines_it_is_not_asked_again(desk, admin, anyone, suite, real_time):
    desk.rule(userIds=desk.users, acceptMinutes=30, maxTries=2, fallbackDepartmentId=desk.department)
    lead = desk.lead()
    first = desk.decided(lead)["assignment"]
    assert first["acceptance"] == "PENDING"
    decline = "mutation($input: DeclineLeadInput!) { declineLead(input: $input) { outcome assigneeId acceptance } }"
    reason = {"id": lead, "reason": "不是我的地区"}
    answer = desk.clients[first["assigneeId"]].run(decline, input=reason)["declineLead"]
    assert answer["outcome"] == "ASSIGNED"
    assert answer["assigneeId"] not in {None, first["assigneeId"]}

    kept = desk.lead()
    keeper = desk.decided(kept)["assignment"]["assigneeId"]
    accept = "mutation($id: ID!) { acceptLead(input: { id: $id }) { acceptance } }"
    assert desk.clients[keeper].run(accept, id=kept)["acceptLead"]["acceptance"] == "ACCEPTED"
    due = datetime.fromisoformat(desk.explained(lead)["assignment"]["acceptDueTime"])
    admin.run(MOVE, input={"advanceSeconds": int((due - real_time).total_seconds()) + 120})
    desk.admin = admin = anyone.sign_in("admin", suite.admin_password)
    last = desk.decided(lead, "EXPIRED")
    assert (last["assignment"]["outcome"], last["assignment"]["reason"]) == ("POOLED", "TRIES_USED_UP")
    assert admin.run("query($id: ID!) { lead(id: $id) { ownerId } }", id=kept)["lead"]["ownerId"] == keeper
    assert desk.explained(kept)["assignment"]["acceptance"] == "ACCEPTED"


@pytest.mark.feature("C2")
def test_a_dry_run_foretells_what_is_then_decided_and_skipped_leads_are_left_alone(desk):
    other = f"官网{uuid4().hex[:8]}"
    lead, skipped = desk.lead(other), desk.lead(other)
    for each in (lead, skipped):
        assert desk.decided(each)["assignment"]["reason"] == "NO_RULE"
    skip = "mutation($id: ID!) { skipLeadAssignment(input: { id: $id, skip: true }) { assignmentSkipped } }"
    assert desk.admin.run(skip, id=skipped)["skipLeadAssignment"]["assignmentSkipped"]
    theirs = {"condition": {"field": "source", "operator": "EQUAL", "values": [other]}}
    desk.rule(userIds=desk.users, condition=theirs)
    foretold = desk.admin.run(ASSIGN, input={"filter": theirs, "dryRun": True})["assignLeads"]
    assert [one["lead"] for one in foretold["assignments"]] == [lead]
    assert desk.admin.run("query($id: ID!) { lead(id: $id) { ownerId } }", id=lead)["lead"]["ownerId"] is None
    decided = desk.admin.run(ASSIGN, input={"ids": [lead, skipped]})["assignLeads"]
    assert decided["assignments"] == foretold["assignments"]
    assert (decided["assignedCount"], decided["passedOverCount"], decided["queuedCount"]) == (1, 1, 0)
