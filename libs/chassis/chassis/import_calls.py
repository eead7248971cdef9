"""The calls about imports, which every service answers alike that takes files in."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from crm.common.v1 import job_pb2

from chassis import audit, paging
from chassis.callers import Caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied
from chassis.jobs import (
    Job,
    JobState,
    cancel_job,
    create_job,
    first_refused,
    get_job,
    has_file,
    store_file,
    visible_jobs,
)
from chassis.names import parse_name
from chassis.paging import SortKey
from chassis.settings import Settings
from chassis.tabular import detect_format
from chassis.transfers import (
    MAX_FILE_MEBIBYTES,
    MEBIBYTE,
    MOST_FIRST_ERRORS,
    error_file,
    error_file_name,
    file_head,
    import_job_to_proto,
    mode_name,
    receive,
)

_NEWEST = [
    SortKey(column, descending=True, nullable=False) for column in (Job.__table__.c.create_time, Job.__table__.c.id)
]


@dataclass(frozen=True)
class ImportKind:
    """What is imported, and by whose leave."""

    jobs: str
    """The collection of the jobs."""
    noun: str
    """What the permissions and the audit log call it: `lead` for `lead.import` and `lead.update`."""
    options: Callable[[ServiceSession, job_pb2.ImportOptions, dict[str, str]], Mapping[str, Any]]
    """Checks what a file is to be read by, its columns by title among it, and gives what the job keeps beside what all
    imports do. Raises what the upload is to be refused with."""
    is_shown: Callable[[Caller], bool]
    """Whether nothing that a file may hold is kept from a caller."""

    @property
    def permission(self) -> str:
        """What whoever imports needs."""
        return f"{self.noun}.import"


class ImportCalls:
    """Answers the calls about the imports of one kind."""

    def __init__(self, calls: Calls, kind: ImportKind, settings: Settings) -> None:
        self._calls, self._kind = calls, kind
        self._most_bytes = int(settings.environment.get("IMPORT_MAX_MIB", MAX_FILE_MEBIBYTES)) * MEBIBYTE

    def start(self, chunks: Iterator[job_pb2.UploadChunk]) -> job_pb2.ImportJob:
        """Take a file in, and queue its import."""
        with tempfile.TemporaryFile() as file:
            options, digest = receive(chunks, file, self._most_bytes)
            detect_format(options.file_name, file)
            # A retry is known by the file's content, too, which is not part of the options.
            request = job_pb2.ImportOptions()
            request.CopyFrom(options)
            request.file_name += f"\n{digest}"

            def create(session: ServiceSession) -> job_pb2.ImportJob:
                kept = {**self._options(session, options), "sha256": digest}
                job = create_job(session, self._kind.jobs, kept, input_file=store_file(session, file))
                return import_job_to_proto(job, [])

            return self._calls.write(request, job_pb2.ImportJob, create)

    def run_checked(self, request: Any) -> job_pb2.ImportJob:
        """Import the file of a check that has succeeded."""
        job_id = self._id(request)

        def create(session: ServiceSession) -> job_pb2.ImportJob:
            check = self._job(session, job_id)
            if not check.options["check_only"] or check.state != JobState.SUCCEEDED:
                raise Conflict("NOT_CHECKED", "only a check that has succeeded can be run", state=check.state)
            if not has_file(session, check.input_file):
                raise Conflict("FILE_EXPIRED", "the file is kept no more: upload it again")
            options = {**check.options, "check_only": False}
            return import_job_to_proto(create_job(session, self._kind.jobs, options, input_file=check.input_file), [])

        return self._calls.write(request, job_pb2.ImportJob, create)

    def get(self, request: Any) -> job_pb2.ImportJob:
        """An import with the first rows that it refused."""
        with self._calls.read() as session:
            return self._shown(session, [self._job(session, self._id(request))])[0]

    def page(self, request: Any) -> tuple[list[job_pb2.ImportJob], str]:
        """A page of imports, the newest first, and the token of the next."""
        size, jobs = paging.page_size(request.page_size), self._kind.jobs
        with self._calls.read() as session:
            statement = visible_jobs(session, jobs, self._kind.permission)
            page = paging.fetch_page(session, statement, _NEWEST, size, request.page_token, jobs)
            return self._shown(session, page.rows), page.next_token

    def cancel(self, request: Any) -> job_pb2.ImportJob:
        """Stop an import. What it has brought in stays."""
        job_id, kind = self._id(request), self._kind
        return self._calls.write(
            request,
            job_pb2.ImportJob,
            lambda session: self._shown(session, [cancel_job(session, kind.jobs, job_id, kind.permission)])[0],
        )

    def download_errors(self, request: Any) -> Iterator[job_pb2.FileChunk]:
        """The file of the refused rows. Who takes it away is noted before its first byte is sent."""
        with self._calls.read() as session:
            job = self._job(session, self._id(request))
            if not self._shows_rows(session.caller, job):
                raise Denied("FIELD_NOT_READABLE", "the file holds fields that your roles keep from you", field="name")
            with self._calls.transaction() as noting:
                action = f"{self._kind.noun}.download_import_errors"
                audit.record(noting, action, job.name, None, {"rows": job.total})
            yield file_head(error_file_name(job))
            for piece in error_file(session, job):
                yield job_pb2.FileChunk(data=piece)

    def _id(self, request: Any) -> Any:
        return parse_name(self._kind.jobs, request.name)

    def _job(self, session: ServiceSession, job_id: Any) -> Job:
        return get_job(session, self._kind.jobs, job_id, self._kind.permission)

    def _options(self, session: ServiceSession, options: job_pb2.ImportOptions) -> dict[str, Any]:
        mode = mode_name(options.mode)
        if mode == "ADD_OR_UPDATE":
            session.caller.scope(f"{self._kind.noun}.update")
        columns = {title.strip(): field.strip() for title, field in options.columns.items()}
        return {
            "file_name": PurePath(options.file_name).name[:255],
            "mode": mode,
            "check_only": options.check_only,
            "columns": columns,
            "empty_values": [text.strip() for text in options.empty_values],
            **self._kind.options(session, options, columns),
        }

    def _shown(self, session: ServiceSession, jobs: Sequence[Job]) -> list[job_pb2.ImportJob]:
        refused = first_refused(session, [job.id for job in jobs], MOST_FIRST_ERRORS)
        caller = session.caller
        return [import_job_to_proto(job, refused[job.id], with_values=self._shows_rows(caller, job)) for job in jobs]

    def _shows_rows(self, caller: Caller, job: Job) -> bool:
        """Whether the caller may see the rows of a file: their own, or anybody's if no field is kept from them."""
        return job.creator == caller.subject or self._kind.is_shown(caller)
