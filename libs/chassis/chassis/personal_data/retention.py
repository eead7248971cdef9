"""How long what is kept of requests, erasures and deletions stays."""

from sqlalchemy import delete, text

from chassis.db import ServiceSession
from chassis.personal_data.deleted import KEPT
from chassis.personal_data.model import ErasedPerson, PersonalDataTask

_FORGET_DELETED = text("""
    DELETE FROM deleted_record WHERE delete_time < :before AND NOT EXISTS (
      SELECT 1 FROM known_legal_hold AS hold
      WHERE hold.active AND (hold.expire_time IS NULL OR hold.expire_time > :now)
        AND (deleted_record.record = ANY(hold.records) OR deleted_record.digests && hold.digests))
""")


def purge(session: ServiceSession) -> None:
    """Remove, by the business time, what was collected and can be downloaded no more, whom nothing tells of any more
    that is under way, and deleted records that no legal hold names."""
    session.execute(delete(PersonalDataTask).where(PersonalDataTask.expire_time < session.now))
    session.execute(delete(ErasedPerson).where(ErasedPerson.expire_time < session.now))
    session.execute(_FORGET_DELETED, {"before": session.now - KEPT, "now": session.now})
