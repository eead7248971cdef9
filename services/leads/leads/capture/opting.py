"""Double opt-in: a lead is made of what a form took once the person has confirmed it by mail."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from string import Template
from urllib.parse import urlsplit

from chassis import mail
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid, NotFound, Unavailable
from chassis.organisation import organisation
from sqlalchemy import select, update

from leads.capture.admitting import admit, reject, settle
from leads.capture.judging import Judged, judge
from leads.capture.proving import digest
from leads.model import CaptureSource, CaptureState, CaptureSubmission

TOKEN_BYTES = 32
_FOLDER = files("leads.capture").joinpath("mail_texts")
_LOCALES = ("zh-CN", "zh-TW", "en")


class ConfirmationLinks:
    """Makes the links that people confirm by."""

    def __init__(self, public_url: str) -> None:
        self._base = public_url.rstrip("/")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ConfirmationLinks":
        """By `PUBLIC_URL`. Raises Invalid if it is no web address."""
        given = environment.get("PUBLIC_URL", "")
        if given and (urlsplit(given).scheme not in ("http", "https") or not urlsplit(given).netloc):
            message = "the address must read like https://crm.example.com"
            raise Invalid("INVALID_SETTING", message, field="PUBLIC_URL")
        return cls(given)

    def to(self, token: str) -> str:
        """Where a person confirms. Raises Unavailable if it is not known where people find the suite."""
        if not self._base:
            message = "links cannot be made: set PUBLIC_URL to where people find the web client"
            raise Unavailable("NO_PUBLIC_URL", message)
        return f"{self._base}/capture/confirm?token={token}"


def ask(session: ServiceSession, judged: Judged, links: ConfirmationLinks) -> None:
    """Mail the person a link to confirm by. Asked again, the former link works no longer."""
    submission, source = judged.submission, judged.source
    token, lasts = secrets.token_urlsafe(TOKEN_BYTES), timedelta(hours=source.opt_in_hours)
    subject, text = _standard_text(organisation(session).locale)
    filled = Template(source.opt_in_text or text).safe_substitute(link=links.to(token))
    expires = system_clock() + lasts
    mail.send(session, judged.stored["emails"][0], source.opt_in_subject or subject, filled, expire_time=expires)
    settle(session, submission, CaptureState.UNCONFIRMED)
    submission.external_id = judged.stored.get("external_id")
    submission.token_digest, submission.expire_time = digest(token), session.now + lasts


def confirm(session: ServiceSession, token: str) -> None:
    """Take a person's word, and make the lead. Raises NotFound, or Conflict OPT_IN_EXPIRED."""
    wanted = select(CaptureSubmission).where(CaptureSubmission.token_digest == digest(token))
    submission = session.scalars(wanted.with_for_update()).first()
    if submission is None:
        raise NotFound("OPT_IN_NOT_FOUND", "this link is not known; use the newest one that you were sent")
    if submission.opt_in_time is not None:
        return
    if submission.state != CaptureState.UNCONFIRMED or submission.expire_time is None:
        raise _expired()
    if submission.expire_time <= session.now:
        raise _expired()
    submission.opt_in_time = session.now
    source = session.get_one(CaptureSource, submission.source_id)
    judged = judge(session, submission, source)
    if judged.problems:  # the form was changed meanwhile
        reject(session, submission, judged.problems)
    else:
        admit(session, [judged])


def expire(session: ServiceSession, due: datetime) -> None:
    """End what was not confirmed in time."""
    session.execute(
        update(CaptureSubmission)
        .where(CaptureSubmission.state == CaptureState.UNCONFIRMED, CaptureSubmission.expire_time <= session.now)
        .values(state=CaptureState.EXPIRED, settle_time=session.now, version=CaptureSubmission.version + 1)
        .execution_options(synchronize_session=False)
    )


@cache
def _standard_text(locale: str) -> tuple[str, str]:
    """The subject and the text where a form has none of its own."""
    name = f"opt_in.{locale if locale in _LOCALES else _LOCALES[0]}.txt"
    subject, _, text = _FOLDER.joinpath(name).read_text("utf-8").partition("\n\n")
    return subject, text


def _expired() -> Conflict:
    return Conflict("OPT_IN_EXPIRED", "this link works no longer; send the form again")
