"""Does the ledger of holders tell what is? It is replayed from its first row, and compared with the customers."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from chassis.db import ServiceSession
from chassis.names import make_name
from sqlalchemy import text


class Fault(StrEnum):
    """How the ledger and the customers disagree."""

    GAP = "GAP"
    """A change begins with another holder, or another time, than the change before it ended with."""
    AFTER_END = "AFTER_END"
    """A customer changed hands after it had gone."""
    STILL_THERE = "STILL_THERE"
    """A customer is there that has gone by the ledger."""
    MISSING = "MISSING"
    """A customer is not there that has not gone by the ledger."""
    OTHER_HOLDER = "OTHER_HOLDER"
    """A customer has another holder, or has had it since another time, than its last change says."""
    UNRECORDED = "UNRECORDED"
    """A customer has changed hands or is in a pool, and the ledger has no row of it."""


@dataclass(frozen=True)
class Mismatch:
    """The first disagreement."""

    fault: Fault
    customer_id: UUID
    change_id: int | None
    """The row of the ledger; None if there is none."""

    def __str__(self) -> str:
        where = f"change {self.change_id} of " if self.change_id is not None else ""
        return f"{where}{make_name('customers', self.customer_id)}: {self.fault}"


@dataclass(frozen=True)
class Verdict:
    """What a replay found."""

    changes: int
    customers: int
    """Those that the ledger tells of."""
    mismatch: Mismatch | None


_COUNT = text("SELECT count(*), count(DISTINCT customer_id) FROM holding_change")

# By induction: if every change begins where the one before it ended, and the last of a customer ends where the
# customer is, then to replay all changes in order leads to the holders that there are.
_FIRST_MISMATCH = text(
    """
    WITH link AS (
      SELECT id, customer_id, kind, user_id, pool_id, time,
        ((previous_user_id, previous_pool_id)
          IS DISTINCT FROM (lag(user_id) OVER own, lag(pool_id) OVER own)
          OR previous_since IS DISTINCT FROM lag(time) OVER own
          -- A customer that is there again has been held since before it went, not since it came back.
          AND lag(kind) OVER own IS DISTINCT FROM 'RESTORED')
          AND lag(id) OVER own IS NOT NULL AS gap,
        lag(kind) OVER own IN ('DELETED', 'MERGED') AND kind <> 'RESTORED' AS after_end,
        kind IN ('DELETED', 'MERGED') AS ended,
        lead(id) OVER own IS NULL AS last
      FROM holding_change
      WINDOW own AS (PARTITION BY customer_id ORDER BY id)
    ), judged AS (
      SELECT link.id AS change_id, link.customer_id,
        CASE
          WHEN after_end THEN 'AFTER_END'
          WHEN gap THEN 'GAP'
          WHEN NOT last THEN NULL
          WHEN ended AND customer.id IS NOT NULL THEN 'STILL_THERE'
          WHEN ended THEN NULL
          WHEN customer.id IS NULL THEN 'MISSING'
          WHEN (customer.owner_id, customer.pool_id) IS DISTINCT FROM (link.user_id, link.pool_id)
            OR link.kind <> 'RESTORED' AND customer.held_since IS DISTINCT FROM link.time THEN 'OTHER_HOLDER'
        END AS fault
      FROM link LEFT JOIN customer ON last AND customer.id = link.customer_id
      UNION ALL
      SELECT NULL, customer.id, 'UNRECORDED'
      FROM customer
      WHERE (held_since IS NOT NULL OR pool_id IS NOT NULL)
        AND NOT EXISTS (SELECT FROM holding_change WHERE customer_id = customer.id)
    )
    SELECT fault, customer_id, change_id FROM judged WHERE fault IS NOT NULL
    ORDER BY change_id NULLS LAST, customer_id LIMIT 1
    """
)


def replay(session: ServiceSession) -> Verdict:
    """Replay the whole ledger, in one statement, and tell the first disagreement with the customers there are."""
    connection = session.connection()
    found = connection.execute(_FIRST_MISMATCH).first()
    changes, customers = connection.execute(_COUNT).one()
    mismatch = Mismatch(Fault(found.fault), found.customer_id, found.change_id) if found is not None else None
    return Verdict(changes, customers, mismatch)
