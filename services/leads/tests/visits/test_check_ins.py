"""Check-ins and check-outs: fences, one open visit, what speaks against them, reviews, reports."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from chassis.callers import Caller, Grant, Reach, service_caller
from chassis.errors import Conflict, Denied, Invalid, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from leads.company_rules import update_rules
from leads.geo import Position
from leads.model import FollowUp, KnownCustomer, SubjectPosition, Visit
from leads.subjects import Subject, follow_conversion, follow_merge, undo_merge
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_organisation import learn_department, learn_user
from leads.visits.checking_out import Report, check_out, report_visit
from leads.visits.positions import get_position, position_of, set_position
from leads.visits.queries import legs_seen
from leads.visits.reviewing import review_visit
from leads.visits.timers import end_forgotten, purge_positions
from leads.visits.trust import RULES, VisitRules
from sqlalchemy import func, select, text

from .conftest import HERE, north


def read(database, visit):
    with database.read(service_caller("leads")) as session:
        found = session.get_one(Visit, visit.id)
        session.expunge(found)
        return found


def raised(facts, kind):
    return [data for name, data in facts() if name == "NotificationRaised" and data["kind"] == kind]


def test_80_m_pass_and_450_m_are_stored_as_out_of_range(arrive, locate, somebody, customer, clock):
    locate(somebody, customer)
    near = arrive(somebody, customer, north(80))
    clock.advance(timedelta(hours=1))
    far = arrive(somebody, customer, north(450))
    assert (near.geofence, round(near.distance_metres), near.trust_score) == ("INSIDE", 80, 100)
    assert (far.geofence, round(far.distance_metres), far.trust_reasons) == ("OUT_OF_RANGE", 450, ["OUT_OF_RANGE"])
    assert near.radius_metres == far.radius_metres == 200
    assert round(far.leg_metres) == 370


def test_a_way_is_told_to_who_sees_where_it_began(database, arrive, somebody, customer, known, clock):
    elsewhere = arrive(somebody, Subject("customers", known(new_id(), "9/")))
    clock.advance(timedelta(hours=1))
    visit = arrive(somebody, customer, north(450))
    clock.advance(timedelta(hours=1))
    last = arrive(somebody, customer, north(900))
    assert visit.leg_metres
    head = make_caller("visit.read", "customer.read", reach=Reach.DEPARTMENT_TREE, department_path="1/")
    neighbour = make_caller("visit.read", "customer.read", reach=Reach.DEPARTMENT_TREE, department_path="9/")
    owner = make_caller("visit.read", "customer.read", reach=Reach.SELF)
    with database.write(service_caller("leads")) as session:
        session.get_one(KnownCustomer, customer.id).owner_id = owner.user_id
    all_ = {elsewhere.id, visit.id, last.id}
    for viewer, told in (
        (make_caller(), all_ - {elsewhere.id}),
        (make_caller("visit.create", user_id=somebody.user_id), all_),
        (head, {visit.id, last.id}),
        (owner, {last.id}),
        (neighbour, {visit.id}),
        (make_caller("visit.read", "customer.read", reach=Reach.SELF), set()),
    ):
        with database.read(viewer) as session:
            shown = session.scalars(select(Visit).where(Visit.id.in_(all_))).all()
            assert legs_seen(session, shown) == told


def test_the_servers_time_counts_and_the_devices_is_kept_beside_it(arrive, somebody, customer, clock):
    early = clock.now - timedelta(minutes=10)
    visit = arrive(somebody, customer, device_time=early)
    assert (visit.check_in_time, visit.device_time) == (clock.now, early)
    assert visit.trust_reasons == ["DEVICE_TIME_OFF"]


def test_checking_in_elsewhere_ends_the_visit_before(database, arrive, somebody, customer, known, clock):
    first = arrive(somebody, customer)
    clock.advance(timedelta(hours=1))
    arrive(somebody, Subject("customers", known(somebody.user_id, "1/")))
    ended = read(database, first)
    assert (ended.ended_by, ended.check_out_time) == ("NEXT_CHECK_IN", clock.now)


def test_of_many_check_ins_at_once_one_stays_open(database, arrive, somebody, customer):
    with ThreadPoolExecutor(6) as pool:
        made = [each.id for each in pool.map(lambda _: arrive(somebody, customer), range(12))]
    with database.read(service_caller("leads")) as session:
        rows = session.scalars(select(Visit).where(Visit.id.in_(made))).all()
        assert len(rows) == 12
        assert sorted(row.ended_by or "" for row in rows) == ["", *["NEXT_CHECK_IN"] * 11]


def test_800_km_in_half_an_hour_ask_the_head_and_drop_nothing(database, arrive, somebody, customer, clock, facts):
    boss, department = make_caller(department_path="1/"), new_id()
    path = f"{department}/"
    rep = make_caller(user_id=somebody.user_id, department_path=path)
    with database.write(service_caller("leads")) as session:
        learn_department(session, department, 1, path, head_id=boss.user_id)
        learn_user(session, boss.user_id, 1, department, path)
    arrive(rep, customer)
    clock.advance(timedelta(minutes=30))
    visit = arrive(rep, customer, north(800_000))
    assert (visit.trust_reasons, visit.trust_score) == (["IMPOSSIBLE_TRAVEL"], 40)
    assert read(database, visit).review_state == "PENDING"
    [asked] = raised(facts, "VISIT_NEEDS_REVIEW")
    assert (asked["recipient"], asked["resource"]) == (boss.subject, visit.name)
    assert asked["params"]["reasons"] == ["IMPOSSIBLE_TRAVEL"]


def test_a_device_that_somebody_else_used_of_late_is_told(arrive, somebody, customer, known, clock):
    other = make_caller(department_path="2/")
    arrive(other, Subject("customers", known(other.user_id, "2/")), device="d1")
    assert arrive(somebody, customer, device=" d1 ").trust_reasons == ["SHARED_DEVICE"]
    clock.advance(timedelta(days=31))
    assert arrive(somebody, customer, device="d1").trust_reasons == []


def test_what_is_out_of_reach_is_not_visited(database, arrive, known, directory):
    rep = make_caller("visit.create", "visit.read", "customer.read", "lead.read", reach=Reach.SELF)
    theirs = Subject("customers", known(new_id(), "9/"))
    with pytest.raises(NotFound):
        arrive(rep, theirs)
    with pytest.raises(NotFound):
        arrive(rep, Subject("leads", new_id()))
    with pytest.raises(Denied) as caught:
        arrive(Caller("clients/1", grants={"*": (Grant("*", Reach.ALL),)}), theirs)
    assert caught.value.reason == "USERS_ONLY"
    with pytest.raises(Invalid):
        arrive(make_caller(), theirs, note="n" * 2_001)


def test_a_manager_decides_and_nobody_on_their_own(database, arrive, somebody, customer, facts):
    visit = arrive(somebody, customer, mock_location=True)
    assert visit.review_state == "PENDING"

    def decide(caller, note="", approve=True):
        with database.write(caller) as session:
            return review_visit(session, visit.id, note, approve=approve).review_state

    with pytest.raises(Denied) as caught:
        decide(somebody)
    assert caught.value.reason == "OWN_VISIT"
    grants = {"visit.read": (Grant("visit.read", Reach.ALL),), "visit.review": (Grant("visit.review", Reach.SELF),)}
    narrow = Caller("users/1", new_id(), grants=grants)
    with pytest.raises(Denied) as caught:
        decide(narrow)
    assert caught.value.reason == "NOT_YOURS"
    with pytest.raises(Invalid):
        decide(make_caller(), approve=False)
    assert decide(make_caller(), "不在现场", approve=False) == "REJECTED"
    [told] = raised(facts, "VISIT_REVIEWED")
    assert (told["recipient"], told["params"]["note"]) == (somebody.subject, "不在现场")
    with pytest.raises(Conflict):
        decide(make_caller())


def test_a_visit_becomes_a_follow_up_that_has_the_check_in_to_show(
    database, arrive, somebody, customer, directory, clock
):
    visit = arrive(somebody, customer)
    clock.advance(timedelta(minutes=45))
    with database.write(somebody) as session:
        ended = check_out(session, visit.id, north(10), Report("张总确认下周签约"), directory)
        assert (ended.ended_by, ended.out_accuracy_metres) == ("CHECK_OUT", 20)
        follow_up = session.get_one(FollowUp, ended.follow_up_id)
        assert (follow_up.method, follow_up.occur_time) == ("VISIT", visit.check_in_time)
        assert "VALID_CHECK_IN" in follow_up.verdict_reasons
    with database.write(somebody) as session, pytest.raises(Conflict) as caught:
        report_visit(session, visit.id, Report("再写一次"), directory)
    assert caught.value.reason == "ALREADY_REPORTED"
    with database.write(somebody) as session, pytest.raises(Conflict) as caught:
        check_out(session, visit.id, None, None, directory)
    assert caught.value.reason == "VISIT_ENDED"
    with database.write(make_caller()) as session, pytest.raises(Denied):
        check_out(session, visit.id, None, None, directory)


def test_a_forgotten_visit_is_ended_as_of_when_its_time_was_over(database, arrive, somebody, customer, clock):
    visit = arrive(somebody, customer)
    clock.advance(timedelta(hours=13))
    with database.write(service_caller("leads")) as session:
        end_forgotten(session, clock.now)
    ended = read(database, visit)
    assert (ended.ended_by, ended.check_out_time - visit.check_in_time) == ("TIMEOUT", timedelta(hours=12))


def test_exact_positions_go_after_their_time_and_what_was_judged_stays(
    database, arrive, locate, somebody, customer, directory, clock
):
    locate(somebody, customer)
    old = arrive(somebody, customer, north(80))
    with database.write(somebody) as session:
        follow_up_id = check_out(session, old.id, north(70), Report("张总说下周定"), directory).follow_up_id
    clock.advance(timedelta(days=10))
    new = arrive(somebody, customer)
    with database.write(make_caller()) as session:
        update_rules(session, RULES, VisitRules, "visit.configure", {"keep_positions_days": 5}, "")
    with database.write(service_caller("leads")) as session:
        purge_positions(session, clock.now)
        assert session.get_one(FollowUp, follow_up_id).check_in is None
    gone, kept = read(database, old), read(database, new)
    assert (gone.latitude, gone.longitude, gone.accuracy_metres, gone.out_latitude) == (None,) * 4
    assert (round(gone.distance_metres), gone.geofence) == (80, "INSIDE")
    assert kept.latitude == HERE.latitude
    with database.read(service_caller("leads")) as session:
        told = session.scalar(
            text("SELECT string_agg(concat(before, after), '') FROM audit_entry WHERE resource LIKE 'visits/%'")
        )
    assert str(north(80).latitude)[:7] not in told


def test_a_trusted_visit_suggests_where_a_customer_is_and_somebody_says_so(
    database, arrive, somebody, customer, directory, clock
):
    with database.read(somebody) as session, pytest.raises(NotFound):
        get_position(session, customer, directory)
    arrive(somebody, customer, north(5_000), mock_location=True)
    clock.advance(timedelta(days=1))
    visit = arrive(somebody, customer, north(10))
    with database.read(somebody) as session:
        found = get_position(session, customer, directory)
        assert (found.suggested, found.visit_id, position_of(session, customer)) == (True, visit.id, None)
    with database.write(somebody) as session:
        set_position(session, customer, None, visit.id, directory)
    with database.read(somebody) as session:
        found = get_position(session, customer, directory)
    assert (found.suggested, found.setter, found.position.latitude) == (False, somebody.subject, visit.latitude)
    with database.write(somebody) as session, pytest.raises(Invalid):
        set_position(session, customer, None, None, directory)
    clock.advance(timedelta(days=1))
    assert arrive(somebody, customer, north(90)).geofence == "INSIDE"


def test_visits_and_positions_follow_conversions_and_merges(database, arrive, locate, somebody, customer, known):
    other = Subject("customers", known(somebody.user_id, "1/"))
    with database.write(somebody) as session:
        lead = Subject("leads", create_lead(session, LeadDraft({"company_name": "新线索"})).id)
    locate(somebody, lead)
    visit = arrive(somebody, lead)
    with database.write(service_caller("leads")) as session:
        follow_conversion(session, lead.id, other.id)
    merge = new_id()
    with database.write(service_caller("leads")) as session:
        follow_merge(session, merge, [other.id], customer.id)
        rows = session.scalars(select(SubjectPosition.customer_id)).all()
        assert (session.get_one(Visit, visit.id).customer_id, rows) == (customer.id, [customer.id])
    with database.write(service_caller("leads")) as session:
        undo_merge(session, merge)
        assert session.get_one(Visit, visit.id).customer_id == other.id


def test_every_check_in_is_audited_and_told(database, arrive, somebody, customer, facts):
    visit = arrive(somebody, customer)
    [started] = [data for name, data in facts() if name == "VisitStarted"]
    assert (started["visit"], started["subject"], started["geofence"]) == (visit.name, customer.name, "UNKNOWN")
    with database.read(service_caller("leads")) as session:
        assert session.scalar(select(func.count()).select_from(Visit)) == 1
    assert Position(visit.latitude, visit.longitude, visit.accuracy_metres) == HERE
