"""From jobs to messages. Pure."""

from collections.abc import Sequence
from datetime import datetime

from chassis.jobs import Job, JobError
from crm.common.v1 import job_pb2
from google.protobuf.timestamp_pb2 import Timestamp

MOST_FIRST_ERRORS = 20

_STATE, _MODE, _FORMAT = "JOB_STATE_", "IMPORT_MODE_", "FILE_FORMAT_"


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
        create_time=_time(job.create_time),
        start_time=_time(job.start_time),
        end_time=_time(job.end_time),
        creator=job.creator,
        ignored_columns=job.result.get("ignored_columns", ()),
    )


def export_job_to_proto(job: Job, file_name: str) -> job_pb2.ExportJob:
    """An export."""
    return job_pb2.ExportJob(
        name=job.name,
        state=job_pb2.JobState.Value(_STATE + job.state),
        format=job_pb2.FileFormat.Value(_FORMAT + job.options["format"]),
        exported_rows=job.processed,
        file_name=file_name if job.output_file else "",
        failure_reason=job.failure_reason,
        failure_message=job.failure_message,
        create_time=_time(job.create_time),
        end_time=_time(job.end_time),
        creator=job.creator,
    )


def mode_name(mode: int) -> str:
    """An import mode as jobs keep it."""
    return job_pb2.ImportMode.Name(mode or job_pb2.IMPORT_MODE_ADD).removeprefix(_MODE)  # type: ignore[arg-type]


def format_name(file_format: int) -> str:
    """A file format as jobs keep it."""
    return job_pb2.FileFormat.Name(file_format or job_pb2.FILE_FORMAT_CSV).removeprefix(_FORMAT)  # type: ignore[arg-type]


def _time(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def _row_errors(row: JobError, with_values: bool) -> list[job_pb2.RowError]:
    hidden = {} if with_values else {"value": ""}
    return [job_pb2.RowError(row=row.row, **{**problem, **hidden}) for problem in row.problems]
