"""Delete a relation between customers."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from customers.usecases.create_relation import relation_snapshot
from customers.usecases.update_relation import lock_relation


def delete_relation(session: ServiceSession, relation_id: UUID, *, etag: str = "") -> None:
    """Delete a relation. The audit log keeps what it held."""
    relation = lock_relation(session, relation_id)
    check_etag(etag, relation.version)
    session.delete(relation)
    session.flush()
    audit.record(session, "customer_relation.delete", relation.name, relation_snapshot(relation), None)
