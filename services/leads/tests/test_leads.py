"""Entering, finding and changing leads."""

from datetime import timedelta

import pytest
from chassis.callers import Caller, Grant, Reach, service_caller
from chassis.errors import Conflict, Denied, Invalid, NotFound, Stale
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import OPERATOR_EQUAL, Condition, Filter, FilterValue
from leads import lead_queries, rebuilding
from leads.model import Lead, LeadStatus
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.delete_lead import delete_lead
from leads.usecases.learn_organisation import learn_department, learn_user
from leads.usecases.transfer_lead import transfer_lead
from leads.usecases.update_lead import update_lead
from sqlalchemy import text


@pytest.fixture
def create(database):
    def make(caller, owner_id=None, **values):
        values.setdefault("company_name", f"公司{new_id().hex}")
        with database.write(caller) as session:
            return create_lead(session, LeadDraft(values, owner_id))

    return make


@pytest.fixture
def learn(database):
    def make(user_id=None, path="r/", version=1, **values):
        key = user_id or new_id()
        with database.write(service_caller("leads")) as session:
            learn_user(session, key, version, new_id(), path, **values)
        return key

    return make


def found(database, caller, **values):
    given = {"conditions": Filter(), "query": "", "order_by": (), "page_size": 0, "page_token": ""} | values
    with database.read(caller) as session:
        rows = lead_queries.list_leads(session, **given).rows
        count = lead_queries.count_leads(session, conditions=given["conditions"], query=given["query"])
    assert count == len(rows)
    return {row.id for row in rows}


def test_a_lead_is_kept_in_one_form_owned_by_whoever_enters_it_and_announced(database, create, facts):
    me = make_caller(department_path="r/a/")
    values = {"phones": ["138 0013 8000"], "emails": ["A@EXAMPLE.com"], "credit_code": "91110000600037341l"}
    lead = create(me, company_name=" 华诚科技有限公司 ", requirement="十台\r\n八月", **values)
    assert (lead.company_name, lead.company_key, lead.status) == ("华诚科技有限公司", "华诚科技", "NEW")
    assert (lead.phones, lead.emails) == (["+8613800138000"], ["A@example.com"])
    assert lead.credit_code == "91110000600037341L"
    assert (lead.owner_id, lead.owner_department_path) == (me.user_id, "r/a/")
    assert (lead.registrant, lead.partner_id, lead.registration_state) == (me.subject, None, None)
    [(kind, data)] = facts()
    assert (kind, data["state"]["owner"]) == ("LeadCreated", me.subject)
    with database.read(me) as session:
        row = lead_queries.get_lead(session, lead.id)
        action = session.scalar(text("SELECT action FROM audit_entry"))
    assert row.requirement == "十台\n八月"
    assert action == "lead.create"


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"company_name": " "}, "company_name", "REQUIRED"),
        ({"company_name": "长" * 201}, "company_name", "TOO_LONG"),
        ({"phones": ["12"]}, "phones", "INVALID_PHONE"),
        ({"credit_code": "1"}, "credit_code", "INVALID_CREDIT_CODE"),
        ({"status": "CONVERTED"}, "status", "INVALID_STATUS"),
        ({"status": "9"}, "status", "INVALID_STATUS"),
    ],
)
def test_what_cannot_be_right_is_refused(create, facts, values, field, reason):
    with pytest.raises(Invalid) as caught:
        create(make_caller(), **values)
    assert [(fault.field, fault.reason) for fault in caught.value.violations] == [(field, reason)]
    assert facts() == []


def test_a_person_without_a_company_is_a_lead_as_well(create):
    lead = create(make_caller(), company_name="", contact_name="王芳")
    assert (lead.company_name, lead.company_key, lead.title) == (None, "", "王芳")


def test_leads_are_reached_by_their_owner_in_every_way_alike(database, create):
    me = make_caller("lead.read", "lead.create", reach=Reach.SELF, department_path="r/a/")
    head = make_caller("lead.read", reach=Reach.DEPARTMENT_TREE, department_path="r/")
    other = make_caller("lead.read", reach=Reach.DEPARTMENT_TREE, department_path="x/")
    lead = create(me, company_name="远景能源有限公司", phones=["021-62881234"])
    for caller, sees in ((me, {lead.id}), (head, {lead.id}), (other, set())):
        assert found(database, caller) == sees
        for query in ("远景", "yjny", "yuanjing", "yuanjingny", "881234", "远 景"):
            assert found(database, caller, query=query) == sees
        with database.read(caller) as session:
            assert {row.id for row in lead_queries.batch_get_leads(session, [lead.id, new_id()])} == sees
            if not sees:
                with pytest.raises(NotFound):
                    lead_queries.get_lead(session, lead.id)


def test_what_was_entered_before_is_found_by_full_pinyin_once_it_is_rebuilt(database, create, monkeypatch):
    monkeypatch.setattr(rebuilding, "PART", 1)
    me = make_caller()
    leads = [create(me, company_name=name) for name in ("远景能源有限公司", "华诚科技有限公司")]
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE lead SET search_text = company_name || '  ', grams = '{}'"))
    assert found(database, me, query="huacheng") == set()
    assert (rebuilding.rebuild(database), rebuilding.rebuild(database)) == (2, 0)
    assert found(database, me, query="huacheng") == {leads[1].id}


def test_leads_are_filtered_and_found_by_credit_code(database, create):
    me = make_caller()
    wanted = create(me, status="QUALIFIED", credit_code="91110000600037341L", source="展会")
    create(me, source="官网")
    values = [FilterValue(text="QUALIFIED")]
    condition = Filter(condition=Condition(field="status", operator=OPERATOR_EQUAL, values=values))
    assert found(database, me, conditions=condition) == {wanted.id}
    assert found(database, me, query="91110000600037341l") == {wanted.id}


def test_a_change_is_announced_with_what_changed_and_no_change_leaves_no_trace(database, create, facts, clock):
    me = make_caller()
    lead = create(me, company_name="甲公司")
    clock.set(clock.now + timedelta(minutes=1))
    with database.write(me) as session:
        changed = update_lead(session, lead.id, {"company_name": "乙公司", "status": "CONTACTED"})
    assert (changed.version, changed.update_time, changed.company_key) == (2, clock.now, "乙")
    assert found(database, me, query="乙公") == {lead.id}
    assert facts()[-1][1]["changed_fields"] == ["company_name", "status"]
    with database.write(me) as session:
        assert update_lead(session, lead.id, {"company_name": "乙公司"}, etag="v2").version == 2
        with pytest.raises(Stale):
            update_lead(session, lead.id, {"remark": "x"}, etag="v1")
    assert len(facts()) == 2


def test_a_lead_always_names_somebody_and_a_converted_one_stays_so(database, create):
    me = make_caller()
    lead = create(me)
    with database.write(me) as session:
        with pytest.raises(Invalid) as caught:
            update_lead(session, lead.id, {"company_name": ""})
        session.get_one(Lead, lead.id).status = LeadStatus.CONVERTED
    assert caught.value.field == "company_name"
    with database.write(me) as session, pytest.raises(Conflict) as caught:
        update_lead(session, lead.id, {"status": "NEW"})
    assert caught.value.reason == "LEAD_CONVERTED"


def test_a_lead_is_given_only_to_an_active_employee(database, create, learn, facts):
    me = make_caller()
    lead = create(me)
    colleague, gone, outsider = learn(path="r/b/"), learn(active=False), learn(partner_id=new_id())
    reasons = []
    for user in (gone, outsider, new_id()):
        with database.write(me) as session, pytest.raises(Invalid) as caught:
            transfer_lead(session, lead.id, user)
        reasons.append(caught.value.reason)
    assert reasons == ["INACTIVE_OWNER", "UNKNOWN_OWNER", "UNKNOWN_OWNER"]
    with database.write(me) as session:
        given = transfer_lead(session, lead.id, colleague)
    assert (given.owner_id, given.owner_department_path) == (colleague, "r/b/")
    assert [kind for kind, _ in facts()] == ["LeadCreated", "LeadUpdated", "NotificationRaised"]
    assert facts()[-1][1]["kind"] == "LEAD_ASSIGNED"


def test_to_name_another_owner_takes_the_right_to_transfer(create, learn):
    colleague = learn()
    clerk = make_caller("lead.create", reach=Reach.SELF)
    with pytest.raises(Denied):
        create(clerk, owner_id=colleague)
    both = {name: (Grant(name, Reach.ALL),) for name in ("lead.create", "lead.transfer")}
    assert create(Caller("users/1", new_id(), "", both), owner_id=colleague).owner_id == colleague


def test_leads_follow_their_owner_and_the_owner_s_department(database, create, learn):
    department, me = new_id(), make_caller(department_path="r/a/")
    lead = create(me)

    def path():
        with database.read(make_caller()) as session:
            return lead_queries.get_lead(session, lead.id).owner_department_path

    with database.write(service_caller("leads")) as session:
        learn_user(session, me.user_id, 2, department, "r/b/")
    assert path() == "r/b/"
    with database.write(service_caller("leads")) as session:
        learn_department(session, department, 5, "r/c/b/")
    assert path() == "r/c/b/"


def test_a_lead_is_deleted_and_stays_in_the_audit_log(database, create, facts):
    me = make_caller()
    lead = create(me)
    with database.write(me) as session:
        with pytest.raises(Stale):
            delete_lead(session, lead.id, etag="v9")
        delete_lead(session, lead.id, etag="v1")
    assert found(database, me) == set()
    assert facts()[-1][0] == "LeadDeleted"
    with database.read(me) as session:
        before = session.scalar(text("SELECT before FROM audit_entry WHERE action = 'lead.delete'"))
    assert before["company_name"] == lead.company_name


def test_a_lead_that_one_can_read_and_not_change_is_said_to_be_somebody_elses(database, create):
    me = make_caller("lead.read", "lead.create", reach=Reach.SELF, department_path="r/a/")
    lead = create(me)
    tree, own = (Grant("", reach) for reach in (Reach.DEPARTMENT_TREE, Reach.SELF))
    for granted, reason in (
        ({"lead.read": (tree,), "lead.delete": (own,)}, "NOT_YOURS"),
        ({"lead.read": (own,), "lead.delete": (own,)}, "LEAD_NOT_FOUND"),
        ({"lead.delete": (own,)}, "LEAD_NOT_FOUND"),
    ):
        colleague = Caller("users/x", new_id(), "r/", granted)
        with pytest.raises((Denied, NotFound)) as caught, database.write(colleague) as session:
            delete_lead(session, lead.id)
        assert caught.value.reason == reason
    assert found(database, me) == {lead.id}
