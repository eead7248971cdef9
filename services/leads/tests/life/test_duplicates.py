"""Leads that are entered twice are found, and made one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.callers import Grant, Reach
from chassis.errors import Conflict, Denied, Invalid, NotFound
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from chassis.testing import make_caller
from leads import queries, subjects
from leads.life import queries as life
from leads.life.conversion import begin
from leads.life.duplicates import REASONS, duplicates_of, list_duplicates
from leads.life.merge_leads import merge_leads
from leads.model import Lead
from leads.usecases.create_lead import LeadDraft
from leads.usecases.register_lead import register_lead
from sqlalchemy import text

ME = make_caller(user_id=new_id())
CODE, OTHER_CODE = "91110000600037341L", "91440300708461136T"


def found(database, lead, caller=ME, size=50):
    """(collection, id) → the reasons; and how many are not told."""
    token, rows, concealed = "", [], 0
    while True:
        with database.read(caller) as session:
            part = list_duplicates(session, lead.id, page_size=size, page_token=token)
        rows += part.page.rows
        concealed, token = part.concealed, part.page.next_token
        if not token:
            told = {(row.collection, row.id): {one for one in REASONS if getattr(row, one)} for row in rows}
            assert len(told) == len(rows)
            return told, concealed


@pytest.fixture
def merge(database):
    def write(lead, other, caller=ME, **values):
        with database.write(caller) as session:
            return merge_leads(session, lead.id, other.id, **values)

    return write


def test_leads_and_customers_are_told_with_reasons(database, create, known):
    lead = create(ME, company_name="华诚科技有限公司", credit_code=CODE, phones=["13800138000"], emails=["a@b.cn"])
    by_name = create(ME, company_name="华诚科技股份有限公司")
    by_phone = create(ME, company_name="别家公司", phones=["13800138000", "13900139000"], emails=["a@b.cn"])
    by_code = create(ME, company_name="改名公司", credit_code=CODE)
    create(ME, company_name="华诚科技有限公司", credit_code=OTHER_CODE)
    create(ME, company_name="无关公司")
    customer = known(name="华诚科技", company_key=lead.company_key)
    known(name="无关客户", company_key="无关客户")
    told, concealed = found(database, lead)
    assert told == {
        ("leads", by_name.id): {"COMPANY_NAME"},
        ("leads", by_phone.id): {"PHONE", "EMAIL"},
        ("leads", by_code.id): {"CREDIT_CODE"},
        ("customers", customer): {"COMPANY_NAME"},
    }
    assert concealed == 0
    assert found(database, lead, size=1)[0] == told


def test_what_the_caller_may_not_see_is_counted_alone(database, create, known):
    mine = make_caller(user_id=new_id(), reach=Reach.SELF)
    lead = create(mine, company_name="华诚科技有限公司")
    create(ME, company_name="华诚科技")
    own = create(mine, company_name="华诚科技公司")
    known(new_id(), name="华诚科技", company_key=lead.company_key)
    assert found(database, lead, mine) == ({("leads", own.id): {"COMPANY_NAME"}}, 2)
    blind = replace(mine, grants={"lead.read": (Grant("lead.read", Reach.SELF),)})
    assert found(database, lead, blind)[1] == 2
    with pytest.raises(NotFound):
        found(database, lead, make_caller(reach=Reach.SELF))


def test_many_leads_are_asked_about_at_once(database, create, known):
    one = create(ME, company_name="远洋科技有限公司", phones=["13800138000"], credit_code=CODE)
    two = create(ME, company_name="远洋科技", emails=["a@b.cn"])
    three = create(ME, phones=["13800138000"], emails=["a@b.cn"])
    alone = create(ME, company_name="孤山")
    customer = known(name="远洋科技", company_key="远洋科技")
    with database.read(ME) as session:
        found = duplicates_of(session, [one.id, two.id, three.id, alone.id, new_id()])
        for lead in (one, two, three, alone):
            page = list_duplicates(session, lead.id, page_size=0, page_token="").page
            assert [tuple(row)[1:] for row in found[lead.id]] == [tuple(row)[:8] for row in page.rows]
    assert {row.id for row in found[one.id]} == {two.id, three.id, customer}
    assert {row.id for row in found[two.id]} == {one.id, three.id, customer}
    assert (found[alone.id], len(found)) == ([], 4)
    with database.read(make_caller("lead.read", reach=Reach.SELF, user_id=ME.user_id)) as session:
        assert [row.id for row in duplicates_of(session, [one.id])[one.id]] == [three.id, two.id]


def test_the_lead_that_stays_gets_all(database, create, log, merge, remind, facts, clock):
    lead = create(ME, company_name="华诚科技", phones=["13800138000"], contact_name="王芳", remark="急")
    other = create(ME, company_name="华诚科技有限公司", phones=["13900139000"], contact_name="李明", city="上海市")
    logged = log(ME, other, next_contact_time=clock.now + timedelta(days=1))
    merged = merge(lead, other, taken=["contact_name"])
    assert (merged.company_name, merged.contact_name, merged.city, merged.remark) == (
        "华诚科技",
        "李明",
        "上海市",
        "急",
    )
    assert merged.phones == ["+8613800138000", "+8613900139000"]
    assert merged.last_effective_follow_up_time == logged.occur_time
    with database.read(ME) as session:
        assert session.get(Lead, other.id) is None
        assert queries.get_follow_up(session, logged.id).lead_id == lead.id
        timeline = life.list_timeline(session, lead.id, kinds=(), page_size=0, page_token="")
        whole = text("SELECT before FROM audit_entry WHERE action = 'lead.merge' AND resource = :name")
        kept = session.scalar(whole, {"name": other.name})
    kinds = sorted(row.kind for row in timeline.entries.rows)
    assert kinds == ["CREATED", "CREATED", "FOLLOW_UP", "MERGED", "STATUS_CHANGED"]
    assert (kept["contact_name"], kept["phones"]) == ("李明", ["+8613900139000"])
    [gone] = [data for kind, data in facts() if kind == "LeadDeleted"]
    assert (gone["lead"], gone["merged_into"]) == (other.name, lead.name)
    clock.advance(timedelta(days=1))
    assert [each["params"]["lead"] for each in remind()] == [lead.name]


def test_an_external_id_comes_along_and_no_two_leads_ever_bear_it(create, merge, reread):
    lead, first, second = create(ME), create(ME, external_id="A-1"), create(ME, external_id="A-2")
    assert merge(lead, first).external_id == "A-1"
    merge(lead, second)
    assert reread(lead).external_id == "A-1"
    assert merge(lead, create(ME, external_id="A-3"), taken=["external_id"]).external_id == "A-3"


def test_what_roles_hide_is_neither_taken_nor_told_by_titles(database, create, merge):
    lead = create(ME, company_name="", contact_name="王芳", phones=["13800138000"])
    other = create(ME, company_name="", contact_name="李明", phones=["13800138000"])
    blind = replace(ME, field_rules={"lead": {"contact_name": FieldEffect.HIDE}})
    for caller, title in ((ME, "李明"), (blind, "")):
        with database.read(caller) as session:
            [row] = list_duplicates(session, lead.id, page_size=0, page_token="").page.rows
            named = subjects.titles(session, [subjects.Subject("leads", other.id)])
        assert (row.title or "", *named.values()) == (title, title)
    with pytest.raises(Denied) as caught:
        merge(lead, other, blind, taken=["contact_name"])
    assert caught.value.reason == "FIELD_NOT_WRITABLE"


def test_what_cannot_be_merged_stays_as_it_is(database, create, merge):
    lead, other = create(ME), create(ME)
    for wrong, values, reason in ((lead, {}, "SAME_LEAD"), (other, {"taken": ["status"]}, "UNKNOWN_FIELD")):
        with pytest.raises(Invalid) as caught:
            merge(lead, wrong, **values)
        assert caught.value.reason == reason
    crowd = create(ME, phones=[f"138001380{number:02}" for number in range(20)])
    with pytest.raises(Invalid) as caught:
        merge(crowd, create(ME, phones=["13900139000"]))
    assert (caught.value.reason, caught.value.field) == ("TOO_MANY", "phones")
    partner = replace(make_caller("lead.register"), partner_id=new_id())
    with database.write(partner) as session:
        registered = register_lead(session, LeadDraft({"company_name": "伙伴的公司"}), timedelta(days=90))
    with pytest.raises(Conflict) as refused:
        merge(lead, registered)
    assert refused.value.reason == "REGISTRATION_STAYS"
    with database.write(ME) as session:
        begin(session, other.id, b"1", None)
    with pytest.raises(Conflict) as refused:
        merge(lead, other)
    assert refused.value.reason == "CONVERSION_UNDER_WAY"
    mine = make_caller(user_id=new_id(), reach=Reach.SELF)
    with pytest.raises(Denied):
        merge(create(mine), create(mine), replace(mine, grants={"lead.read": (Grant("lead.read", Reach.SELF),)}))
    assert merge(registered, lead).id == registered.id
