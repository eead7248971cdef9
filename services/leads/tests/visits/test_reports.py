"""Routes and coverage are the sums of the visits that the viewer sees."""

import random
from datetime import date, timedelta
from itertools import pairwise

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Invalid, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from leads.geo import Position, distance
from leads.model import KnownCustomer, Visit
from leads.subjects import Subject
from leads.usecases.learn_organisation import learn_department
from leads.visits.checking_out import check_out
from leads.visits.reports import Coverage, list_coverage, list_stops, summarise_coverage, summarise_route
from sqlalchemy import select

DAY = date(2026, 3, 2)
NORTH = 1 / 111_195.0802


def paged(fetch):
    rows, token = [], ""
    while True:
        page = fetch(token)
        rows += page.rows
        token = page.next_token
        if not token:
            return rows


@pytest.fixture
def tour(database, arrive, directory, known, somebody, clock):
    """A day's visits at customers of the person and, the third, of somebody else: an hour each, half an hour apart."""
    stranger = make_caller(department_path="2/")
    owners = [somebody, somebody, stranger, somebody]
    positions = [Position(31 + 1_000 * number * NORTH, 121.5, 20) for number in (0, 3, 4, 9)]
    visits = []
    for owner, position in zip(owners, positions, strict=True):
        customer = Subject("customers", known(owner.user_id, owner.department_path))
        visits.append(arrive(somebody, customer, position))
        clock.advance(timedelta(hours=1))
        with database.write(somebody) as session:
            check_out(session, visits[-1].id, None, None, directory)
        clock.advance(timedelta(minutes=30))
    clock.advance(timedelta(days=1))
    arrive(somebody, Subject("customers", known(somebody.user_id, "1/")), positions[0])
    return stranger, visits, positions


def test_a_route_tells_the_way_through_a_day(database, somebody, tour):
    _, visits, positions = tour
    with database.read(somebody) as session:
        stops = paged(lambda token: list_stops(session, somebody.user_id, DAY, page_size=3, page_token=token))
        whole = summarise_route(session, somebody.user_id, DAY)
    assert [(stop.number, stop.id) for stop in stops] == [(at + 1, each.id) for at, each in enumerate(visits)]
    legs = [0, *(distance(one, other) for one, other in pairwise(positions))]
    assert [stop.distance_metres for stop in stops] == pytest.approx(legs)
    assert [int(stop.travel_seconds) for stop in stops] == [0, 1800, 1800, 1800]
    assert (whole.visits, int(whole.visit_seconds)) == (4, 4 * 3600)
    assert whole.distance_metres == pytest.approx(9_000, rel=1e-6)


def test_who_sees_one_stop_is_told_no_way_to_it(database, somebody, tour):
    stranger, visits, _ = tour
    viewer = make_caller("visit.read", reach=Reach.SELF, user_id=stranger.user_id)
    with database.read(viewer) as session:
        [stop] = list_stops(session, somebody.user_id, DAY, page_size=9, page_token="").rows
        whole = summarise_route(session, somebody.user_id, DAY)
    assert (stop.id, stop.number, stop.distance_metres, stop.travel_seconds) == (visits[2].id, 1, 0, 0)
    assert (whole.visits, whole.distance_metres) == (1, 0)


def test_coverage_is_that_of_the_raw_visits_for_whoever_looks(database, arrive, somebody, known, clock):
    chance, department = random.Random(3), new_id()
    path = f"{department}/"
    rep = make_caller(department_path=path)
    with database.write(service_caller("leads")) as session:
        learn_department(session, department, 1, path)
    customers = [Subject("customers", known(rep.user_id, path)) for _ in range(8)]
    customers += [Subject("customers", known(somebody.user_id, "1/")) for _ in range(4)]
    for _ in range(20):
        clock.advance(timedelta(hours=chance.randrange(1, 30)))
        arrive(chance.choice((rep, somebody)), chance.choice(customers))
    end = DAY + timedelta(days=9)
    views = [
        (make_caller(), Coverage(DAY, end)),
        (make_caller(), Coverage(DAY, end, department_id=department)),
        (make_caller(), Coverage(DAY + timedelta(days=2), end, user_id=somebody.user_id)),
        (make_caller("visit.read", "customer.read", reach=Reach.SELF, user_id=rep.user_id), Coverage(DAY, end)),
    ]
    for viewer, coverage in views:
        with database.read(viewer) as session:
            rows = paged(lambda token: list_coverage(session, coverage, page_size=2, page_token=token))  # noqa: B023
            whole = summarise_coverage(session, coverage)
            theirs = select(KnownCustomer.id)
            if coverage.department_id or viewer.user_id == rep.user_id:
                theirs = theirs.where(KnownCustomer.owner_id == rep.user_id)
            if coverage.user_id:
                theirs = theirs.where(KnownCustomer.owner_id == coverage.user_id)
            raw = dict.fromkeys(session.scalars(theirs), 0)
            for visit in session.scalars(select(Visit)):
                day = (visit.check_in_time + timedelta(hours=8)).date()  # in Shanghai
                if visit.customer_id in raw and coverage.start <= day <= end:
                    raw[visit.customer_id] += 1
        assert {row.id: row.visits for row in rows} == raw
        assert [row.visits for row in rows] == sorted(row.visits for row in rows)
        seen = (whole.customers, whole.visited, whole.visits)
        assert seen == (len(raw), sum(count > 0 for count in raw.values()), sum(raw.values()))


def test_periods_and_departments_that_cannot_be_are_refused(database, somebody):
    with database.read(somebody) as session:
        for end in (DAY - timedelta(days=1), DAY + timedelta(days=367)):
            with pytest.raises(Invalid) as caught:
                summarise_coverage(session, Coverage(DAY, end))
            assert caught.value.reason == "INVALID_PERIOD"
        with pytest.raises(NotFound):
            summarise_coverage(session, Coverage(DAY, DAY, department_id=new_id()))
