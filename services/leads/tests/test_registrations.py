"""What partners register, and how a second registration of one company is refused."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Conflict, Denied, Duplicate, Invalid, NotFound
from chassis.formats import company_key
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import Filter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leads import lead_queries
from leads.servicers import protection
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.decide_registration import approve_lead, reject_lead
from leads.usecases.delete_lead import delete_lead
from leads.usecases.learn_customers import CustomerFacts, forget_customer, learn_customers
from leads.usecases.learn_organisation import learn_user
from leads.usecases.register_lead import register_lead
from leads.usecases.update_lead import update_lead

CODE, OTHER_CODE = "91110000600037341L", "91440300708461136T"
PROTECTION = timedelta(days=90)


def a_partner(path="r/a/"):
    """A user of a partner. The role says ALL, as one made for employees would."""
    return replace(make_caller("lead.read", "lead.register", department_path=path), partner_id=new_id())


@pytest.fixture
def register(database):
    def write(caller, company_name="华诚科技有限公司", **values):
        with database.write(caller) as session:
            return register_lead(session, LeadDraft({"company_name": company_name, **values}), PROTECTION)

    return write


@pytest.fixture
def employee():
    return make_caller(department_path="r/")


def seen(database, caller):
    listing = {"conditions": Filter(), "query": "", "order_by": (), "page_size": 0, "page_token": ""}
    with database.read(caller) as session:
        return {row.id for row in lead_queries.list_leads(session, **listing).rows}


def test_a_registration_waits_for_approval_and_is_seen_by_its_registrant_and_their_superiors(database, register, clock):
    one, other = a_partner(), a_partner()
    lead = register(one)
    assert (lead.registration_state, lead.partner_id) == ("PENDING_APPROVAL", one.partner_id)
    assert (lead.owner_id, lead.owner_department_path) == (None, "r/a/")
    assert lead.protection_expire_time == clock.now + PROTECTION
    assert seen(database, one) == {lead.id}
    assert seen(database, other) == set()
    with database.read(other) as session:
        assert lead_queries.batch_get_leads(session, [lead.id]) == []
        assert lead_queries.count_leads(session, conditions=Filter(), query="华诚") == 0
        with pytest.raises(NotFound):
            lead_queries.get_lead(session, lead.id)
    assert seen(database, make_caller("lead.read", reach=Reach.DEPARTMENT_TREE, department_path="r/")) == {lead.id}
    assert seen(database, make_caller("lead.read", reach=Reach.SELF, department_path="r/a/")) == set()


def test_a_registration_without_an_owner_follows_its_registrant(database, register):
    partner = a_partner()
    lead = register(partner)
    with database.write(service_caller("leads")) as session:
        learn_user(session, partner.user_id, 2, new_id(), "r/z/", partner_id=partner.partner_id)
    with database.read(partner) as session:
        assert lead_queries.get_lead(session, lead.id).owner_department_path == "r/z/"


def test_only_partners_register_and_they_decide_nothing(database, register):
    with pytest.raises(Denied) as denied:
        register(make_caller())
    assert denied.value.reason == "PARTNERS_ONLY"
    for draft in (LeadDraft({"company_name": "甲"}, new_id()), LeadDraft({"company_name": "甲", "status": "NEW"})):
        with database.write(a_partner()) as session, pytest.raises(Invalid) as invalid:
            register_lead(session, draft, PROTECTION)
        assert invalid.value.reason == "NOT_FOR_PARTNERS"
    with pytest.raises(Invalid) as invalid:
        register(a_partner(), "", contact_name="王芳")
    assert invalid.value.field == "company_name"


def test_whoever_holds_a_company_its_registration_is_refused_in_the_same_words(database, register, known, employee):
    register(a_partner(), "甲科技有限公司")
    with database.write(employee) as session:
        create_lead(session, LeadDraft({"company_name": "乙科技有限公司"}))
    known(name="丙科技有限公司", company_key=company_key("丙科技有限公司"))
    refusals = set()
    for name in ("甲科技（集团）股份有限公司", "乙科技", "丙科技有限责任公司"):
        with pytest.raises(Duplicate) as caught:
            register(a_partner(), name)
        error = caught.value
        refusals.add((error.reason, error.message, error.field, str(error.details)))
    assert len(refusals) == 1
    [(reason, message, field, details)] = refusals
    assert (reason, field, details) == ("DUPLICATE", "", "{}")
    assert not any(private in message for private in "甲乙丙")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({}, {}, True),
        ({"credit_code": CODE}, {}, True),
        ({}, {"credit_code": CODE}, True),
        ({"credit_code": CODE}, {"credit_code": OTHER_CODE}, False),
        ({"credit_code": CODE}, {"credit_code": CODE, "company_name": "远景能源"}, True),
        ({}, {"company_name": "远景能源"}, False),
        ({"phones": ["13800138000"]}, {"company_name": "远景能源", "phones": ["021-62881234", "13800138000"]}, True),
        ({"phones": ["13800138000"]}, {"company_name": "远景能源", "phones": ["13800138001"]}, False),
    ],
)
def test_what_counts_as_one_company(register, first, second, same):
    register(a_partner(), **first)
    if same:
        with pytest.raises(Duplicate):
            register(a_partner(), **second)
    else:
        assert register(a_partner(), **second)


def test_a_customer_s_credit_code_tells_it_apart(database, register):
    facts = CustomerFacts(new_id(), 1, "华诚科技", None, None, company_key("华诚科技"), CODE)
    with database.write(service_caller("leads")) as session:
        learn_customers(session, [facts])
    with pytest.raises(Duplicate):
        register(a_partner(), "别的名字", credit_code=CODE)
    assert register(a_partner(), credit_code=OTHER_CODE)
    with database.write(service_caller("leads")) as session:
        forget_customer(session, facts.id, 2)
    assert register(a_partner(), "别的名字", credit_code=CODE)


def test_what_nobody_works_on_any_more_can_be_registered_again(database, register, employee, clock):
    lead = register(a_partner())
    with database.write(employee) as session:
        reject_lead(session, lead.id, "我们在谈")
    lead = register(a_partner())
    clock.set(clock.now + PROTECTION - timedelta(seconds=1))
    with pytest.raises(Duplicate):
        register(a_partner())
    clock.set(clock.now + timedelta(seconds=1))
    third = register(a_partner())
    with database.write(employee) as session:
        update_lead(session, third.id, {"status": "DISQUALIFIED", "status_reason": "SPAM"})
    fourth = register(a_partner())
    with database.write(employee) as session:
        delete_lead(session, fourth.id)
    register(a_partner())


def test_an_employee_does_not_slip_a_lead_under_a_partner_s_registration(database, register, employee):
    register(a_partner())
    with database.write(employee) as session, pytest.raises(Duplicate):
        create_lead(session, LeadDraft({"company_name": "华诚科技"}))
    with database.write(employee) as session:
        lead = create_lead(session, LeadDraft({"company_name": "另一家"}))
        create_lead(session, LeadDraft({"company_name": "另一家"}))
    with database.write(employee) as session, pytest.raises(Duplicate):
        update_lead(session, lead.id, {"company_name": "华诚科技"})


def test_an_approved_registration_has_an_owner_and_new_protection(database, register, employee, clock, facts):
    partner = a_partner()
    lead = register(partner)
    clock.set(clock.now + timedelta(days=10))
    with database.write(employee) as session:
        approved = approve_lead(session, lead.id, PROTECTION)
    assert (approved.registration_state, approved.owner_id) == ("APPROVED", employee.user_id)
    assert (approved.owner_department_path, approved.protection_expire_time) == ("r/", clock.now + PROTECTION)
    assert facts()[-1][1]["recipient"] == partner.subject
    assert facts()[-1][1]["kind"] == "LEAD_APPROVED"
    for decide in (approve_lead, reject_lead):
        with database.write(employee) as session, pytest.raises(Conflict) as caught:
            decide(session, lead.id, PROTECTION if decide is approve_lead else "迟了")
        assert caught.value.reason == "REGISTRATION_NOT_PENDING"
    assert seen(database, partner) == {lead.id}


def test_a_rejection_tells_the_partner_why(database, register, employee, facts):
    lead = register(a_partner())
    with database.write(employee) as session:
        with pytest.raises(Invalid):
            reject_lead(session, lead.id, " ")
        rejected = reject_lead(session, lead.id, "已在跟进")
    assert (rejected.registration_state, rejected.rejection_reason) == ("REJECTED", "已在跟进")
    assert rejected.protection_expire_time is None
    assert facts()[-1][1]["params"]["reason"] == "已在跟进"


def test_a_registration_that_waited_for_too_long_may_come_too_late(database, register, employee, clock):
    early = register(a_partner())
    clock.set(clock.now + PROTECTION)
    register(a_partner())
    with database.write(employee) as session, pytest.raises(Duplicate):
        approve_lead(session, early.id, PROTECTION)


def test_of_many_who_register_a_company_at_once_one_wins(register):
    spellings = ["华诚科技有限公司", "华诚科技", "华诚科技（集团）", "ＨＣ"]
    phones = {"phones": ["13800138000"]}

    def attempt(number):
        try:
            return register(a_partner(), spellings[number % 4], **phones)
        except Duplicate:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [lead for lead in pool.map(attempt, range(16)) if lead is not None]
    assert len(won) == 1


DRAFTS = st.fixed_dictionaries(
    {"company_name": st.sampled_from(["甲", "甲公司", "乙集团", "丙"])},
    optional={
        "credit_code": st.sampled_from([CODE, OTHER_CODE]),
        "phones": st.lists(st.sampled_from(["13800138000", "13800138001"]), max_size=2),
    },
)


def one_company(one, other):
    codes = one.get("credit_code"), other.get("credit_code")
    if all(codes) and codes[0] == codes[1]:
        return True
    names = company_key(one["company_name"]) == company_key(other["company_name"])
    return (names and not all(codes)) or bool(set(one.get("phones", ())) & set(other.get("phones", ())))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DRAFTS, max_size=5))
def test_no_two_registrations_that_hold_are_of_one_company(database, register, employee, drafts):
    accepted = []
    for draft in drafts:
        try:
            accepted.append((register(a_partner(), **draft), draft))
        except Duplicate:
            assert any(one_company(draft, held) for _, held in accepted)
        else:
            assert not any(one_company(draft, held) for _, held in accepted[:-1])
    with database.write(employee) as session:
        for lead, _ in accepted:
            delete_lead(session, lead.id)


@pytest.mark.parametrize("given", ["", "0", "x", "9999", "1.5"])
def test_the_days_of_protection_are_a_number_of_days(given):
    from chassis.settings import Settings

    assert protection(Settings.read({})) == timedelta(days=90)
    assert protection(Settings.read({"LEAD_PROTECTION_DAYS": "30"})) == timedelta(days=30)
    with pytest.raises(Invalid) as caught:
        protection(Settings.read({"LEAD_PROTECTION_DAYS": given}))
    assert caught.value.field == "LEAD_PROTECTION_DAYS"
