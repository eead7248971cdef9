"""Nobody is told a name by which people call a lead if their roles hide it, whoever tells them."""

from datetime import timedelta

import pytest
from chassis.callers import service_caller
from chassis.names import new_id
from chassis.testing import make_caller
from leads.automation.authors import learn_holder, learn_role
from leads.subjects import Subject
from leads.tasks.making import TaskDraft, create_task
from leads.tasks.reminding import remind_of_tasks
from leads.told import titles_for
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_organisation import learn_user
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from leads.usecases.remind_due import remind_due
from leads.usecases.transfer_lead import transfer_lead

ME = make_caller()
HIDES = ({"entity": "lead", "field": "contact_name", "effect": "HIDE"},)
MASKS = ({"entity": "lead", "field": "contact_name", "effect": "MASK"},)
DAY = timedelta(days=1)


@pytest.fixture
def person(database):
    def make(rules=(), *, known=True):
        user_id, role_id = new_id(), new_id()
        with database.write(service_caller("leads")) as session:
            learn_user(session, user_id, 1, new_id(), "r/")
            learn_role(session, role_id, 1, [{"permission": "*", "reach": "ALL", "departments": []}], list(rules))
            if known:
                learn_holder(session, user_id, 1, [f"roles/{role_id}"])
        return user_id

    return make


@pytest.fixture
def lead(database):
    def make(**values):
        with database.write(ME) as session:
            return create_lead(session, LeadDraft({"contact_name": "王芳"} | values))

    return make


def test_titles_hold_what_each_may_read(database, person, lead, known):
    of_person, of_company = (Subject("leads", made.id) for made in (lead(), lead(company_name="华诚")))
    customer, gone = Subject("customers", known(name="上海华诚")), Subject("leads", new_id())
    reads, others = person(), [person(HIDES), person(MASKS), person(known=False)]
    with database.read(ME) as session:
        wanted = [(user, each) for user in (reads, *others) for each in (of_person, of_company, customer, gone)]
        found = titles_for(session, wanted)
    assert [found[reads, each] for each in (of_person, of_company, customer, gone)] == ["王芳", "华诚", "上海华诚", ""]
    for user in others:
        assert [found[user, each] for each in (of_person, of_company, customer, gone)] == ["", "华诚", "上海华诚", ""]


@pytest.mark.parametrize(("rules", "shown"), [((), True), (HIDES, False)])
def test_who_tells_of_a_lead_tells_no_hidden_name(database, directory, person, lead, facts, clock, rules, shown):
    owner, given = person(rules), lead()
    with database.write(ME) as session:
        transfer_lead(session, given.id, owner)
        subject = Subject("leads", given.id)
        due = session.now + DAY
        create_task(session, TaskDraft(subject, {"title": "回访"}, assignee_id=owner, due_time=due), directory)
    with database.write(make_caller(user_id=owner)) as session:
        draft = FollowUpDraft(None, "CALL", "谈", lead_id=given.id, next_contact_time=due)
        log_follow_up(session, draft, directory)
    clock.advance(DAY)
    with database.write(service_caller("leads")) as session:
        remind_of_tasks(session, clock.now)
        remind_due(session, clock.now)
    told = {data["kind"]: data["params"] for kind, data in facts() if kind == "NotificationRaised"}
    assert {"LEAD_ASSIGNED", "TASK_OVERDUE", "FOLLOW_UP_DUE", "TASK_ASSIGNED"} <= told.keys()
    for kind, key in (
        ("LEAD_ASSIGNED", "lead_name"),
        ("TASK_OVERDUE", "subject_title"),
        ("FOLLOW_UP_DUE", "customer_name"),
    ):
        assert told[kind][key] == ("王芳" if shown else "")
    assert ("王芳" in str(told)) is shown
