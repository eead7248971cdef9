"""WorkLogService."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from chassis import audit
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.field_rules import FieldEffect, effect_on, require_readable
from chassis.jobs import Job, create_job, get_job, read_file
from chassis.names import parse_name
from crm.common.v1 import job_pb2
from crm.leads.v1 import work_log_service_pb2 as pb
from crm.leads.v1 import work_log_service_pb2_grpc as pb_grpc

from leads import queries as follow_ups
from leads import subjects
from leads.worklog import mapping, queries
from leads.worklog.exporting import EXPORTS, PERMISSION

_CONTENT_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class WorkLogServicer(pb_grpc.WorkLogServiceServicer):
    """Implements WorkLogService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListWorkLog(self, request: pb.ListWorkLogRequest, context: Any) -> pb.ListWorkLogResponse:
        criteria = mapping.criteria_from_proto(request.criteria)
        with self.calls.read() as session:
            page = queries.list_work(session, criteria, page_size=request.page_size, page_token=request.page_token)
            about = [subjects.of(row) for row in page.rows if row.customer_id or row.lead_id]
            titles = subjects.titles(session, about)
        entries = [mapping.entry_to_proto(row, titles) for row in page.rows]
        return pb.ListWorkLogResponse(entries=entries, next_page_token=page.next_token)

    def ListWorkStatistics(self, request: pb.ListWorkStatisticsRequest, context: Any) -> pb.ListWorkStatisticsResponse:
        with self.calls.read() as session:
            page = queries.list_statistics(
                session,
                mapping.criteria_from_proto(request.criteria),
                mapping.groupings_from_proto(request.group_by),
                page_size=request.page_size,
                page_token=request.page_token,
            )
        counts = map(mapping.count_to_proto, page.rows)
        return pb.ListWorkStatisticsResponse(counts=counts, next_page_token=page.next_token)

    def ExportWorkLog(self, request: pb.ExportWorkLogRequest, context: Any) -> job_pb2.ExportJob:
        criteria = mapping.criteria_from_proto(request.criteria)
        groupings = mapping.groupings_from_proto(request.group_by)

        def create(session: ServiceSession) -> job_pb2.ExportJob:
            queries.check_groupings(groupings)
            queries.select_work(session, criteria)  # refuses what cannot be listed
            options = {
                "criteria": asdict(criteria) | {"kinds": list(criteria.kinds)},
                "group_by": groupings,
                "format": mapping.format_name(request.format),
            }
            return mapping.export_to_proto(create_job(session, EXPORTS, options))

        return self.calls.write(request, job_pb2.ExportJob, create)

    def GetWorkExport(self, request: pb.GetWorkExportRequest, context: Any) -> job_pb2.ExportJob:
        with self.calls.read() as session:
            return mapping.export_to_proto(get_job(session, EXPORTS, parse_name(EXPORTS, request.name), PERMISSION))

    def DownloadWorkExport(self, request: pb.DownloadWorkExportRequest, context: Any) -> Iterator[job_pb2.FileChunk]:
        with self.calls.read() as session:
            job = get_job(session, EXPORTS, parse_name(EXPORTS, request.name), PERMISSION)
            if job.output_file is None:
                raise Conflict("NOT_FINISHED", "the export has no file yet, or none came of it", state=job.state)
            _require_shown(session, job)
            parts = read_file(session, job.output_file)
            first = next(parts)
            self._record_download(job)
            name = mapping.file_name(job)
            yield job_pb2.FileChunk(file_name=name, content_type=_CONTENT_TYPES[PurePath(name).suffix])
            yield job_pb2.FileChunk(data=first)
            for part in parts:
                yield job_pb2.FileChunk(data=part)

    def _record_download(self, job: Job) -> None:
        """Note who takes a file away, before the first byte of it is sent."""
        with self.calls.transaction() as session:
            after = {"rows": job.total, "sha256": job.result.get("sha256", "")}
            audit.record(session, "work_log.download_export", job.name, None, after)


def _require_shown(session: ServiceSession, job: Job) -> None:
    """Raise Denied FIELD_NOT_READABLE if the file shows more than its reader may see, who may be another than its
    writer, or have other roles by now."""
    for field, written in job.result.get("fields", {}).items():
        if (effect_on(session.caller, follow_ups.ENTITY, field) or 0) > max(written, FieldEffect.READ_ONLY):
            require_readable(session.caller, follow_ups.ENTITY, field, path="name")
