"""Files, refused rows and mails that tell of a person."""

import io
from datetime import UTC, datetime

import pytest
from chassis import jobs, mail
from chassis.callers import service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.encryption import DataKeys, new_key
from chassis.jobs import JobError, JobState
from chassis.mail import OutgoingMail
from chassis.personal_data import Person, files, texts
from chassis.tabular import XlsxWriter
from sqlalchemy import text

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PERSON = Person(
    names=frozenset({"欧阳娜"}), phones=frozenset({"+8613800138000"}), emails=frozenset({"ouyang@person.example"})
)


@pytest.fixture(scope="module")
def url(make_database):
    return make_database("files")


@pytest.fixture
def session(url):
    database = Database("files", url, clock=FixedClock(NOON), data_keys=DataKeys.parse(f"test:{new_key()}"))
    with database.write(service_caller("files")) as session:
        session.execute(text("TRUNCATE job, job_file, outgoing_mail CASCADE"))
        yield session
    database.dispose()


def workbook(*cells: str) -> bytes:
    file = io.BytesIO()
    writer = XlsxWriter(file, ["姓名", "电话"])
    writer.write(cells)
    writer.close()
    return file.getvalue()


def job(session, content, *, state=JobState.SUCCEEDED, kind="importJobs"):
    made = jobs.create_job(session, kind, {}, input_file=jobs.store_file(session, io.BytesIO(content)))
    made.state = state
    session.flush()
    return made


@pytest.mark.parametrize(
    "content",
    [
        "姓名,电话\n欧阳娜,\n".encode(),
        "姓名,电话\n某人,138 0013 8000\n".encode("gb18030"),
        "姓名,电话\n欧阳娜,\n".encode("utf-16"),
        workbook("欧阳娜", ""),
        workbook("某人", "+8613800138000"),
        b"PK\x03\x04 OUYANG@person.example",
    ],
    ids=["utf-8", "gb18030", "utf-16", "name in xlsx", "number in xlsx", "broken xlsx"],
)
def test_a_file_that_tells_of_the_person_goes_and_others_stay(session, content):
    told = job(session, content)
    other = job(session, workbook("王芳", "13900139000"))
    found = list(files.find(session, PERSON))
    assert [finding.values["job"] for finding in found] == [told.name]
    files.erase(session, PERSON, found)
    assert not jobs.has_file(session, told.input_file)
    assert jobs.has_file(session, other.input_file)
    assert list(files.find(session, PERSON)) == []


def patched(content: bytes, offset: int, value: int) -> bytes:
    """A workbook with a byte changed in the header of each entry, and in its copy in the directory."""
    data = bytearray(content)
    for magic, at in ((b"PK\x03\x04", offset), (b"PK\x01\x02", offset + 2)):
        place = data.find(magic)
        while place >= 0:
            data[place + at] = value
            place = data.find(magic, place + 1)
    return bytes(data)


@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99)], ids=["password", "unknown method"])
def test_a_workbook_that_nobody_can_open_stands_in_the_way_of_nothing(session, offset, value):
    job(session, patched(workbook("欧阳娜", ""), offset, value))
    told = job(session, "姓名\n欧阳娜\n".encode())
    assert [finding.values["job"] for finding in files.find(session, PERSON)] == [told.name]


def test_what_stands_across_two_blocks_of_a_file_is_found(session):
    lines = "王芳,13900139000\n" * 70_000
    before = lines[: (1 << 20) - 3]
    told = job(session, f"{before}欧阳娜,13800138000\n{lines}".encode())
    assert [finding.values["job"] for finding in files.find(session, PERSON)] == [told.name]


def test_a_job_that_runs_keeps_its_file_and_is_told_apart_by_numbers_alone(session):
    running = job(session, "欧阳娜,13800138000\n".encode(), state=JobState.RUNNING)
    job(session, "欧阳娜,13900139000\n".encode(), state=JobState.RUNNING)
    [found] = files.find(session, PERSON)
    assert (found.values["job"], found.in_use) == (running.name, True)


def test_refused_rows_and_mails_lose_the_person(session):
    done = job(session, b"nothing")
    problem = {"field": "phones", "reason": "INVALID_PHONE", "message": "", "value": "13800138000转2"}
    session.add(JobError(job_id=done.id, row=2, cells=["欧阳娜", "13800138000转2"], problems=[problem]))
    mail.send(session, "Ouyang@person.example", "通知", "正文")
    mail.send(session, "wang@person.example", "通知", "正文")
    session.flush()
    files.erase(session, PERSON, list(files.find(session, PERSON)))
    session.flush()
    error = session.query(JobError).one()
    assert error.cells == ["「已删除」", "「已删除」转2"]
    assert error.problems == [problem | {"value": "「已删除」转2"}]
    assert [each.recipient for each in session.query(OutgoingMail)] == ["wang@person.example"]


def test_what_a_job_was_asked_for_loses_the_person_once_it_has_ended(session):
    ended, running = (
        jobs.create_job(session, "exportJobs", {"search": "欧阳娜", "fields": ["phones"]}) for _ in range(2)
    )
    ended.state = JobState.SUCCEEDED
    session.flush()
    found = list(texts.find(session, PERSON, texts.all_texts(()), ()))
    assert [(each.kind, each.name) for each in found] == [("job.options", ended.name)]
    texts.erase(session, PERSON, texts.all_texts(()), found)
    assert (ended.options, running.options["search"]) == ({"search": "「已删除」", "fields": ["phones"]}, "欧阳娜")
