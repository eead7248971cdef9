"""What imports of files have in common, whatever they bring in: the file on its way up, what is told of the job, and
the file of the rows that were refused."""

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import IO

from crm.common.v1 import job_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.db import ServiceSession
from chassis.errors import DomainError, Exhausted, Invalid
from chassis.jobs import Job, JobError, refused_rows
from chassis.tabular import CsvWriter, Problem

MEBIBYTE = 1 << 20
MAX_FILE_MEBIBYTES = 200
MAX_CHUNK_BYTES = 1 << 20
MOST_FIRST_ERRORS = 20
MIN_PHONE_DIGITS = 7
ERROR_COLUMNS = ("row", "field", "reason", "message")
"""What an error file holds before the row's own cells."""

_STATE, _MODE = "JOB_STATE_", "IMPORT_MODE_"
_PIECE_BYTES = 1 << 17
_CONTENT_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_BRACKETED = re.compile(r"\([^)]*\)|\[[^]]*\]|<[^>]*>")
_NOT_WORD = re.compile(r"[\W_]+")
_SEPARATORS = re.compile(r"[;,，；、|\n]+")


def receive(
    chunks: Iterator[job_pb2.UploadChunk], file: IO[bytes], most_bytes: int
) -> tuple[job_pb2.ImportOptions, str]:
    """Take a file in on disk, so that a slow upload holds no transaction. Returns its options and digest."""
    first = next(chunks, None)
    if first is None or first.WhichOneof("part") != "options":
        raise Invalid("MISSING_OPTIONS", "the first message must hold the options", field="options")
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        if chunk.WhichOneof("part") != "data" or len(chunk.data) > MAX_CHUNK_BYTES:
            raise Invalid("INVALID_CHUNK", "every message but the first holds at most 1 MiB of data", field="data")
        size += len(chunk.data)
        if size > most_bytes:
            most = most_bytes // MEBIBYTE
            raise Exhausted("FILE_TOO_LARGE", f"a file may have at most {most} MiB: split it", field="data")
        digest.update(chunk.data)
        file.write(chunk.data)
    return first.options, digest.hexdigest()


def mode_name(mode: int) -> str:
    """An import mode as jobs keep it. Raises Invalid UNKNOWN_IMPORT_MODE for one of a later version of the contract."""
    if mode not in job_pb2.ImportMode.values():
        raise Invalid("UNKNOWN_IMPORT_MODE", "import with the mode ADD or ADD_OR_UPDATE", field="mode")
    return job_pb2.ImportMode.Name(mode or job_pb2.IMPORT_MODE_ADD).removeprefix(_MODE)  # type: ignore[arg-type]


def import_job_to_proto(job: Job, refused: Sequence[JobError], *, with_values: bool = True) -> job_pb2.ImportJob:
    """An import, with the first rows that it refused, and what stood in them."""
    return job_pb2.ImportJob(
        name=job.name,
        state=job_pb2.JobState.Value(_STATE + job.state),
        file_name=job.options["file_name"],
        mode=job_pb2.ImportMode.Value(_MODE + job.options["mode"]),
        check_only=job.options["check_only"],
        total_rows=job.total,
        processed_rows=job.processed,
        created_rows=job.counters.get("created", 0),
        updated_rows=job.counters.get("updated", 0),
        unchanged_rows=job.counters.get("unchanged", 0),
        failed_rows=job.counters.get("failed", 0),
        first_errors=[error for row in refused for error in _row_errors(row, with_values)][:MOST_FIRST_ERRORS],
        failure_reason=job.failure_reason,
        failure_message=job.failure_message,
        create_time=timestamp(job.create_time),
        start_time=timestamp(job.start_time),
        end_time=timestamp(job.end_time),
        creator=job.creator,
        ignored_columns=job.result.get("ignored_columns", ()),
    )


def timestamp(time: datetime | None) -> Timestamp | None:
    """A time as messages hold it."""
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def file_head(name: str) -> job_pb2.FileChunk:
    """The first part of a file on its way down."""
    return job_pb2.FileChunk(file_name=name, content_type=_CONTENT_TYPES[PurePath(name).suffix])


def error_file_name(job: Job) -> str:
    """The name of the error file of an import."""
    return f"{PurePath(job.options['file_name']).stem}-errors.csv"


def error_file(session: ServiceSession, job: Job) -> Iterator[bytes]:
    """The error file in pieces: for each refused row its number, fields, reasons and messages, then its own cells.

    Each message has a line of its own, so that one can be told from the next.
    """
    buffer = io.BytesIO()
    heading = job.result.get("heading", [])
    own = own_columns(heading)
    writer = CsvWriter(buffer, [*ERROR_COLUMNS, *heading[own:]])
    for row in refused_rows(session, job.id):
        writer.write([*_about(row), *row.cells[own:]])
        if buffer.tell() > _PIECE_BYTES:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    writer.close()
    yield buffer.getvalue()


def own_columns(heading: Sequence[str]) -> int:
    """Where the row's own cells begin, in a file that may be a corrected error file."""
    return len(ERROR_COLUMNS) if tuple(heading[: len(ERROR_COLUMNS)]) == ERROR_COLUMNS else 0


def problems(error: DomainError) -> list[Problem]:
    """What an error says is wrong with a row."""
    if isinstance(error, Invalid) and error.violations:
        return [Problem(one.field, one.reason, one.message, "") for one in error.violations]
    return [Problem(error.field, error.reason, error.message, "")]


def folded(title: str) -> str:
    """A heading without case, width, spaces, marks and remarks in brackets: `* 客户名称（必填）` is `客户名称`."""
    plain = unicodedata.normalize("NFKC", title).casefold()
    return _NOT_WORD.sub("", _BRACKETED.sub("", plain)) or _NOT_WORD.sub("", plain)


def split_list(text: str) -> list[str]:
    """The items of a cell that holds several."""
    if not _SEPARATORS.search(text):  # most cells hold one
        return [item] if (item := text.strip()) else []
    return [item for part in _SEPARATORS.split(text) if (item := part.strip())]


def split_phones(text: str) -> list[str]:
    """The phone numbers in a cell. A slash parts two whole numbers, or the area code from the rest of one."""
    items = []
    for item in split_list(text):
        if "/" not in item:
            items.append(item)
            continue
        parts = item.split("/")
        items += parts if all(sum(map(str.isdecimal, part)) >= MIN_PHONE_DIGITS for part in parts) else [item]
    return items


def _about(row: JobError) -> list[str]:
    fields, reasons = ("; ".join(one[key] for one in row.problems) for key in ("field", "reason"))
    return [str(row.row), fields, reasons, "\n".join(one["message"] for one in row.problems)]


def _row_errors(row: JobError, with_values: bool) -> list[job_pb2.RowError]:
    hidden = {} if with_values else {"value": ""}
    return [job_pb2.RowError(row=row.row, **{**problem, **hidden}) for problem in row.problems]
