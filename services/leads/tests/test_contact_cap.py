"""How often theatres may be in touch with one company, whatever records of it they keep."""

import threading
from datetime import timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Exhausted
from chassis.names import new_id
from chassis.testing import make_caller
from leads.effectiveness import EffectivenessRules
from leads.usecases.learn_organisation import learn_department
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from leads.usecases.update_follow_up_rules import update_follow_up_rules

METHODS = ("CALL", "WECHAT", "EMAIL", "VISIT")


@pytest.fixture
def log(database, directory):
    def write(caller, customer_id, method="CALL", content="王总说下周定", **values):
        with database.write(caller) as session:
            return log_follow_up(session, FollowUpDraft(customer_id, method, content, **values), directory)

    return write


@pytest.fixture
def theatres(database):
    """Four theatres below one root, and somebody in a team of each."""
    root, people = new_id(), []
    with database.write(make_caller()) as session:
        for _ in range(4):
            theatre, team = new_id(), new_id()
            learn_department(session, theatre, 1, f"{root}/{theatre}/", theatre=True)
            learn_department(session, team, 1, f"{root}/{theatre}/{team}/")
            people.append(make_caller(user_id=new_id(), department_path=f"{root}/{theatre}/{team}/", reach=Reach.SELF))
    return people


@pytest.fixture
def records(known, theatres):
    """A record of the same company with each of them."""
    return [known(one.user_id, one.department_path, company_key="上海华诚科技") for one in theatres]


def refused(log, *arguments, **values):
    with pytest.raises(Exhausted) as caught:
        log(*arguments, **values)
    return caught.value


def test_the_fourth_theatre_is_refused_within_a_day_by_whatever_channel(log, theatres, records, clock):
    for person, record, method in list(zip(theatres, records, METHODS, strict=True))[:3]:
        log(person, record, method)
    error = refused(log, theatres[3], records[3], "VISIT")
    assert error.reason == "CONTACT_CAP_REACHED"
    told = f"{error.message} {vars(error)}"
    assert not any(str(secret) in told for one in theatres[:3] for secret in (one.user_id, one.department_path))
    log(theatres[0], records[0])  # which two others have contacted
    clock.advance(timedelta(hours=24))
    assert log(theatres[3], records[3], "VISIT").theatre.startswith("departments/")


def test_a_theatre_s_own_contacts_do_not_count_against_it(log, theatres, records):
    for _ in range(6):
        log(theatres[0], records[0])
    assert refused(log, theatres[1], records[1]).reason == "CONTACT_CAP_REACHED"
    log(theatres[0], records[0])


def test_plans_count_and_are_refused(log, theatres, records, clock):
    due = clock.now + timedelta(days=5)
    for person, record in list(zip(theatres, records, strict=True))[:3]:
        log(person, record, next_contact_time=due)
        clock.advance(timedelta(hours=9))
    clock.advance(timedelta(hours=24))
    assert refused(log, theatres[3], records[3], next_contact_time=due).field == "next_contact_time"
    log(theatres[3], records[3], next_contact_time=due + timedelta(hours=24))


def test_different_companies_do_not_count(log, known, theatres):
    for person in theatres:
        log(person, known(person.user_id, person.department_path, company_key=f"公司{person.user_id}"))


def test_of_many_at_once_no_more_than_the_cap_pass(log, theatres, records, database):
    with database.write(make_caller()) as session:
        update_follow_up_rules(session, {"contact_cap": 1}, "")
    outcomes = []

    def run(person, record):
        try:
            log(person, record)
            outcomes.append("")
        except Exhausted as error:
            outcomes.append(error.reason)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(theatres, records, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["", *["CONTACT_CAP_REACHED"] * 3]
    assert EffectivenessRules().contact_cap == 3
