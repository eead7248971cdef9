"""What was logged before and around follow-ups that are to be judged, read at once for all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.prepared import Prepared
from sqlalchemy import select, text

from leads.model import FollowUp
from leads.premises import Premises

WINDOW = timedelta(hours=24)
"""Within what time contacts with a company are counted together."""

# A row for each moment of a follow-up at which contacts are counted, and one for the author. The row that is `whole`
# also tells what all follow-ups of its customer share.
_HISTORY = Prepared(
    text(
        """
        SELECT coalesce(asked.customer_id, asked.lead_id) AS subject_id, asked.moment, asked.whole,
          notes.times, notes.contents,
          (SELECT count(*) FROM follow_up
            WHERE customer_id = ANY(company.records) AND theatre <> :theatre
              AND occur_time > asked.moment - :window AND occur_time <= asked.moment)
          + (SELECT count(*) FROM follow_up
            WHERE customer_id = ANY(company.records) AND theatre <> :theatre AND reminder_open
              AND next_contact_time > asked.moment - :window AND next_contact_time <= asked.moment)
          + (SELECT count(*) FILTER (WHERE occur_time > asked.moment - :window AND occur_time <= asked.moment)
              + count(*) FILTER (WHERE reminder_open
                AND next_contact_time > asked.moment - :window AND next_contact_time <= asked.moment)
            FROM follow_up WHERE lead_id = ANY(prospect.records) AND customer_id IS NULL AND theatre <> :theatre
          ) AS contacts,
          CASE WHEN asked.whole THEN
            greatest(
              (SELECT max(occur_time) FROM follow_up
                WHERE customer_id = asked.customer_id AND joint_theatre IS NOT DISTINCT FROM asked.side),
              (SELECT max(occur_time) FROM follow_up WHERE lead_id = asked.lead_id AND customer_id IS NULL))
            END AS latest_time,
          CASE WHEN asked.whole THEN
            least(
              (SELECT min(occur_time) FROM follow_up
                WHERE customer_id = asked.customer_id AND joint_theatre IS NOT DISTINCT FROM asked.side
                  AND (reminder_open OR awaits_acknowledgement)),
              (SELECT min(occur_time) FROM follow_up
                WHERE lead_id = asked.lead_id AND customer_id IS NULL AND reminder_open)) END AS plan_time
        FROM unnest(
            CAST(:customers AS uuid[]), CAST(:leads AS uuid[]), CAST(:names AS text[]), CAST(:codes AS text[]),
            CAST(:moments AS timestamptz[]), CAST(:whole AS boolean[]), CAST(:sides AS text[])
          ) AS asked (customer_id, lead_id, company_key, credit_code, moment, whole, side)
        CROSS JOIN LATERAL (
          SELECT array_agg(id) AS records FROM (
            SELECT asked.customer_id AS id
            UNION SELECT same.id FROM known_customer AS same
              WHERE NOT same.deleted AND same.company_key <> '' AND (same.credit_code = asked.credit_code
                OR same.company_key = asked.company_key AND (same.credit_code IS NULL OR asked.credit_code IS NULL))
          ) AS record
        ) AS company
        CROSS JOIN LATERAL (
          SELECT array_agg(id) AS records FROM (
            SELECT asked.lead_id AS id
            UNION SELECT same.id FROM lead AS same
              WHERE same.company_key <> '' AND (same.credit_code = asked.credit_code
                OR same.company_key = asked.company_key AND (same.credit_code IS NULL OR asked.credit_code IS NULL))
          ) AS record
        ) AS prospect
        LEFT JOIN LATERAL (
          SELECT array_agg(occur_time) AS times, array_agg(content) AS contents FROM (
            (SELECT occur_time, content FROM follow_up
              WHERE customer_id = asked.customer_id AND occur_time >= :since
              ORDER BY occur_time DESC, id DESC LIMIT :count)
            UNION ALL
            (SELECT occur_time, content FROM follow_up
              WHERE lead_id = asked.lead_id AND customer_id IS NULL AND occur_time >= :since
              ORDER BY occur_time DESC, id DESC LIMIT :count)
          ) AS newest
        ) AS notes ON asked.whole
        UNION ALL
        SELECT NULL, NULL, NULL, array_agg(occur_time), array_agg(content), NULL, NULL, NULL FROM (
          SELECT occur_time, content FROM follow_up
          WHERE author = :author AND occur_time >= :since ORDER BY occur_time DESC, id DESC LIMIT :count
        ) AS newest
        """
    )
)


class Notes:
    """Notes, the newest first."""

    def __init__(self, times: Sequence[datetime] | None, contents: Sequence[str] | None) -> None:
        self._notes = list(zip(times or (), contents or (), strict=True))

    def newest(self, since: datetime, count: int) -> Iterator[str]:
        """The contents of the newest ones, none older than a time."""
        return (content for time, content in self._notes[:count] if time >= since)

    def add(self, time: datetime, content: str) -> None:
        """Add a note that was logged after all others, whenever it happened."""
        later = sum(other > time for other, _ in self._notes)
        self._notes.insert(later, (time, content))


@dataclass
class SubjectHistory:
    """What was logged before of one customer or lead."""

    notes: Notes
    """Of anybody."""
    latest_time: datetime | None
    """When the latest follow-up of the author's side happened."""
    plan_time: datetime | None
    """When the earliest follow-up of that side happened whose next contact is still open, or waits to be taken over,
    before any were added."""


@dataclass
class History:
    """What was logged before, and what has been added since."""

    premises: Premises
    own: Notes
    """The author's, of anybody."""
    subjects: dict[UUID, SubjectHistory]
    """By the id of the customer or lead."""
    contacts: Mapping[tuple[UUID, datetime], int]
    """(customer or lead, moment) → how often other theatres are in touch with its company in the 24 hours up to the
    moment, by open plans, too."""
    check_ins: list[tuple[datetime, dict[str, Any]]]
    """The author's, and when their follow-ups happened: those that are shown again."""

    def compared(self, follow_up: FollowUp) -> list[str]:
        """What the author wrote of late of anybody, and anybody of the customer or lead."""
        since, count = self._since(follow_up), self.premises.rules.compare_count
        of_subject = self.subjects[follow_up.subject_id].notes
        return [*self.own.newest(since, count), *of_subject.newest(since, count)]

    def shows(self, follow_up: FollowUp) -> bool:
        """Whether another follow-up of the author has shown the same check-in of late."""
        since = self._since(follow_up)
        return any(time >= since and shown == follow_up.check_in for time, shown in self.check_ins)

    def add(self, follow_up: FollowUp) -> None:
        """Take a follow-up of the same author in, as one logged before those that come."""
        time, known = follow_up.occur_time, self.subjects[follow_up.subject_id]
        for notes in (self.own, known.notes):
            notes.add(time, follow_up.content)
        known.latest_time = max(known.latest_time or time, time)
        if follow_up.check_in is not None:
            self.check_ins.append((time, follow_up.check_in))

    def _since(self, follow_up: FollowUp) -> datetime:
        return follow_up.occur_time - timedelta(days=self.premises.rules.compare_days)


def read_history(session: ServiceSession, follow_ups: Sequence[FollowUp], premises: Premises) -> History:
    """The history of follow-ups of the caller that are not stored yet: in one statement, if nobody checked in."""
    since = min((each.occur_time for each in follow_ups), default=session.now) - timedelta(
        days=premises.rules.compare_days
    )
    given = {"author": session.caller.subject, "theatre": premises.theatre, "window": WINDOW, "since": since}
    *rows, own = _HISTORY.all(session, **_asked(follow_ups, premises), **given, count=premises.rules.compare_count)
    return History(
        premises,
        Notes(own.times, own.contents),
        {
            row.subject_id: SubjectHistory(Notes(row.times, row.contents), row.latest_time, row.plan_time)
            for row in rows
            if row.whole
        },
        {(row.subject_id, row.moment): row.contacts for row in rows},
        _check_ins(session, follow_ups, since),
    )


def _check_ins(
    session: ServiceSession, follow_ups: Sequence[FollowUp], since: datetime
) -> list[tuple[datetime, dict[str, Any]]]:
    given = [each.check_in for each in follow_ups if each.check_in is not None]
    if not given:
        return []
    shown = select(FollowUp.occur_time, FollowUp.check_in).where(
        FollowUp.author == session.caller.subject, FollowUp.occur_time >= since, FollowUp.check_in.in_(given)
    )
    return [(time, check_in) for time, check_in in session.execute(shown) if check_in is not None]


def moments(follow_up: FollowUp) -> dict[str, datetime]:
    """Field → when a follow-up counts as a contact: when it happened, and when it plans the next one."""
    found = {"occur_time": follow_up.occur_time}
    if follow_up.next_contact_time is not None and follow_up.reminder_open:
        found["next_contact_time"] = follow_up.next_contact_time
    return found


def _asked(follow_ups: Sequence[FollowUp], premises: Premises) -> dict[str, list[Any]]:
    """What the statement is asked, as columns."""
    columns = ("customers", "leads", "names", "codes", "moments", "whole", "sides")
    asked: dict[str, list[Any]] = {key: [] for key in columns}
    seen: set[UUID] = set()
    for subject_id, is_lead, side, moment in dict.fromkeys(
        (one.subject_id, one.customer_id is None, one.joint_theatre, at)
        for one in follow_ups
        for at in moments(one).values()
    ):
        known = premises.leads[subject_id] if is_lead else premises.customers.get(subject_id)
        asked["customers"].append(None if is_lead else subject_id)
        asked["leads"].append(subject_id if is_lead else None)
        asked["names"].append(known.company_key if known is not None else "")
        asked["codes"].append(known.credit_code if known is not None else None)
        asked["moments"].append(moment)
        asked["whole"].append(subject_id not in seen)
        asked["sides"].append(side)
        seen.add(subject_id)
    return asked
