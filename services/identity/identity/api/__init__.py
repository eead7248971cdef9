"""The gRPC servicers: each method opens a transaction, calls, and maps."""

from collections.abc import Sequence

from chassis.calls import Calls
from chassis.service import Runtime, Servicer
from crm.identity.v1 import (
    auth_service_pb2,
    auth_service_pb2_grpc,
    client_service_pb2,
    client_service_pb2_grpc,
    department_service_pb2,
    department_service_pb2_grpc,
    offboarding_service_pb2,
    offboarding_service_pb2_grpc,
    organisation_calendar_service_pb2,
    organisation_calendar_service_pb2_grpc,
    organisation_service_pb2,
    organisation_service_pb2_grpc,
    partner_service_pb2,
    partner_service_pb2_grpc,
    personal_data_service_pb2,
    personal_data_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    role_service_pb2,
    role_service_pb2_grpc,
    user_access_service_pb2,
    user_access_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)

from identity import passwords
from identity.api.auth import AuthServicer
from identity.api.clients import ClientServicer
from identity.api.departments import DepartmentServicer
from identity.api.offboardings import OffboardingServicer
from identity.api.organisation import OrganisationCalendarServicer, OrganisationServicer
from identity.api.partners import PartnerServicer
from identity.api.people import people_servicers
from identity.api.personal_data import PersonalDataServicer
from identity.api.policy import PolicyServicer
from identity.api.roles import RoleServicer
from identity.api.signing import signing_servicers
from identity.api.user_access import UserAccessServicer
from identity.api.users import UserServicer
from identity.authority import IdentityAuthority
from identity.clients import Handovers, People
from identity.tokens import TokenIssuer


def servicers(runtime: Runtime) -> Sequence[Servicer]:
    """The gRPC services of this service."""
    passwords.use_cost_of(runtime.settings)
    calls, authority = Calls(runtime.database), IdentityAuthority(runtime)
    issuer = TokenIssuer.from_settings(runtime.settings)
    return (
        Servicer(
            auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"],
            AuthServicer(calls, authority, issuer),
            auth_service_pb2_grpc.add_AuthServiceServicer_to_server,
        ),
        Servicer(
            user_service_pb2.DESCRIPTOR.services_by_name["UserService"],
            UserServicer(calls),
            user_service_pb2_grpc.add_UserServiceServicer_to_server,
        ),
        Servicer(
            user_access_service_pb2.DESCRIPTOR.services_by_name["UserAccessService"],
            UserAccessServicer(calls),
            user_access_service_pb2_grpc.add_UserAccessServiceServicer_to_server,
        ),
        Servicer(
            department_service_pb2.DESCRIPTOR.services_by_name["DepartmentService"],
            DepartmentServicer(calls),
            department_service_pb2_grpc.add_DepartmentServiceServicer_to_server,
        ),
        Servicer(
            offboarding_service_pb2.DESCRIPTOR.services_by_name["OffboardingService"],
            OffboardingServicer(calls, Handovers(runtime.settings)),
            offboarding_service_pb2_grpc.add_OffboardingServiceServicer_to_server,
        ),
        Servicer(
            personal_data_service_pb2.DESCRIPTOR.services_by_name["PersonalDataService"],
            PersonalDataServicer(calls, People(runtime.settings)),
            personal_data_service_pb2_grpc.add_PersonalDataServiceServicer_to_server,
        ),
        Servicer(
            organisation_service_pb2.DESCRIPTOR.services_by_name["OrganisationService"],
            OrganisationServicer(calls),
            organisation_service_pb2_grpc.add_OrganisationServiceServicer_to_server,
        ),
        Servicer(
            organisation_calendar_service_pb2.DESCRIPTOR.services_by_name["OrganisationCalendarService"],
            OrganisationCalendarServicer(calls),
            organisation_calendar_service_pb2_grpc.add_OrganisationCalendarServiceServicer_to_server,
        ),
        Servicer(
            role_service_pb2.DESCRIPTOR.services_by_name["RoleService"],
            RoleServicer(calls),
            role_service_pb2_grpc.add_RoleServiceServicer_to_server,
        ),
        Servicer(
            client_service_pb2.DESCRIPTOR.services_by_name["ClientService"],
            ClientServicer(calls),
            client_service_pb2_grpc.add_ClientServiceServicer_to_server,
        ),
        Servicer(
            partner_service_pb2.DESCRIPTOR.services_by_name["PartnerService"],
            PartnerServicer(calls),
            partner_service_pb2_grpc.add_PartnerServiceServicer_to_server,
        ),
        Servicer(
            policy_service_pb2.DESCRIPTOR.services_by_name["PolicyService"],
            PolicyServicer(authority),
            policy_service_pb2_grpc.add_PolicyServiceServicer_to_server,
        ),
        *people_servicers(runtime, calls),
        *signing_servicers(runtime, calls, issuer),
    )
