"""The gRPC methods of TransferService."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import PurePath
from typing import IO, Any

from chassis import audit, custom_fields, paging
from chassis.callers import Caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, Exhausted, Invalid
from chassis.field_rules import unreadable
from chassis.jobs import (
    Job,
    JobState,
    cancel_job,
    create_job,
    first_refused,
    get_job,
    has_file,
    read_file,
    store_file,
    visible_jobs,
)
from chassis.names import make_name, parse_name
from chassis.paging import SortKey
from chassis.settings import Settings
from chassis.tabular import detect_format
from crm.common.v1 import job_pb2
from crm.customers.v1 import transfer_service_pb2, transfer_service_pb2_grpc
from google.protobuf.json_format import MessageToDict

from customers.own_fields import CONTACT_ENTITY, ENTITY
from customers.rules import CUSTOMER_RULES
from customers.transfer import mapping
from customers.transfer.error_file import error_file, error_file_name
from customers.transfer.exporting import check_fields, exported, file_name, require_shown
from customers.transfer.headings import check_columns

IMPORTS, EXPORTS = "importJobs", "exportJobs"
MEBIBYTE = 1 << 20
MAX_FILE_MEBIBYTES = 200
MAX_CHUNK_BYTES = 1 << 20

_IMPORT, _EXPORT = "customer.import", "customer.export"
_NEWEST = [
    SortKey(column, descending=True, nullable=False) for column in (Job.__table__.c.create_time, Job.__table__.c.id)
]
_CONTENT_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class TransferServicer(transfer_service_pb2_grpc.TransferServiceServicer):
    """Implements TransferService."""

    def __init__(self, calls: Calls, settings: Settings) -> None:
        self.calls = calls
        self._most_bytes = int(settings.environment.get("IMPORT_MAX_MIB", MAX_FILE_MEBIBYTES)) * MEBIBYTE

    def ImportCustomers(self, request_iterator: Iterator[job_pb2.UploadChunk], context: Any) -> job_pb2.ImportJob:
        with tempfile.TemporaryFile() as file:
            options, digest = self._receive(request_iterator, file)
            detect_format(options.file_name, file)
            # A retry is known by the file's content, too, which is not part of the options.
            request = job_pb2.ImportOptions()
            request.CopyFrom(options)
            request.file_name += f"\n{digest}"

            def create(session: ServiceSession) -> job_pb2.ImportJob:
                job_options = {**_import_options(session, options), "sha256": digest}
                job = create_job(session, IMPORTS, job_options, input_file=store_file(session, file))
                return mapping.import_job_to_proto(job, [])

            return self.calls.write(request, job_pb2.ImportJob, create)

    def RunCheckedImport(
        self, request: transfer_service_pb2.RunCheckedImportRequest, context: Any
    ) -> job_pb2.ImportJob:
        job_id = parse_name(IMPORTS, request.name)

        def create(session: ServiceSession) -> job_pb2.ImportJob:
            check = get_job(session, IMPORTS, job_id, _IMPORT)
            if not check.options["check_only"] or check.state != JobState.SUCCEEDED:
                raise Conflict("NOT_CHECKED", "only a check that has succeeded can be run", state=check.state)
            if not has_file(session, check.input_file):
                raise Conflict("FILE_EXPIRED", "the file is kept no more: upload it again")
            options = {**check.options, "check_only": False}
            return mapping.import_job_to_proto(create_job(session, IMPORTS, options, input_file=check.input_file), [])

        return self.calls.write(request, job_pb2.ImportJob, create)

    def GetImportJob(self, request: transfer_service_pb2.GetImportJobRequest, context: Any) -> job_pb2.ImportJob:
        with self.calls.read() as session:
            job = get_job(session, IMPORTS, parse_name(IMPORTS, request.name), _IMPORT)
            return _imports(session, [job])[0]

    def ListImportJobs(
        self, request: transfer_service_pb2.ListImportJobsRequest, context: Any
    ) -> transfer_service_pb2.ListImportJobsResponse:
        size = paging.page_size(request.page_size)
        with self.calls.read() as session:
            statement = visible_jobs(session, IMPORTS, _IMPORT)
            page = paging.fetch_page(session, statement, _NEWEST, size, request.page_token, IMPORTS)
            jobs = _imports(session, page.rows)
        return transfer_service_pb2.ListImportJobsResponse(import_jobs=jobs, next_page_token=page.next_token)

    def CancelImportJob(self, request: transfer_service_pb2.CancelImportJobRequest, context: Any) -> job_pb2.ImportJob:
        job_id = parse_name(IMPORTS, request.name)
        return self.calls.write(
            request,
            job_pb2.ImportJob,
            lambda session: _imports(session, [cancel_job(session, IMPORTS, job_id, _IMPORT)])[0],
        )

    def DownloadImportErrors(
        self, request: transfer_service_pb2.DownloadImportErrorsRequest, context: Any
    ) -> Iterator[job_pb2.FileChunk]:
        with self.calls.read() as session:
            job = get_job(session, IMPORTS, parse_name(IMPORTS, request.name), _IMPORT)
            if not _shows_rows(session.caller, job):
                raise Denied("FIELD_NOT_READABLE", "the file holds fields that your roles keep from you", field="name")
            self._record_download("customer.download_import_errors", job, "")
            yield _head(error_file_name(job))
            for piece in error_file(session, job):
                yield job_pb2.FileChunk(data=piece)

    def ExportCustomers(self, request: transfer_service_pb2.ExportCustomersRequest, context: Any) -> job_pb2.ExportJob:
        def create(session: ServiceSession) -> job_pb2.ExportJob:
            check_fields(session, request.fields)
            exported(session, request.filter, request.search)  # refuses what cannot be listed
            options = {
                "filter": MessageToDict(request.filter),
                "search": request.search,
                "format": mapping.format_name(request.format),
                "fields": list(request.fields),
            }
            return mapping.export_job_to_proto(create_job(session, EXPORTS, options), "")

        return self.calls.write(request, job_pb2.ExportJob, create)

    def GetExportJob(self, request: transfer_service_pb2.GetExportJobRequest, context: Any) -> job_pb2.ExportJob:
        with self.calls.read() as session:
            job = get_job(session, EXPORTS, parse_name(EXPORTS, request.name), _EXPORT)
        return mapping.export_job_to_proto(job, file_name(job.create_time, job.options["format"]))

    def DownloadExport(
        self, request: transfer_service_pb2.DownloadExportRequest, context: Any
    ) -> Iterator[job_pb2.FileChunk]:
        with self.calls.read() as session:
            job = get_job(session, EXPORTS, parse_name(EXPORTS, request.name), _EXPORT)
            if job.output_file is None:
                raise Conflict("NOT_FINISHED", "the export has no file yet, or none came of it", state=job.state)
            require_shown(session.caller, job.result.get("fields") or dict.fromkeys(CUSTOMER_RULES, 0))
            parts = read_file(session, job.output_file)
            first = next(parts)
            self._record_download("customer.download_export", job, job.result.get("sha256", ""))
            yield _head(file_name(job.create_time, job.options["format"]))
            yield job_pb2.FileChunk(data=first)
            for part in parts:
                yield job_pb2.FileChunk(data=part)

    def _record_download(self, action: str, job: Job, digest: str) -> None:
        """Note who takes a file away, before the first byte of it is sent."""
        with self.calls.transaction() as session:
            after = {"rows": job.total, "sha256": digest} if digest else {"rows": job.total}
            audit.record(session, action, make_name(job.kind, job.id), None, after)

    def _receive(self, chunks: Iterator[job_pb2.UploadChunk], file: IO[bytes]) -> tuple[job_pb2.ImportOptions, str]:
        """Take the file in on disk, so that a slow upload holds no transaction. Returns its options and digest."""
        first = next(chunks, None)
        if first is None or first.WhichOneof("part") != "options":
            raise Invalid("MISSING_OPTIONS", "the first message must hold the options", field="options")
        digest, size = hashlib.sha256(), 0
        for chunk in chunks:
            if chunk.WhichOneof("part") != "data" or len(chunk.data) > MAX_CHUNK_BYTES:
                raise Invalid("INVALID_CHUNK", "every message but the first holds at most 1 MiB of data", field="data")
            size += len(chunk.data)
            if size > self._most_bytes:
                most = self._most_bytes // MEBIBYTE
                raise Exhausted("FILE_TOO_LARGE", f"a file may have at most {most} MiB: split it", field="data")
            digest.update(chunk.data)
            file.write(chunk.data)
        return first.options, digest.hexdigest()


def _import_options(session: ServiceSession, options: job_pb2.ImportOptions) -> dict[str, Any]:
    """The options as the job keeps them, checked."""
    mode = mapping.mode_name(options.mode)
    if mode == "ADD_OR_UPDATE":
        session.caller.scope("customer.update")
    columns = {title.strip(): field.strip() for title, field in options.columns.items()}
    check_columns(columns, custom_fields.list_fields(session, ENTITY))
    return {
        "file_name": PurePath(options.file_name).name[:255],
        "mode": mode,
        "check_only": options.check_only,
        "columns": columns,
        "empty_values": [text.strip() for text in options.empty_values],
    }


def _imports(session: ServiceSession, jobs: list[Job]) -> list[job_pb2.ImportJob]:
    refused = first_refused(session, [job.id for job in jobs], mapping.MOST_FIRST_ERRORS)
    return [
        mapping.import_job_to_proto(job, refused[job.id], with_values=_shows_rows(session.caller, job)) for job in jobs
    ]


def _shows_rows(caller: Caller, job: Job) -> bool:
    """Whether the caller may see the rows of a file: their own, or anybody's if no field is kept from them."""
    kept = unreadable(caller, ENTITY) | unreadable(caller, CONTACT_ENTITY)
    return job.creator == caller.subject or not kept


def _head(name: str) -> job_pb2.FileChunk:
    return job_pb2.FileChunk(file_name=name, content_type=_CONTENT_TYPES[PurePath(name).suffix])
