"""Leads in from files."""

import strawberry
from crm.common.v1 import job_pb2
from crm.leads.v1 import lead_transfer_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.operations.transfers import UPLOAD_SECONDS, JobInput, parts_of
from gateway.scalars import Upload
from gateway.types.customers import ImportJob


@strawberry.type
class LeadTransfersQuery:
    @field("An import of leads with its progress.")
    async def lead_import_job(self, info: Info, key: Key) -> ImportJob | None:
        request = pb.GetLeadImportJobRequest(name=key)
        return ImportJob(await info.context.calls(info.context.services.lead_transfers.GetLeadImportJob, request))

    @field("Imports of leads, newest first.")
    async def lead_import_jobs(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[ImportJob] | None:
        method = info.context.services.lead_transfers.ListLeadImportJobs
        fetch = pages(info.context, method, pb.ListLeadImportJobsRequest, "import_jobs")
        return await connect(first, after, ImportJob, fetch)


@derive_input(job_pb2.ImportOptions, hide={"request_id", "flag_likely_duplicates"})
class ImportLeadsInput(Input[job_pb2.ImportOptions]):
    request_id: RequestId = None


@strawberry.type
class LeadTransfersMutation:
    @mutation("Uploads a file of leads and queues its import, or only its check.")
    async def import_leads(
        self,
        info: Info,
        file: Upload,
        input: ImportLeadsInput | None = None,  # noqa: A002
    ) -> ImportJob | None:
        options = input.to_proto() if input else job_pb2.ImportOptions()
        options.request_id = (input.request_id if input else None) or ""
        options.file_name = options.file_name or file.filename or ""
        calls = info.context.calls
        parts = parts_of(options, file)
        return ImportJob(await calls.upload(calls.services.lead_transfers.ImportLeads, parts, seconds=UPLOAD_SECONDS))

    @mutation("Imports the file of a finished check of leads, without another upload.")
    async def run_checked_lead_import(self, info: Info, input: JobInput) -> ImportJob | None:  # noqa: A002
        request = pb.RunCheckedLeadImportRequest(name=input.id, request_id=input.request_id or "")
        method = info.context.services.lead_transfers.RunCheckedLeadImport
        return ImportJob(await info.context.calls(method, request))

    @mutation("Stops an import of leads. Rows already imported stay.")
    async def cancel_lead_import(self, info: Info, input: JobInput) -> ImportJob | None:  # noqa: A002
        request = pb.CancelLeadImportJobRequest(name=input.id, request_id=input.request_id or "")
        return ImportJob(await info.context.calls(info.context.services.lead_transfers.CancelLeadImportJob, request))
