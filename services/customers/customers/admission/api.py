"""AdmissionService."""

from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name, parse_optional_name
from crm.customers.v1 import admission_service_pb2 as pb
from crm.customers.v1 import admission_service_pb2_grpc, contact_pb2, events_pb2

from customers import mapping
from customers.admission.admit import Applicant, ContactDraft, admit_lead, state_of

_SECRET = ("new_customer.identity_number", "new_contact.identity_number")


class AdmissionServicer(admission_service_pb2_grpc.AdmissionServiceServicer):
    """Implements AdmissionService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def AdmitLead(self, request: pb.AdmitLeadRequest, context: Any) -> pb.LeadAdmission:
        applicant = _applicant(request)

        def admit(session: ServiceSession) -> pb.LeadAdmission:
            admission = admit_lead(session, applicant)
            state = events_pb2.CustomerState(**vars(state_of(session, admission)))
            return pb.LeadAdmission(state=state, contact=make_name("contacts", admission.contact_id))

        def validate(session: ServiceSession) -> pb.LeadAdmission:
            with session.begin_nested() as trial:
                admit_lead(session, applicant)
                trial.rollback()
            return pb.LeadAdmission()

        call = validate if request.validate_only else admit
        return self.calls.write(request, pb.LeadAdmission, call, secret_fields=_SECRET)


def _applicant(request: pb.AdmitLeadRequest) -> Applicant:
    return Applicant(
        conversion_id=parse_name("leadConversions", request.conversion, field="conversion"),
        lead_id=parse_name("leads", request.lead, field="lead"),
        customer_id=parse_optional_name("customers", request.customer, field="customer"),
        new_customer=mapping.draft_from_proto(request.new_customer) if request.HasField("new_customer") else None,
        contact_id=parse_optional_name("contacts", request.contact, field="contact"),
        new_contact=_contact(request.new_contact) if request.HasField("new_contact") else None,
    )


def _contact(contact: contact_pb2.Contact) -> ContactDraft:
    given = mapping.new_contact(contact)
    return ContactDraft(given.values, given.custom_fields)
