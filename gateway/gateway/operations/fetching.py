"""Pages and records as the services give them, for the queries of all parts of the schema."""

from collections.abc import Awaitable, Callable
from typing import Any

from chassis.errors import Invalid
from crm.customers.v1 import (
    contact_service_pb2,
    customer_relation_service_pb2,
    customer_service_pb2,
    pool_allocation_service_pb2,
    pool_service_pb2,
)
from crm.identity.v1 import (
    department_service_pb2,
    identity_provider_service_pb2,
    offboarding_service_pb2,
    partner_service_pb2,
    personal_data_service_pb2,
    role_service_pb2,
    saved_view_service_pb2,
    user_service_pb2,
)
from crm.leads.v1 import (
    call_service_pb2,
    capture_service_pb2,
    follow_up_service_pb2,
    lead_service_pb2,
    plan_service_pb2,
    task_service_pb2,
    visit_service_pb2,
)

from gateway.context import Context
from gateway.nodes import Node
from gateway.types.accounts import SavedView
from gateway.types.calls import Call
from gateway.types.capture import CaptureSource, CaptureSubmission
from gateway.types.customers import Contact, Customer
from gateway.types.identity import Department, Role, User
from gateway.types.leads import FollowUp, Lead
from gateway.types.offboarding import Offboarding
from gateway.types.partners import Partner
from gateway.types.personal_data import LegalHold, PersonalDataRequest
from gateway.types.plans import Plan
from gateway.types.pool_allocations import PoolAllocation
from gateway.types.pools import Pool
from gateway.types.relations import CustomerRelation
from gateway.types.signing import IdentityProvider
from gateway.types.tasks import Task
from gateway.types.visits import Visit


async def get_customer(context: Context, name: str) -> Customer:
    """A customer. Raises CallFailed, NOT_FOUND if there is none that the caller may see."""
    request = customer_service_pb2.GetCustomerRequest(name=name)
    return Customer(await context.calls(context.services.customers.GetCustomer, request))


async def get_contact(context: Context, name: str) -> Contact:
    """A contact. Raises CallFailed."""
    request = contact_service_pb2.GetContactRequest(name=name)
    return Contact(await context.calls(context.services.contacts.GetContact, request))


async def get_customer_relation(context: Context, name: str) -> CustomerRelation:
    """How a customer stands to another. Raises CallFailed."""
    request = customer_relation_service_pb2.GetCustomerRelationRequest(name=name)
    return CustomerRelation(await context.calls(context.services.relations.GetCustomerRelation, request))


async def get_user(context: Context, name: str) -> User:
    """A user. Raises CallFailed."""
    request = user_service_pb2.GetUserRequest(name=name)
    return User(await context.calls(context.services.users.GetUser, request))


async def get_department(context: Context, name: str) -> Department:
    """A department. Raises CallFailed."""
    request = department_service_pb2.GetDepartmentRequest(name=name)
    return Department(await context.calls(context.services.departments.GetDepartment, request))


async def get_role(context: Context, name: str) -> Role:
    """A role. Raises CallFailed."""
    request = role_service_pb2.GetRoleRequest(name=name)
    return Role(await context.calls(context.services.roles.GetRole, request))


async def get_saved_view(context: Context, name: str) -> SavedView:
    """A saved view. Raises CallFailed."""
    request = saved_view_service_pb2.GetSavedViewRequest(name=name)
    return SavedView(await context.calls(context.services.saved_views.GetSavedView, request))


async def get_follow_up(context: Context, name: str) -> FollowUp:
    """A follow-up. Raises CallFailed."""
    request = follow_up_service_pb2.GetFollowUpRequest(name=name)
    return FollowUp(await context.calls(context.services.follow_ups.GetFollowUp, request))


async def get_lead(context: Context, name: str) -> Lead:
    """A lead. Raises CallFailed."""
    request = lead_service_pb2.GetLeadRequest(name=name)
    return Lead(await context.calls(context.services.leads.GetLead, request))


async def get_task(context: Context, name: str) -> Task:
    """A task. Raises CallFailed."""
    request = task_service_pb2.GetTaskRequest(name=name)
    return Task(await context.calls(context.services.tasks.GetTask, request))


async def get_capture_source(context: Context, name: str) -> CaptureSource:
    """Where leads come in. Raises CallFailed."""
    request = capture_service_pb2.GetCaptureSourceRequest(name=name)
    return CaptureSource(await context.calls(context.services.capture_sources.GetCaptureSource, request))


async def get_capture_submission(context: Context, name: str) -> CaptureSubmission:
    """What came in there. Raises CallFailed."""
    request = capture_service_pb2.GetCaptureSubmissionRequest(name=name)
    return CaptureSubmission(await context.calls(context.services.capture_submissions.GetCaptureSubmission, request))


async def get_pool(context: Context, name: str) -> Pool:
    """A public pool. Raises CallFailed."""
    request = pool_service_pb2.GetPoolRequest(name=name)
    return Pool(await context.calls(context.services.pools.GetPool, request))


async def get_pool_allocation(context: Context, name: str) -> PoolAllocation:
    """An allocation of customers of a pool. Raises CallFailed."""
    request = pool_allocation_service_pb2.GetPoolAllocationRequest(name=name)
    return PoolAllocation(await context.calls(context.services.pool_allocations.GetPoolAllocation, request))


async def get_partner(context: Context, name: str) -> Partner:
    """A partner. Raises CallFailed."""
    request = partner_service_pb2.GetPartnerRequest(name=name)
    return Partner(await context.calls(context.services.partners.GetPartner, request))


async def get_offboarding(context: Context, name: str) -> Offboarding:
    """An offboarding. Raises CallFailed."""
    request = offboarding_service_pb2.GetOffboardingRequest(name=name)
    return Offboarding(await context.calls(context.services.offboardings.GetOffboarding, request))


async def get_identity_provider(context: Context, name: str) -> IdentityProvider:
    """An identity provider. Raises CallFailed."""
    request = identity_provider_service_pb2.GetIdentityProviderRequest(name=name)
    return IdentityProvider(await context.calls(context.services.identity_providers.GetIdentityProvider, request))


async def get_personal_data_request(context: Context, name: str) -> PersonalDataRequest:
    """A request for personal data. Raises CallFailed."""
    request = personal_data_service_pb2.GetPersonalDataRequestRequest(name=name)
    return PersonalDataRequest(await context.calls(context.services.personal_data.GetPersonalDataRequest, request))


async def get_legal_hold(context: Context, name: str) -> LegalHold:
    """A legal hold. Raises CallFailed."""
    request = personal_data_service_pb2.GetLegalHoldRequest(name=name)
    return LegalHold(await context.calls(context.services.personal_data.GetLegalHold, request))


async def get_plan(context: Context, name: str) -> Plan:
    """A plan. Raises CallFailed."""
    request = plan_service_pb2.GetPlanRequest(name=name)
    return Plan(await context.calls(context.services.plans.GetPlan, request))


async def get_visit(context: Context, name: str) -> Visit:
    """A visit in the field. Raises CallFailed."""
    request = visit_service_pb2.GetVisitRequest(name=name)
    return Visit(await context.calls(context.services.visits.GetVisit, request))


async def get_call(context: Context, name: str) -> Call:
    """A telephone call. Raises CallFailed."""
    request = call_service_pb2.GetCallRequest(name=name)
    return Call(await context.calls(context.services.calls.GetCall, request))


GETTERS: dict[str, Callable[[Context, str], Awaitable[Node]]] = {
    "customers": get_customer,
    "customerRelations": get_customer_relation,
    "contacts": get_contact,
    "users": get_user,
    "departments": get_department,
    "roles": get_role,
    "followUps": get_follow_up,
    "savedViews": get_saved_view,
    "leads": get_lead,
    "plans": get_plan,
    "visits": get_visit,
    "calls": get_call,
    "tasks": get_task,
    "captureSources": get_capture_source,
    "captureSubmissions": get_capture_submission,
    "partners": get_partner,
    "pools": get_pool,
    "poolAllocations": get_pool_allocation,
    "identityProviders": get_identity_provider,
    "offboardings": get_offboarding,
    "personalDataRequests": get_personal_data_request,
    "legalHolds": get_legal_hold,
}
"""How the records of each collection are fetched by name."""


async def get_node(context: Context, name: str) -> Node:
    """Any record by its id. Raises Invalid for an id of no known collection, and CallFailed."""
    getter = GETTERS.get(name.partition("/")[0])
    if getter is None:
        raise Invalid("INVALID_NAME", f"{name[:100]!r} is no id of a record", field="id")
    return await getter(context, name)


def pages(
    context: Context, method: Any, request_type: Any, field: str, **more: Any
) -> Callable[[int, str], Awaitable[tuple[list[Any], str]]]:
    """Fetches pages by a List method; `field` of its answer has the records."""

    async def fetch(size: int, token: str) -> tuple[list[Any], str]:
        answer = await context.calls(method, request_type(page_size=size, page_token=token, **more))
        return list(getattr(answer, field)), answer.next_page_token

    return fetch
