"""Follow-ups on leads: logged, judged, read, remembered and handed over as those on customers are."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.callers import Grant, Reach, service_caller
from chassis.errors import Conflict, Denied, Exhausted, Invalid, NotFound
from chassis.handover import Move
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import OPERATOR_EQUAL, Condition, Filter, FilterValue
from leads import queries
from leads.drafts import FollowUpDraft
from leads.life import queries as life
from leads.life.change_status import change_status
from leads.life.update_rules import update_rules
from leads.model import FollowUp, Lead
from leads.usecases.delete_lead import delete_lead
from leads.usecases.hand_over import hand_over_plans
from leads.usecases.learn_organisation import learn_department, learn_user
from leads.usecases.log_follow_ups import log_follow_ups
from leads.usecases.transfer_lead import transfer_lead
from leads.usecases.update_follow_up_rules import update_follow_up_rules
from sqlalchemy import update

from .conftest import GOOD

ME = make_caller(user_id=new_id())
DAY = timedelta(days=1)


def found(database, caller, lead):
    with database.read(caller) as session:
        condition = Condition(field="lead", operator=OPERATOR_EQUAL, values=[FilterValue(text=lead.name)])
        page = queries.list_follow_ups(
            session, conditions=Filter(condition=condition), order_by=(), page_size=0, page_token=""
        )
    return [row.id for row in page.rows]


def test_a_follow_up_on_a_lead_is_kept_judged_and_announced(database, create, log, reread, facts, clock):
    lead = create(ME)
    earlier = clock.now - timedelta(hours=3)
    logged = log(ME, lead, occur_time=earlier)
    assert (logged.lead_id, logged.customer_id, logged.verdict) == (lead.id, None, "EFFECTIVE")
    kinds = [kind for kind, _ in facts()]
    assert kinds == ["LeadCreated", "LeadFollowUpLogged", "LeadUpdated"]
    assert facts()[1][1]["lead"] == lead.name
    empty = log(ME, lead, "再联系")
    assert empty.verdict == "NOT_EFFECTIVE"
    now = reread(lead)
    assert (now.last_follow_up_time, now.last_effective_follow_up_time) == (clock.now, earlier)
    assert found(database, ME, lead) == [empty.id, logged.id]
    copy = log(make_caller(user_id=new_id()), lead)
    assert "REPEATED_TEXT" in copy.verdict_reasons


def test_the_first_that_counts_makes_a_new_lead_contacted_if_so_set(database, create, log, reread):
    lead, other = create(ME), create(ME)
    log(ME, lead, "再联系")
    assert reread(lead).status == "NEW"
    log(ME, lead)
    assert (reread(lead).status, reread(lead).version) == ("CONTACTED", 2)
    with database.write(ME) as session:
        update_rules(session, {"contact_on_follow_up": False}, "")
    log(ME, other, f"{GOOD}，另送两台样机")
    assert reread(other).status == "NEW"


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"lead_id": None}, "customer", "REQUIRED"),
        ({"customer_id": new_id()}, "customer", "REQUIRED"),
        ({"contact_id": new_id()}, "contact", "NOT_FOR_LEADS"),
    ],
)
def test_it_is_about_one_lead_or_one_customer(database, create, directory, values, field, reason):
    draft = replace(FollowUpDraft(None, "CALL", GOOD, lead_id=create(ME).id), **values)
    with database.write(ME) as session:
        [outcome] = log_follow_ups(session, [draft], directory)
    assert isinstance(outcome, Invalid)
    assert (outcome.field, outcome.reason) == (field, reason)


def test_leads_are_reached_by_scope(database, create, log):
    mine, rival = make_caller(user_id=new_id(), reach=Reach.SELF), make_caller(user_id=new_id(), reach=Reach.SELF)
    lead = create(mine)
    logged = log(mine, lead)
    with pytest.raises(NotFound):
        log(rival, lead)
    reader = {"lead.read": (Grant("lead.read", Reach.ALL),)}
    with pytest.raises(Denied) as caught:
        log(replace(rival, grants={**rival.grants, **reader}), lead)
    assert caught.value.reason == "NOT_YOURS"
    assert found(database, mine, lead) == [logged.id]
    assert found(database, rival, lead) == []
    seller = make_caller(user_id=new_id(), reach=Reach.SELF)
    with database.write(ME) as session:
        learn_user(session, seller.user_id, 1, new_id(), "r/")
        transfer_lead(session, lead.id, seller.user_id)
    assert found(database, seller, lead) == [logged.id]
    assert found(database, mine, lead) == [logged.id], "authors see their own"


def test_leads_and_customers_are_followed_up_in_one_batch(database, create, known, directory, reread):
    lead, customer, gone = create(ME), known(), new_id()
    drafts = [
        FollowUpDraft(None, "CALL", GOOD, lead_id=lead.id),
        FollowUpDraft(customer, "CALL", "李经理确认了样品规格和交货时间"),
        FollowUpDraft(None, "CALL", "王总同意下周试用三台设备", lead_id=gone),
        FollowUpDraft(None, "CALL", "赵总要求补充售后条款再签字", lead_id=lead.id),
    ]
    with database.write(ME) as session:
        outcomes = log_follow_ups(session, drafts, directory)
    assert [type(one) for one in outcomes] == [FollowUp, FollowUp, NotFound, FollowUp]
    assert reread(lead).status == "CONTACTED"


def test_contacts_with_leads_count_for_the_company(database, create, known, directory):
    people = []
    with database.write(make_caller()) as session:
        update_follow_up_rules(session, {"contact_cap": 1}, "")
        for _ in range(3):
            theatre = new_id()
            learn_department(session, theatre, 1, f"{theatre}/", theatre=True)
            people.append(make_caller(user_id=new_id(), department_path=f"{theatre}/"))
    lead, other = create(ME, company_name="华诚科技有限公司"), create(ME, company_name="华诚科技")
    customer = known(name="华诚科技股份有限公司", company_key=lead.company_key)

    def log(caller, **subject):
        draft = FollowUpDraft(subject.get("customer"), "CALL", GOOD, lead_id=subject.get("lead"))
        with database.write(caller) as session:
            return type(log_follow_ups(session, [draft], directory)[0])

    assert log(people[0], lead=lead.id) is FollowUp
    assert log(people[0], customer=customer) is FollowUp, "a theatre's own contacts do not count against it"
    assert [log(people[1], lead=other.id), log(people[2], customer=customer)] == [Exhausted, Exhausted]


def test_whoever_planned_the_next_contact_is_reminded_unless_the_lead_changed_hands(
    database, create, log, remind, clock
):
    kept, given, done, dropped, deleted = (create(ME, company_name=f"提醒公司{n}") for n in range(5))
    planned = {
        lead.id: log(ME, lead, next_contact_time=clock.now + DAY) for lead in (kept, given, done, dropped, deleted)
    }
    successor = new_id()
    with database.write(ME) as session:
        learn_user(session, successor, 1, new_id(), "r/")
        transfer_lead(session, given.id, successor)
        change_status(session, dropped.id, "DISQUALIFIED", reason="SPAM")
        delete_lead(session, deleted.id)
    clock.advance(timedelta(hours=1))
    log(ME, done, "再联系")
    clock.advance(DAY)
    told = {each["resource"]: (each["recipient"], each["params"]) for each in remind()}
    assert told.keys() == {planned[kept.id].name, planned[given.id].name}
    recipient, params = told[planned[kept.id].name]
    assert (recipient, params["customer_name"], params["lead"]) == (ME.subject, "提醒公司0", kept.name)
    assert told[planned[given.id].name][0] == f"users/{successor}"
    assert remind() == []


def test_plans_of_those_who_leave_are_handed_over(database, create, log, remind, clock):
    lead, successor = create(ME), new_id()
    logged = log(ME, lead, next_contact_time=clock.now + DAY)
    with database.write(service_caller("leads")) as session:
        learn_user(session, successor, 1, new_id(), "r/")
        moved = hand_over_plans(session, ME.user_id, [Move(logged.id, successor, named=True)])
    assert moved == [logged.id]
    clock.advance(DAY)
    assert [each["recipient"] for each in remind()] == [f"users/{successor}"]


def test_what_has_become_a_customer_is_followed_up_there(database, create, log):
    lead = create(ME)
    with database.write(ME) as session:
        session.execute(update(Lead).where(Lead.id == lead.id).values(status="CONVERTED"))
    with pytest.raises(Conflict) as caught:
        log(ME, lead)
    assert caught.value.reason == "LEAD_CONVERTED"


def test_the_timeline_tells_it_all_page_by_page(database, create, log, clock):
    lead = create(ME)
    successor = new_id()
    clock.advance(timedelta(minutes=1))
    logged = log(ME, lead)
    clock.advance(timedelta(minutes=1))
    with database.write(ME) as session:
        learn_user(session, successor, 1, new_id(), "r/")
        transfer_lead(session, lead.id, successor)

    def read(caller=ME, kinds=(), size=2):
        token, rows, follow_ups = "", [], {}
        while True:
            with database.read(caller) as session:
                page = life.list_timeline(session, lead.id, kinds=kinds, page_size=size, page_token=token)
            rows += page.entries.rows
            follow_ups |= page.follow_ups
            token = page.entries.next_token
            if not token:
                return [row.kind for row in rows], follow_ups

    kinds, follow_ups = read()
    assert sorted(kinds[1:3]) == ["FOLLOW_UP", "STATUS_CHANGED"]
    assert (kinds[0], kinds[-1]) == ("OWNER_CHANGED", "CREATED")
    assert follow_ups[logged.id].content == GOOD
    assert read(kinds=["FOLLOW_UP"])[0] == ["FOLLOW_UP"]
    assert read(make_caller("lead.read"))[0] == ["OWNER_CHANGED", "STATUS_CHANGED", "CREATED"]
    with pytest.raises(NotFound):
        read(make_caller(reach=Reach.SELF))
