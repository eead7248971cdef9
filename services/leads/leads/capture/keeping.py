"""How long what came in is kept."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from chassis.db import ServiceSession
from sqlalchemy import ColumnElement, and_, or_, select, update

from leads.model import CaptureState, CaptureSubmission, FeedPoll
from leads.purging import MOST, ROWS, purge

CONTENT_KEPT = timedelta(days=90)
"""For how long it is known what was sent that became a lead, or was noted on one."""

REFUSE_KEPT = timedelta(days=30)
"""For how long what nobody confirmed, spam, and what was discarded are known at all."""

POLLS_KEPT = timedelta(days=30)

_REFUSE = (CaptureState.EXPIRED, CaptureState.SPAM, CaptureState.DISCARDED)


def purge_captures(session: ServiceSession, due: datetime) -> None:
    """Forget what is needed no longer. What waits to be corrected stays until somebody deals with it."""
    held = or_(CaptureSubmission.payload.is_not(None), CaptureSubmission.correction.is_not(None))
    became = CaptureSubmission.state.in_((CaptureState.ACCEPTED, CaptureState.REPEATED))
    old = and_(became, CaptureSubmission.receive_time < session.now - CONTENT_KEPT, held)
    for ids in _portions(session, old):
        emptied = update(CaptureSubmission).where(ids).values(payload=None, correction=None)
        session.execute(emptied.execution_options(synchronize_session=False))
    refuse = and_(CaptureSubmission.state.in_(_REFUSE), CaptureSubmission.settle_time < session.now - REFUSE_KEPT)
    purge(session, CaptureSubmission, refuse)
    purge(session, FeedPoll, FeedPoll.time < session.now - POLLS_KEPT)


def _portions(session: ServiceSession, condition: ColumnElement[bool]) -> Iterator[ColumnElement[bool]]:
    """Conditions that the rows fulfil portion by portion; they are looked for once."""
    ids = session.scalars(select(CaptureSubmission.id).where(condition).limit(MOST)).all()
    for at in range(0, len(ids), ROWS):
        yield CaptureSubmission.id.in_(ids[at : at + ROWS])
