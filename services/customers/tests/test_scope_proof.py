"""Data scopes, shares and theatres against an independent model: random companies that reorganise, random roles.

The model knows a tree of departments, who sits where, who owns what, who follows what for a theatre and what is shared
with whom, and decides by walking the tree. The service knows paths, kept up to date by events that come in any order
between subjects. Every way to the customers must show just those that the model allows.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from chassis.callers import Caller, Grant, Reach, service_caller
from chassis.errors import Conflict, Invalid, NotFound
from chassis.explaining import HeldRole, UserAccess, explain
from chassis.names import make_name, new_id
from crm.common.v1.filter_pb2 import Filter
from customers import queries
from customers.explainers import EXPLAINERS
from customers.model import Contact, Customer
from customers.owners import find_owner, set_owner
from customers.theatres.assignments import find_theatre
from customers.transfer.exporting import exported
from customers.usecases.assign_customer_theatre import assign_customer_theatre, end_customer_theatre
from customers.usecases.create_customer import CustomerDraft, new_customer
from customers.usecases.end_shares import unshare_customer
from customers.usecases.learn_organisation import DepartmentFacts, UserFacts, learn_department, learn_user
from customers.usecases.share_customer import ShareDraft, share_customer
from customers.usecases.transfer_customer import transfer_customer
from sqlalchemy import select

COMPANIES, CALLERS = 26, 20
CASES = COMPANIES * CALLERS
"""At least 500."""
ME = service_caller("customers")
READING = ("customer.read", "customer.export", "contact.read")


@dataclass
class Share:
    customer: UUID
    user: UUID | None
    department: UUID | None
    expires: datetime | None
    id: UUID


@dataclass
class Company:
    """The model: what is so, said without paths."""

    parents: dict[UUID, UUID | None] = field(default_factory=dict)
    seats: dict[UUID, UUID] = field(default_factory=dict)
    """User → department."""
    owners: dict[UUID, UUID | None] = field(default_factory=dict)
    """Customer → owner."""
    shares: list[Share] = field(default_factory=list)
    theatres: set[UUID] = field(default_factory=set)
    followers: dict[tuple[UUID, UUID], UUID] = field(default_factory=dict)
    """Customer and theatre → who follows it."""

    def above(self, department: UUID | None) -> list[UUID]:
        """A department and all above it, the root last."""
        chain = []
        while department is not None:
            chain.append(department)
            department = self.parents[department]
        return chain

    def path(self, department: UUID) -> str:
        return "".join(f"{key}/" for key in reversed(self.above(department)))

    def theatre_of(self, user: UUID | None) -> UUID | None:
        seat = self.seats[user] if user is not None else None
        return next((place for place in self.above(seat) if place in self.theatres), None)

    def covers(self, user: UUID, reach: Reach, named: list[UUID], customer: UUID) -> bool:
        followers = [follower for (followed, _), follower in self.followers.items() if followed == customer]
        return any(self.covers_owner(user, reach, named, one) for one in (self.owners[customer], *followers))

    def covers_owner(self, user: UUID, reach: Reach, named: list[UUID], owner: UUID | None) -> bool:
        if reach is Reach.ALL or owner == user:
            return True
        if owner is None or reach is Reach.SELF:
            return False
        seat, own = self.seats[owner], self.seats[user]
        if reach is Reach.DEPARTMENT:
            return seat == own
        roots = [own] if reach is Reach.DEPARTMENT_TREE else named
        return any(root in self.above(seat) for root in roots)

    def opens(self, share: Share, user: UUID, now: datetime) -> bool:
        if share.expires is not None and share.expires <= now:
            return False
        return share.user == user or share.department in self.above(self.seats[user])


class World:
    """A company and the service that hears of it."""

    def __init__(self, database, clock, seed: int) -> None:
        self.database, self.clock, self.dice = database, clock, Random(seed)
        self.company = Company()
        self.versions: dict[UUID, int] = {}
        self.heard: list[DepartmentFacts | UserFacts] = []
        """What has happened and is not yet told, oldest first."""

    def build(self) -> None:
        dice = self.dice
        self.found()
        for _ in range(dice.randint(0, 8)):
            self.follow()
        for _ in range(dice.randint(0, 6)):
            dice.choice([self.move_user, self.move_department])()
            if dice.random() < 0.5:
                self.tell()
        self.tell()
        for _ in range(dice.randint(0, 6)):
            dice.choice([self.follow, self.transfer, self.end_following])()
        for _ in range(dice.randint(0, 10)):
            self.share()
        self.clock.advance(timedelta(days=dice.randint(0, 6)))
        for share in [share for share in self.company.shares if dice.random() < 0.15]:
            self.unshare(share)

    def found(self) -> None:
        dice, company = self.dice, self.company
        for _ in range(dice.randint(2, 8)):
            self.add_department()
        for _ in range(dice.randint(3, 9)):
            user = new_id()
            company.seats[user] = dice.choice(list(company.parents))
            self.say_user(user)
        self.tell()
        with self.database.write(ME) as session:
            for number in range(dice.randint(6, 14)):
                self.add_customer(session, number)

    def unshare(self, share: Share) -> None:
        self.company.shares.remove(share)
        if share.expires is None or share.expires > self.clock.now:
            with self.database.write(ME) as session:
                unshare_customer(session, share.id)

    def add_department(self) -> None:
        company, department = self.company, new_id()
        company.parents[department] = self.dice.choice(list(company.parents)) if company.parents else None
        if self.dice.random() < 0.4:
            company.theatres.add(department)
        self.say_department(department)

    def follow(self) -> None:
        company = self.company
        customer, user = self.dice.choice(list(company.owners)), self.dice.choice(list(company.seats))
        theatre = company.theatre_of(user)
        with self.database.write(ME) as session:
            if theatre is None or theatre == company.theatre_of(company.owners[customer]):
                with pytest.raises((Invalid, Conflict)):
                    assign_customer_theatre(session, customer, user)
                return
            assign_customer_theatre(session, customer, user)
        company.followers[customer, theatre] = user

    def end_following(self) -> None:
        company = self.company
        if company.followers:
            customer, theatre = self.dice.choice(list(company.followers))
            with self.database.write(ME) as session:
                end_customer_theatre(session, find_theatre(session, customer, theatre).id)
            del company.followers[customer, theatre]

    def transfer(self) -> None:
        """Whoever owns a customer needs not follow it for their theatre any more."""
        company = self.company
        customer, user = self.dice.choice(list(company.owners)), self.dice.choice(list(company.seats))
        with self.database.write(ME) as session:
            transfer_customer(session, customer, user)
        if company.owners[customer] != user:
            company.followers.pop((customer, company.theatre_of(user)), None)
        company.owners[customer] = user

    def add_customer(self, session, number: int) -> None:
        owner = self.dice.choice([None, *self.company.seats])
        customer = new_customer(session, CustomerDraft({"display_name": f"华诚{number}号公司"}, {}))
        set_owner(customer, find_owner(session, owner) if owner else None)
        session.add(customer)
        session.flush()
        contact = {"display_name": "王", "phones": [], "emails": [], "is_primary": False, "version": 1}
        session.add(Contact(customer_id=customer.id, **contact, create_time=session.now, update_time=session.now))
        self.company.owners[customer.id] = owner

    def move_user(self) -> None:
        user = self.dice.choice(list(self.company.seats))
        self.company.seats[user] = self.dice.choice(list(self.company.parents))
        self.say_user(user)

    def move_department(self) -> None:
        company = self.company
        moved = self.dice.choice(list(company.parents))
        places = [place for place in company.parents if moved not in company.above(place)]
        if company.parents[moved] is None or not places:
            return
        company.parents[moved] = self.dice.choice(places)
        for department in company.parents:
            if moved in company.above(department):
                self.say_department(department)
        for user, seat in company.seats.items():
            if moved in company.above(seat):
                self.say_user(user)

    def say_department(self, department: UUID) -> None:
        version = self.versions[department] = self.versions.get(department, 0) + 1
        path, theatre = self.company.path(department), department in self.company.theatres
        self.heard.append(DepartmentFacts(department, version, "部门", path, theatre=theatre))

    def say_user(self, user: UUID) -> None:
        version = self.versions[user] = self.versions.get(user, 0) + 1
        seat = self.company.seats[user]
        self.heard.append(UserFacts(user, version, f"u{user}", "人", seat, self.company.path(seat), active=True))

    def tell(self) -> None:
        """Tell what happened: of one subject in order, of several in any order."""
        waiting: dict[UUID, list[DepartmentFacts | UserFacts]] = {}
        for fact in self.heard:
            waiting.setdefault(fact.id, []).append(fact)
        self.heard = []
        with self.database.write(ME) as session:
            while waiting:
                subject = self.dice.choice(list(waiting))
                fact = waiting[subject].pop(0)
                if not waiting[subject]:
                    del waiting[subject]
                if isinstance(fact, UserFacts):
                    learn_user(session, fact)
                else:
                    learn_department(session, fact)

    def share(self) -> None:
        dice, company = self.dice, self.company
        customer = dice.choice(list(company.owners))
        user = dice.choice(list(company.seats)) if dice.random() < 0.6 else None
        department = dice.choice(list(company.parents)) if user is None else None
        if user is not None and user == company.owners[customer]:
            return
        expires = dice.choice([None, self.clock.now + timedelta(days=dice.randint(1, 5))])
        level = dice.choice(["READ_ONLY", "COLLABORATE"])
        with self.database.write(ME) as session:
            made = share_customer(session, ShareDraft(customer, user, department, level, expires))
        company.shares = [share for share in company.shares if share.id != made.id]
        company.shares.append(Share(customer, user, department, expires, made.id))

    def caller(self) -> tuple[Caller, set[UUID]]:
        """Somebody with some roles, and the customers that the model lets them see."""
        dice, company = self.dice, self.company
        user = dice.choice(list(company.seats))
        roles = [
            (reach, dice.sample(list(company.parents), k=min(2, len(company.parents))) if reach is Reach.CUSTOM else [])
            for reach in dice.choices(list(Reach), weights=(5, 3, 3, 3, 1), k=dice.randint(1, 3))
        ]
        allowed = {
            customer
            for customer in company.owners
            if any(company.covers(user, reach, named, customer) for reach, named in roles)
            or any(
                share.customer == customer and company.opens(share, user, self.clock.now) for share in company.shares
            )
        }
        granted = {
            permission: tuple(
                Grant(permission, reach, tuple(company.path(department) for department in named))
                for reach, named in roles
            )
            for permission in READING
        }
        return Caller(f"users/{user}", user, company.path(company.seats[user]), granted), allowed


def ways(session, customers: list[UUID]) -> dict[str, set[UUID]]:
    """The customers that each way of reading shows."""
    return {
        "list": listed(session, ""),
        "search": listed(session, "华诚"),
        "get": {key for key in customers if is_found(session, key)},
        "batch get": {row.id for row in queries.batch_get_customers(session, customers)},
        "export": set(session.scalars(select(Customer.id).where(exported(session, Filter(), "")))),
        "contacts": {
            row.customer_id for row in queries.list_contacts(session, customers, page_size=200, page_token="").rows
        },
    }


def listed(session, query: str) -> set[UUID]:
    found, token, pages = [], "", 0
    while token or not pages:
        page = queries.list_customers(
            session, conditions=Filter(), query=query, order_by=[], page_size=7, page_token=token
        )
        found += [row.id for row in page.rows]
        token, pages = page.next_token, pages + 1
    assert len(found) == len(set(found))
    return set(found)


def is_found(session, customer: UUID) -> bool:
    try:
        queries.get_customer(session, customer)
    except NotFound:
        return False
    return True


def explained(session, caller: Caller, customer: UUID) -> bool:
    """Whether the explanation comes to the conclusion that the caller may read a customer."""

    class Directory:
        def access_of(self, user: str, permission: str) -> UserAccess:
            role = HeldRole("roles/1", "角色", caller.grants[permission])
            return UserAccess(caller.user_id, active=True, department_path=caller.department_path, roles=(role,))

    [explainer] = [each for each in EXPLAINERS if each.collection == "customers"]
    name = make_name("customers", customer)
    return explain(session, explainer, name, caller.subject, "customer.read", Directory()).allowed


@pytest.mark.parametrize("seed", range(COMPANIES))
def test_every_way_shows_what_an_independent_model_allows(database, clock, seed):
    assert CASES >= 500
    world = World(database, clock, seed)
    world.build()
    customers = list(world.company.owners)
    for _ in range(CALLERS):
        caller, allowed = world.caller()
        with database.read(caller) as session:
            found = ways(session, customers)
            assert found == dict.fromkeys(found, allowed)
            for query in ("", "华诚"):
                assert queries.count_customers(session, conditions=Filter(), query=query) == len(allowed)
            asked = world.dice.choice(customers)
            assert explained(session, caller, asked) == (asked in allowed)


def test_the_random_cases_are_worth_their_name(database, clock):
    """Scopes and shares decide both ways often enough for the proof to mean something."""
    seen = hidden = shared = expired = followed = 0
    for seed in range(6):
        world = World(database, clock, seed)
        world.build()
        for _ in range(CALLERS):
            caller, allowed = world.caller()
            seen, hidden = seen + len(allowed), hidden + len(world.company.owners) - len(allowed)
            assert caller.user_id is not None
            followed += caller.user_id in world.company.followers.values()
            shared += any(world.company.opens(share, caller.user_id, clock.now) for share in world.company.shares)
        expired += sum(share.expires is not None and share.expires <= clock.now for share in world.company.shares)
        with database.engine.begin() as connection:
            connection.exec_driver_sql("TRUNCATE customer, contact, known_user, known_department, record_share CASCADE")
    assert min(seen, hidden) > 100
    assert shared > 10
    assert followed > 10
    assert expired > 0
