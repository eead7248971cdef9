"""Delete a pool."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag
from sqlalchemy import select

from customers.model import Customer
from customers.usecases.update_pool import lock_pool


def delete_pool(session: ServiceSession, pool_id: UUID, etag: str) -> None:
    """Delete a pool that holds no customers. The ledger keeps its id."""
    pool = lock_pool(session, pool_id)
    check_etag(etag, pool.version)
    if session.scalar(select(Customer.id).where(Customer.pool_id == pool_id).limit(1)) is not None:
        raise Conflict("POOL_NOT_EMPTY", "the pool holds customers: move them to another one first", pool=pool.name)
    audit.record(session, "pool.delete", pool.name, pool.snapshot(), None)
    session.delete(pool)
    session.flush()
