"""Likely duplicates: on entry, and found by a scan."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import Caller, Reach
from chassis.db import Database
from chassis.errors import Conflict, Duplicate, Invalid, NotFound
from chassis.field_rules import FieldEffect
from chassis.jobs import Job
from chassis.jobs.run import run_next
from chassis.jobs.store import create_job
from chassis.names import new_id
from chassis.service import Runtime
from chassis.settings import Settings
from customers.duplicate_finding import candidates, scanning
from customers.duplicate_finding.candidates import Found, candidate_ids, find_duplicates
from customers.duplicate_finding.grouping import MOST_MEMBERS, Pair, grouped
from customers.duplicate_finding.queries import list_groups, lock_group
from customers.duplicate_finding.settings import policy, set_policy
from customers.duplicate_finding.starting import KIND, require_scan, start_scan
from customers.main import SERVICE
from customers.matching import Profile
from customers.model.duplicates import DuplicatePolicy
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer, new_customer
from customers.usecases.delete_customer import delete_customer
from customers.usecases.dismiss_duplicate_group import dismiss_duplicate_group
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from .conftest import Organisation

ONE, OTHER = "91310000775785552L", "91110108551385082Q"
ALL = (
    "customer.create", "customer.read", "customer.update", "customer.delete", "customer.merge", "contact.create",
    "contact.read",
)  # fmt: skip


@pytest.fixture
def boss(organisation: Organisation) -> Caller:
    return organisation.boss.caller(*ALL)


def create(database: Database, caller: Caller, name: str, **values: Any) -> UUID:
    with database.write(caller) as session:
        return create_customer(session, CustomerDraft({"display_name": name} | values, {})).id


def found(database: Database, caller: Caller, name: str, **values: Any) -> Found:
    with database.read(caller) as session:
        return find_duplicates(session, new_customer(session, CustomerDraft({"display_name": name} | values, {})))


def ids(result: Found) -> list[UUID]:
    return [one.customer.id for one in result.visible]


@pytest.mark.parametrize(
    "name", ["华诚科技(上海)公司", "上海華誠科技股份有限公司", "上海市华诚科技有限公司", "华诚科技"]
)
def test_other_spellings_of_a_name_are_found(database: Database, boss: Caller, name: str) -> None:
    there = create(database, boss, "上海华诚科技有限公司")
    create(database, boss, "北京华诚科技集团有限公司海淀分公司")
    assert ids(found(database, boss, name)) == [there]


def test_a_customer_is_found_whose_name_is_stored_in_traditional_characters(database: Database, boss: Caller) -> None:
    there = create(database, boss, "上海華誠科技有限公司")
    assert ids(found(database, boss, "上海华诚科技股份有限公司")) == [there]


def test_a_slip_in_a_long_name_is_forgiven(database: Database, boss: Caller) -> None:
    there = create(database, boss, "上海欣荣达利自动化设备有限公司")
    assert ids(found(database, boss, "上海欣荣达俐自动化设备有限公司")) == [there]


def test_phones_and_mails_of_contacts_are_evidence(database: Database, boss: Caller) -> None:
    there = create(database, boss, "上海华诚科技有限公司", phones=["13800138000"])
    with database.write(boss) as session:
        values = {"display_name": "李雷", "emails": ["li@hua.cn"]}
        create_contact(session, there, values)
    [match] = found(database, boss, "上海华诚实业有限公司", phones=["13800138000"], emails=["li@hua.cn"]).visible
    assert {"SAME_PHONE", "SAME_EMAIL"} <= set(match.match.reasons)


def test_different_codes_veto_and_equal_ones_prove(database: Database, boss: Caller) -> None:
    there = create(database, boss, "上海华诚科技有限公司", credit_code=ONE)
    assert ids(found(database, boss, "华诚科技(上海)公司", credit_code=OTHER)) == []
    [proof] = found(database, boss, "别的名字", credit_code=ONE).visible
    assert (proof.customer.id, proof.match.score) == (there, 1.0)


def test_those_out_of_sight_are_only_counted(database: Database, organisation: Organisation, boss: Caller) -> None:
    create(database, boss, "上海华诚科技有限公司")
    narrow = organisation.li.caller(*ALL, reach=Reach.SELF)
    result = found(database, narrow, "华诚科技(上海)公司")
    assert (ids(result), result.hidden) == ([], 1)


def test_what_the_caller_may_not_read_is_no_evidence(database: Database, boss: Caller) -> None:
    create(database, boss, "上海华诚实业有限公司", phones=["13800138000"], website="https://hua.cn")
    given = {"phones": ["13800138000"], "website": "https://hua.cn"}
    assert found(database, boss, "上海华诚科技有限公司", **given).visible
    veiled = replace(boss, field_rules={"customer": {"phones": FieldEffect.HIDE, "website": FieldEffect.MASK}})
    assert not found(database, veiled, "上海华诚科技有限公司", **given).visible


def test_a_domain_of_very_many_is_no_companys_own(
    database: Database, boss: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = {
        create(database, boss, f"成员{sign}公司", emails=[f"{number}@group.cn"])
        for number, sign in enumerate("甲乙丙丁")
    }
    profile = Profile("另外一家", emails=["sales@group.cn", "sales@other.cn"])

    def looked_at() -> set[UUID]:
        with database.engine.begin() as connection:
            connection.execute(text("ANALYZE customer"))
        with database.read(boss) as session:
            return set(candidate_ids(session, profile, None))

    assert looked_at() == group
    monkeypatch.setattr(candidates, "MOST_OF_A_PART", 3)
    assert looked_at() == set()
    create(database, boss, "别家公司", emails=["info@other.cn"])
    assert len(looked_at()) == 1


def test_an_address_is_looked_for_among_few(database: Database, boss: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    there = create(database, boss, "上海华诚实业有限公司", emails=["a@qq.com"], phones=["13800138000"])
    assert ids(found(database, boss, "上海华诚科技有限公司", emails=["a@qq.com"], phones=["13800138000"])) == [there]
    monkeypatch.setattr(candidates, "MOST_READ", 5)
    for number in range(20):
        create(database, boss, f"第{number}号独一公司{number}", emails=[f"{number}a@qq.com"])
    with database.read(boss) as session:
        profile = Profile("毫不相干", emails=["a@qq.com"])
        assert len(candidate_ids(session, profile, None)) <= 1


def test_what_is_no_number_or_address_is_no_way_to_look(database: Database, boss: Caller) -> None:
    create(database, boss, "上海华诚科技有限公司")
    with database.read(boss) as session:
        assert candidate_ids(session, Profile("毫不相干", phones=["-"], emails=["无", "-", "a@"]), None) == []


def test_persons_need_more_than_a_name(database: Database, boss: Caller) -> None:
    there = create(database, boss, "王伟", kind="PERSON", phones=["13800138000"], emails=["wang@example.com"])
    assert not found(database, boss, "王伟", kind="PERSON", phones=["13900139000"]).visible
    assert ids(found(database, boss, "王伟", kind="PERSON", emails=["wang@example.com"])) == [there]


def test_the_organisation_decides_what_is_done_on_entry(database: Database, boss: Caller, audited: Any) -> None:
    there = create(database, boss, "上海华诚科技有限公司")
    with database.write(boss) as session:
        assert policy(session) is DuplicatePolicy.WARN
        set_policy(session, "REFUSE")
        with pytest.raises(Invalid, match="choose one"):
            set_policy(session, "PERHAPS")
    with pytest.raises(Duplicate) as refusal:
        create(database, boss, "华诚科技(上海)公司")
    assert refusal.value.reason == "LIKELY_DUPLICATE"
    assert refusal.value.details["existing"] == f"customers/{there}"
    with database.write(boss) as session:
        set_policy(session, "ALLOW")
    create(database, boss, "华诚科技(上海)公司")
    assert [entry.action for entry in audited()].count("duplicate_settings.update") == 2


@pytest.fixture
def scan(database: Database, boss: Caller) -> Any:
    runtime = Runtime(settings=Settings.read(), database=database)

    def run() -> dict[str, Any]:
        with database.write(boss) as session:
            job_id = create_job(session, KIND, {}).id
        while run_next(SERVICE, runtime):
            pass
        with database.read(boss) as session:
            job = session.get(Job, job_id)
            assert job is not None
            assert job.state == "SUCCEEDED", job.failure_message
            return job.result

    return run


def groups(database: Database, caller: Caller, state: str = "OPEN") -> list[tuple[UUID, list[UUID]]]:
    with database.read(caller) as session:
        page = list_groups(session, state, page_size=50, page_token="")
        return [(group.id, [member.customer_id for member in group.members]) for group in page.rows]


def test_a_scan_finds_groups_and_remembers_dismissals(
    database: Database, organisation: Organisation, boss: Caller, scan: Any, audited: Any
) -> None:
    one = create(database, boss, "上海华诚科技有限公司", credit_code=ONE)
    two = create(database, boss, "华诚科技(上海)公司")
    three = create(database, boss, "上海华诚科技集团有限公司", credit_code=OTHER)
    create(database, boss, "北京海天信息技术有限公司")
    assert scan()["groups"] == 1
    [(group, members)] = groups(database, boss)
    assert len(members) == 2, "firms of different codes are not brought together by a third"
    assert two in members
    assert groups(database, organisation.li.caller(*ALL, reach=Reach.SELF)) == []
    with database.write(organisation.li.caller(*ALL, reach=Reach.SELF)) as session, pytest.raises(NotFound):
        lock_group(session, group)
    with database.write(boss) as session:
        dismiss_duplicate_group(session, group)
    assert scan()["groups"] == 1, "the other firm of that name is left"
    [(_, rest)] = groups(database, boss)
    assert set(rest) == {two, ({one, three} - set(members)).pop()}
    assert [members for _, members in groups(database, boss, "DISMISSED")] == [members]
    with database.write(boss) as session:
        delete_customer(session, two)
    assert groups(database, boss) == []
    assert scan()["groups"] == 0
    assert "duplicate_group.dismiss" in [entry.action for entry in audited()]


def test_a_scan_that_may_have_passed_new_customers_is_followed_by_another(
    database: Database, boss: Caller, scan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, meanwhile = scanning.store_groups, []

    def bring_in(session: Any, scan_id: UUID, found: Any) -> int:
        if not meanwhile:
            meanwhile.extend(create(database, boss, name) for name in ("上海华诚科技有限公司", "华诚科技(上海)公司"))
            with database.write(boss) as other, pytest.raises(Conflict, match="under way"):
                start_scan(other)
            for _ in range(2):
                with database.write(boss) as other:
                    require_scan(other)
        return store(session, scan_id, found)

    monkeypatch.setattr(scanning, "store_groups", bring_in)
    assert scan()["groups"] == 0
    assert [set(members) for _, members in groups(database, boss)] == [set(meanwhile)]
    with database.read(boss) as session:
        assert list(session.scalars(select(Job.state).where(Job.kind == KIND))) == ["SUCCEEDED"] * 2


def test_a_scan_that_waits_is_enough(database: Database, boss: Caller) -> None:
    for _ in range(2):
        with database.write(boss) as session:
            require_scan(session)
    with database.read(boss) as session:
        assert list(session.scalars(select(Job.state).where(Job.kind == KIND))) == ["QUEUED"]


def test_what_too_many_have_in_common_is_passed_over(database: Database, boss: Caller, scan: Any) -> None:
    with database.write(boss) as session:
        for number in range(60):
            draft = CustomerDraft({"display_name": f"第{number}号独一公司{number}", "phones": ["02168880000"]}, {})
            create_customer(session, draft)
    result = scan()
    assert result["passed_over_keys"] >= 1
    assert result["compared_pairs"] < 60 * 59 / 2


KEYS = [new_id() for _ in range(30)]
PAIRS = st.lists(
    st.builds(
        Pair,
        st.floats(0.85, 1),
        st.sampled_from(KEYS),
        st.sampled_from(KEYS),
        st.just(("SAME_PHONE",)),
    ).filter(lambda pair: pair.one != pair.other),
    max_size=60,
)


@given(PAIRS, st.dictionaries(st.sampled_from(KEYS), st.sampled_from([ONE, OTHER])))
def test_groups_are_disjoint_small_and_of_one_code(pairs: list[Pair], codes: dict[UUID, str]) -> None:
    coded = [pair._replace(codes=(codes.get(pair.one), codes.get(pair.other))) for pair in pairs]
    made = grouped(coded)
    members = [member for group in made for member in group.members]
    assert len(members) == len(set(members))
    for group in made:
        assert 2 <= len(group.members) <= MOST_MEMBERS
        assert len({codes[member] for member in group.members if member in codes}) <= 1
