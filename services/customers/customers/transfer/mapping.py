"""From jobs to messages. Pure."""

from chassis.jobs import Job
from chassis.transfers import timestamp
from crm.common.v1 import job_pb2

_STATE, _FORMAT = "JOB_STATE_", "FILE_FORMAT_"


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
        create_time=timestamp(job.create_time),
        end_time=timestamp(job.end_time),
        creator=job.creator,
    )


def format_name(file_format: int) -> str:
    """A file format as jobs keep it."""
    return job_pb2.FileFormat.Name(file_format or job_pb2.FILE_FORMAT_CSV).removeprefix(_FORMAT)  # type: ignore[arg-type]
