"""The gRPC methods of LeadTransferService."""

from collections.abc import Iterator, Mapping
from typing import Any

from chassis.callers import Caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.field_rules import unreadable
from chassis.import_calls import ImportCalls, ImportKind
from chassis.settings import Settings
from crm.common.v1 import job_pb2
from crm.leads.v1 import lead_transfer_service_pb2, lead_transfer_service_pb2_grpc

from leads.lead_queries import ENTITY
from leads.transfer.headings import check_columns
from leads.transfer.importing import IMPORTS


class LeadTransferServicer(lead_transfer_service_pb2_grpc.LeadTransferServiceServicer):
    """Implements LeadTransferService."""

    def __init__(self, calls: Calls, settings: Settings) -> None:
        self._imports = ImportCalls(calls, _KIND, settings)

    def ImportLeads(self, request_iterator: Iterator[job_pb2.UploadChunk], context: Any) -> job_pb2.ImportJob:
        return self._imports.start(request_iterator)

    def RunCheckedLeadImport(
        self, request: lead_transfer_service_pb2.RunCheckedLeadImportRequest, context: Any
    ) -> job_pb2.ImportJob:
        return self._imports.run_checked(request)

    def GetLeadImportJob(
        self, request: lead_transfer_service_pb2.GetLeadImportJobRequest, context: Any
    ) -> job_pb2.ImportJob:
        return self._imports.get(request)

    def ListLeadImportJobs(
        self, request: lead_transfer_service_pb2.ListLeadImportJobsRequest, context: Any
    ) -> lead_transfer_service_pb2.ListLeadImportJobsResponse:
        jobs, token = self._imports.page(request)
        return lead_transfer_service_pb2.ListLeadImportJobsResponse(import_jobs=jobs, next_page_token=token)

    def CancelLeadImportJob(
        self, request: lead_transfer_service_pb2.CancelLeadImportJobRequest, context: Any
    ) -> job_pb2.ImportJob:
        return self._imports.cancel(request)

    def DownloadLeadImportErrors(
        self, request: lead_transfer_service_pb2.DownloadLeadImportErrorsRequest, context: Any
    ) -> Iterator[job_pb2.FileChunk]:
        return self._imports.download_errors(request)


def _options(session: ServiceSession, options: job_pb2.ImportOptions, columns: dict[str, str]) -> Mapping[str, Any]:
    check_columns(columns)
    return {}


def _is_shown(caller: Caller) -> bool:
    return not unreadable(caller, ENTITY)


_KIND = ImportKind(IMPORTS, "lead", _options, _is_shown)
