"""Double opt-in: no lead without the person's word, whoever is known already (SuiteCRM issue 6110)."""

from datetime import timedelta

import orjson
import pytest
from chassis.callers import service_caller
from chassis.errors import Conflict, NotFound
from chassis.mail.model import OutgoingMail
from leads.capture.correcting import retry_submission
from leads.capture.opting import ConfirmationLinks, confirm, expire
from leads.capture.processing import process
from leads.model import CaptureState, Lead
from leads.usecases.create_lead import LeadDraft, create_lead

from .conftest import LINKS
from .test_capture import WANG

LINK = "https://crm.example/capture/confirm?token="


def mailed(intake) -> list[tuple[str, str]]:
    """The recipients and texts of the mails that are to be sent, the oldest first."""
    with intake.database.read(service_caller("leads")) as session:
        mails = sorted(intake.all(OutgoingMail), key=lambda mail: mail.id)
        return [(m.recipient, orjson.loads(session.data_keys.open(m.content, m.place))["text"]) for m in mails]


def token(text: str) -> str:
    return text.partition(LINK)[2].split()[0]


def say_yes(intake, secret: str) -> None:
    with intake.database.write(service_caller("leads")) as session:
        confirm(session, secret)


@pytest.fixture(autouse=True)
def no_mails(database):
    with database.engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE outgoing_mail")


def test_a_lead_is_made_once_the_person_has_confirmed(intake):
    source, _ = intake.source(double_opt_in=True, opt_in_subject="确认", opt_in_text="点击 $link 确认")
    key = intake.send(source, WANG)
    assert intake.told(key).state == CaptureState.UNCONFIRMED
    assert intake.all(Lead) == []
    [(recipient, text)] = mailed(intake)
    assert (recipient, text.startswith("点击 "), text.endswith(" 确认")) == ("wang@huacheng.cn", True, True)
    say_yes(intake, token(text))
    say_yes(intake, token(text))
    [lead] = intake.all(Lead)
    submission = intake.told(key)
    assert (submission.state, submission.lead_id) == (CaptureState.ACCEPTED, lead.id)
    assert lead.opt_in_time == submission.opt_in_time is not None


def test_somebody_known_is_asked_as_well_and_noted_on_the_lead_that_is_there(intake, database):
    with database.write(intake.marketer) as session:
        lead = create_lead(session, LeadDraft({"contact_name": "王芳", "emails": ["wang@huacheng.cn"]}))
    source, _ = intake.source(double_opt_in=True)
    key = intake.send(source, WANG)
    assert (intake.told(key).state, len(mailed(intake))) == (CaptureState.UNCONFIRMED, 1)
    [before] = intake.all(Lead)
    assert (before.repeat_count, before.opt_in_time) == (0, None)
    say_yes(intake, token(mailed(intake)[0][1]))
    [now] = intake.all(Lead)
    assert (now.id, now.repeat_count) == (lead.id, 1)
    assert now.opt_in_time == intake.told(key).opt_in_time is not None
    assert intake.told(key).state == CaptureState.REPEATED


def test_the_link_works_for_a_time_and_a_retry_sends_another(intake, clock):
    source, _ = intake.source(double_opt_in=True, opt_in_hours=2)
    key = intake.send(source, WANG)
    first = token(mailed(intake)[0][1])
    clock.advance(timedelta(hours=2))
    with pytest.raises(Conflict) as caught:
        say_yes(intake, first)
    assert caught.value.reason == "OPT_IN_EXPIRED"
    intake.do(expire, clock())
    assert intake.told(key).state == CaptureState.EXPIRED
    assert intake.do(retry_submission, key, LINKS).state == CaptureState.UNCONFIRMED
    with pytest.raises(NotFound):
        say_yes(intake, first)
    say_yes(intake, token(mailed(intake)[1][1]))
    assert len(intake.all(Lead)) == 1


def test_what_nobody_can_be_asked_about_waits_where_people_see_it(intake, database):
    source, _ = intake.source(double_opt_in=True)
    key = intake.send(source, WANG, judged=False)
    with database.write(service_caller("leads")) as session:
        process(session, [key], ConfirmationLinks(""))
    submission = intake.told(key)
    assert (submission.state, submission.problems[0]["reason"]) == (CaptureState.REJECTED, "NO_PUBLIC_URL")
    assert intake.do(retry_submission, key, LINKS).state == CaptureState.UNCONFIRMED
    assert len(mailed(intake)) == 1


def test_a_form_without_an_address_waits(intake):
    source, _ = intake.source(double_opt_in=True)
    submission = intake.told(intake.send(source, {"name": "王芳", "mobile": "13800138000"}))
    assert [(one["field"], one["reason"]) for one in submission.problems] == [("emails", "REQUIRED")]
    assert mailed(intake) == []
