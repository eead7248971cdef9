"""Making leads of what is right, or noting it on the leads that are known."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.errors import Violation
from chassis.names import make_name, new_id
from sqlalchemy import and_, false, or_, select

from leads.capture.judging import Judged
from leads.duplicates import captured_as, one_at_a_time, protected, protected_among
from leads.facts import snapshot
from leads.model import CaptureState, CaptureSubmission, Lead
from leads.told import lead_title_for
from leads.usecases.create_lead import keep_all
from leads.usecases.update_lead import announce


class Known:
    """The leads that some submissions may be of: by the id that their source gives them, by addresses and numbers."""

    def __init__(self) -> None:
        self._captured: dict[tuple[UUID | None, str], UUID] = {}
        self._reached: dict[str, Lead] = {}

    @classmethod
    def read(cls, session: ServiceSession, leads: Sequence[Lead]) -> "Known":
        """Those that the new leads may be the same as, locked. The oldest comes first."""
        by_source: dict[UUID, list[str]] = {}
        for lead in leads:
            if lead.capture_source_id is not None and lead.external_id is not None:
                by_source.setdefault(lead.capture_source_id, []).append(lead.external_id)
        emails = sorted(set(chain.from_iterable(lead.emails for lead in leads)))
        phones = sorted(set(chain.from_iterable(lead.phones for lead in leads)))
        captured = [
            and_(Lead.capture_source_id == source, Lead.external_id.in_(sorted(set(keys))))
            for source, keys in by_source.items()
        ]
        sent = [
            and_(CaptureSubmission.source_id == source, CaptureSubmission.external_id.in_(sorted(set(keys))))
            for source, keys in by_source.items()
        ]
        reached = [
            column.overlap(values) for column, values in ((Lead.emails, emails), (Lead.phones, phones)) if values
        ]
        statement = select(Lead).where(or_(false(), *captured, *reached)).order_by(Lead.id).with_for_update()
        known = cls()
        if sent:
            became = CaptureSubmission.state == CaptureState.ACCEPTED
            columns = (CaptureSubmission.source_id, CaptureSubmission.external_id, CaptureSubmission.lead_id)
            for source_id, key, lead_id in session.execute(select(*columns).where(became, or_(*sent))):
                if key is not None and lead_id is not None:
                    known._captured[source_id, key] = lead_id
        for lead in session.scalars(statement):
            known.add(lead)
        return known

    def add(self, lead: Lead) -> None:
        """Enter a lead, unless an older one is known by the same."""
        if lead.external_id is not None:
            self._captured.setdefault((lead.capture_source_id, lead.external_id), lead.id)
        for mark in (*lead.emails, *lead.phones):
            self._reached.setdefault(mark, lead)

    def replayed(self, lead: Lead) -> UUID | None:
        """The lead that the same source has sent before, also if it was deleted or merged into another since."""
        return self._captured.get((lead.capture_source_id, lead.external_id)) if lead.external_id else None

    def same_person(self, lead: Lead) -> Lead | None:
        """The lead with one of the addresses, else one of the numbers."""
        return next((self._reached[mark] for mark in (*lead.emails, *lead.phones) if mark in self._reached), None)


def admit(session: ServiceSession, judged: Sequence[Judged]) -> None:
    """Make leads of what has no problems, as if it came one after the other.

    Of one source and `external_id` there is one lead, whatever comes when. An address or number that a lead has is
    noted there as coming anew. What a partner's registration protects waits to be corrected.
    """
    drafts = [_new_lead(session, one) for one in judged]
    marks = (f"mail {email}" for lead in drafts for email in lead.emails)
    replays = (captured_as(lead) for lead in drafts if lead.external_id)
    one_at_a_time(session, drafts, chain(marks, replays))
    with session.no_autoflush:
        known, closed = Known.read(session, drafts), protected_among(session, drafts)
    made: list[Lead] = []
    for one, draft in zip(judged, drafts, strict=True):
        replayed = known.replayed(draft)
        if replayed is not None:
            settle(session, one.submission, CaptureState.REPEATED, lead_id=replayed)
        elif draft.id in closed:
            refusal = protected()
            reject(session, one.submission, [Violation("company_name", refusal.reason, refusal.message)])
        elif (same := known.same_person(draft)) is not None:
            _note_repeat(session, one, same, isnew=same in made)
            settle(session, one.submission, CaptureState.REPEATED, lead_id=same.id)
        else:
            made.append(draft)
            known.add(draft)
            settle(session, one.submission, CaptureState.ACCEPTED, lead_id=draft.id)
    keep_all(session, made, "lead.capture")


def settle(
    session: ServiceSession, submission: CaptureSubmission, state: CaptureState, *, lead_id: UUID | None = None
) -> None:
    """Bring a submission to a state."""
    submission.state, submission.settle_time = state, session.now
    submission.lead_id = lead_id
    submission.problems = []
    submission.version += 1


def reject(session: ServiceSession, submission: CaptureSubmission, problems: Iterable[Violation]) -> None:
    """Let a submission wait to be corrected."""
    settle(session, submission, CaptureState.REJECTED)
    submission.problems = listed(problems)


def listed(problems: Iterable[Violation]) -> list[dict[str, Any]]:
    """Problems as a submission keeps them."""
    return [{"field": one.field, "reason": one.reason, "message": one.message} for one in problems]


def _new_lead(session: ServiceSession, judged: Judged) -> Lead:
    submission = judged.submission
    lead = Lead(
        id=new_id(),
        **judged.stored,
        capture_source_id=submission.source_id,
        opt_in_time=submission.opt_in_time,
        registrant=make_name("captureSources", submission.source_id),
        repeat_count=0,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    lead.refresh_keys()
    return lead


def _note_repeat(session: ServiceSession, judged: Judged, lead: Lead, *, isnew: bool) -> None:
    """The person of a lead has come in anew: what was sent stays with the submission, which names the lead."""
    before = snapshot(lead)
    lead.repeat_count += 1
    lead.repeat_time = session.now
    lead.opt_in_time = judged.submission.opt_in_time or lead.opt_in_time
    if isnew:
        return  # it is announced with this, as it is made
    announce(session, lead, before, "lead.capture")
    if lead.owner_id is not None:
        title = lead_title_for(session, lead.owner_id, lead)
        params = {"lead_name": title, "source": judged.source.display_name}
        notifications.notify(session, lead.owner_id, "LEAD_CAME_AGAIN", lead.name, params)
