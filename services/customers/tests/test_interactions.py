"""What other systems and people tell of customers, in their timelines."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import Invalid
from chassis.names import new_id
from customers.timeline import Narrowing
from customers.timeline_queries import list_timeline
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.record_interactions import InteractionDraft, record_interactions

MACHINE = Caller("clients/mail", None, "", {"interaction.record": (Grant("interaction.record", Reach.ALL, ()),)})


@pytest.fixture
def customer(database, organisation):
    with database.write(organisation.li.caller()) as session:
        return create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))


@pytest.fixture
def mail(customer, clock):
    """An inbound mail."""
    return InteractionDraft(
        customer.name, "MAIL", "mail", "<1@example.com>", "", "询价", {"subject": "询价"}, clock.now
    )


@pytest.fixture
def record(database):
    def run(*drafts, caller=MACHINE):
        with database.write(caller) as session:
            return record_interactions(session, drafts)

    return run


def reasons(outcomes):
    """Why each was refused, and the field at fault; None for those that were not."""
    faults = [one.refusal and (getattr(one.refusal, "violations", ()) or (one.refusal,))[0] for one in outcomes]
    return [fault and (fault.reason, fault.field) for fault in faults]


def page(database, caller, customer, *, kinds=(), size=50, token="", **narrowing):
    with database.read(caller) as session:
        return list_timeline(
            session, customer.id, kinds=kinds, narrowing=Narrowing(**narrowing), page_size=size, page_token=token
        )


def test_a_mail_delivered_twice_appears_once(database, organisation, customer, mail, record, audited):
    first, same = record(mail, mail)
    [again] = record(replace(mail, summary="询价（重发）"))
    assert [one.created for one in (first, same, again)] == [True, False, False]
    assert first.entry_id == same.entry_id == again.entry_id
    rows = page(database, organisation.li.caller(), customer).rows
    assert [(row.kind, row.summary) for row in rows if row.kind == "MAIL"] == [("MAIL", "询价")]
    assert [entry.action for entry in audited() if entry.action == "interaction.record"] == ["interaction.record"]


def test_people_note_what_they_did_themselves(database, organisation, customer, mail, record):
    li = organisation.li
    note = InteractionDraft(customer.name, "NOTE", "", "", "", "下周再谈", {}, None)
    assert reasons(record(note, note, caller=li.caller("interaction.record", reach=Reach.SELF))) == [None, None]
    rows = page(database, li.caller(), customer, sources=("customers",), kinds=["NOTE"]).rows
    assert [(row.actor, row.summary) for row in rows] == [(li.name, "下周再谈")] * 2
    as_other = replace(note, actor=organisation.wang.name)
    stranger = organisation.zhao.caller("interaction.record", reach=Reach.SELF)
    assert reasons(record(as_other, caller=li.caller())) == [("NOT_YOURSELF", "actor")]
    assert reasons(record(note, caller=stranger)) == [("CUSTOMER_NOT_FOUND", "")]
    assert reasons(record(note)) == [("REQUIRED", "source")]


def test_each_interaction_of_a_batch_is_judged_by_itself(organisation, customer, mail, record, clock, database):
    with database.write(organisation.li.caller()) as session:
        contact = create_contact(session, customer.id, {"display_name": "王"})
        other = create_customer(session, CustomerDraft({"display_name": "另一家公司"}, {}))
    cases = [
        ({"customer": f"customers/{new_id()}"}, ("CUSTOMER_NOT_FOUND", "")),
        ({"kind": "mail"}, ("INVALID_VALUE", "kind")),
        ({"kind": "OWNER_CHANGED"}, ("RESERVED_NAME", "kind")),
        ({"source": "leads"}, ("RESERVED_NAME", "source")),
        ({"actor": f"users/{new_id()}"}, ("UNKNOWN_ACTOR", "actor")),
        ({"actor": "王"}, ("INVALID_NAME", "actor")),
        ({"actor": contact.name}, None),
        ({"actor": contact.name, "customer": other.name}, ("UNKNOWN_ACTOR", "actor")),
        ({"actor": organisation.wang.name}, None),
        ({"details": {"text": "x" * 9_000}}, ("TOO_LONG", "details")),
        ({"occur_time": None}, ("INVALID_TIME", "occur_time")),
        ({"occur_time": clock.now + timedelta(days=2)}, ("INVALID_TIME", "occur_time")),
        ({"kind": "直播".encode().hex().upper().replace("E", "W")}, None),
    ]
    drafts = [replace(mail, **{"external_id": str(at), **values}) for at, (values, _) in enumerate(cases)]
    assert reasons(record(*drafts)) == [reason for _, reason in cases]
    for count in (0, 501):
        with pytest.raises(Invalid):
            record(*[mail] * count)


def test_a_timeline_is_narrowed_and_walked_while_new_items_arrive(
    database, organisation, customer, mail, record, clock
):
    caller = organisation.li.caller()

    def tell(number, hours, **values):
        moment = clock.now + timedelta(hours=hours)
        record(replace(mail, external_id=str(number), summary=str(number), occur_time=moment, **values))

    for number in range(1, 7):
        tell(number, number - 20, kind="CALL" if number % 2 else "MAIL", source="pbx" if number % 2 else "mail")
    seen, token = [], ""
    for arriving in range(100, 110):
        result = page(database, caller, customer, size=2, token=token)
        seen += [row.summary for row in result.rows]
        token = result.next_token
        if not token:
            break
        tell(arriving, 1)
    assert seen == ["上海华诚科技有限公司", "6", "5", "4", "3", "2", "1"]
    assert [row.summary for row in page(database, caller, customer, sources=("pbx",)).rows] == ["5", "3", "1"]
    start, end = clock.now - timedelta(hours=18), clock.now - timedelta(hours=15)
    within = page(database, caller, customer, start=start, end=end, actors=("clients/mail",)).rows
    assert [row.summary for row in within] == ["4", "3", "2"]
    token = page(database, caller, customer, size=1, sources=("pbx",)).next_token
    with pytest.raises(Invalid):
        page(database, caller, customer, size=1, sources=("mail",), token=token)
