"""What follows from customers' values: in imports as everywhere, and for all by a job."""

import pytest
from chassis.custom_fields import CustomFieldDraft
from chassis.errors import Invalid
from customers import cleaning
from customers.usecases.create_contact import create_contact
from customers.usecases.create_custom_field import create_custom_field
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.create_tag import TagDraft, create_tag
from customers.usecases.delete_tag import delete_tag
from customers.usecases.set_field_template import set_field_template
from customers.usecases.set_quality_weights import set_quality_weights
from customers.usecases.update_customer import CustomerPatch, update_customer
from customers.usecases.update_tag import update_tag
from sqlalchemy import text

RULE = {"condition": {"field": "industry", "operator": "OPERATOR_EQUAL", "values": [{"text": "制造业"}]}}


@pytest.fixture
def do(database, organisation):
    """Does something in a transaction of its own, as somebody who may do all."""

    def run(work, *given, **more):
        with database.write(organisation.boss.caller()) as session:
            return work(session, *given, **more)

    return run


def define(do, key, kind, **more):
    return do(create_custom_field, CustomFieldDraft("customer", key, f"字段{key}", kind, **more))


def company(name, custom=None, **values):
    return CustomerDraft({"display_name": name} | values, custom or {})


def test_an_import_gives_numbers_without_gaps_and_derives_what_follows(do, client, stored):
    define(do, "no", "SERIAL", pattern="KH-{0000}")
    define(do, "staff", "NUMBER")
    define(do, "code", "TEXT", unique=True)
    define(do, "size", "FORMULA", expression='"大" if staff > 99 else "小"', result_type="TEXT")
    define(do, "people", "ROLLUP", rollup={"children": "contacts", "function": "COUNT", "field": ""})
    do(create_tag, TagDraft("厂", rule=RULE))
    do(create_customer, company("甲公司", {"code": "x"}))
    heading = ["客户名称", "行业", "字段staff", "字段code", "字段size", "联系人"]
    job = client.bring_in(
        [
            heading,
            ["乙公司", "制造业", "100", "y", "大", "王"],
            ["丙公司", "", "many", "z", "", ""],
            ["丁公司", "", "5", "x", "", ""],
            ["戊公司", "", "6", "y", "", ""],
            ["己公司", "", "7", "", "", ""],
        ]
    )
    assert list(job.ignored_columns) == ["字段size"]
    assert {(one.row, one.reason) for one in job.first_errors} == {
        (3, "INVALID_NUMBER"), (4, "VALUE_TAKEN"), (5, "VALUE_TAKEN"),
    }  # fmt: skip
    rows = {row.display_name: row for row in stored()}
    assert rows["乙公司"].custom == {"no": "KH-0002", "staff": 100, "code": "y", "size": "大", "people": 1}
    assert rows["己公司"].custom == {"no": "KH-0003", "staff": 7, "size": "小", "people": 0}
    assert (rows["乙公司"].tags, rows["乙公司"].rule_tags, rows["乙公司"].quality_score) == (["厂"], ["厂"], 10)
    client.update([heading, ["乙公司", "服务业", "9", "", "", "李"]])
    row = {row.display_name: row for row in stored()}["乙公司"]
    assert (row.custom["size"], row.custom["people"], row.custom["no"], row.tags) == ("小", 2, "KH-0002", [])


def test_all_customers_follow_a_change_of_rules_and_weights_by_a_job(do, client, client_of, stored):
    client.bring_in([["客户名称", "行业"], ["甲公司", "制造业"], ["乙公司", "服务业"]])
    by_hand = do(create_customer, company("丙公司", industry="制造业", tags=["厂"]))
    tag = do(create_tag, TagDraft("厂", rule=RULE))
    define(do, "people", "ROLLUP", rollup={"children": "contacts", "function": "COUNT", "field": ""})
    do(set_quality_weights, "COMPANY", [("industry", 1), ("phones", 1)])

    def settle():
        job = client.upload([["客户名称"], ["甲公司"]])
        client.finish(job)
        return {row.display_name: row for row in stored()}

    rows = settle()
    assert {name: (row.tags, row.rule_tags, row.quality_score) for name, row in rows.items()} == {
        "甲公司": (["厂"], ["厂"], 50), "乙公司": ([], [], 50), "丙公司": (["厂"], [], 50),
    }  # fmt: skip
    assert {row.custom["people"] for row in rows.values()} == {0}
    assert {row.version for row in rows.values()} == {1}
    do(update_customer, by_hand.id, CustomerPatch({"industry": "服务业"}))
    do(update_tag, tag.id, {"rule": None})
    rows = settle()
    assert (rows["甲公司"].tags, rows["丙公司"].tags) == ([], ["厂"])
    do(delete_tag, tag.id)
    assert settle()["丙公司"].tags == ["厂"]


def test_a_template_says_what_a_new_record_of_a_kind_must_have(do, client):
    do(set_field_template, "customer", "COMPANY", [("display_name", True), ("industry", True), ("remark", False)])
    with pytest.raises(Invalid) as caught:
        do(create_customer, company("甲公司"))
    assert [(one.field, one.reason) for one in caught.value.violations] == [("industry", "REQUIRED")]
    do(create_customer, company("王某", kind="PERSON"))
    job = client.bring_in([["客户名称", "行业"], ["乙公司", "制造业"], ["丙公司", ""]])
    assert [(one.row, one.field, one.reason) for one in job.first_errors] == [(3, "industry", "REQUIRED")]
    for wrong in [("nothing", False)], [("industry", False)] * 2, [("create_time", True)]:
        with pytest.raises(Invalid):
            do(set_field_template, "customer", "COMPANY", wrong)


def test_what_needs_cleaning_is_listed(do, database):
    good = do(create_customer, company("甲公司", phones=["021 6888-0000"], emails=["a@example.com"]))
    bad = do(create_customer, company("乙公司"))
    with database.engine.begin() as connection:
        connection.execute(
            text("UPDATE customer SET phones = '{12}', emails = '{x}', update_time = '2025-01-01' WHERE id = :id"),
            {"id": bad.id},
        )

    def listed(which, field="", days=0):
        page = do(cleaning.list_to_clean, which, field=field, days=days, page_size=10, page_token="")
        return [row.id for row in page.rows]

    assert listed("INVALID_PHONE") == listed("INVALID_EMAIL") == listed("STALE", days=30) == [bad.id]
    assert listed("MISSING", "industry") == [good.id, bad.id]
    do(create_contact, good.id, {"display_name": "王"})
