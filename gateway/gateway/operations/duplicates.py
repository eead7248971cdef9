"""Customers that are likely one."""

import strawberry
from crm.customers.v1 import customer_pb2, duplicate_pb2, duplicate_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.customers import CreateCustomerInput
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.duplicates import DuplicateCandidates, DuplicateGroup, DuplicateScanJob, DuplicateSettings


@derive_input(duplicate_service_pb2.ListDuplicateGroupsRequest, hide={"page_size", "page_token"})
class DuplicateGroupsInput(Input[duplicate_service_pb2.ListDuplicateGroupsRequest]):
    pass


@derive_input(duplicate_pb2.DuplicateSettings, required={"policy"})
class UpdateDuplicateSettingsInput(Input[duplicate_pb2.DuplicateSettings]):
    request_id: RequestId = None


@strawberry.input(description="Which group of likely duplicates to dismiss.")
class DismissDuplicateGroupInput:
    id: strawberry.ID = strawberry.field(description="The group, `duplicateGroups/{uuid}`.")
    request_id: RequestId = None


@strawberry.input(description="Starts to go through all customers for duplicates.")
class ScanDuplicatesInput:
    request_id: RequestId = None


@strawberry.type
class DuplicatesQuery:
    @field(
        "The customers that are likely the same as one that is about to be entered, or as the one of the id. "
        "Those that the caller cannot see are only counted."
    )
    async def duplicate_customers(
        self,
        info: Info,
        id: strawberry.ID | None = None,  # noqa: A002 - the name in the schema
        draft: CreateCustomerInput | None = None,
    ) -> DuplicateCandidates | None:
        customer = draft.to_proto() if draft is not None else customer_pb2.Customer()
        customer.name = id or ""
        request = duplicate_service_pb2.FindDuplicateCustomersRequest(customer=customer)
        answer = await info.context.calls(info.context.services.duplicates.FindDuplicateCustomers, request)
        return DuplicateCandidates(answer)

    @field("How the organisation deals with likely duplicates.")
    async def duplicate_settings(self, info: Info) -> DuplicateSettings | None:
        request = duplicate_service_pb2.GetDuplicateSettingsRequest()
        return DuplicateSettings(
            await info.context.calls(info.context.services.duplicates.GetDuplicateSettings, request)
        )

    @field("A look through all customers for duplicates.")
    async def duplicate_scan(self, info: Info, key: Key) -> DuplicateScanJob | None:
        request = duplicate_service_pb2.GetDuplicateScanJobRequest(name=key)
        return DuplicateScanJob(await info.context.calls(info.context.services.duplicates.GetDuplicateScanJob, request))

    @field("The groups of likely duplicates, the most likely first; the open ones if no state is given.")
    async def duplicate_groups(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: DuplicateGroupsInput | None = None,  # noqa: A002 - the name in the schema
    ) -> Connection[DuplicateGroup] | None:
        request = duplicate_service_pb2.ListDuplicateGroupsRequest
        state = filter.to_proto().state if filter is not None else 0
        method = info.context.services.duplicates.ListDuplicateGroups
        return await connect(
            first, after, DuplicateGroup, pages(info.context, method, request, "duplicate_groups", state=state)
        )


@strawberry.type
class DuplicatesMutation:
    @mutation("Changes how the organisation deals with likely duplicates.")
    async def update_duplicate_settings(
        self,
        info: Info,
        input: UpdateDuplicateSettingsInput,  # noqa: A002
    ) -> DuplicateSettings | None:
        request = duplicate_service_pb2.UpdateDuplicateSettingsRequest(
            settings=input.to_proto(), request_id=input.request_id or ""
        )
        return DuplicateSettings(
            await info.context.calls(info.context.services.duplicates.UpdateDuplicateSettings, request)
        )

    @mutation("Starts to go through all customers for duplicates.")
    async def scan_duplicates(
        self,
        info: Info,
        input: ScanDuplicatesInput | None = None,  # noqa: A002
    ) -> DuplicateScanJob | None:
        request_id = (input.request_id if input is not None else None) or ""
        request = duplicate_service_pb2.ScanDuplicatesRequest(request_id=request_id)
        return DuplicateScanJob(await info.context.calls(info.context.services.duplicates.ScanDuplicates, request))

    @mutation("Notes that the customers of a group are different ones. No scan brings them together again.")
    async def dismiss_duplicate_group(
        self,
        info: Info,
        input: DismissDuplicateGroupInput,  # noqa: A002
    ) -> DuplicateGroup | None:
        request = duplicate_service_pb2.DismissDuplicateGroupRequest(name=input.id, request_id=input.request_id or "")
        return DuplicateGroup(await info.context.calls(info.context.services.duplicates.DismissDuplicateGroup, request))
