"""People whom follow-ups mention: who they may be, and that they are told."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.errors import Denied, Invalid
from sqlalchemy import select

from leads import queries, subjects
from leads.automation.authors import acting, callers_of
from leads.drafts import FollowUpDraft
from leads.model import FollowUp, KnownUser
from leads.subjects import Subject

MENTIONED = "FOLLOW_UP_MENTIONED"
"""The kind of the notification."""


def refuse_unknown(session: ServiceSession, drafts: Sequence[FollowUpDraft | Invalid]) -> list[FollowUpDraft | Invalid]:
    """The drafts, but Invalid UNKNOWN_USER in place of one that mentions somebody who is no active employee."""
    named = {key for draft in drafts if isinstance(draft, FollowUpDraft) for key in draft.mentions}
    if not named:
        return list(drafts)
    employees = KnownUser.active, KnownUser.partner_id.is_(None)
    known = set(session.scalars(select(KnownUser.id).where(KnownUser.id.in_(named), *employees)))
    return [one if isinstance(one, Invalid) or known.issuperset(one.mentions) else _unknown() for one in drafts]


def _unknown() -> Invalid:
    return Invalid("UNKNOWN_USER", "mention employees who may sign in", field="mentions")


def tell_mentioned(session: ServiceSession, follow_ups: Sequence[FollowUp]) -> None:
    """Tell those whom follow-ups mention and who may read them, but for their author: of what, not what was said, which
    their roles may keep from them."""
    mentioned: dict[UUID, list[FollowUp]] = defaultdict(list)
    for follow_up in follow_ups:
        for user_id in follow_up.mentions:
            if user_id != session.caller.user_id:
                mentioned[user_id].append(follow_up)
    if not mentioned:
        return
    author = session.caller.subject
    for user_id, caller in sorted(callers_of(session, mentioned).items()):
        with acting(session, caller):
            seen = _seen(session, mentioned[user_id])
            titles = subjects.titles(session, map(_subject, seen))
        for follow_up in seen:
            subject = _subject(follow_up)
            params = {"subject": subject.name, "subject_title": titles.get(subject, ""), "author": author}
            notifications.notify(session, user_id, MENTIONED, follow_up.name, params)


def _seen(session: ServiceSession, follow_ups: Sequence[FollowUp]) -> list[FollowUp]:
    """Those that the session's caller may read."""
    try:
        visible = queries.select_visible(session).where(FollowUp.id.in_([one.id for one in follow_ups]))
    except Denied:
        return []
    ids = set(session.scalars(visible.with_only_columns(FollowUp.id)))
    return [one for one in follow_ups if one.id in ids]


def _subject(follow_up: FollowUp) -> Subject:
    return subjects.of(follow_up)
