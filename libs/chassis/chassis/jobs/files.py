"""Files of jobs, kept in the service's own database in parts."""

from collections.abc import Iterator
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import insert, select

from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.jobs.model import JobFile
from chassis.names import new_id

PART_BYTES = 1 << 20


def store_file(session: ServiceSession, content: BinaryIO) -> UUID:
    """Store a file from its beginning to its end, in the session's transaction. Returns its id."""
    content.seek(0)
    file_id = new_id()
    part = 0
    while data := content.read(PART_BYTES):
        session.execute(insert(JobFile), {"id": file_id, "part": part, "data": data})
        part += 1
    return file_id


def has_file(session: ServiceSession, file_id: UUID | None) -> bool:
    """Whether a file is still kept."""
    return session.scalar(select(JobFile.part).where(JobFile.id == file_id, JobFile.part == 0)) is not None


def read_file(session: ServiceSession, file_id: UUID | None) -> Iterator[bytes]:
    """The parts of a file in order, one in memory at a time. Raises NotFound FILE_EXPIRED if it is kept no more."""
    part = 0
    while True:
        data = session.scalar(select(JobFile.data).where(JobFile.id == file_id, JobFile.part == part))
        if data is None:
            break
        yield data
        part += 1
    if not part:
        raise NotFound("FILE_EXPIRED", "the file is kept no more; upload or export it again")
