"""What a conversion does here: before the customers service is asked, after it has answered, and if it never does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Conflict, NotFound, Stale
from chassis.names import new_id
from chassis.testing import eventually, make_caller
from chassis.testing.databases import waits
from leads import queries
from leads.drafts import FollowUpDraft
from leads.life import queries as life
from leads.life.change_status import change_status
from leads.life.conversion import ASK_AGAIN, PATIENCE, Admission, ask, begin, cancel, complete
from leads.life.opportunities import OpportunityDraft
from leads.model import FollowUp
from leads.usecases.create_lead import LeadDraft
from leads.usecases.delete_lead import delete_lead
from leads.usecases.learn_customers import CustomerFacts
from leads.usecases.log_follow_up import log_follow_up
from leads.usecases.merge_customers import merge_customers, unmerge_customers
from leads.usecases.register_lead import register_lead
from leads.usecases.update_lead import update_lead

ME = make_caller(user_id=new_id(), reach=Reach.SELF)
ALL = make_caller()
WISH = OpportunityDraft("十台设备", "CNY", "120000.00", "2026-06-30").to_json()


@pytest.fixture
def start(database):
    def write(lead, caller=ME, digest=b"1", wish=None, etag=""):
        with database.write(caller) as session:
            return begin(session, lead.id, digest, wish, etag=etag)

    return write


@pytest.fixture
def finish(database):
    """Lets a lead be the customer that it was admitted as."""

    def write(lead, begun, admission, caller=ME):
        with database.write(caller) as session:
            return complete(session, lead.id, begun.id, admission)

    return write


def admitted(owner=ME):
    return Admission(CustomerFacts(new_id(), 1, "华诚", owner.user_id, None, "华诚"), new_id())


def told(facts, *kinds):
    return [(kind, data) for kind, data in facts() if kind in kinds]


def test_all_that_there_is_becomes_the_customer_s(database, create, log, start, finish, reread, remind, facts, clock):
    lead = create(ME)
    logged = log(ME, lead, next_contact_time=clock.now + timedelta(days=1))
    begun = start(lead, wish=WISH)
    made = admitted()
    finish(lead, begun, made)
    now = reread(lead)
    assert (now.status, now.converted_customer_id, now.converted_contact_id) == (
        "CONVERTED",
        made.customer.id,
        made.contact_id,
    )
    [(_, event)] = told(facts, "LeadConverted")
    assert (event["customer"], event["actor"]) == (f"customers/{made.customer.id}", ME.subject)
    assert event["opportunity"]["amount"] == {"currency_code": "CNY", "amount": "120000.00"}
    [(_, moved)] = told(facts, "FollowUpLogged")
    assert (moved["follow_up"], moved["customer"]) == (logged.name, event["customer"])
    with database.read(ME) as session:
        row = queries.get_follow_up(session, logged.id)
        timeline = life.list_timeline(session, lead.id, kinds=(), page_size=0, page_token="")
    assert (row.lead_id, row.customer_id) == (lead.id, made.customer.id)
    assert [entry.kind for entry in timeline.entries.rows].count("CONVERTED") == 1
    clock.advance(timedelta(days=1))
    assert [each["params"]["customer"] for each in remind()] == [event["customer"]]


def test_the_customer_s_own_follow_up_settles_what_was_planned_with_the_lead(
    database, create, log, start, finish, remind, directory, clock
):
    lead = create(ME)
    log(ME, lead, next_contact_time=clock.now + timedelta(days=1))
    made = admitted()
    finish(lead, start(lead), made)
    clock.advance(timedelta(hours=1))
    with database.write(ME) as session:
        log_follow_up(session, FollowUpDraft(made.customer.id, "CALL", "已签合同"), directory)
    clock.advance(timedelta(days=1))
    assert remind() == []


def test_the_call_and_the_announcement_complete_it_once(create, log, start, finish, facts):
    lead = create(ME)
    log(ME, lead)
    begun, made = start(lead), admitted()
    callers = [ME, service_caller("leads")] * 4
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda caller: finish(lead, begun, made, caller), callers))
    assert {one.id for one in done} == {begun.id}
    assert [len(told(facts, kind)) for kind in ("LeadConverted", "FollowUpLogged")] == [1, 1]


def test_asked_for_again_it_goes_on_and_for_something_else_it_waits(create, start, finish, reread):
    lead = create(ME)
    first = start(lead)
    again = start(lead)
    assert (again.id, again.attempt) == (first.id, 2)
    with pytest.raises(Conflict) as caught:
        start(lead, digest=b"2")
    assert caught.value.reason == "CONVERSION_UNDER_WAY"
    made = admitted()
    finish(lead, again, made)
    assert start(lead).done
    with pytest.raises(Conflict) as caught:
        start(lead, digest=b"2")
    assert (caught.value.reason, caught.value.details["customer"]) == (
        "LEAD_CONVERTED",
        f"customers/{made.customer.id}",
    )


def test_meanwhile_the_lead_is_kept_from_what_would_contradict_it(database, create, log, start, reread):
    lead = create(ME)
    start(lead)
    for change in (
        lambda session: change_status(session, lead.id, "DISQUALIFIED", reason="SPAM"),
        lambda session: update_lead(session, lead.id, {"status": "QUALIFIED"}),
        lambda session: delete_lead(session, lead.id),
    ):
        with pytest.raises(Conflict) as caught, database.write(ME) as session:
            change(session)
        assert caught.value.reason == "CONVERSION_UNDER_WAY"
    log(ME, lead)
    assert reread(lead).status == "NEW"


def test_what_is_refused_leaves_the_lead_as_it_was_unless_asked_for_again_since(database, create, start, reread):
    lead = create(ME)
    first, second = start(lead), start(lead)
    with database.write(ME) as session:
        cancel(session, first.id, attempt=first.attempt)
    with pytest.raises(Conflict):
        start(lead, digest=b"2")
    with database.write(ME) as session:
        cancel(session, second.id, attempt=second.attempt)
    assert (reread(lead).status, reread(lead).version) == ("NEW", 1)
    assert start(lead, digest=b"2").id != first.id


def test_what_is_being_called_off_is_not_gone_on_with(database, create, start):
    lead = create(ME)
    begun = start(lead)
    with ThreadPoolExecutor(1) as pool:
        with database.write(ME) as calling_off:
            cancel(calling_off, begun.id)
            again = pool.submit(start, lead)
            eventually(lambda: waits(calling_off))
        assert again.result().id != begun.id


def test_an_admission_that_comes_late_counts_all_the_same(database, create, start, finish, reread):
    lead = create(ME)
    begun, made = start(lead), admitted()
    with database.write(ME) as session:
        cancel(session, begun.id)
    newer = start(lead, digest=b"2")
    assert finish(lead, begun, made, service_caller("leads")).id == newer.id
    back = reread(lead)
    assert (back.converted_customer_id, back.converted_contact_id) == (made.customer.id, made.contact_id)


def test_a_customer_that_was_merged_before_the_conversion_ended_is_followed_and_comes_back(
    database, create, log, start, finish, reread, facts
):
    lead, made, winner, last = create(ME), admitted(), admitted(), admitted()
    logged, begun = log(ME, lead), start(lead)
    merges = [
        (new_id(), winner.customer, {made.customer.id: 2}, {made.contact_id: winner.contact_id}),
        (new_id(), last.customer, {winner.customer.id: 2}, {winner.contact_id: last.contact_id}),
    ]
    for merge in merges:
        with database.write(service_caller("leads")) as session:
            merge_customers(session, *merge)
    finish(lead, begun, made)
    now = reread(lead)
    assert (now.converted_customer_id, now.converted_contact_id) == (last.customer.id, last.contact_id)
    for kind in ("LeadConverted", "FollowUpLogged"):
        assert told(facts, kind)[-1][1]["customer"] == f"customers/{last.customer.id}"
    for (merge_id, into, _, _), gone in zip(reversed(merges), (winner, made), strict=True):
        with database.write(service_caller("leads")) as session:
            others = [replace(gone.customer, version=3)]
            unmerge_customers(session, merge_id, replace(into, version=4), others)
        with database.read(ALL) as session:
            assert session.get_one(FollowUp, logged.id).customer_id == gone.customer.id
        back = reread(lead)
        assert (back.converted_customer_id, back.converted_contact_id) == (gone.customer.id, gone.contact_id)


def test_nobody_is_asked_before_the_calls_have_ended_and_again_only_after_a_while(
    database, create, start, facts, clock
):
    lead = create(ME)
    begun = start(lead)

    def asked():
        with database.write(service_caller("leads")) as session:
            ask(session)
        return [data["conversion"] for _, data in told(facts, "LeadConversionStalled")]

    assert asked() == []
    clock.advance(PATIENCE)
    assert asked() == [f"leadConversions/{begun.id}"]
    assert len(asked()) == 1
    clock.advance(ASK_AGAIN)
    assert len(asked()) == 2
    with database.write(service_caller("leads")) as session:
        cancel(session, begun.id)
    clock.advance(ASK_AGAIN)
    assert len(asked()) == 2


def test_what_cannot_become_a_customer(database, create, start):
    lost = create(ME, status="DISQUALIFIED", status_reason="SPAM")
    with pytest.raises(Conflict) as caught:
        start(lost)
    assert caught.value.reason == "STATUS_NOT_REACHABLE"
    partner = replace(make_caller("lead.register"), partner_id=new_id())
    with database.write(partner) as session:
        registered = register_lead(session, LeadDraft({"company_name": "伙伴公司"}), timedelta(days=90))
    with pytest.raises(Conflict) as caught:
        start(registered, ALL)
    assert caught.value.reason == "REGISTRATION_UNDECIDED"
    with pytest.raises(NotFound):
        start(create(ALL))
    with pytest.raises(Stale):
        start(create(ME), etag="other")


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({"display_name": " "}, [("opportunity.display_name", "REQUIRED")]),
        ({"amount": "-1"}, [("opportunity.amount.amount", "INVALID_AMOUNT")]),
        ({"amount": "1e3"}, [("opportunity.amount.amount", "INVALID_AMOUNT")]),
        ({"currency_code": "XX1"}, [("opportunity.amount.currency_code", "INVALID_CURRENCY")]),
        ({"expected_close_date": "2026-2-30"}, [("opportunity.expected_close_date", "INVALID_DATE")]),
        ({}, []),
    ],
)
def test_an_opportunity_has_a_form(values, faults):
    draft = replace(OpportunityDraft("十台", "CNY", "1.50", "2026-06-30"), **values)
    assert [(fault.field, fault.reason) for fault in draft.faults()] == faults


def test_a_lead_follows_its_customer_through_merges_and_back(database, create, start, finish, reread):
    lead, made, winner = create(ME), admitted(), admitted()
    finish(lead, start(lead), made)
    merge_id, into = new_id(), winner.customer
    with database.write(service_caller("leads")) as session:
        merge_customers(session, merge_id, into, {made.customer.id: 2}, {made.contact_id: winner.contact_id})
    now = reread(lead)
    assert (now.converted_customer_id, now.converted_contact_id) == (into.id, winner.contact_id)
    with database.write(service_caller("leads")) as session:
        unmerge_customers(session, merge_id, replace(into, version=2), [replace(made.customer, version=3)])
    assert reread(lead).converted_customer_id == made.customer.id
