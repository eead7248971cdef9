"""What people did in a period, and how much of it."""

from typing import TYPE_CHECKING

import strawberry
from crm.common.v1 import job_pb2
from crm.leads.v1 import work_log_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.customers import ExportJob
from gateway.types.work_log import WorkCount, WorkEntry

if TYPE_CHECKING:
    from enum import Enum as FileFormat
    from enum import Enum as WorkGrouping
else:
    FileFormat = enum_of(job_pb2.FileFormat.DESCRIPTOR)
    WorkGrouping = enum_of(pb.WorkGrouping.DESCRIPTOR)


@derive_input(pb.WorkCriteria, required={"from_day", "until_day"}, references={"person", "department"})
class WorkCriteriaInput(Input[pb.WorkCriteria]):
    pass


@strawberry.type
class WorkLogQuery:
    @field("What was done, by anybody in any period, as far as the caller may see the records; the newest first.")
    async def work_log(
        self, info: Info, criteria: WorkCriteriaInput, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[WorkEntry] | None:
        method = info.context.services.work_log.ListWorkLog
        fetch = pages(info.context, method, pb.ListWorkLogRequest, "entries", criteria=criteria.to_proto())
        return await connect(first, after, WorkEntry, fetch)

    @field(
        "How much was done. A count is that of the entries that `workLog` lists with the same criteria and the keys of "
        "the count."
    )
    async def work_statistics(
        self,
        info: Info,
        criteria: WorkCriteriaInput,
        group_by: list[WorkGrouping] | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[WorkCount] | None:
        method = info.context.services.work_log.ListWorkStatistics
        given = {"criteria": criteria.to_proto(), "group_by": [one.value for one in group_by or ()]}
        fetch = pages(info.context, method, pb.ListWorkStatisticsRequest, "counts", **given)
        return await connect(first, after, WorkCount, fetch)

    @field("An export of the work log or of its statistics, with its progress.")
    async def work_export(self, info: Info, key: Key) -> ExportJob | None:
        request = pb.GetWorkExportRequest(name=key)
        return ExportJob(await info.context.calls(info.context.services.work_log.GetWorkExport, request))


@strawberry.input(description="What of the work log to export, and how.")
class ExportWorkLogInput:
    criteria: WorkCriteriaInput
    group_by: list[WorkGrouping] | None = strawberry.field(
        default=None, description="To export statistics, what they are grouped by; the log itself if not given."
    )
    format: FileFormat | None = strawberry.field(default=None, description="CSV if not given.")
    request_id: RequestId = None


@strawberry.type
class WorkLogMutation:
    @mutation("Queues an export of the work log, or of its statistics.")
    async def export_work_log(self, info: Info, input: ExportWorkLogInput) -> ExportJob | None:  # noqa: A002
        request = pb.ExportWorkLogRequest(
            criteria=input.criteria.to_proto(),
            group_by=[one.value for one in input.group_by or ()],
            request_id=input.request_id or "",
        )
        if input.format is not None:
            request.format = input.format.value
        return ExportJob(await info.context.calls(info.context.services.work_log.ExportWorkLog, request))
