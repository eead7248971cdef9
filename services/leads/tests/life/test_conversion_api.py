"""ConvertLead as its clients meet it, with a customers service beside it that answers as it is told to."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import grpc
import pytest
from chassis.callers import Reach
from chassis.errors import Duplicate, Invalid, Violation
from chassis.names import new_id
from chassis.status import from_rpc_error, to_status
from chassis.testing.edge import running
from crm.customers.v1 import admission_service_pb2, admission_service_pb2_grpc, events_pb2
from crm.leads.v1 import (
    conversion_service_pb2,
    conversion_service_pb2_grpc,
    lead_pb2,
    lead_service_pb2,
    lead_service_pb2_grpc,
    life_service_pb2,
    life_service_pb2_grpc,
)
from grpc_status import rpc_status
from leads.main import SERVICE

GRANTS = dict.fromkeys(("lead.read", "lead.create", "lead.update", "lead.convert"), Reach.SELF)
MISSING = [Violation("new_customer.industry", "REQUIRED", "a value is needed")]


class Admitting(admission_service_pb2_grpc.AdmissionServiceServicer):
    """A customers service that admits leads, or refuses them, or does not say."""

    def __init__(self):
        self.refusal = None
        self.asked = []

    def AdmitLead(self, request, context):
        self.asked.append(request)
        if isinstance(self.refusal, grpc.StatusCode):
            context.abort(self.refusal, "gone")
        if self.refusal is not None:
            context.abort_with_status(rpc_status.to_status(to_status(self.refusal, "customers.crm")))
        customer = events_pb2.CustomerState(
            customer=f"customers/{new_id()}", version=1, kind="COMPANY", display_name=request.new_customer.display_name
        )
        return admission_service_pb2.LeadAdmission(state=customer, contact=f"contacts/{new_id()}")


@pytest.fixture(scope="module")
def customers():
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = Admitting()
    admission_service_pb2_grpc.add_AdmissionServiceServicer_to_server(servicer, server)
    servicer.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


@pytest.fixture(scope="module")
def edge(make_database, customers):
    url = make_database("leads", SERVICE.migrations)
    with running([SERVICE], {"leads": url}, environment={"CUSTOMERS_TARGET": customers.target}) as edge:
        yield edge


@pytest.fixture
def call(edge, customers):
    customers.refusal, customers.asked = None, []
    metadata = edge.metadata_for(new_id(), "r/", GRANTS)
    stubs = {
        "ConvertLead": conversion_service_pb2_grpc.ConversionServiceStub(edge.channel),
        "ChangeLeadStatus": life_service_pb2_grpc.LifeServiceStub(edge.channel),
    }
    leads = lead_service_pb2_grpc.LeadServiceStub(edge.channel)
    return lambda method, request: getattr(stubs.get(method, leads), method)(request, metadata=metadata, timeout=30)


@pytest.fixture
def lead(call):
    given = lead_pb2.Lead(company_name=f"公司{uuid4().hex}", contact_name="王芳", phones=["13800138000"], city="上海市")
    return call("CreateLead", lead_service_pb2.CreateLeadRequest(lead=given))


def asking(lead, **values):
    return conversion_service_pb2.ConvertLeadRequest(name=lead.name, **values)


def refused(call, method, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(method, request)
    return from_rpc_error(caught.value)


def test_what_the_lead_says_is_taken_where_the_request_says_nothing(call, customers, lead):
    request = asking(lead, request_id=str(uuid4()))
    done = call("ConvertLead", request)
    assert call("ConvertLead", request) == done
    assert (done.lead.status, done.lead.converted_customer) == (lead_pb2.LEAD_STATUS_CONVERTED, done.customer)
    [asked] = customers.asked
    assert (asked.new_customer.display_name, asked.new_customer.address.city) == (lead.company_name, "上海市")
    assert (asked.new_contact.display_name, list(asked.new_contact.phones)) == ("王芳", ["+8613800138000"])
    assert (asked.new_customer.owner, list(asked.new_customer.phones)) == (lead.owner, [])
    reused = asking(lead, request_id=request.request_id, contact=f"contacts/{new_id()}")
    assert refused(call, "ConvertLead", reused).reason == "REQUEST_ID_REUSED"
    assert refused(call, "ConvertLead", asking(lead, customer=f"customers/{new_id()}")).reason == "LEAD_CONVERTED"


@pytest.mark.parametrize(
    "refusal",
    [
        Invalid("REQUIRED", "a value is needed", field="new_customer.industry", violations=MISSING),
        Duplicate("DUPLICATE_CUSTOMER", "there already", field="new_customer.display_name", existing="customers/1"),
    ],
    ids=["invalid", "duplicate"],
)
def test_a_refusal_is_passed_on_and_leaves_the_lead_free(call, customers, lead, refusal):
    customers.refusal = refusal
    told = refused(call, "ConvertLead", asking(lead))
    assert (type(told), told.reason, told.field) == (type(refusal), refusal.reason, refusal.field)
    status = life_service_pb2.ChangeLeadStatusRequest(name=lead.name, status=lead_pb2.LEAD_STATUS_QUALIFIED)
    assert call("ChangeLeadStatus", status).status == lead_pb2.LEAD_STATUS_QUALIFIED
    customers.refusal = None
    assert call("ConvertLead", asking(lead)).lead.status == lead_pb2.LEAD_STATUS_CONVERTED


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
def test_what_is_not_known_is_asked_for_again_under_the_same_name(call, customers, lead, code):
    customers.refusal = code
    assert refused(call, "ConvertLead", asking(lead)).reason == "CUSTOMERS_UNAVAILABLE"
    status = life_service_pb2.ChangeLeadStatusRequest(name=lead.name, status=lead_pb2.LEAD_STATUS_QUALIFIED)
    assert refused(call, "ChangeLeadStatus", status).reason == "CONVERSION_UNDER_WAY"
    customers.refusal = None
    assert call("ConvertLead", asking(lead)).lead.status == lead_pb2.LEAD_STATUS_CONVERTED
    assert len({asked.conversion for asked in customers.asked}) == 1


def test_faults_on_both_sides_are_told_in_one_answer(call, customers, lead):
    customers.refusal = Invalid("REQUIRED", "a value is needed", field="new_customer.industry", violations=MISSING)
    request = asking(lead)
    request.opportunity.amount.amount = "-1"
    told = refused(call, "ConvertLead", request)
    assert {fault.field for fault in told.violations} == {
        "opportunity.display_name",
        "opportunity.amount.amount",
        "opportunity.amount.currency_code",
        "new_customer.industry",
    }
    [asked] = customers.asked
    assert asked.validate_only
    status = life_service_pb2.ChangeLeadStatusRequest(name=lead.name, status=lead_pb2.LEAD_STATUS_CONTACTED)
    assert call("ChangeLeadStatus", status).status == lead_pb2.LEAD_STATUS_CONTACTED
