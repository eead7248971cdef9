"""Accept a visit whose score is too low, or not."""

from uuid import UUID

from chassis import audit, notifications
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, Invalid
from chassis.sharing import not_yours

from leads.model import ReviewState, Visit
from leads.visits.facts import snapshot
from leads.visits.queries import get_visit

PERMISSION = "visit.review"
MAX_NOTE = 500


def review_visit(session: ServiceSession, visit_id: UUID, note: str, *, approve: bool) -> Visit:
    """Decide on a visit that waits for it, and tell who was there.

    Raises Invalid, NotFound, Conflict VISIT_NOT_PENDING, Denied NOT_YOURS if the permission does not reach the person,
    and Denied OWN_VISIT if it is the caller.
    """
    said = note.strip()
    if not said and not approve:
        raise Invalid("REQUIRED", "say why it is not accepted", field="note")
    if len(said) > MAX_NOTE:
        raise Invalid("TOO_LONG", f"at most {MAX_NOTE} characters fit", field="note")
    visit = get_visit(session, visit_id, lock=True)
    if visit.assignee_id is not None and visit.assignee_id == session.caller.user_id:
        raise Denied("OWN_VISIT", "somebody else decides on your visits")
    if not session.caller.scope(PERMISSION).reaches(visit.assignee_id, visit.assignee_department_path):
        raise not_yours(PERMISSION, visit.assignee_id)
    if visit.review_state != ReviewState.PENDING:
        raise Conflict("VISIT_NOT_PENDING", "this visit does not wait for anybody", state=visit.review_state)
    before = snapshot(visit)
    visit.review_state = ReviewState.APPROVED if approve else ReviewState.REJECTED
    visit.reviewer, visit.review_note, visit.review_time = session.caller.subject, said, session.now
    visit.version += 1
    session.flush()
    audit.record(session, PERMISSION, visit.name, before, snapshot(visit))
    if visit.assignee_id is not None:
        params = {"state": visit.review_state, "note": said, "subject": visit.subject}
        notifications.notify(session, visit.assignee_id, "VISIT_REVIEWED", visit.name, params)
    return visit
