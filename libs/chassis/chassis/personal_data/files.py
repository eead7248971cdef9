"""Files that jobs keep, the rows that they refused, and mails: what tells of a person there goes before its time."""

import html
import io
import lzma
import zlib
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO
from typing import cast as typed
from uuid import UUID
from zipfile import BadZipFile, LargeZipFile, ZipFile

from sqlalchemy import Text, cast, delete, func, or_, select

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.jobs import Job, JobError, JobState, read_file
from chassis.jobs.model import JobFile
from chassis.mail import OutgoingMail
from chassis.personal_data.participants import Finding
from chassis.personal_data.people import Person
from chassis.personal_data.redaction import Redactor
from chassis.tabular.formats import ZIP_MAGIC, detect_encoding
from chassis.tabular.xlsxfile import MOST_UNPACKED

FILE, REFUSED_ROW, MAIL = "job_file", "refused_row", "mail"
_BLOCK = 1 << 20
_OVERLAP = 1_000
"""Characters that blocks share, so that nothing is missed where one ends. No number, address or name is longer."""
_IN_MEMORY = 8 << 20
_UNREADABLE = (BadZipFile, LargeZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)
"""What workbooks raise that are damaged, have a password, or are packed as nothing here unpacks."""


def find(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """Files, refused rows and mails that tell of a person."""
    yield from _files(session, person)
    yield from _refused_rows(session, person)
    yield from _mails(session, person)


def erase(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> None:
    """Drop files and mails, and take the person out of refused rows."""
    redactor = Redactor(person, names=True)
    for found in findings:
        if found.kind == FILE:
            session.execute(delete(JobFile).where(JobFile.id == UUID(found.values["file"])))
        elif found.kind == MAIL:
            session.execute(delete(OutgoingMail).where(OutgoingMail.id == UUID(found.name.rpartition("/")[2])))
        elif found.kind == REFUSED_ROW:
            _redact_row(session, found, redactor)


def _files(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """Names count in files of jobs that have ended: a file that is deleted for somebody else's sake can be made again.
    A job that runs needs its file, which only a number or address of the person takes from it, once it has ended."""
    anywhere, there = Redactor(person), Redactor(person, names=True)
    jobs = select(Job).where(or_(Job.input_file.is_not(None), Job.output_file.is_not(None))).order_by(Job.id)
    for job in session.scalars(jobs):
        ended = JobState(job.state).ended
        for which, file_id in (("input", job.input_file), ("output", job.output_file)):
            if file_id is not None and _mentions(session, file_id, there if ended else anywhere):
                values = {"job": job.name, "which": which, "file": str(file_id)}
                name = f"{job.name}/{which}"
                yield Finding(FILE, name, values, person.records, person.marks, in_use=not ended, whole=False)


def _mentions(session: ServiceSession, file_id: UUID, redactor: Redactor) -> bool:
    there = select(JobFile.part).where(JobFile.id == file_id, JobFile.part == 0)
    if session.scalar(there) is None:
        return False
    with SpooledTemporaryFile(_IN_MEMORY) as file:
        for part in read_file(session, file_id):
            file.write(part)
        return any(redactor.mentions(block) for block in _blocks(file))


def _blocks(file: IO[bytes]) -> Iterator[str]:
    """The text of a file, CSV or XLSX, in blocks that overlap."""
    file.seek(0)
    if file.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
        try:
            yield from _unpacked(file)
            return
        except _UNREADABLE:
            pass  # whoever uploaded it was told so; it may hold text all the same
    try:
        encoding = detect_encoding(typed(BinaryIO, file)).encoding
    except Invalid:
        encoding = "utf-8"
    file.seek(0)
    yield from _decoded(file, encoding)


def _unpacked(file: IO[bytes]) -> Iterator[str]:
    with ZipFile(file) as workbook:
        if sum(entry.file_size for entry in workbook.infolist()) > MOST_UNPACKED:
            raise LargeZipFile
        for name in workbook.namelist():
            with workbook.open(name) as member:
                yield from map(html.unescape, _decoded(member, "utf-8"))


def _decoded(file: IO[bytes], encoding: str) -> Iterator[str]:
    reader, before = io.TextIOWrapper(file, encoding, errors="replace"), ""
    while block := reader.read(_BLOCK):
        yield before + block
        before = block[-_OVERLAP:]
    reader.detach()


def _refused_rows(session: ServiceSession, person: Person) -> Iterator[Finding]:
    pattern = Redactor(person, names=True).pattern
    if not pattern:
        return
    written = func.concat(cast(JobError.cells, Text), " ", cast(JobError.problems, Text))
    rows = select(JobError).where(written.regexp_match(pattern, "i")).order_by(JobError.job_id, JobError.row)
    for row in session.scalars(rows):
        values = {"cells": row.cells, "problems": row.problems}
        yield Finding(REFUSED_ROW, f"{row.job_id}/{row.row}", values, person.records, person.marks, whole=False)


def _redact_row(session: ServiceSession, found: Finding, redactor: Redactor) -> None:
    job_id, _, row = found.name.partition("/")
    error = session.get(JobError, (UUID(job_id), int(row)), with_for_update=True)
    if error is not None:
        error.cells, error.problems = redactor.value(error.cells), redactor.value(error.problems)


def _mails(session: ServiceSession, person: Person) -> Iterator[Finding]:
    pattern = Redactor(person).pattern
    if not pattern:
        return
    told = func.concat(OutgoingMail.recipient, " ", OutgoingMail.subject)
    for mail in session.scalars(select(OutgoingMail).where(told.regexp_match(pattern, "i")).order_by(OutgoingMail.id)):
        values = {"recipient": mail.recipient, "subject": mail.subject, "create_time": mail.create_time}
        yield Finding(MAIL, f"mails/{mail.id}", values, person.records, person.marks)
