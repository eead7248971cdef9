"""The work log and its statistics as messages. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from chassis.jobs import Job
from chassis.names import make_name
from crm.common.v1 import job_pb2
from crm.leads.v1 import work_log_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from leads import subjects
from leads.subjects import Subject
from leads.worklog.criteria import Criteria
from leads.worklog.sources import SOURCES

_KIND, _GROUPING, _STATE, _FORMAT = "WORK_KIND_", "WORK_GROUPING_", "JOB_STATE_", "FILE_FORMAT_"


def criteria_from_proto(criteria: pb.WorkCriteria) -> Criteria:
    """Which entries are meant."""
    return Criteria(
        from_day=criteria.from_day,
        until_day=criteria.until_day,
        person=criteria.person,
        department=criteria.department,
        kinds=tuple(_name(pb.WorkKind, _KIND, each) for each in criteria.kinds),
        method=criteria.method,
        verdict=criteria.verdict,
    )


def groupings_from_proto(groupings: Sequence[int]) -> list[str]:
    """What statistics are grouped by."""
    return [_name(pb.WorkGrouping, _GROUPING, each) for each in groupings]


def _name(enum: Any, prefix: str, number: int) -> str:
    known: dict[int, str] = {value: name for name, value in enum.items()}
    return known.get(number, str(number)).removeprefix(prefix)


def entry_to_proto(row: Any, titles: Mapping[Subject, str]) -> pb.WorkEntry:
    """An entry of the log."""
    subject = subjects.of(row) if row.customer_id or row.lead_id else None
    return pb.WorkEntry(
        resource=make_name(SOURCES[row.kind].collection, row.id),
        kind=pb.WorkKind.Value(_KIND + row.kind),
        person=row.person or "",
        occur_time=row.time,
        subject=subject.name if subject is not None else "",
        subject_title=titles.get(subject, "") if subject is not None else "",
        method=row.method or "",
        summary=row.summary or "",
        verdict=row.verdict or "",
    )


def count_to_proto(row: Any) -> pb.WorkCount:
    """How much was done."""
    keys = row._mapping
    day = next((keys[period] for period in ("day", "week", "month") if period in keys), None)
    return pb.WorkCount(
        person=keys.get("person") or "",
        department=make_name("departments", keys.get("department")),
        method=keys.get("method") or "",
        kind=pb.WorkKind.Value(_KIND + keys["kind"]) if "kind" in keys else pb.WORK_KIND_UNSPECIFIED,
        day=day.isoformat() if day is not None else "",
        total=row.total,
        effective=row.effective,
        ineffective=row.ineffective,
        subjects=row.subjects,
    )


def export_to_proto(job: Job) -> job_pb2.ExportJob:
    """An export."""
    return job_pb2.ExportJob(
        name=job.name,
        state=job_pb2.JobState.Value(_STATE + job.state),
        format=job_pb2.FileFormat.Value(_FORMAT + job.options["format"]),
        exported_rows=job.processed,
        file_name=file_name(job) if job.output_file else "",
        failure_reason=job.failure_reason,
        failure_message=job.failure_message,
        create_time=_time(job.create_time),
        end_time=_time(job.end_time),
        creator=job.creator,
    )


def file_name(job: Job) -> str:
    """The name of an export's file."""
    stem = PurePath(f"work-{job.create_time:%Y%m%d-%H%M%S}")
    return str(stem.with_suffix(f".{str(job.options['format']).lower()}"))


def format_name(file_format: int) -> str:
    """A file format as jobs keep it."""
    return _name(job_pb2.FileFormat, _FORMAT, file_format or job_pb2.FILE_FORMAT_CSV)


def _time(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
