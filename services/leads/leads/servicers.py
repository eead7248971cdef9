"""The gRPC services of this service. Only who serves imports them: `work` has no use for them, nor for their memory."""

from collections.abc import Sequence
from datetime import timedelta

from chassis.calls import Calls
from chassis.clients import open_channel
from chassis.errors import Invalid
from chassis.objects import open_objects
from chassis.service import Runtime, Servicer
from chassis.settings import Settings
from crm.leads.v1 import (
    assignment_service_pb2,
    assignment_service_pb2_grpc,
    automation_service_pb2,
    automation_service_pb2_grpc,
    call_service_pb2,
    call_service_pb2_grpc,
    capture_service_pb2,
    capture_service_pb2_grpc,
    conversion_service_pb2,
    conversion_service_pb2_grpc,
    escalation_service_pb2,
    escalation_service_pb2_grpc,
    follow_up_service_pb2,
    follow_up_service_pb2_grpc,
    lead_duplicate_service_pb2,
    lead_duplicate_service_pb2_grpc,
    lead_service_pb2,
    lead_service_pb2_grpc,
    lead_transfer_service_pb2,
    lead_transfer_service_pb2_grpc,
    life_service_pb2,
    life_service_pb2_grpc,
    offline_sync_service_pb2,
    offline_sync_service_pb2_grpc,
    playbook_service_pb2,
    playbook_service_pb2_grpc,
    promise_service_pb2,
    promise_service_pb2_grpc,
    scoring_service_pb2,
    scoring_service_pb2_grpc,
    task_service_pb2,
    task_service_pb2_grpc,
    visit_service_pb2,
    visit_service_pb2_grpc,
    work_log_service_pb2,
    work_log_service_pb2_grpc,
)

from leads.api import FollowUpServicer, LeadServicer, PromiseServicer
from leads.assignment.api import AssignmentServicer
from leads.automation.api import AutomationServicer
from leads.automation.settings import webhook_policy
from leads.calls.api import CallServicer
from leads.calls.dialling import dialler, secret
from leads.capture.api import CaptureServicer, CaptureSourceServicer, CaptureSubmissionServicer
from leads.capture.opting import ConfirmationLinks
from leads.clients import GrpcAdmissions, GrpcCustomers
from leads.escalation.api import EscalationServicer
from leads.life.api import LifeServicer
from leads.life.conversion_api import ConversionServicer
from leads.life.duplicates_api import LeadDuplicateServicer
from leads.offline.api import OfflineSyncServicer
from leads.plans.servicers import plan_servicers
from leads.playbooks.api import PlaybookServicer
from leads.scoring.api import ScoringServicer
from leads.tasks.api import TaskServicer
from leads.transfer.api import LeadTransferServicer
from leads.visits.api import VisitServicer
from leads.worklog.api import WorkLogServicer

LONGEST_PROTECTION = 3_650


def protection(settings: Settings) -> timedelta:
    """How long a partner's registration protects a company. Raises Invalid, naming the variable."""
    given = settings.environment.get("LEAD_PROTECTION_DAYS", "90")
    if not given.isdecimal() or not 1 <= int(given) <= LONGEST_PROTECTION:
        message = f"{given[:20]!r} is no number of days from 1 to {LONGEST_PROTECTION}"
        raise Invalid("INVALID_SETTING", message, field="LEAD_PROTECTION_DAYS")
    return timedelta(days=int(given))


def servicers(runtime: Runtime) -> Sequence[Servicer]:
    """The gRPC services of this service."""
    channel = open_channel(runtime.settings, "customers")
    customers = GrpcCustomers(channel)
    calls = Calls(runtime.database)
    return (
        Servicer(
            lead_service_pb2.DESCRIPTOR.services_by_name["LeadService"],
            LeadServicer(calls, protection(runtime.settings)),
            lead_service_pb2_grpc.add_LeadServiceServicer_to_server,
        ),
        Servicer(
            follow_up_service_pb2.DESCRIPTOR.services_by_name["FollowUpService"],
            FollowUpServicer(calls, customers),
            follow_up_service_pb2_grpc.add_FollowUpServiceServicer_to_server,
        ),
        *_field_servicers(runtime, calls, customers),
        Servicer(
            promise_service_pb2.DESCRIPTOR.services_by_name["PromiseService"],
            PromiseServicer(calls),
            promise_service_pb2_grpc.add_PromiseServiceServicer_to_server,
        ),
        Servicer(
            task_service_pb2.DESCRIPTOR.services_by_name["TaskService"],
            TaskServicer(calls, customers),
            task_service_pb2_grpc.add_TaskServiceServicer_to_server,
        ),
        Servicer(
            playbook_service_pb2.DESCRIPTOR.services_by_name["PlaybookService"],
            PlaybookServicer(calls),
            playbook_service_pb2_grpc.add_PlaybookServiceServicer_to_server,
        ),
        Servicer(
            escalation_service_pb2.DESCRIPTOR.services_by_name["EscalationService"],
            EscalationServicer(calls),
            escalation_service_pb2_grpc.add_EscalationServiceServicer_to_server,
        ),
        Servicer(
            offline_sync_service_pb2.DESCRIPTOR.services_by_name["OfflineSyncService"],
            OfflineSyncServicer(calls, customers),
            offline_sync_service_pb2_grpc.add_OfflineSyncServiceServicer_to_server,
        ),
        Servicer(
            conversion_service_pb2.DESCRIPTOR.services_by_name["ConversionService"],
            ConversionServicer(calls, GrpcAdmissions(channel)),
            conversion_service_pb2_grpc.add_ConversionServiceServicer_to_server,
        ),
        Servicer(
            lead_duplicate_service_pb2.DESCRIPTOR.services_by_name["LeadDuplicateService"],
            LeadDuplicateServicer(calls),
            lead_duplicate_service_pb2_grpc.add_LeadDuplicateServiceServicer_to_server,
        ),
        Servicer(
            life_service_pb2.DESCRIPTOR.services_by_name["LifeService"],
            LifeServicer(calls),
            life_service_pb2_grpc.add_LifeServiceServicer_to_server,
        ),
        Servicer(
            assignment_service_pb2.DESCRIPTOR.services_by_name["AssignmentService"],
            AssignmentServicer(calls),
            assignment_service_pb2_grpc.add_AssignmentServiceServicer_to_server,
        ),
        *_capture_servicers(runtime, calls),
        Servicer(
            scoring_service_pb2.DESCRIPTOR.services_by_name["ScoringService"],
            ScoringServicer(calls),
            scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server,
        ),
        Servicer(
            work_log_service_pb2.DESCRIPTOR.services_by_name["WorkLogService"],
            WorkLogServicer(calls),
            work_log_service_pb2_grpc.add_WorkLogServiceServicer_to_server,
        ),
        *plan_servicers(calls, customers),
        Servicer(
            automation_service_pb2.DESCRIPTOR.services_by_name["AutomationService"],
            AutomationServicer(calls, webhook_policy(runtime.settings)),
            automation_service_pb2_grpc.add_AutomationServiceServicer_to_server,
        ),
    )


def _field_servicers(runtime: Runtime, calls: Calls, customers: GrpcCustomers) -> Sequence[Servicer]:
    environment = runtime.settings.environment
    return (
        Servicer(
            call_service_pb2.DESCRIPTOR.services_by_name["CallService"],
            CallServicer(calls, customers, dialler(environment), secret(environment)),
            call_service_pb2_grpc.add_CallServiceServicer_to_server,
        ),
        Servicer(
            visit_service_pb2.DESCRIPTOR.services_by_name["VisitService"],
            VisitServicer(calls, customers, open_objects(environment)),
            visit_service_pb2_grpc.add_VisitServiceServicer_to_server,
        ),
    )


def _capture_servicers(runtime: Runtime, calls: Calls) -> Sequence[Servicer]:
    methods = capture_service_pb2.DESCRIPTOR.services_by_name
    return (
        Servicer(
            methods["CaptureService"],
            CaptureServicer(calls),
            capture_service_pb2_grpc.add_CaptureServiceServicer_to_server,
        ),
        Servicer(
            methods["CaptureSourceService"],
            CaptureSourceServicer(calls),
            capture_service_pb2_grpc.add_CaptureSourceServiceServicer_to_server,
        ),
        Servicer(
            methods["CaptureSubmissionService"],
            CaptureSubmissionServicer(calls, _links(runtime)),
            capture_service_pb2_grpc.add_CaptureSubmissionServiceServicer_to_server,
        ),
        Servicer(
            lead_transfer_service_pb2.DESCRIPTOR.services_by_name["LeadTransferService"],
            LeadTransferServicer(calls, runtime.settings),
            lead_transfer_service_pb2_grpc.add_LeadTransferServiceServicer_to_server,
        ),
    )


def _links(runtime: Runtime) -> ConfirmationLinks:
    return ConfirmationLinks.from_environment(runtime.settings.environment)
