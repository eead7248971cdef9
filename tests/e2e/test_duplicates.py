"""Likely duplicates and merges through GraphQL: told on entry and in a scan, made one, and made several again."""

import random
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient
from stdnum.cn import uscc

LIKELY = 0.85
SYLLABLES = "博诚达尔菲格瀚嘉凯朗美诺欧普祺瑞思泰维星雅智卓腾盛"
DAY = 86_400
FIND = """query($id: ID, $draft: CreateCustomerInput) { duplicateCustomers(id: $id, draft: $draft) {
  hiddenCandidates candidates { customerId score reasons } } }"""
GROUPS = """query($after: String) { duplicateGroups(first: 200, after: $after) {
  nodes { id score members { customerId } } pageInfo { hasNextPage endCursor } } }"""
OUTCOME = """movedContacts unitedContacts result { name creditCode phones tags ownerId }
  contacts { id customerId name phones }"""
PREVIEW = f"query($input: MergeInput!) {{ previewMerge(input: $input) {{ {OUTCOME} }} }}"
MERGE = f"mutation($input: MergeCustomersInput!) {{ mergeCustomers(input: $input) {{ id {OUTCOME} }} }}"
UNDO = "mutation($id: ID!) { undoMerge(input: { id: $id }) { customerId } }"
RECORD = """query($id: ID!) { customer(id: $id) { id name kind status level creditCode phones emails tags industry
  source website address { city street } remark externalId customFields ownerId creatorId createTime lastFollowUpTime
  pool heldSince contacts { id customerId name jobTitle phones emails wechat primary remark createTime } } }"""
WORK = """query($filter: FilterInput, $id: ID!) {
  tasks(filter: $filter, first: 20) { nodes { id subject title status } }
  purchases(customer: $id) { nodes { id kind amount { amount } } }
  customerRelations(customer: $id, first: 10) { nodes { id kind customerId relatedId } } }"""
ORDER = "mutation($input: RecordPurchasesInput!) { recordPurchases(input: $input) { created } }"
FEED = """query($id: ID!) { customer360(id: $id) { timeline { nodes { kind resource actorId summary occurTime } }
  followUps { nodes { id customerId contactId content } } } }"""


def invented_name() -> str:
    """What no other test's firms are called: what names share decides."""
    return "".join(random.choices(SYLLABLES, k=5))


def credit_code() -> str:
    base = f"91310115MA{uuid4().int % 10**7:07d}"
    return base + uscc.calc_check_digit(base)


def create(client: GraphQLClient, entity: str = "Customer", **values: object) -> str:
    document = f"mutation($input: Create{entity}Input!) {{ create{entity}(input: $input) {{ id }} }}"
    made: str = client.run(document, input=values)[f"create{entity}"]["id"]
    return made


def candidates(client: GraphQLClient, **of: object) -> dict[str, dict]:
    found = client.run(FIND, **of)["duplicateCustomers"]["candidates"]
    return {one["customerId"]: one for one in found}


def groups(client: GraphQLClient) -> dict[str, set[str]]:
    """The customers of each group, by its id."""
    found, after = {}, None
    while True:
        page = client.run(GROUPS, after=after)["duplicateGroups"]
        found |= {one["id"]: {member["customerId"] for member in one["members"]} for one in page["nodes"]}
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


@pytest.mark.feature("B11")
def test_a_firm_is_told_by_another_spelling_unless_its_code_differs(admin):
    name, code = invented_name(), credit_code()
    known = create(admin, name=f"上海{name}科技有限公司", creditCode=code)
    twin = {"name": f"{name}科技(上海)公司"}
    found = candidates(admin, draft=twin)
    assert found[known]["score"] >= LIKELY
    assert "SAME_CORE_NAME" in found[known]["reasons"]
    assert candidates(admin, draft=twin | {"creditCode": credit_code()}) == {}
    same_code = candidates(admin, draft={"name": f"{invented_name()}商贸公司", "creditCode": code})
    assert (same_code[known]["score"], same_code[known]["reasons"]) == (1, ["SAME_CREDIT_CODE"])


@pytest.mark.feature("B11")
def test_a_scan_groups_what_is_there_and_a_dismissed_group_stays_away(admin):
    name = invented_name()
    twins = {create(admin, name=f"上海{name}科技有限公司"), create(admin, name=f"{name}科技(上海)公司")}
    other = create(admin, name=f"上海{name}科技有限公司北京分公司", creditCode=credit_code())
    assert scanned(admin)
    found = groups(admin)
    assert not any(other in members for members in found.values())
    [group] = [key for key, members in found.items() if members == twins]
    dismiss = "mutation($id: ID!) { dismissDuplicateGroup(input: { id: $id }) { state } }"
    assert admin.run(dismiss, id=group)["dismissDuplicateGroup"]["state"] == "DISMISSED"
    assert scanned(admin)
    assert twins not in groups(admin).values()


def scanned(admin: GraphQLClient) -> bool:
    # Imports have what they brought scanned by themselves, and there is one scan at a time.
    begin = "mutation { scanDuplicates { id } }"
    scan = eventually(lambda: (admin.answer(begin).get("data") or {}).get("scanDuplicates"), timeout=60)["id"]
    look = "query($id: ID!) { duplicateScan(id: $id) { state } }"
    return eventually(lambda: admin.run(look, id=scan)["duplicateScan"]["state"] == "SUCCEEDED", timeout=60)


@pytest.mark.feature("B11")
def test_those_out_of_reach_are_only_counted(admin, organisation):
    name = invented_name()
    create(admin, name=f"上海{name}科技有限公司")
    _, rep = organisation.user(organisation.department("查重"), organisation.role("SELF", "customer.read"))
    found = rep.run(FIND, draft={"name": f"{name}科技(上海)公司"})["duplicateCustomers"]
    assert found == {"hiddenCandidates": 1, "candidates": []}


class Twins:
    """One firm, entered twice, with contacts, a follow-up each, and a contact in common."""

    def __init__(self, admin: GraphQLClient) -> None:
        self.admin, name = admin, invented_name()
        number = f"+86138{uuid4().int % 10**8:08d}"
        more = {"phones": ["021-68880000"], "tags": ["重点"], "level": "A", "remark": "老客户"}
        self.kept = create(admin, name=f"上海{name}科技有限公司", tags=["华东"])
        self.gone = create(admin, name=f"{name}科技(上海)公司", creditCode=credit_code(), **more)
        self.person = create(admin, "Contact", customerId=self.kept, name="李雷", phones=[number])
        self.same = create(admin, "Contact", customerId=self.gone, name="李 雷", phones=[number], wechat="lilei")
        self.moved = create(admin, "Contact", customerId=self.gone, name="韩梅梅", emails=["han@example.cn"])
        partner = create(admin, name=f"{invented_name()}有限公司")
        self.relation = create(admin, "CustomerRelation", customerId=self.gone, relatedId=partner, kind="SUPPLIER")
        self.notes = [self.log(self.kept, self.person), self.log(self.gone, self.same)]
        self.task = create(admin, "Task", subject=self.gone, title="寄合同")
        eventually(lambda: all("FOLLOW_UP_LOGGED" in self.kinds(one) for one in self.both))

    @property
    def both(self) -> tuple[str, str]:
        return self.kept, self.gone

    def log(self, customer: str, contact: str) -> str:
        document = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
        values = {"customerId": customer, "contactId": contact, "method": "CALL", "content": f"谈了{uuid4().hex}的报价"}
        return eventually(
            lambda: (self.admin.answer(document, input=values).get("data") or {}).get("logFollowUp")
        )["id"]  # fmt: skip

    def buy(self, customer: str) -> None:
        order = {"customerId": customer, "source": "erp", "externalId": uuid4().hex, "kind": "ORDER"}
        told = {**order, "time": "2026-01-05T03:00:00Z", "amount": {"currencyCode": "CNY", "amount": "88"}}
        assert self.admin.run(ORDER, input={"purchases": [told]})["recordPurchases"] == [{"created": True}]

    def work(self, customer: str) -> dict[str, list[dict]]:
        """Tasks, purchases and relations."""
        mine = {"condition": {"field": "subject", "operator": "EQUAL", "values": [customer]}}
        return {key: page["nodes"] for key, page in self.admin.run(WORK, filter=mine, id=customer).items()}

    def feed(self, customer: str) -> dict:
        """What the whole picture tells, once all services were there in time to tell it."""
        found = eventually(
            lambda: (answer := self.admin.answer(FEED, id=customer)) and "errors" not in answer and answer
        )
        return dict(found["data"]["customer360"])

    def kinds(self, customer: str) -> list[str]:
        return [entry["kind"] for entry in self.feed(customer)["timeline"]["nodes"]]

    def picture(self) -> list[dict]:
        """All that is to be seen of the two."""
        records = [self.admin.run(RECORD, id=one)["customer"] for one in self.both]
        for record in records:
            record["contacts"].sort(key=lambda contact: contact["id"])
        return [*records, *(self.feed(one) for one in self.both), *(self.work(one) for one in self.both)]

    def merge(self) -> dict:
        done: dict = self.admin.run(MERGE, input={**self.wanted, "requestId": str(uuid4())})["mergeCustomers"]
        return done

    @property
    def wanted(self) -> dict:
        return {
            "customerId": self.kept,
            "otherIds": [self.gone],
            "choices": [{"field": "name", "customerId": self.gone}],
        }


@pytest.mark.feature("B12")
def test_a_merge_is_what_its_dry_run_said_and_all_children_follow(admin):
    twins = Twins(admin)
    twins.buy(twins.gone)
    before = twins.picture()
    planned = admin.run(PREVIEW, input=twins.wanted)["previewMerge"]
    assert twins.picture() == before
    done = twins.merge()
    assert {key: done[key] for key in planned} == planned
    assert (done["movedContacts"], done["unitedContacts"]) == (1, 1)
    assert done["result"]["name"] == before[1]["name"]
    assert done["result"]["creditCode"] == before[1]["creditCode"]
    assert done["result"]["tags"] == ["华东", "重点"]
    record = admin.run(RECORD, id=twins.kept)["customer"]
    assert {contact["id"] for contact in record["contacts"]} == {twins.person, twins.moved}
    gone = admin.answer(RECORD, id=twins.gone)["errors"][0]["extensions"]
    assert (gone["code"], gone["reason"]) == ("NOT_FOUND", "CUSTOMER_MERGED")
    eventually(lambda: {one["id"] for one in notes_of(twins)} == set(twins.notes))
    assert {one["contactId"] for one in notes_of(twins)} == {twins.person}
    eventually(lambda: [one["id"] for one in twins.work(twins.kept)["tasks"]] == [twins.task])
    work = twins.work(twins.kept)
    assert [one["amount"]["amount"] for one in work["purchases"]] == ["88.00"]
    assert [(one["id"], one["customerId"]) for one in work["customerRelations"]] == [(twins.relation, twins.kept)]
    kinds = twins.kinds(twins.kept)
    assert kinds.count("FOLLOW_UP_LOGGED") == 2
    assert kinds.count("CUSTOMERS_MERGED") == 1


def notes_of(twins: Twins) -> list[dict]:
    notes: list[dict] = twins.feed(twins.kept)["followUps"]["nodes"]
    return notes


@pytest.mark.feature("B12")
def test_within_thirty_days_a_merge_is_taken_back_to_the_letter(admin, real_time):
    twins = Twins(admin)
    before = twins.picture()
    merge = twins.merge()["id"]
    eventually(lambda: len(notes_of(twins)) == 2)
    later(admin, 29 * DAY)
    assert admin.run(UNDO, id=merge)["undoMerge"] == {"customerId": twins.kept}
    eventually(lambda: twins.picture() == before)
    again = twins.merge()["id"]
    later(admin, 31 * DAY)
    refused = admin.answer(UNDO, id=again)["errors"][0]["extensions"]
    assert (refused["code"], refused["reason"]) == ("FAILED_PRECONDITION", "MERGE_TOO_OLD")


def later(admin: GraphQLClient, seconds: int) -> None:
    move = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
    admin.run(move, input={"advanceSeconds": seconds})


@pytest.mark.feature("B12")
def test_firms_of_different_codes_are_one_only_if_somebody_says_which_code_is_right(admin):
    codes = credit_code(), credit_code()
    first, second = (create(admin, name=f"{invented_name()}有限公司", creditCode=code) for code in codes)
    wanted = {"customerId": first, "otherIds": [second]}
    refused = admin.answer(PREVIEW, input=wanted)["errors"][0]["extensions"]
    assert refused["reason"] == "DIFFERENT_CREDIT_CODES"
    choice = {"field": "creditCode", "customerId": second}
    assert admin.run(PREVIEW, input=wanted | {"choices": [choice]})["previewMerge"]["result"]["creditCode"] == codes[1]
    choices = [choice, {"field": "creditKode", "customerId": second}]
    refused = admin.answer(PREVIEW, input=wanted | {"choices": choices})["errors"][0]["extensions"]
    assert (refused["reason"], refused["field"]) == ("INVALID_MERGE_CHOICE", "choices.1.field")
