"""Customers shared with people whose data scope does not reach them."""

from datetime import timedelta
from uuid import UUID

import pytest
from chassis.callers import Caller, Grant, Reach, service_caller
from chassis.errors import Conflict, Denied, Invalid, NotFound
from chassis.names import new_id
from chassis.sharing import KEPT, RecordShare
from crm.common.v1.filter_pb2 import Filter
from customers import queries
from customers.consumers import purge_shares
from customers.model import KnownDepartment
from customers.timeline_queries import list_timeline
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_contact import delete_contact
from customers.usecases.delete_customer import delete_customer
from customers.usecases.end_shares import unshare_customer
from customers.usecases.learn_organisation import UserFacts, forget_department, learn_user
from customers.usecases.share_customer import ShareDraft, share_customer
from customers.usecases.transfer_customer import transfer_customer
from customers.usecases.update_contact import update_contact
from customers.usecases.update_customer import CustomerPatch, update_customer
from sqlalchemy import func, select

ME = service_caller("customers")


@pytest.fixture
def customer(database, organisation):
    """Of Li, in the eastern team."""
    with database.write(organisation.li.caller()) as session:
        return create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))


@pytest.fixture
def contact(database, organisation, customer):
    with database.write(organisation.li.caller()) as session:
        return create_contact(session, customer.id, {"display_name": "王经理"})


@pytest.fixture
def share(database, organisation, customer):
    def give(person=None, level="READ_ONLY", *, caller=None, department=None, expires=None):
        with database.write(caller or organisation.li.caller(reach=Reach.SELF)) as session:
            expire_time = session.now + expires if expires else None
            user_id = person.id if person else None
            return share_customer(session, ShareDraft(customer.id, user_id, department, level, expire_time))

    return give


@pytest.fixture
def rep(organisation):
    """Zhao in the west, who may do everything with his own."""
    return organisation.zhao.caller(reach=Reach.SELF)


def read_everywhere(database, caller, customer, contact):
    """Whether each way of reading shows the customer. Fails if they differ."""
    with database.read(caller) as session:
        found = {}
        for way, read in {
            "get": lambda: queries.get_customer(session, customer.id),
            "timeline": lambda: list_timeline(session, customer.id, kinds=(), page_size=9, page_token=""),
            "contact": lambda: queries.get_contact(session, contact.id),
        }.items():
            try:
                read()
            except NotFound:
                found[way] = False
            else:
                found[way] = True
        every = {"conditions": Filter(), "query": "华诚"}
        listed = queries.list_customers(session, **every, order_by=[], page_size=9, page_token="")
        contacts = queries.list_contacts(session, [customer.id], page_size=9, page_token="")
        found |= {
            "batch": bool(queries.batch_get_customers(session, [customer.id])),
            "list": bool(listed.rows),
            "count": queries.count_customers(session, **every) == 1,
            "contacts": bool(contacts.rows),
            "export": bool(session.scalars(queries.select_customers(session, Filter(), "华诚")).all()),
        }
    assert len(set(found.values())) == 1, found
    return found["get"]


def writes(customer, contact, new_owner):
    """Every change of a customer and its contacts."""
    return {
        "update": lambda session: update_customer(session, customer.id, CustomerPatch({"level": "A"})),
        "contact.create": lambda session: create_contact(session, customer.id, {"display_name": "李"}),
        "contact.update": lambda session: update_contact(session, contact.id, {"job_title": "厂长"}),
        "contact.delete": lambda session: delete_contact(session, contact.id),
        "transfer": lambda session: transfer_customer(session, customer.id, new_owner),
        "share": lambda session: share_customer(session, ShareDraft(customer.id, new_owner, None, "READ_ONLY")),
        "delete": lambda session: delete_customer(session, customer.id),
    }


def outcomes(database, caller, customer, contact, new_owner):
    found = {}
    for name, write in writes(customer, contact, new_owner).items():
        try:
            with database.write(caller) as session:
                write(session)
                session.rollback()
        except (Denied, NotFound) as error:
            found[name] = error.reason
        else:
            found[name] = "OK"
    return found


def test_a_share_opens_a_customer_and_what_hangs_on_it(database, organisation, customer, contact, share, rep):
    assert not read_everywhere(database, rep, customer, contact)
    assert set(outcomes(database, rep, customer, contact, organisation.wang.id).values()) == {
        "CUSTOMER_NOT_FOUND",
        "CONTACT_NOT_FOUND",
    }
    share(organisation.zhao)
    assert read_everywhere(database, rep, customer, contact)
    assert set(outcomes(database, rep, customer, contact, organisation.wang.id).values()) == {"NOT_YOURS"}


def test_collaboration_opens_changes_but_never_giving_away(database, organisation, customer, contact, share, rep):
    share(organisation.zhao, "COLLABORATE")
    assert read_everywhere(database, rep, customer, contact)
    assert outcomes(database, rep, customer, contact, organisation.wang.id) == {
        "update": "OK",
        "contact.create": "OK",
        "contact.update": "OK",
        "contact.delete": "NOT_YOURS",
        "transfer": "NOT_YOURS",
        "share": "NOT_YOURS",
        "delete": "NOT_YOURS",
    }


def test_a_refusal_says_who_can_help(database, organisation, customer, share, rep):
    share(organisation.zhao)
    with pytest.raises(Denied) as caught, database.write(rep) as session:
        update_customer(session, customer.id, CustomerPatch({"level": "A"}))
    assert caught.value.details == {"permission": "customer.update", "owner": organisation.li.name}


def test_a_share_grants_no_permission(database, organisation, customer, share):
    share(organisation.zhao, "COLLABORATE")
    reader = Caller(
        organisation.zhao.name,
        organisation.zhao.id,
        organisation.zhao.path,
        {"customer.read": (Grant("customer.read", Reach.SELF),)},
    )
    with pytest.raises(Denied) as caught, database.write(reader) as session:
        update_customer(session, customer.id, CustomerPatch({"level": "A"}))
    assert caught.value.reason == "PERMISSION_DENIED"


def test_a_share_with_a_department_is_for_all_below_it(database, organisation, customer, contact, share):
    east = UUID(organisation.east.rstrip("/").rsplit("/", 1)[-1])
    west = UUID(organisation.west.rstrip("/").rsplit("/", 1)[-1])
    with database.write(ME) as session:
        for key, path in ((east, organisation.east), (west, organisation.west)):
            session.add(KnownDepartment(id=key, display_name="区", path=path, version=1))
    with database.write(organisation.li.caller()) as session:
        transfer_customer(session, customer.id, organisation.boss.id)
    reps = [person.caller(reach=Reach.SELF) for person in (organisation.li, organisation.wang, organisation.zhao)]
    share(department=east, caller=organisation.boss.caller())
    assert [read_everywhere(database, caller, customer, contact) for caller in reps] == [True, True, False]
    with database.write(ME) as session:
        forget_department(session, east)
    assert [read_everywhere(database, caller, customer, contact) for caller in reps] == [False, False, False]


def test_a_share_stops_when_it_expires_and_is_removed_later(
    database, organisation, customer, contact, share, rep, clock
):
    share(organisation.zhao, expires=timedelta(days=7))
    clock.advance(timedelta(days=7) - timedelta(seconds=1))
    assert read_everywhere(database, rep, customer, contact)
    clock.advance(timedelta(seconds=1))
    assert not read_everywhere(database, rep, customer, contact)
    for passed, left in ((KEPT, 1), (timedelta(seconds=1), 0)):
        clock.advance(passed)
        with database.write(ME) as session:
            purge_shares(session, session.now)
            assert session.scalar(select(func.count()).select_from(RecordShare)) == left


def test_sharing_is_audited_announced_and_told(database, organisation, customer, share, facts, audited):
    first = share(organisation.zhao)
    again = share(organisation.zhao)
    assert (again.id, again.version) == (first.id, 1)
    raised = share(organisation.zhao, "COLLABORATE", expires=timedelta(days=1))
    with database.write(organisation.li.caller(reach=Reach.SELF)) as session:
        unshare_customer(session, raised.id)
    entries = [entry for entry in audited() if entry.action in ("customer.share", "customer.unshare")]
    assert [(entry.action, entry.actor, entry.resource) for entry in entries] == [
        (action, organisation.li.name, customer.name)
        for action in ("customer.share", "customer.share", "customer.unshare")
    ]
    levels = [((entry.before or {}).get("level"), (entry.after or {}).get("level")) for entry in entries]
    assert levels == [(None, "READ_ONLY"), ("READ_ONLY", "COLLABORATE"), ("COLLABORATE", None)]
    events = [data for kind, data in facts() if kind == "CustomerShareChanged"]
    assert [(data["version"], data["level"], data["active"]) for data in events] == [
        (1, "READ_ONLY", True),
        (2, "COLLABORATE", True),
        (3, "COLLABORATE", False),
    ]
    told = [data for kind, data in facts() if kind == "NotificationRaised"]
    assert [(data["recipient"], data["kind"]) for data in told] == [(organisation.zhao.name, "CUSTOMER_SHARED")] * 2


def test_a_share_that_was_taken_back_can_be_given_anew(database, organisation, customer, contact, share, rep):
    given = share(organisation.zhao)
    with database.write(organisation.li.caller()) as session:
        unshare_customer(session, given.id)
    assert not read_everywhere(database, rep, customer, contact)
    with pytest.raises(NotFound), database.write(organisation.li.caller()) as session:
        unshare_customer(session, given.id)
    assert share(organisation.zhao).version == 3
    assert read_everywhere(database, rep, customer, contact)


def test_who_may_not_share_cannot_tell_a_share_from_none(database, organisation, share, rep):
    given = share(organisation.wang)
    for key in (given.id, new_id()):
        with pytest.raises(NotFound) as caught, database.write(rep) as session:
            unshare_customer(session, key)
        assert caught.value.reason == "SHARE_NOT_FOUND"


def test_a_manager_shares_within_the_subtree_only(organisation, share):
    manager = organisation.wang.caller(reach=Reach.DEPARTMENT_TREE)
    assert share(organisation.boss, caller=manager).level == "READ_ONLY"
    with pytest.raises(NotFound):
        share(organisation.wang, caller=organisation.zhao.caller(reach=Reach.DEPARTMENT_TREE))


@pytest.mark.parametrize(
    ("draft", "reason", "field"),
    [
        ({}, "INVALID_GRANTEE", "user"),
        ({"user_id": "zhao", "department_id": new_id()}, "INVALID_GRANTEE", "user"),
        ({"user_id": "zhao", "level": "UNSPECIFIED"}, "INVALID_SHARE_LEVEL", "level"),
        ({"user_id": "zhao", "expire_time": timedelta()}, "INVALID_EXPIRE_TIME", "expire_time"),
        ({"user_id": new_id()}, "UNKNOWN_USER", "user"),
        ({"department_id": new_id()}, "UNKNOWN_DEPARTMENT", "department"),
    ],
)
def test_a_share_that_cannot_be_right_is_refused(database, organisation, customer, clock, draft, reason, field):
    given = {"user_id": None, "department_id": None, "level": "READ_ONLY"} | draft
    if given["user_id"] == "zhao":
        given["user_id"] = organisation.zhao.id
    if "expire_time" in given:
        given["expire_time"] += clock.now
    with pytest.raises(Invalid) as caught, database.write(organisation.li.caller()) as session:
        share_customer(session, ShareDraft(customer.id, **given))
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_the_owner_needs_no_share(organisation, share):
    with pytest.raises(Conflict) as caught:
        share(organisation.li)
    assert caught.value.reason == "ALREADY_OWNER"


def test_a_deactivated_user_shares_in_nothing_any_more(database, organisation, customer, share, facts, clock):
    share(organisation.zhao)
    zhao = organisation.zhao
    place = {"department_id": UUID(zhao.path.rstrip("/").rsplit("/", 1)[-1]), "department_path": zhao.path}
    for version, active in ((2, False), (3, True)):
        with database.write(ME) as session:
            learn_user(session, UserFacts(zhao.id, version, "zhao.lei", "赵磊", active=active, **place))
    assert facts()[-1][1]["active"] is False
    with pytest.raises(NotFound), database.read(zhao.caller(reach=Reach.SELF)) as session:
        queries.get_customer(session, customer.id)
    with database.write(ME) as session:
        learn_user(session, UserFacts(zhao.id, 4, "zhao.lei", "赵磊", active=False, **place))
    with pytest.raises(Invalid) as caught:
        share(zhao)
    assert caught.value.reason == "INACTIVE_USER"


def test_a_deleted_customer_leaves_no_share(database, organisation, customer, share, facts, audited):
    share(organisation.zhao)
    with database.write(organisation.boss.caller()) as session:
        delete_customer(session, customer.id)
        assert session.scalar(select(func.count()).select_from(RecordShare)) == 0
    assert [kind for kind, _ in facts()][-2:] == ["CustomerShareChanged", "CustomerDeleted"]
    assert [entry.action for entry in audited()][-2:] == ["customer.unshare", "customer.delete"]
