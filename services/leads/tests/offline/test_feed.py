"""What devices are told of: everything there is, then every change, whatever order transactions commit in."""

from datetime import timedelta
from uuid import UUID

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Invalid
from chassis.names import new_id
from chassis.sharing import ShareLevel
from chassis.testing import make_caller
from hypothesis import given, settings
from hypothesis import strategies as st
from leads import lead_queries
from leads.drafts import FollowUpDraft
from leads.offline import feed
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.delete_lead import delete_lead
from leads.usecases.learn_customers import CustomerFacts, learn_customers
from leads.usecases.learn_organisation import learn_user
from leads.usecases.learn_shares import CustomerShare, learn_share
from leads.usecases.log_follow_up import log_follow_up
from leads.usecases.transfer_lead import transfer_lead
from leads.usecases.update_lead import update_lead
from sqlalchemy import text

READS = ("lead.read", "follow_up.read", "customer.read")


class Device:
    """A device that keeps what it is told, as one would."""

    def __init__(self, database, caller, size: int = 3) -> None:
        self.database, self.caller, self.size = database, caller, size
        self.token, self.held = "", {}
        self.resets, self.to_fetch = 0, set()

    def page(self) -> bool:
        with self.database.read(self.caller) as session:
            page = feed.read_changes(session, self.token, (), self.size)
        if page.reset:
            self.held, self.resets = {}, self.resets + 1
        for change in page.changes:
            if change.moved and change.collection == "customers":
                self.to_fetch.add(change.id)
            elif change.gone:
                self.held.pop(change.id, None)
            else:
                self.held[change.id] = getattr(change.row, "version", 1)
        self.token = page.token
        return page.more

    def sync(self) -> dict[UUID, int]:
        while self.page():
            pass
        return self.held


@pytest.fixture
def rep():
    return make_caller(department_path="r/a/")


@pytest.fixture
def create(database):
    def make(caller, **values):
        values.setdefault("company_name", f"公司{new_id().hex}")
        with database.write(caller) as session:
            return create_lead(session, LeadDraft(values)).id

    return make


@pytest.fixture
def learn(database):
    def make(path="r/b/"):
        key = new_id()
        with database.write(service_caller("leads")) as session:
            learn_user(session, key, 1, new_id(), path)
        return key

    return make


def change(database, caller, use_case, *given, **values):
    with database.write(caller) as session:
        return use_case(session, *given, **values)


def reader(reach=Reach.SELF, path="r/a/", user_id=None):
    return make_caller(*READS, reach=reach, department_path=path, user_id=user_id)


def test_a_device_is_told_of_everything_then_of_changes_alone(database, create, rep):
    leads = [create(rep) for _ in range(7)]
    device = Device(database, rep)
    assert device.sync() == dict.fromkeys(leads, 1)
    with database.read(rep) as session:
        assert feed.read_changes(session, device.token, (), 50).changes == []
    change(database, rep, update_lead, leads[2], {"remark": "二谈"})
    change(database, rep, delete_lead, leads[5])
    fresh = create(rep)
    wanted = dict.fromkeys(leads, 1) | {leads[2]: 2, fresh: 1}
    del wanted[leads[5]]
    assert device.sync() == wanted


def test_a_change_that_commits_late_is_told_of_though_later_ones_were_told_before(database, create, rep):
    first, second = create(rep), create(rep)
    device = Device(database, rep)
    device.sync()
    with database.write(rep) as early:
        update_lead(early, first, {"remark": "先动"})
        change(database, rep, update_lead, second, {"remark": "后动"})
        assert device.sync() == {first: 1, second: 2}, "nobody waits for the one that is under way"
    assert device.sync() == {first: 2, second: 2}


def test_a_change_during_the_first_walk_is_told_of(database, create, rep):
    leads = sorted(create(rep) for _ in range(8))
    device = Device(database, rep, size=2)
    with database.write(rep) as early:
        update_lead(early, leads[0], {"remark": "先动"})
        assert device.page()
        change(database, rep, delete_lead, leads[1])
        device.page()
    device.sync()
    assert device.held == {leads[0]: 2} | dict.fromkeys(leads[2:], 1)


class Work:
    """Three transactions under way at a time, each with leads of its own to work on until it ends."""

    def __init__(self, database, caller, other) -> None:
        self.database, self.caller, self.other = database, caller, other
        self.opened, self.leads, self.held = {}, [], {}

    def run(self, step, slot) -> None:
        if step == "commit":
            self.commit(slot)
            return
        if slot not in self.opened:
            manager = self.database.write(self.caller)
            self.opened[slot] = (manager, manager.__enter__())
        session = self.opened[slot][1]
        if step == "create":
            key = create_lead(session, LeadDraft({"company_name": f"公司{new_id().hex}"})).id
            self.leads.append(key)
            self.held[key] = slot
        elif mine := [key for key in self.leads if self.held.get(key, slot) == slot]:
            self.held[mine[0]] = slot
            self.change(session, step, mine[0])

    def change(self, session, step, key) -> None:
        if step == "update":
            update_lead(session, key, {"remark": new_id().hex})
        else:
            self.leads.remove(key)
            delete_lead(session, key) if step == "delete" else transfer_lead(session, key, self.other)

    def commit(self, slot) -> None:
        if slot in self.opened:
            self.opened.pop(slot)[0].__exit__(None, None, None)
            self.held = {key: holder for key, holder in self.held.items() if holder != slot}


_STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "update", "delete", "give", "page", "commit"]), st.integers(0, 2)), max_size=25
)


@settings(max_examples=40)
@given(steps=_STEPS)
def test_whatever_the_order_of_commits_a_device_ends_with_what_there_is(module_database, steps):
    path = f"x/{new_id()}/"
    rep, other = reader(path=path), new_id()
    worker = make_caller(user_id=rep.user_id, department_path=path)
    change(module_database, service_caller("leads"), learn_user, other, 1, new_id(), "elsewhere/")
    device, work = Device(module_database, rep, size=2), Work(module_database, worker, other)
    for step, slot in steps:
        if step == "page":
            device.page()
        else:
            work.run(step, slot)
    for slot in range(3):
        work.commit(slot)
    with module_database.read(rep) as session:
        visible = session.execute(lead_queries.select_visible(session)).all()
    assert device.sync() == {row.id: row.version for row in visible}


def test_what_leaves_ones_reach_is_gone_for_whom_it_left_and_nobody_else_is_told(database, create, learn, rep):
    lead, theirs = create(rep), learn()
    mine, boss = Device(database, reader(user_id=rep.user_id)), Device(database, reader(Reach.ALL))
    stranger = Device(database, reader(path="r/z/"))
    for device in (mine, boss, stranger):
        device.sync()
    change(database, rep, transfer_lead, lead, theirs)
    assert mine.sync() == {}
    assert boss.sync() == {lead: 2}
    with database.read(stranger.caller) as session:
        assert feed.read_changes(session, stranger.token, (), 50).changes == []
    taker = Device(database, reader(user_id=theirs, path="r/b/"))
    assert taker.sync() == {lead: 2}


def test_whose_roles_or_department_change_begins_anew(database, create, rep):
    lead = create(rep)
    device = Device(database, reader(user_id=rep.user_id))
    device.sync()
    device.caller = reader(Reach.DEPARTMENT, user_id=rep.user_id)
    assert (device.sync(), device.resets) == ({lead: 1}, 1)
    device.caller = reader(Reach.DEPARTMENT, path="r/z/", user_id=rep.user_id)
    assert (device.sync(), device.resets) == ({lead: 1}, 2)


def test_a_customers_new_place_tells_both_sides_to_fetch_its_follow_ups_anew(database, known, directory, rep):
    customer = known(rep.user_id, "r/a/")
    draft = FollowUpDraft(customer_id=customer, method="CALL", content="谈妥了十台，八月交货")
    other = new_id()
    mine, theirs = (
        Device(database, reader(user_id=key, path=path)) for key, path in ((rep.user_id, "r/a/"), (other, "r/b/"))
    )
    mine.sync()
    theirs.sync()
    logged = change(database, rep, log_follow_up, draft, directory).id
    assert mine.sync() == {logged: 1}
    assert theirs.sync() == {}
    moved = CustomerFacts(customer, 2, "华诚", other, "r/b/")
    change(database, service_caller("leads"), learn_customers, [moved])
    mine.sync()
    theirs.sync()
    assert mine.to_fetch == theirs.to_fetch == {customer}
    uninvolved = Device(database, reader(path="r/z/"))
    uninvolved.sync()
    assert uninvolved.to_fetch == set()


def test_follow_ups_on_leads_are_told_of_and_lead_on_to_the_customer(database, create, known, directory, rep):
    lead = create(rep)
    device = Device(database, reader(user_id=rep.user_id))
    device.sync()
    draft = FollowUpDraft(customer_id=None, lead_id=lead, method="CALL", content="谈妥了十台，八月交货")
    logged = change(database, rep, log_follow_up, draft, directory).id
    assert device.sync().keys() == {lead, logged}
    boss = Device(database, reader(Reach.DEPARTMENT))
    boss.sync()
    customer = known(new_id(), "r/z/")
    with database.write(service_caller("leads")) as session:
        values = {"customer": customer, "lead": lead}
        session.execute(text("UPDATE follow_up SET customer_id = :customer WHERE lead_id = :lead"), values)
    with database.read(boss.caller) as session:
        [told] = feed.read_changes(session, boss.token, (), 50).changes
    assert (told.collection, told.id, told.moved) == ("leads", lead, True), "what is about it is to be fetched anew"


def test_a_share_that_ends_by_itself_is_told_of(database, clock, known, rep):
    customer = known(new_id(), "r/z/")
    device = Device(database, reader(user_id=rep.user_id))
    device.sync()
    share = CustomerShare(
        customer, f"users/{rep.user_id}", 1, ShareLevel.READ_ONLY, clock() + timedelta(hours=1), active=True
    )
    change(database, service_caller("leads"), learn_share, share)
    device.sync()
    assert device.to_fetch == {customer}
    device.to_fetch.clear()
    device.sync()
    assert device.to_fetch == set()
    clock.set(clock() + timedelta(hours=2))
    device.sync()
    assert device.to_fetch == {customer}


def test_a_device_that_was_away_for_too_long_begins_anew_and_changes_are_purged(database, create, rep):
    lead = create(rep)
    device = Device(database, rep)
    device.sync()
    mark = feed.decode(device.token)
    old = feed.replace(mark, issue_time=mark.issue_time - feed.KEPT)
    device.token = feed.encode(old)
    assert (device.sync(), device.resets) == ({lead: 1}, 1)
    with database.write(service_caller("leads")) as session:
        session.execute(text("UPDATE record_change SET note_time = note_time - interval '31 days'"))
        feed.purge_changes(session, session.now)
        assert session.scalar(text("SELECT count(*) FROM record_change")) == 0


@pytest.mark.parametrize("token", ["x", "W10", "bnVsbA", "WzEsMiwzXQ", "é"])
def test_what_is_no_token_is_refused(database, rep, token):
    with database.read(rep) as session, pytest.raises(Invalid) as refused:
        feed.read_changes(session, token, (), 10)
    assert refused.value.reason == "INVALID_SYNC_TOKEN"


def test_a_token_that_holds_no_snapshot_is_refused(database, create, rep):
    create(rep)
    device = Device(database, rep)
    device.sync()
    device.token = feed.encode(feed.replace(feed.decode(device.token), since="9:3:"))
    with pytest.raises(Invalid) as refused:
        device.page()
    assert refused.value.reason == "INVALID_SYNC_TOKEN"


def test_only_known_collections_are_followed(database, create, rep):
    create(rep)
    with database.read(rep) as session:
        assert feed.read_changes(session, "", ["followUps"], 10).changes == []
        with pytest.raises(Invalid) as refused:
            feed.read_changes(session, "", ["orders"], 10)
    assert refused.value.reason == "UNKNOWN_COLLECTION"
