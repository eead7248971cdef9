"""Which pool a customer falls into: the first, by precedence, that is open to its owner's department and whose
condition it fulfils."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Conflict
from sqlalchemy import select

from customers.holders import Held
from customers.model import Customer
from customers.model.pools import Pool
from customers.pools.conditions import met


class Verdict(StrEnum):
    """How a pool suits a customer."""

    CHOSEN = "CHOSEN"
    LATER = "LATER"
    DISABLED = "DISABLED"
    OTHER_DEPARTMENT = "OTHER_DEPARTMENT"
    CONDITION_NOT_MET = "CONDITION_NOT_MET"


@dataclass(frozen=True)
class Candidate:
    """A pool, and how it suits a customer."""

    pool: Pool
    verdict: Verdict


def explain(session: ServiceSession, customer: Held) -> list[Candidate]:
    """All pools in the order in which they are tried, with a verdict on each."""
    return list(Placement(session, [customer]).candidates(customer))


def choose(session: ServiceSession, customer: Held) -> Pool:
    """The pool that a customer falls into. Raises Conflict NO_POOL_SUITS."""
    pool = Placement(session, [customer]).choice(customer)
    if pool is None:
        raise no_pool_suits()
    return pool


def no_pool_suits() -> Conflict:
    """The refusal of a customer that falls into no pool."""
    return Conflict("NO_POOL_SUITS", "no pool suits this customer: name one, or widen a pool", field="pool")


class Placement:
    """Finds the pools of some customers, with one query per condition for all of them."""

    def __init__(self, session: ServiceSession, customers: Sequence[Held], pools: Sequence[Pool] | None = None) -> None:
        self._pools = all_pools(session) if pools is None else pools
        ids = [customer.id for customer in customers]
        self._met: Mapping[UUID, set[UUID]] = {
            pool.id: set(session.scalars(select(Customer.id).where(Customer.id.in_(ids), met(session, pool.condition))))
            for pool in self._pools
            if pool.condition and not pool.disabled
        }

    def choice(self, customer: Held) -> Pool | None:
        """The pool that a customer falls into."""
        chosen = (one.pool for one in self.candidates(customer) if one.verdict is Verdict.CHOSEN)
        return next(chosen, None)

    def candidates(self, customer: Held) -> Iterator[Candidate]:
        """All pools in order, with a verdict on each."""
        chosen = False
        for pool in self._pools:
            verdict = self._verdict(pool, customer)
            if verdict is Verdict.CHOSEN and chosen:
                verdict = Verdict.LATER
            chosen = chosen or verdict is Verdict.CHOSEN
            yield Candidate(pool, verdict)

    def _verdict(self, pool: Pool, customer: Held) -> Verdict:
        if pool.disabled:
            return Verdict.DISABLED
        above = (customer.owner_department_path or "").split("/")
        if pool.department_ids and not any(str(one) in above for one in pool.department_ids):
            return Verdict.OTHER_DEPARTMENT
        if pool.condition and customer.id not in self._met[pool.id]:
            return Verdict.CONDITION_NOT_MET
        return Verdict.CHOSEN


def all_pools(session: ServiceSession) -> Sequence[Pool]:
    """All pools by precedence."""
    return session.scalars(select(Pool).order_by(Pool.precedence)).all()
