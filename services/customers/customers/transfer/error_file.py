"""The file of the rows that an import refused: correct it and upload it again as it is."""

import io
from collections.abc import Iterator
from pathlib import PurePath

from chassis.db import ServiceSession
from chassis.jobs import Job, JobError, refused_rows
from chassis.tabular import CsvWriter

from customers.transfer.headings import ERROR_COLUMNS

PIECE_BYTES = 1 << 17


def error_file_name(job: Job) -> str:
    """The name of the error file of an import."""
    return f"{PurePath(job.options['file_name']).stem}-errors.csv"


def error_file(session: ServiceSession, job: Job) -> Iterator[bytes]:
    """The error file in pieces: for each refused row its number, fields, reasons and messages, then its own cells."""
    buffer = io.BytesIO()
    heading = job.result.get("heading", [])
    own = len(ERROR_COLUMNS) if tuple(heading[: len(ERROR_COLUMNS)]) == ERROR_COLUMNS else 0
    writer = CsvWriter(buffer, [*ERROR_COLUMNS, *heading[own:]])
    for row in refused_rows(session, job.id):
        writer.write([*_about(row), *row.cells[own:]])
        if buffer.tell() > PIECE_BYTES:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    writer.close()
    yield buffer.getvalue()


def _about(row: JobError) -> list[str]:
    return [str(row.row), *("; ".join(one[key] for one in row.problems) for key in ("field", "reason", "message"))]
