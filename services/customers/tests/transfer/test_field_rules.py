"""What roles keep from their holders does not leave in files, nor come in by them."""

import pytest
from chassis.field_rules import FieldEffect
from crm.common.v1 import job_pb2
from crm.customers.v1 import transfer_service_pb2 as pb

from .conftest import ALL, CODES, Client, from_csv
from .test_import import HEADING, a_row, reason_of

READ_ONLY, MASK, HIDE = FieldEffect.READ_ONLY, FieldEffect.MASK, FieldEffect.HIDE
RULES = {
    "customer": {"phones": MASK, "emails": MASK, "credit_code": HIDE, "address": MASK, "industry": READ_ONLY},
}


@pytest.fixture
def restricted(edge, client, organisation):
    """The same person, under rules."""

    def make(rules, person=organisation.li):
        return Client(edge, edge.metadata_for(person.id, person.path, ALL, rules))

    return make


@pytest.fixture
def one(client):
    client.bring_in([HEADING, a_row(1, 统一社会信用代码=CODES[0])])


def test_hidden_columns_are_left_out_and_masked_ones_masked(restricted, one):
    _, content = restricted(RULES).export()
    heading, row = from_csv(content)
    values = dict(zip(heading, row, strict=True))
    assert "统一社会信用代码" not in values
    assert (values["电话"], values["邮箱"], values["市"]) == ("138****0001", "i***@example.com", "")
    assert (values["行业"], values["客户名称"]) == ("制造业", "上海华诚科技1有限公司")
    assert all(secret not in content.decode() for secret in (CODES[0], "13800000001", "info1@", "上海市"))


def test_a_hidden_column_that_is_asked_for_is_refused(restricted, one):
    strict = restricted(RULES)
    refused = reason_of(lambda: strict.export(fields=["display_name", "credit_code"]))
    assert (refused[0].name, refused[1]) == ("PERMISSION_DENIED", "FIELD_NOT_READABLE")
    _, content = strict.export(fields=["phones"])
    assert from_csv(content) == [["电话"], ["138****0001"]]


def test_a_file_is_not_given_to_who_may_not_see_all_that_it_shows(client, restricted, organisation, one):
    job, _ = client.export()
    plain, _ = client.export(fields=["display_name", "industry"])
    masked, content = restricted(RULES).export(fields=["phones"])

    def download(client, job):
        return list(client.stub.DownloadExport(pb.DownloadExportRequest(name=job.name), metadata=client.metadata))

    for reader in (restricted(RULES), restricted(RULES, organisation.wang)):
        assert reason_of(lambda reader=reader: download(reader, job))[1] == "FIELD_NOT_READABLE"
        assert b"".join(chunk.data for chunk in download(reader, masked)) == content
        assert len(download(reader, plain)) == 2
    stricter = restricted({"customer": {"phones": HIDE}})
    assert reason_of(lambda: download(stricter, masked))[1] == "FIELD_NOT_READABLE"
    assert len(download(client, job)) == 2


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ({"customer": {"phones": MASK}}, True),
        ({"customer": {"industry": READ_ONLY}}, True),
        ({"customer": {"address": HIDE}}, True),
        ({"contact": {"phones": HIDE}}, True),
        ({"contact": {"wechat": HIDE}}, False),
        ({"customer": {"remark": HIDE}}, False),
    ],
)
def test_a_file_with_a_column_that_is_not_writable_is_refused(restricted, stored, rules, refused):
    job = restricted(rules).bring_in([HEADING, a_row(1)])
    expected = (job_pb2.JOB_STATE_FAILED, "FIELD_NOT_WRITABLE", 0) if refused else (job_pb2.JOB_STATE_SUCCEEDED, "", 1)
    assert (job.state, job.failure_reason, len(stored())) == expected


def test_a_column_that_is_left_out_by_choice_does_no_harm(restricted, stored):
    columns = {"电话": "", "联系电话": ""}
    job = restricted({"customer": {"phones": MASK}}).bring_in([HEADING, a_row(1)], columns=columns)
    assert (job.state, stored()[0].phones) == (job_pb2.JOB_STATE_SUCCEEDED, [])


def test_the_refused_rows_of_others_are_not_shown_to_who_has_rules(client, restricted, organisation):
    job = client.bring_in([HEADING, a_row(1, 邮箱="no-address-at-all")])
    assert job.first_errors[0].value == "no-address-at-all"
    assert b"no-address-at-all" in client.error_file(job)
    other = restricted(RULES, organisation.wang)
    seen = other.get(job.name)
    assert [(error.field, error.value) for error in seen.first_errors] == [("emails", "")]
    assert reason_of(lambda: other.error_file(job))[1] == "FIELD_NOT_READABLE"
    free = restricted({}, organisation.wang)
    assert free.get(job.name) == job
