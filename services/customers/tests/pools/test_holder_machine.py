"""Whatever people do with pools, in whatever order: who holds what is what a plain model says, and so is every refusal.

The model knows nothing of tables: dictionaries, and the rules as `docs` and the contracts tell them.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import Conflict, Exhausted, NotFound
from crm.common.v1.filter_pb2 import Filter
from customers.model import Customer, HoldingChange
from customers.pools.replay import replay
from customers.pools.rules import PoolRules
from customers.usecases.assign_pool_customers import assign_pool_customers
from customers.usecases.claim_customers import claim_customers
from customers.usecases.claim_next_customers import claim_next_customers, see
from customers.usecases.delete_customer import delete_customer
from customers.usecases.move_pool_customers import move_pool_customers
from customers.usecases.release_customer import recall_customer, release_customer
from customers.usecases.transfer_customer import transfer_customer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import func, select, text

SHANGHAI = ZoneInfo("Asia/Shanghai")
CUSTOMERS = 6
MOST_CREATED = 10
STRICT = PoolRules(hold_limit=3, daily_claim_limit=2, former_owner_wait_days=2)
SLOW = PoolRules(hold_limit=2, daily_claim_limit=3, former_owner_wait_days=0, entry_wait_hours=12)
MEMBERS, BOSS = ("li", "wang"), "boss"

people = st.sampled_from([*MEMBERS, BOSS])
numbers = st.integers(0, MOST_CREATED - 1)
pools = st.sampled_from([0, 1])


@dataclass
class Piece:
    """A customer in the model."""

    id: UUID
    won: bool
    owner: str | None = None
    pool: int | None = None
    entered: datetime | None = None
    lost: dict[str, datetime] = field(default_factory=dict)
    gone: bool = False

    def give(self, now: datetime, owner: str | None = None, pool: int | None = None) -> None:
        if self.owner is not None:
            self.lost[self.owner] = now
        self.owner, self.pool, self.entered = owner, pool, now if pool is not None else None


class Holders(RuleBasedStateMachine):
    """Two pools of one department, two members, and who administers both."""

    def __init__(self, play) -> None:
        super().__init__()
        self.play, self.organisation = play, play.organisation
        self.people = {"li": self.organisation.li, "wang": self.organisation.wang, "boss": self.organisation.boss}
        with play.database.engine.begin() as connection:
            tables = "customer, contact, timeline_entry, pool, pool_member, pool_rule_version, holding_change, outbox"
            connection.execute(text(f"TRUNCATE {tables} CASCADE"))
        members = {
            "members": [play.department(self.organisation.east)],
            "administrators": [self.organisation.boss.name],
        }
        self.rules = [STRICT, SLOW]
        self.pools = [play.pool(name, rules, **members) for name, rules in (("严", STRICT), ("慢", SLOW))]
        self.pieces: list[Piece] = []
        self.claims: Counter[tuple[str, int, object]] = Counter()
        for _ in range(CUSTOMERS):
            self.create("li")
        for number, piece in enumerate(self.pieces):
            self.release(number, number % 2)
            piece.lost.clear()
        with play.database.engine.begin() as connection:
            # The first holders are forgotten, so that members find customers that they may claim at once.
            connection.execute(text("UPDATE holding_change SET previous_user_id = NULL"))

    @property
    def now(self) -> datetime:
        return self.play.database.clock()

    @property
    def today(self) -> object:
        return self.now.astimezone(SHANGHAI).date()

    def piece(self, number: int) -> Piece:
        return self.pieces[number % len(self.pieces)]

    def act(self, who: str, call, *args, **options):
        return self.play.write(self.people[who].caller(), call, *args, **options)

    def room(self, who: str, rules: PoolRules) -> int:
        return max(0, rules.hold_limit - sum(piece.owner == who and not piece.won for piece in self.pieces))

    def left(self, who: str, pool: int) -> int:
        return max(0, self.rules[pool].daily_claim_limit - self.claims[who, pool, self.today])

    def wait(self, who: str, piece: Piece) -> str | None:
        rules = self.rules[piece.pool]
        if who in piece.lost and self.now < piece.lost[who] + timedelta(days=rules.former_owner_wait_days):
            return "FORMER_OWNER_WAIT"
        if self.now < piece.entered + timedelta(hours=rules.entry_wait_hours):
            return "ENTRY_WAIT"
        return None

    def refusal(self, who: str, piece: Piece) -> str | None:
        if piece.pool is None:
            return "NOT_IN_POOL"
        if who != BOSS:
            if wait := self.wait(who, piece):
                return wait
            if not self.left(who, piece.pool):
                return "DAILY_CLAIM_LIMIT_REACHED"
        return "HOLD_LIMIT_REACHED" if not piece.won and not self.room(who, self.rules[piece.pool]) else None

    def take(self, who: str, piece: Piece) -> None:
        self.claims[who, piece.pool, self.today] += 1
        piece.give(self.now, owner=who)

    @precondition(lambda self: len(self.pieces) < MOST_CREATED)
    @rule(who=people)
    def create(self, who: str) -> None:
        number = len(self.pieces)
        status = "WON" if number % 4 == 3 else "POTENTIAL"
        piece = Piece(self.play.customer(f"第{number}公司", self.people[who], status=status), status == "WON", who)
        self.pieces.append(piece)

    @rule(who=people, chosen=st.lists(numbers, min_size=1, max_size=3))
    def claim(self, who: str, chosen: list[int]) -> None:
        pieces = list({piece.id: piece for piece in map(self.piece, chosen)}.values())
        outcomes = self.act(who, claim_customers, [piece.id for piece in pieces])
        for piece, outcome in zip(pieces, outcomes, strict=True):
            assert outcome.refusal == self.refusal(who, piece)
            if outcome.refusal is None:
                self.take(who, piece)

    @rule(who=people, pool=pools, count=st.integers(1, 3))
    def claim_next(self, who: str, pool: int, count: int) -> None:
        limit = None
        if who != BOSS and not self.left(who, pool):
            limit = "DAILY_CLAIM_LIMIT_REACHED"
        elif not self.room(who, self.rules[pool]):
            limit = "HOLD_LIMIT_REACHED"
        if limit:
            with pytest.raises(Exhausted) as caught:
                self.act(who, next_ones, self.pools[pool], count)
            assert caught.value.reason == limit
            return
        free = [one for one in self.pieces if one.pool == pool and (who == BOSS or not self.wait(who, one))]
        free.sort(key=lambda one: (one.entered, one.id))
        allowed = min(count, self.room(who, self.rules[pool]), count if who == BOSS else self.left(who, pool))
        assert self.act(who, next_ones, self.pools[pool], count) == [one.id for one in free[:allowed]]
        for piece in free[:allowed]:
            self.take(who, piece)

    @rule(number=numbers, pool=pools)
    def release(self, number: int, pool: int) -> None:
        piece = self.piece(number)
        self.back(piece.owner or "li", piece, pool, release_customer)

    @rule(number=numbers, pool=pools)
    def recall(self, number: int, pool: int) -> None:
        self.back(BOSS, self.piece(number), pool, recall_customer)

    def back(self, who: str, piece: Piece, pool: int, call) -> None:
        values = {"pool_id": self.pools[pool], "reason": "NO_BUDGET", "note": "", "etag": ""}
        if piece.owner is None:
            with pytest.raises((Conflict, NotFound)):
                self.act(who, call, piece.id, **values)
            return
        self.act(who, call, piece.id, **values)
        piece.give(self.now, pool=pool)

    @rule(number=numbers, to=people)
    def assign(self, number: int, to: str) -> None:
        piece = self.piece(number)
        expected = None
        if piece.pool is None:
            expected = "NOT_IN_POOL"
        elif not piece.won and not self.room(to, self.rules[piece.pool]):
            expected = "HOLD_LIMIT_REACHED"
        [outcome] = self.act(BOSS, assign_pool_customers, [piece.id], self.people[to].id, "")
        assert outcome.refusal == expected
        if expected is None:
            piece.give(self.now, owner=to)

    @rule(number=numbers, pool=pools)
    def move(self, number: int, pool: int) -> None:
        piece = self.piece(number)
        [outcome] = self.act(BOSS, move_pool_customers, [piece.id], self.pools[pool], "")
        assert outcome.refusal == ("NOT_IN_POOL" if piece.pool is None else None)
        if piece.pool not in (None, pool):
            piece.give(self.now, pool=pool)

    @rule(number=numbers, to=people)
    def transfer(self, number: int, to: str) -> None:
        piece = self.piece(number)
        if piece.gone:
            with pytest.raises(NotFound):
                self.act(BOSS, transfer_customer, piece.id, self.people[to].id)
            return
        self.act(BOSS, transfer_customer, piece.id, self.people[to].id)
        if piece.owner != to:
            piece.give(self.now, owner=to)

    @precondition(lambda self: sum(piece.gone for piece in self.pieces) < 3)
    @rule(number=numbers)
    def delete(self, number: int) -> None:
        piece = self.piece(number)
        if not piece.gone:
            self.act(BOSS, delete_customer, piece.id)
            piece.give(self.now)
            piece.gone = True

    @rule(hours=st.sampled_from([1, 11, 13, 24, 47, 49]))
    def wait_a_while(self, hours: int) -> None:
        self.play.database.clock.advance(timedelta(hours=hours))

    @invariant()
    def who_holds_what_is_what_the_model_says(self) -> None:
        names = {person.id: name for name, person in self.people.items()}
        with self.play.database.read(self.organisation.boss.caller()) as session:
            rows = session.execute(select(Customer.id, Customer.owner_id, Customer.pool_id)).all()
            verdict = replay(session)
        assert {row.id: (names.get(row.owner_id), row.pool_id) for row in rows} == {
            one.id: (one.owner, None if one.pool is None else self.pools[one.pool])
            for one in self.pieces
            if not one.gone
        }
        assert verdict.mismatch is None

    def teardown(self) -> None:
        """The ledger counts gross claims as the model did."""
        with self.play.database.read(self.organisation.boss.caller()) as session:
            gross = session.execute(
                select(HoldingChange.user_id, HoldingChange.previous_pool_id, HoldingChange.day, func.count())
                .where(HoldingChange.kind == "CLAIMED")
                .group_by(HoldingChange.user_id, HoldingChange.previous_pool_id, HoldingChange.day)
            )
            counted = {(row[0], row[1], row[2]): row[3] for row in gross}
        assert counted == {
            (self.people[who].id, self.pools[pool], day): count
            for (who, pool, day), count in self.claims.items()
            if count
        }
        for (who, pool, _), count in self.claims.items():
            assert who == BOSS or count <= self.rules[pool].daily_claim_limit


@pytest.mark.feature("Z2")
def next_ones(session, pool: UUID, count: int) -> list[UUID]:
    return [row.id for row in claim_next_customers(session, see(session, pool), count, Filter())]


def test_whatever_is_done_holders_and_refusals_are_those_of_the_model(play):
    run_state_machine_as_test(
        lambda: Holders(play), settings=settings(max_examples=15, stateful_step_count=40, deadline=None)
    )
