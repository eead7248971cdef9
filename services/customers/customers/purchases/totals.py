"""What the purchases of customers add up to, kept beside them (`PurchaseTotal`)."""

from collections.abc import Sequence
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from customers.model import Customer

_UUIDS = ARRAY(Uuid)
_SUMS = """
  SELECT customer_id,
    count(*) FILTER (WHERE kind = 'ORDER') AS order_count,
    coalesce(sum(base_amount) FILTER (WHERE kind = 'ORDER'), 0) AS ordered,
    count(*) FILTER (WHERE kind = 'PAYMENT') AS payment_count,
    coalesce(sum(base_amount) FILTER (WHERE kind = 'PAYMENT'), 0) AS paid,
    coalesce(sum(base_amount) FILTER (WHERE kind = 'REFUND'), 0) AS refunded,
    min(time) FILTER (WHERE kind <> 'REFUND') AS first_time,
    max(time) FILTER (WHERE kind <> 'REFUND') AS last_time
  FROM purchase
"""
_ADD = f"""
INSERT INTO purchase_total AS total {_SUMS} WHERE id = ANY(:ids) GROUP BY customer_id ORDER BY customer_id
ON CONFLICT (customer_id) DO UPDATE SET
  order_count = total.order_count + excluded.order_count,
  ordered = total.ordered + excluded.ordered,
  payment_count = total.payment_count + excluded.payment_count,
  paid = total.paid + excluded.paid,
  refunded = total.refunded + excluded.refunded,
  first_time = least(total.first_time, excluded.first_time),
  last_time = greatest(total.last_time, excluded.last_time)
"""
_REMOVE = """
DELETE FROM purchase_total AS total
WHERE customer_id = ANY(:ids) AND NOT EXISTS (SELECT FROM purchase WHERE customer_id = total.customer_id)
"""
_COUNT = f"""
INSERT INTO purchase_total AS total {_SUMS} WHERE customer_id = ANY(:ids) GROUP BY customer_id ORDER BY customer_id
ON CONFLICT (customer_id) DO UPDATE SET
  (order_count, ordered, payment_count, paid, refunded, first_time, last_time) = (
    excluded.order_count, excluded.ordered, excluded.payment_count, excluded.paid, excluded.refunded,
    excluded.first_time, excluded.last_time)
WHERE total IS DISTINCT FROM excluded
"""
_WRONG = f"""
WITH counted AS ({_SUMS} WHERE customer_id = ANY(:ids) GROUP BY customer_id),
  kept AS (SELECT * FROM purchase_total WHERE customer_id = ANY(:ids))
SELECT customer_id FROM counted FULL JOIN kept USING (customer_id) WHERE counted IS DISTINCT FROM kept
"""  # noqa: S608


def add(session: ServiceSession, purchase_ids: Sequence[UUID]) -> None:
    """Add purchases that are new to the totals of their customers."""
    if purchase_ids:
        session.execute(text(_ADD).bindparams(bindparam("ids", list(purchase_ids), _UUIDS)))


def recount(session: ServiceSession, customer_ids: Sequence[UUID]) -> None:
    """Count all purchases of customers anew. The caller has locked the customers, or knows that they are no more."""
    for statement in (_REMOVE, _COUNT):
        session.execute(text(statement).bindparams(bindparam("ids", list(customer_ids), _UUIDS)))


def heal(session: ServiceSession, customer_ids: Sequence[UUID]) -> None:
    """Count the totals anew that are not what purchases add up to, as where a former release has recorded some."""
    wrong = session.scalars(text(_WRONG).bindparams(bindparam("ids", list(customer_ids), _UUIDS))).all()
    if wrong:
        # Whoever records purchases locks their customers like this, so that none comes in while they are counted.
        mine = select(Customer.id).where(Customer.id.in_(wrong)).order_by(Customer.id)
        recount(session, session.scalars(mine.with_for_update(key_share=True)).all())
