"""ConversionService."""

from collections.abc import Iterator
from typing import Any, Protocol
from uuid import UUID

from chassis import idempotency
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import DomainError, Duplicate, Invalid, Unavailable, Violation
from chassis.names import make_name, new_id, parse_name, parse_optional_name
from crm.customers.v1 import admission_service_pb2
from crm.leads.v1 import conversion_service_pb2 as pb
from crm.leads.v1 import conversion_service_pb2_grpc

from leads.customer_facts import customer_facts
from leads.lead_mapping import lead_to_proto
from leads.lead_queries import get_lead, no_lead
from leads.life.applications import application, digest, opportunity
from leads.life.conversion import Admission, Begun, begin, cancel, complete
from leads.model import Lead, LeadConversion

_STATES = {name.removeprefix("LEAD_CONVERSION_STATE_"): number for name, number in pb.LeadConversionState.items()}

_SECRET = ("new_customer.identity_number", "new_contact.identity_number")


class Admissions(Protocol):
    """Who takes in leads as customers."""

    def admit(self, request: admission_service_pb2.AdmitLeadRequest) -> admission_service_pb2.LeadAdmission:
        """Take in a lead. Raises the refusal, or Unavailable if it is not known what has become of it."""
        ...


class ConversionServicer(conversion_service_pb2_grpc.ConversionServiceServicer):
    """Implements ConversionService: several transactions, between which the customers service is asked."""

    def __init__(self, calls: Calls, admissions: Admissions) -> None:
        self.calls = calls
        self.admissions = admissions

    def ConvertLead(self, request: pb.ConvertLeadRequest, context: Any) -> pb.LeadConversion:
        lead_id = parse_name("leads", request.name)
        with self.calls.read() as session:
            answered = idempotency.recall(
                session, request, request.request_id, pb.LeadConversion, secret_fields=_SECRET
            )
        if answered is not None:
            return answered
        self._refuse_faulty(request, lead_id)
        begun = self._begin(request, lead_id)
        admission = None if begun.done else self._admit(request, begun)

        def finish(session: ServiceSession) -> pb.LeadConversion:
            if admission is not None:
                complete(session, lead_id, begun.id, admission)
            return _answer(session, begun.id, lead_id)

        return self.calls.write(request, pb.LeadConversion, finish, secret_fields=_SECRET)

    def _begin(self, request: pb.ConvertLeadRequest, lead_id: UUID) -> Begun:
        asked = opportunity(request)
        with self.calls.transaction(request.request_id) as session:
            kept = asked.to_json() if asked is not None else None
            return begin(session, lead_id, digest(request), kept, etag=request.etag)

    def _admit(self, request: pb.ConvertLeadRequest, begun: Begun) -> Admission:
        asked = application(request, make_name("leadConversions", begun.id), begun.lead)
        try:
            answer = self.admissions.admit(asked)
        except Unavailable:
            raise  # whether the lead was admitted is not known: whoever asks again, or the timer, finds out
        except DomainError:
            with self.calls.transaction(request.request_id) as session:
                cancel(session, begun.id, attempt=begun.attempt)
            raise
        return Admission(customer_facts(answer.state), parse_optional_name("contacts", answer.contact, field="contact"))

    def _refuse_faulty(self, request: pb.ConvertLeadRequest, lead_id: UUID) -> None:
        """Raise Invalid for what cannot be right in the request itself, together with what the customers service finds
        at fault, so that both are put right at once."""
        faults = list(_faults(request))
        if not faults:
            return
        with self.calls.read() as session:
            lead = get_lead(session, lead_id)._mapping
        asked = application(request, make_name("leadConversions", new_id()), lead)
        asked.validate_only = True
        try:
            self.admissions.admit(asked)
        except Invalid as refusal:
            faults += refusal.violations
        except Duplicate as refusal:
            faults.append(Violation(refusal.field, refusal.reason, refusal.message))
        raise Invalid("INVALID_FIELDS", "; ".join(fault.message for fault in faults), violations=faults)


def _faults(request: pb.ConvertLeadRequest) -> Iterator[Violation]:
    if request.customer and request.HasField("new_customer"):
        yield Violation("new_customer", "NOT_BOTH", "name a customer, or say what the new one is: not both")
    if request.contact and request.HasField("new_contact"):
        yield Violation("new_contact", "NOT_BOTH", "name a contact, or say who the new one is: not both")
    asked = opportunity(request)
    if asked is not None:
        yield from asked.faults()


def _answer(session: ServiceSession, conversion_id: UUID, lead_id: UUID) -> pb.LeadConversion:
    conversion, lead = session.get(LeadConversion, conversion_id), session.get(Lead, lead_id)
    if conversion is None or lead is None:
        raise no_lead()
    message = pb.LeadConversion(
        name=conversion.name,
        lead=lead_to_proto(lead),
        customer=make_name("customers", conversion.customer_id),
        contact=make_name("contacts", conversion.contact_id),
        state=_STATES[conversion.state],
    )
    if conversion.end_time is not None:
        message.end_time.FromDatetime(conversion.end_time)
    return message
