"""The service as its clients meet it, over gRPC."""

from uuid import uuid4

import grpc
import pytest
from chassis.callers import Reach
from chassis.encryption import new_key
from chassis.names import new_id
from chassis.testing.edge import running
from crm.common.v1 import custom_field_pb2, filter_pb2
from crm.customers.v1 import (
    contact_pb2,
    contact_service_pb2,
    contact_service_pb2_grpc,
    custom_field_service_pb2,
    custom_field_service_pb2_grpc,
    customer_pb2,
    customer_service_pb2,
    customer_service_pb2_grpc,
)
from customers.main import SERVICE
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2, status_pb2

GRANTS = {
    f"{entity}.{action}": Reach.ALL
    for entity in ("customer", "contact", "custom_field")
    for action in ("read", "create", "update", "delete", "transfer")
}


@pytest.fixture(scope="module")
def edge(make_database):
    environment = {"DATA_KEYS": f"test:{new_key()}"}
    with running(
        [SERVICE], {"customers": make_database("customers", SERVICE.migrations)}, environment=environment
    ) as edge:
        yield edge


class Client:
    def __init__(self, edge, user_id, path, grants):
        self.metadata = edge.metadata_for(user_id, path, grants)
        self.user = f"users/{user_id}"
        self.stubs = [
            customer_service_pb2_grpc.CustomerServiceStub(edge.channel),
            contact_service_pb2_grpc.ContactServiceStub(edge.channel),
            custom_field_service_pb2_grpc.CustomFieldServiceStub(edge.channel),
        ]

    def __getattr__(self, method):
        stub = next(stub for stub in self.stubs if hasattr(stub, method))
        return lambda request: getattr(stub, method)(request, metadata=self.metadata, timeout=30)


@pytest.fixture(scope="module")
def client(edge):
    return Client(edge, new_id(), f"{new_id()}/", GRANTS)


def create(client, name, **values):
    return client.CreateCustomer(
        customer_service_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(display_name=name, **values))
    )


def refusal(call, *arguments):
    """The code, the reason and the fields at fault of a call that is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)
    details = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad)
    return caught.value.code().name, info.reason, {item.field for item in bad.field_violations}


def condition(field, operator, *texts):
    values = [filter_pb2.FilterValue(text=text) for text in texts]
    return filter_pb2.Filter(condition=filter_pb2.Condition(field=field, operator=operator, values=values))


def test_a_customer_is_created_read_changed_and_deleted(client):
    created = create(client, "苏州工业园区精密机械有限公司", phones=["138 0013 8001"], address={"city": "苏州"})
    assert created.owner == client.user
    assert created.phones == ["+8613800138001"]
    assert created.address.country == "CN"
    got = client.GetCustomer(customer_service_pb2.GetCustomerRequest(name=created.name))
    assert got == created
    changed = client.UpdateCustomer(
        customer_service_pb2.UpdateCustomerRequest(
            customer=customer_pb2.Customer(name=created.name, level="A", etag=created.etag),
            update_mask=FieldMask(paths=["level", "phones"]),
        )
    )
    assert (changed.level, list(changed.phones)) == ("A", [])
    assert changed.etag != created.etag
    request = customer_service_pb2.DeleteCustomerRequest(name=created.name, etag=created.etag)
    assert refusal(client.DeleteCustomer, request)[:2] == ("ABORTED", "STALE_ETAG")
    client.DeleteCustomer(customer_service_pb2.DeleteCustomerRequest(name=created.name, etag=changed.etag))
    request = customer_service_pb2.GetCustomerRequest(name=created.name)
    assert refusal(client.GetCustomer, request)[:2] == ("NOT_FOUND", "CUSTOMER_NOT_FOUND")


def test_a_retry_creates_nothing_new(client):
    request = customer_service_pb2.CreateCustomerRequest(
        customer=customer_pb2.Customer(display_name="重试有限公司"), request_id=str(uuid4())
    )
    assert client.CreateCustomer(request) == client.CreateCustomer(request)
    request.customer.display_name = "别的公司"
    assert refusal(client.CreateCustomer, request)[:2] == ("FAILED_PRECONDITION", "REQUEST_ID_REUSED")


def test_every_field_at_fault_is_told(client):
    request = customer_service_pb2.CreateCustomerRequest(
        customer=customer_pb2.Customer(kind=99, phones=["1"], custom_fields={"nowhere": float("nan")})
    )
    code, _, fields = refusal(client.CreateCustomer, request)
    assert code == "INVALID_ARGUMENT"
    assert fields == {"display_name", "kind", "phones", "custom_fields.nowhere"}
    request = customer_service_pb2.UpdateCustomerRequest(
        customer=customer_pb2.Customer(name=f"customers/{new_id()}"), update_mask=FieldMask(paths=["owner"])
    )
    assert refusal(client.UpdateCustomer, request)[:2] == ("INVALID_ARGUMENT", "INVALID_FIELD_MASK")


def test_a_duplicate_is_refused(client):
    create(client, "重复有限公司")
    request = customer_service_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(display_name="重复有限公司"))
    assert refusal(client.CreateCustomer, request)[:2] == ("ALREADY_EXISTS", "DUPLICATE_CUSTOMER")


def test_customers_are_found_by_part_of_name_initials_and_phone(client):
    name = create(client, "杭州云栖数据科技有限公司", phones=["13912345678"], emails=["liu@yunqi.example"]).name
    for search in ("云栖", "hzyq", "12345678", "5678", "yunqi", "杭州 数据", "杭"):
        found = client.ListCustomers(customer_service_pb2.ListCustomersRequest(search=search))
        assert name in [customer.name for customer in found.customers], search
        assert client.CountCustomers(customer_service_pb2.CountCustomersRequest(search=search)).count >= 1
    assert not client.ListCustomers(customer_service_pb2.ListCustomersRequest(search="云溪")).customers


def test_a_customer_is_found_by_its_credit_code(client):
    name = create(client, "苏州代码有限公司", credit_code="91320500MA1MKJR42N").name
    found = client.ListCustomers(customer_service_pb2.ListCustomersRequest(search=" 91320500ma1mkjr42n"))
    assert [customer.name for customer in found.customers] == [name]


def test_a_list_is_filtered_sorted_and_paged(client):
    for number, level in enumerate("ABCAB"):
        create(client, f"分页{number}有限公司", level=level, tags=[f"t{number % 2}", "paged"])
    paged = condition("tags", filter_pb2.OPERATOR_CONTAINS, "paged")
    order = [filter_pb2.OrderBy(field="display_name", descending=True)]
    request = customer_service_pb2.ListCustomersRequest(filter=paged, order_by=order, page_size=2)
    names = []
    while True:
        page = client.ListCustomers(request)
        names += [customer.display_name for customer in page.customers]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == [f"分页{number}有限公司" for number in (4, 3, 2, 1, 0)]
    both = filter_pb2.Filter(
        all=filter_pb2.FilterList(filters=[paged, condition("level", filter_pb2.OPERATOR_IN, "B", "C")])
    )
    assert client.CountCustomers(customer_service_pb2.CountCustomersRequest(filter=both)).count == 3


def only(customer, fields):
    """A customer with some of its fields."""
    part = customer_pb2.Customer()
    part.CopyFrom(customer)
    for present, _ in customer.ListFields():
        if present.name not in fields:
            part.ClearField(present.name)
    return part


def test_a_list_answers_the_fields_that_are_asked_for_alone(client):
    given = {"level": "A", "industry": "软件", "phones": ["13912345678"], "tags": ["masked"], "remark": "重点"}
    for number in range(2):
        create(client, f"遮罩{number}有限公司", address=customer_pb2.Address(city="苏州"), **given)
    masked = condition("tags", filter_pb2.OPERATOR_CONTAINS, "masked")
    whole = client.ListCustomers(customer_service_pb2.ListCustomersRequest(filter=masked)).customers
    for field in customer_pb2.Customer.DESCRIPTOR.fields:
        request = customer_service_pb2.ListCustomersRequest(filter=masked, read_mask=FieldMask(paths=[field.name]))
        for shown, known in zip(client.ListCustomers(request).customers, whole, strict=True):
            assert shown == only(known, {"name", field.name}), field.name
    everything = customer_service_pb2.ListCustomersRequest(filter=masked, read_mask=FieldMask(paths=["*"]))
    assert list(client.ListCustomers(everything).customers) == list(whole)


def test_a_page_can_be_read_with_another_mask_than_the_one_before(client):
    names = {create(client, f"换罩{number}有限公司", tags=["remasked"]).name for number in range(3)}
    tagged = condition("tags", filter_pb2.OPERATOR_CONTAINS, "remasked")
    request = customer_service_pb2.ListCustomersRequest(filter=tagged, page_size=2, read_mask=FieldMask(paths=["name"]))
    first = client.ListCustomers(request)
    request.page_token, request.read_mask.paths[:] = first.next_page_token, ["display_name", "etag"]
    rest = client.ListCustomers(request)
    assert {customer.name for customer in (*first.customers, *rest.customers)} == names
    assert rest.customers[0].etag


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"read_mask": FieldMask(paths=["grams"])}, "INVALID_FIELD_MASK"),
        ({"read_mask": FieldMask(paths=["address.city"])}, "INVALID_FIELD_MASK"),
        ({"page_size": 201}, "PAGE_SIZE_OUT_OF_RANGE"),
        ({"page_token": "garbage"}, "INVALID_PAGE_TOKEN"),
        ({"filter": condition("secret", filter_pb2.OPERATOR_EQUAL, "x")}, "UNKNOWN_FIELD"),
        ({"filter": condition("name_key", filter_pb2.OPERATOR_EQUAL, "x")}, "UNKNOWN_FIELD"),
        ({"filter": condition("custom.nowhere", filter_pb2.OPERATOR_EQUAL, "x")}, "UNKNOWN_FIELD"),
        ({"filter": condition("status", filter_pb2.OPERATOR_EQUAL, "SOMETHING")}, "INVALID_VALUE"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused(client, change, reason):
    request = customer_service_pb2.ListCustomersRequest(**change)
    assert refusal(client.ListCustomers, request)[:2] == ("INVALID_ARGUMENT", reason)


def test_batch_get_leaves_out_what_is_missing(edge, client):
    names = [create(client, f"批量{number}有限公司").name for number in range(3)]
    asked = [names[2], f"customers/{new_id()}", names[0], names[2]]
    found = client.BatchGetCustomers(customer_service_pb2.BatchGetCustomersRequest(names=asked))
    assert [customer.name for customer in found.customers] == [names[2], names[0]]
    stranger = Client(edge, new_id(), "", {"customer.read": Reach.SELF})
    request = customer_service_pb2.BatchGetCustomersRequest(names=asked)
    assert not stranger.BatchGetCustomers(request).customers
    too_many = customer_service_pb2.BatchGetCustomersRequest(names=[f"customers/{new_id()}"] * 201)
    assert refusal(client.BatchGetCustomers, too_many)[0] == "INVALID_ARGUMENT"


def test_contacts_over_the_wire(client):
    customer = create(client, "联系人有限公司").name
    contact = client.CreateContact(
        contact_service_pb2.CreateContactRequest(
            contact=contact_pb2.Contact(customer=customer, display_name="王经理", primary=True, wechat="wang")
        )
    )
    assert contact.primary
    got = client.GetContact(contact_service_pb2.GetContactRequest(name=contact.name))
    assert got == contact
    changed = client.UpdateContact(
        contact_service_pb2.UpdateContactRequest(
            contact=contact_pb2.Contact(name=contact.name, etag=contact.etag), update_mask=FieldMask(paths=["wechat"])
        )
    )
    assert not changed.wechat
    listed = client.ListContacts(contact_service_pb2.ListContactsRequest(customers=[customer]))
    assert list(listed.contacts) == [changed]
    client.DeleteContact(contact_service_pb2.DeleteContactRequest(name=contact.name))
    request = contact_service_pb2.GetContactRequest(name=contact.name)
    assert refusal(client.GetContact, request)[:2] == ("NOT_FOUND", "CONTACT_NOT_FOUND")


def test_a_new_own_field_takes_effect_at_once(client):
    field = client.CreateCustomField(
        custom_field_service_pb2.CreateCustomFieldRequest(
            custom_field=custom_field_pb2.CustomField(
                entity="customer",
                key="region",
                label="所属大区",
                type=custom_field_pb2.CUSTOM_FIELD_TYPE_CHOICE,
                options=["华东", "华南"],
            )
        )
    )
    created = create(client, "自定义有限公司", custom_fields={"region": "华东"})
    assert created.custom_fields["region"] == "华东"
    east = condition("custom.region", filter_pb2.OPERATOR_EQUAL, "华东")
    found = client.ListCustomers(customer_service_pb2.ListCustomersRequest(filter=east))
    assert [customer.name for customer in found.customers] == [created.name]
    request = customer_service_pb2.UpdateCustomerRequest(
        customer=customer_pb2.Customer(name=created.name, custom_fields={"region": "火星"}),
        update_mask=FieldMask(paths=["custom_fields.region"]),
    )
    assert refusal(client.UpdateCustomer, request)[2] == {"custom_fields.region"}
    request.customer.ClearField("custom_fields")
    assert not client.UpdateCustomer(request).custom_fields.fields
    listed = client.ListCustomFields(custom_field_service_pb2.ListCustomFieldsRequest(entity="customer"))
    assert list(listed.custom_fields) == [field]
    renamed = client.UpdateCustomField(
        custom_field_service_pb2.UpdateCustomFieldRequest(
            custom_field=custom_field_pb2.CustomField(name=field.name, label="大区", etag=field.etag),
            update_mask=FieldMask(paths=["label"]),
        )
    )
    assert (renamed.label, renamed.key) == ("大区", "region")


def test_the_timeline_over_the_wire(client):
    created = create(client, "时间线有限公司")
    page = client.ListTimelineEntries(customer_service_pb2.ListTimelineEntriesRequest(customer=created.name))
    [entry] = page.entries
    assert (entry.kind, entry.actor, entry.customer) == ("CUSTOMER_CREATED", client.user, created.name)


def test_an_overview_holds_what_is_asked_for(edge, client):
    name = create(client, "概览有限公司").name
    contact = contact_pb2.Contact(customer=name, display_name="王芳")
    client.CreateContact(contact_service_pb2.CreateContactRequest(contact=contact))

    bare = client.GetCustomerOverview(customer_service_pb2.GetCustomerOverviewRequest(name=name))
    assert bare.customer.name == name
    assert not bare.HasField("contacts")
    assert not bare.HasField("timeline")
    request = customer_service_pb2.GetCustomerOverviewRequest(
        name=name, contact_page_size=5, timeline_page_size=5, custom_fields=True
    )
    whole = client.GetCustomerOverview(request)
    assert [contact.display_name for contact in whole.contacts.contacts] == ["王芳"]
    assert "CUSTOMER_CREATED" in [entry.kind for entry in whole.timeline.entries]
    assert whole.read_time.ToNanoseconds() >= whole.customer.create_time.ToNanoseconds()

    without_contacts = Client(edge, new_id(), "", {"customer.read": Reach.ALL})
    assert not without_contacts.GetCustomerOverview(request).HasField("contacts")
    outsider = Client(edge, new_id(), "", {"customer.read": Reach.SELF})
    assert refusal(outsider.GetCustomerOverview, request)[0] == "NOT_FOUND"
