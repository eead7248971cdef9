"""Who owned customers, and what former owners are due."""

from datetime import datetime

import strawberry
from crm.customers.v1 import ownership_pb2
from crm.customers.v1 import ownership_service_pb2 as pb

from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.requests import RequestId
from gateway.types.ownership import OwnershipPassport, OwnershipPolicy


@strawberry.type
class OwnershipQuery:
    @field("Who owned a customer, and what share each has in what is won at a moment, by default now.")
    async def ownership_passport(
        self, info: Info, customer: strawberry.ID, at: datetime | None = None
    ) -> OwnershipPassport | None:
        request = pb.GetOwnershipPassportRequest(customer=customer)
        if at is not None:
            request.at.FromDatetime(at)
        return OwnershipPassport(
            await info.context.calls(info.context.services.ownership.GetOwnershipPassport, request)
        )

    @field("What former owners of customers are due.")
    async def ownership_policy(self, info: Info) -> OwnershipPolicy | None:
        request = pb.GetOwnershipPolicyRequest()
        return OwnershipPolicy(await info.context.calls(info.context.services.ownership.GetOwnershipPolicy, request))


@derive_input(ownership_pb2.OwnershipPolicy, hide={"name"})
class UpdateOwnershipPolicyInput(Input[ownership_pb2.OwnershipPolicy]):
    request_id: RequestId = None


@strawberry.type
class OwnershipMutation:
    @mutation("Changes what former owners of customers are due.")
    async def update_ownership_policy(
        self,
        info: Info,
        input: UpdateOwnershipPolicyInput,  # noqa: A002
    ) -> OwnershipPolicy | None:
        request = pb.UpdateOwnershipPolicyRequest(
            policy=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return OwnershipPolicy(await info.context.calls(info.context.services.ownership.UpdateOwnershipPolicy, request))
