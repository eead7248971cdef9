"""What is done to visits by the clock."""

from collections.abc import Callable
from datetime import datetime, timedelta

from chassis import audit
from chassis.db import ServiceSession
from chassis.objects import Objects
from chassis.timers import has_rows
from sqlalchemy import select, update

from leads.company_rules import read_rules
from leads.model import FollowUp, Visit, VisitEnd, VisitPhoto
from leads.visits.checking_in import end_visit
from leads.visits.photos import hold_file
from leads.visits.trust import RULES, VisitRules

BATCH = 500
_NOWHERE = dict.fromkeys(
    ("latitude", "longitude", "accuracy_metres", "out_latitude", "out_longitude", "out_accuracy_metres")
)


def end_forgotten(session: ServiceSession, due: datetime) -> bool:
    """End visits that nobody checked out of for as long as a visit may take, as of when that was over.

    Returns whether some are left, as others hold them.
    """
    rules, _ = read_rules(session, RULES, VisitRules)
    longest = timedelta(hours=rules.max_visit_hours)
    forgotten = (
        select(Visit)
        .where(Visit.check_out_time.is_(None), Visit.check_in_time <= due - longest)
        .order_by(Visit.check_in_time)
    )
    while visits := session.scalars(forgotten.limit(BATCH).with_for_update(skip_locked=True)).all():
        for visit in visits:
            end_visit(session, visit, visit.check_in_time + longest, VisitEnd.TIMEOUT)
        session.flush()
    return has_rows(session, forgotten)


def purge_positions(session: ServiceSession, due: datetime) -> bool:
    """Forget where employees were exactly, once that has been kept for as long as the company says: in visits, and in
    the follow-ups that show them. What was judged by it, and the distances, stay.

    Returns whether some are left, as others hold them.
    """
    rules, _ = read_rules(session, RULES, VisitRules)
    old = (
        select(Visit.id)
        .where(
            Visit.latitude.is_not(None),
            Visit.check_in_time < due - timedelta(days=rules.keep_positions_days),
            Visit.check_out_time.is_not(None),
        )
        .order_by(Visit.check_in_time)
    )
    while ids := session.scalars(old.limit(BATCH).with_for_update(skip_locked=True)).all():
        forget = update(Visit).where(Visit.id.in_(ids)).values(**_NOWHERE, version=Visit.version + 1)
        shown = session.scalars(forget.returning(Visit.follow_up_id).execution_options(synchronize_session=False)).all()
        session.execute(
            update(FollowUp)
            .where(FollowUp.id.in_([each for each in shown if each is not None]))
            .values(check_in=None)
            .execution_options(synchronize_session=False)
        )
        audit.record(session, "visit.purge_positions", "visits", None, {"count": len(ids)})
    return has_rows(session, old)


def purge_photos(objects: Objects) -> Callable[[ServiceSession, datetime], bool]:
    """A timer's run that removes the files of erased pictures that no other picture shows."""

    def run(session: ServiceSession, due: datetime) -> bool:
        gone = select(VisitPhoto).where(VisitPhoto.erased, VisitPhoto.object_key != "").order_by(VisitPhoto.id)
        while photos := session.scalars(gone.limit(BATCH).with_for_update(skip_locked=True)).all():
            keys = {photo.object_key for photo in photos}
            for key in sorted(keys):
                hold_file(session, key)
            shown = select(VisitPhoto.object_key).where(VisitPhoto.object_key.in_(keys), VisitPhoto.erased.is_(False))
            for key in keys - set(session.scalars(shown)):
                objects.remove(key)
            for photo in photos:
                photo.object_key = ""
            session.flush()
        return has_rows(session, gone)

    return run
