"""Capture sources in a database of the module's own."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pytest
from chassis.callers import Caller, service_caller
from chassis.db import Database
from chassis.testing import make_caller
from leads.capture.opting import ConfirmationLinks
from leads.capture.processing import process
from leads.capture.reading import FORM_ENCODED, JSON, TakenField
from leads.capture.sources import create_source
from leads.capture.submitting import submit
from leads.model import CaptureSource, CaptureSubmission
from sqlalchemy import select

LINKS = ConfirmationLinks("https://crm.example")
FIELDS = [
    TakenField("contact_name", "name", required=True),
    TakenField("company_name", "company"),
    TakenField("phones", "mobile"),
    TakenField("emails", "email"),
    TakenField("requirement", "message"),
    TakenField("external_id", "ref"),
]


class Intake:
    """What comes in at the capture sources of a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.marketer = make_caller()

    def source(self, kind: str = "FORM", **values: Any) -> tuple[CaptureSource, str]:
        """A source of everything in FIELDS, and its key."""
        settings = {"display_name": "官网", "lead_fields": FIELDS, **values}
        with self.database.write(self.marketer) as session:
            return create_source(session, kind, settings)

    def send(self, source: CaptureSource, body: Any, request_id: str = "", *, judged: bool = True) -> UUID:
        """Send JSON, bytes that should be JSON, or a form as text, and have it judged."""
        content_type = FORM_ENCODED if isinstance(body, str) else JSON
        sent = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else orjson.dumps(body)
        with self.database.write(Caller(subject=source.name)) as session:
            key, _ = submit(session, source.id, sent, content_type, request_id)
        if judged:
            self.judge(key)
        return key

    def judge(self, *keys: UUID) -> None:
        """What the event makes happen."""
        with self.database.write(service_caller("leads")) as session:
            process(session, keys, LINKS)

    def told(self, key: UUID) -> CaptureSubmission:
        """A submission as it is now."""
        with self.database.read(make_caller()) as session:
            return session.get_one(CaptureSubmission, key)

    def all(self, entity: Any) -> list[Any]:
        """All rows of a table, the oldest first."""
        with self.database.read(make_caller()) as session:
            return list(session.scalars(select(entity).order_by(entity.id)))

    def do(self, change: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Run a use case for somebody of marketing."""
        with self.database.write(self.marketer) as session:
            return change(session, *given, **named)


@pytest.fixture
def intake(database: Database) -> Intake:
    return Intake(database)
