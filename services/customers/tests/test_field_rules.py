"""What roles keep from their holders of customers and contacts, whichever way it is asked for."""

from uuid import uuid4

import pytest
from chassis.entities import restrictable
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from chassis.testing.edge import running
from crm.common.v1 import custom_field_pb2, filter_pb2
from crm.customers.v1 import (
    contact_pb2,
    contact_service_pb2,
    custom_field_service_pb2,
    customer_pb2,
    customer_service_pb2,
)
from customers.fields import CUSTOMER_FIELDS
from customers.main import SERVICE
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import text

from .test_api import GRANTS, Client, refusal

READ_ONLY, MASK, HIDE = FieldEffect.READ_ONLY, FieldEffect.MASK, FieldEffect.HIDE
RULES = {
    "customer": {
        "phones": MASK,
        "emails": MASK,
        "credit_code": HIDE,
        "level": READ_ONLY,
        "remark": HIDE,
        "custom.amount": HIDE,
    },
    "contact": {"phones": MASK, "wechat": HIDE},
}
PHONE, MAIL, CODE = "+8613812341234", "liwei@huacheng.example", "91310000132212766M"
SECRETS = [PHONE[3:], MAIL, CODE, "内部评价", "weixin-88"]


@pytest.fixture(scope="module")
def edge(make_database):
    with running([SERVICE], {"customers": make_database("customers", SERVICE.migrations)}) as edge:
        yield edge


@pytest.fixture(scope="module")
def admin(edge):
    return Client(edge, new_id(), f"{new_id()}/", GRANTS)


class Restricted(Client):
    def __init__(self, edge, user_id, rules):
        super().__init__(edge, user_id, f"{new_id()}/", GRANTS)
        self.metadata = edge.metadata_for(user_id, f"{new_id()}/", GRANTS, rules)


@pytest.fixture(scope="module")
def reader(edge):
    return Restricted(edge, new_id(), RULES)


@pytest.fixture(scope="module")
def customer(admin):
    field = custom_field_pb2.CustomField(
        entity="customer", key="amount", label="金额", type=custom_field_pb2.CUSTOM_FIELD_TYPE_NUMBER
    )
    admin.CreateCustomField(custom_field_service_pb2.CreateCustomFieldRequest(custom_field=field))
    draft = customer_pb2.Customer(
        display_name="上海华诚科技有限公司",
        phones=[PHONE],
        emails=[MAIL],
        credit_code=CODE,
        level="A",
        remark="内部评价",
    )
    draft.custom_fields.update({"amount": 987654})
    made = admin.CreateCustomer(customer_service_pb2.CreateCustomerRequest(customer=draft))
    contact = contact_pb2.Contact(customer=made.name, display_name="王芳", phones=[PHONE], wechat="weixin-88")
    admin.CreateContact(contact_service_pb2.CreateContactRequest(contact=contact))
    return made


def concealed(customer):
    assert (list(customer.phones), list(customer.emails)) == (["138****1234"], ["l***@huacheng.example"])
    assert (customer.level, customer.remark, customer.credit_code) == ("A", "", "")
    assert dict(customer.custom_fields) == {}
    assert set(customer.hidden_fields) == {"credit_code", "remark", "custom.amount"}


def test_every_way_to_read_a_customer_conceals_alike(reader, admin, customer):
    pb = customer_service_pb2
    overview = reader.GetCustomerOverview(
        pb.GetCustomerOverviewRequest(
            name=customer.name, contact_page_size=10, timeline_page_size=10, custom_fields=True
        )
    )
    listed = reader.ListCustomers(pb.ListCustomersRequest(search="华诚"))
    fetched = reader.BatchGetCustomers(pb.BatchGetCustomersRequest(names=[customer.name]))
    one = reader.GetCustomer(pb.GetCustomerRequest(name=customer.name))
    for found in (one, overview.customer, listed.customers[0], fetched.customers[0]):
        concealed(found)
    # What a mask leaves out is told as hidden all the same, and what it asks for is hidden all the same.
    mask = FieldMask(paths=["phones", "remark", "custom_fields"])
    [masked] = reader.ListCustomers(pb.ListCustomersRequest(search="华诚", read_mask=mask)).customers
    assert (list(masked.phones), masked.remark, dict(masked.custom_fields)) == (["138****1234"], "", {})
    assert set(masked.hidden_fields) == {"credit_code", "remark", "custom.amount"}
    contacts = reader.ListContacts(contact_service_pb2.ListContactsRequest(customers=[customer.name]))
    contact = reader.GetContact(contact_service_pb2.GetContactRequest(name=contacts.contacts[0].name))
    for found in (contact, contacts.contacts[0], overview.contacts.contacts[0]):
        assert (list(found.phones), found.wechat, list(found.hidden_fields)) == (["138****1234"], "", ["wechat"])
    for answer in (overview, listed, fetched, one, contacts, contact):
        sent = answer.SerializeToString()
        assert [secret for secret in SECRETS if secret.encode() in sent] == []
    whole = admin.GetCustomer(pb.GetCustomerRequest(name=customer.name))
    assert (list(whole.phones), whole.custom_fields["amount"], list(whole.hidden_fields)) == ([PHONE], 987654, [])


def is_not_empty(field):
    condition = filter_pb2.Condition(field=field, operator=filter_pb2.OPERATOR_IS_NOT_EMPTY)
    return filter_pb2.Filter(all=filter_pb2.FilterList(filters=[filter_pb2.Filter(condition=condition)]))


@pytest.mark.parametrize("field", ["phones", "emails", "credit_code", "remark", "custom.amount"])
def test_what_is_concealed_cannot_be_filtered_by(reader, customer, field):
    pb = customer_service_pb2
    for call, request in (
        (reader.ListCustomers, pb.ListCustomersRequest(filter=is_not_empty(field))),
        (reader.CountCustomers, pb.CountCustomersRequest(filter=is_not_empty(field))),
    ):
        assert refusal(call, request)[:2] == ("PERMISSION_DENIED", "FIELD_NOT_READABLE")
    assert reader.CountCustomers(pb.CountCustomersRequest(filter=is_not_empty("level"))).count == 1


def test_every_field_of_the_list_can_be_kept_from_filters_and_orders(edge, customer):
    """For each field that a list can be asked by and a role can hide."""
    user = new_id()
    can_be_hidden = set(restrictable(customer_pb2.Customer.DESCRIPTOR))
    asked = [field for field in CUSTOMER_FIELDS if field.name.partition(".")[0] in can_be_hidden]
    assert len(asked) > 10
    pb = customer_service_pb2
    for field in asked:
        caller = Restricted(edge, user, {"customer": {field.name.partition(".")[0]: HIDE}})
        requests = [pb.ListCustomersRequest(filter=is_not_empty(field.name))]
        if field.sortable:
            requests.append(pb.ListCustomersRequest(order_by=[filter_pb2.OrderBy(field=field.name)]))
        for request in requests:
            assert refusal(caller.ListCustomers, request)[1] == "FIELD_NOT_READABLE", field.name


def test_probing_by_digits_and_addresses_finds_nothing(reader, admin, customer):
    def found(client, query):
        request = customer_service_pb2.CountCustomersRequest(search=query)
        return client.CountCustomers(request).count

    for query in ("13812341234", "1234", "3812", "12", "liwei", "huacheng.example", "example", CODE):
        assert (found(reader, query), found(admin, query)) == (0, 1), query
    for query in ("华诚", "shhc", "hckj", "科技 上海", "华", ""):
        assert (found(reader, query), found(admin, query)) == (1, 1), query


def test_probing_finds_nothing_in_rows_of_an_earlier_release(edge, reader, admin, customer):
    database = edge.runtimes["customers"].database
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE customer SET search_text = replace(search_text, '  ', ' ')"))
    try:
        count = customer_service_pb2.CountCustomersRequest
        assert reader.CountCustomers(count(search="1234")).count == 0
        assert reader.CountCustomers(count(search="华诚")).count == 1
        assert admin.CountCustomers(count(search="1234")).count == 1
    finally:
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE customer SET search_text = replace(search_text, ' 86138', '  86138')"))


@pytest.mark.parametrize(
    ("values", "mask", "field"),
    [
        ({"phones": ["138****1234"]}, [], "phones"),
        ({"phones": ["138****1234"], "source": "展会"}, ["source", "phones"], "phones"),
        ({}, ["remark"], "remark"),
        ({"level": "B"}, [], "level"),
        ({"custom_fields": {"amount": 1}}, [], "custom_fields.amount"),
        ({}, ["custom_fields"], "custom_fields"),
        ({}, ["*"], "phones"),
    ],
)
def test_what_is_restricted_cannot_be_written(reader, admin, customer, values, mask, field):
    pb = customer_service_pb2
    before = admin.GetCustomer(pb.GetCustomerRequest(name=customer.name))
    request = pb.UpdateCustomerRequest(
        customer=customer_pb2.Customer(name=customer.name, **values), update_mask=FieldMask(paths=mask)
    )
    code, reason, _ = refusal(reader.UpdateCustomer, request)
    assert (code, reason) == ("PERMISSION_DENIED", "FIELD_NOT_WRITABLE")
    assert admin.GetCustomer(pb.GetCustomerRequest(name=customer.name)) == before


def test_what_is_not_restricted_can_be_written_and_comes_back_concealed(reader, admin, customer):
    pb = customer_service_pb2
    change = customer_pb2.Customer(name=customer.name, industry="制造业")
    changed = reader.UpdateCustomer(pb.UpdateCustomerRequest(customer=change, request_id=str(uuid4())))
    concealed(changed)
    assert changed.industry == "制造业"
    assert list(admin.GetCustomer(pb.GetCustomerRequest(name=customer.name)).phones) == [PHONE]
    draft = customer_pb2.Customer(display_name="新客户", phones=["13900001111"])
    assert refusal(reader.CreateCustomer, pb.CreateCustomerRequest(customer=draft))[1] == "FIELD_NOT_WRITABLE"
    contact = contact_pb2.Contact(customer=customer.name, display_name="李", wechat="x")
    created = contact_service_pb2.CreateContactRequest(contact=contact)
    assert refusal(reader.CreateContact, created)[1] == "FIELD_NOT_WRITABLE"


def test_an_answer_that_is_repeated_is_concealed_by_the_rules_of_now(edge):
    """It is kept whole: the rules may have become stricter or laxer since."""
    user, pb = new_id(), customer_service_pb2
    draft = customer_pb2.Customer(display_name=f"重试{uuid4().hex}", phones=[PHONE])
    request = pb.CreateCustomerRequest(customer=draft, request_id=str(uuid4()))
    free = Client(edge, user, f"{new_id()}/", GRANTS)
    first = free.CreateCustomer(request)
    change = pb.UpdateCustomerRequest(
        customer=customer_pb2.Customer(name=first.name, source="展会"), request_id=str(uuid4())
    )
    strict = Restricted(edge, user, {"customer": {"phones": MASK}})
    assert list(strict.UpdateCustomer(change).phones) == ["138****1234"]
    assert list(free.UpdateCustomer(change).phones) == [PHONE]
    assert list(strict.UpdateCustomer(change).phones) == ["138****1234"]


def test_a_timeline_does_not_tell_what_follow_ups_keep(edge, customer):
    strict = Restricted(edge, new_id(), {"follow_up": {"content": HIDE}})
    page = strict.ListTimelineEntries(customer_service_pb2.ListTimelineEntriesRequest(customer=customer.name))
    assert [entry.summary for entry in page.entries] == [""] * len(page.entries)
    assert len(page.entries) > 0
