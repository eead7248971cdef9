"""Customers that become one, and merges taken back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import Caller, Reach
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.errors import Conflict, Denied, Duplicate, Invalid, NotFound
from customers.merging import rows
from customers.merging.fields import Choice
from customers.model import Contact, Customer, TimelineEntry
from customers.pools.replay import replay
from customers.queries import get_customer
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_contact import delete_contact
from customers.usecases.merge_customers import MergeDraft, merge_customers
from customers.usecases.record_follow_ups import FollowUp, record_follow_ups
from customers.usecases.share_customer import ShareDraft, share_customer
from customers.usecases.undo_merge import undo_merge
from customers.usecases.update_customer import CustomerPatch, update_customer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from .conftest import NOON, Organisation

ALL = (
    "customer.create", "customer.read", "customer.update", "customer.merge", "customer.share", "contact.create",
    "contact.read", "contact.delete", "contact.update",
)  # fmt: skip
CODE, OTHER_CODE = "91310000775785552L", "91110108551385082Q"
TABLES = ("customer", "contact", "timeline_entry", "record_share", "customer_standing", "recycle_extension")
CHANGING = {"version", "update_time"}


@pytest.fixture
def boss(organisation: Organisation) -> Caller:
    return organisation.boss.caller(*ALL)


def create(database: Database, caller: Caller, name: str, **values: Any) -> UUID:
    with database.write(caller) as session:
        return create_customer(session, CustomerDraft({"display_name": name} | values, {})).id


def contact(database: Database, caller: Caller, customer: UUID, name: str, **values: Any) -> UUID:
    with database.write(caller) as session:
        return create_contact(session, customer, {"display_name": name} | values).id


def merge(database: Database, caller: Caller, winner: UUID, *others: UUID, choices: Any = ()) -> UUID:
    with database.write(caller) as session:
        return merge_customers(session, MergeDraft(winner, others, choices)).merge.id


def undo(database: Database, caller: Caller, merge_id: UUID) -> None:
    with database.write(caller) as session:
        undo_merge(session, merge_id)


def read(database: Database, customer: UUID) -> Any:
    with database.read(caller_of_all()) as session:
        return get_customer(session, customer)


def caller_of_all() -> Caller:
    from chassis.testing import make_caller

    return make_caller("customer.read", "contact.read")


def picture(database: Database) -> dict[str, list[Any]]:
    """All rows that live, but for what every change changes. Shares that ended are history."""
    found = {}
    with database.engine.connect() as connection:
        for table in TABLES:
            statement = f"SELECT to_jsonb(t) FROM {table} AS t"
            if table == "record_share":
                statement += " WHERE revoke_time IS NULL"
            made = [{k: v for k, v in row.items() if k not in CHANGING} for row in connection.scalars(text(statement))]
            found[table] = sorted(made, key=lambda row: str(sorted(row.items(), key=lambda pair: pair[0])))
    return found


def follow_up(database: Database, customer: UUID, event: UUID, hours: int = 0) -> None:
    with database.write(caller_of_all()) as session:
        occurred = NOON - timedelta(hours=hours)
        facts = FollowUp(event, customer, "leads", "followUps/x", "users/x", "CALL", "好", occurred, effective=True)
        record_follow_ups(session, [facts])


def test_gaps_are_filled_lists_united_and_children_moved(
    database: Database, boss: Caller, organisation: Organisation, facts: Callable[[], Any], audited: Any
) -> None:
    winner = create(database, boss, "上海华诚科技有限公司", phones=["13800138000"], tags=["a"])
    loser = create(
        database, boss, "华诚科技(上海)公司", credit_code=CODE, phones=["13900139000"], tags=["b"],
        website="hua.cn", **{"address.city": "上海", "address.street": "南京路1号"},
    )  # fmt: skip
    kept = contact(database, boss, winner, "李雷", phones=["13700137000"], primary=True)
    united = contact(database, boss, loser, "李 雷", phones=["13700137000"], emails=["li@hua.cn"], wechat="lilei")
    moved = contact(database, boss, loser, "韩梅梅", primary=True)
    follow_up(database, loser, loser)
    with database.write(boss) as session:
        share_customer(session, ShareDraft(loser, organisation.li.id, None, "READ_ONLY"))
    merge_id = merge(database, boss, winner, loser)
    one = read(database, winner)
    assert (one.display_name, one.credit_code, one.website) == ("上海华诚科技有限公司", CODE, "https://hua.cn")
    assert (one.phones, one.tags) == (["+8613800138000", "+8613900139000"], ["a", "b"])
    assert (one.city, one.street, one.last_follow_up_time) == ("上海", "南京路1号", NOON)
    with database.read(boss) as session:
        contacts = {row.id: row for row in session.scalars(select(Contact))}
        assert contacts.keys() == {kept, moved}
        assert contacts[kept].emails == ["li@hua.cn"]
        assert contacts[kept].wechat == "lilei"
        assert not contacts[moved].is_primary
        kinds = session.scalars(select(TimelineEntry.kind).where(TimelineEntry.customer_id == winner)).all()
        assert sorted(kinds) == ["CUSTOMERS_MERGED", "FOLLOW_UP_LOGGED"]
        assert replay(session).mismatch is None
    with database.read(organisation.li.caller("customer.read", reach=Reach.SELF)) as session:
        assert get_customer(session, winner).id == winner
        with pytest.raises(NotFound) as refusal:
            get_customer(session, loser)
    assert (refusal.value.reason, refusal.value.details["merged_into"]) == ("CUSTOMER_MERGED", f"customers/{winner}")
    [event] = [data for name, data in facts() if name == "CustomersMerged"]
    assert event["merge"] == f"customerMerges/{merge_id}"
    assert [other["customer"] for other in event["others"]] == [f"customers/{loser}"]
    assert event["unitedContacts" if "unitedContacts" in event else "united_contacts"] == [
        {"contact": f"contacts/{united}", "into": f"contacts/{kept}"}
    ]
    assert [entry.resource for entry in audited() if entry.action == "customer.merge"] == [
        f"customers/{loser}", f"customers/{winner}",
    ]  # fmt: skip


def test_who_cannot_see_the_customer_that_stays_is_not_told_of_it(
    database: Database, boss: Caller, organisation: Organisation
) -> None:
    winner, loser = create(database, boss, "甲有限公司"), create(database, boss, "乙有限公司")
    merge(database, boss, winner, loser)
    with database.read(organisation.li.caller(*ALL, reach=Reach.SELF)) as session, pytest.raises(NotFound) as refusal:
        get_customer(session, loser)
    assert refusal.value.reason == "CUSTOMER_NOT_FOUND"


def test_choices_decide(database: Database, boss: Caller) -> None:
    winner = create(database, boss, "甲有限公司", credit_code=CODE, phones=["13800138000"], level="A")
    loser = create(database, boss, "乙有限公司", credit_code=OTHER_CODE, phones=["13900139000"])
    with pytest.raises(Conflict) as refusal:
        merge(database, boss, winner, loser)
    assert refusal.value.reason == "DIFFERENT_CREDIT_CODES"
    chosen = [Choice(field, loser) for field in ("credit_code", "display_name", "phones", "level")]
    merge(database, boss, winner, loser, choices=chosen)
    one = read(database, winner)
    assert (one.credit_code, one.display_name, one.phones) == (OTHER_CODE, "乙有限公司", ["+8613900139000"])
    assert one.level is None, "a choice is final, even of an empty value"


def test_what_cannot_be_merged_is_refused(database: Database, boss: Caller, organisation: Organisation) -> None:
    one, two = create(database, boss, "甲有限公司"), create(database, boss, "乙有限公司")
    person = create(database, boss, "王伟", kind="PERSON")
    cases: list[tuple[Any, Any, str]] = [
        ((one,), (), "INVALID_MERGE"),
        ((one, one), (), "INVALID_MERGE"),
        ((one, person), (), "DIFFERENT_KINDS"),
        ((one, two), [Choice("version", two)], "INVALID_MERGE_CHOICE"),
        ((one, two), [Choice("remark", person)], "INVALID_MERGE_CHOICE"),
    ]
    for ids, choices, reason in cases:
        with pytest.raises((Invalid, Conflict)) as refusal:
            merge(database, boss, *ids, choices=choices)
        assert refusal.value.reason == reason
    li = organisation.li.caller(*ALL, reach=Reach.SELF)
    mine = create(database, li, "丙有限公司")
    with pytest.raises(NotFound):
        merge(database, li, mine, one)
    reader = organisation.li.caller("customer.merge", reach=Reach.SELF)
    from dataclasses import replace

    both = replace(reader, grants={**reader.grants, **boss.grants, "customer.merge": reader.grants["customer.merge"]})
    with pytest.raises(Denied) as denied:
        merge(database, both, mine, one)
    assert denied.value.reason == "NOT_YOURS"


def test_undo_refuses_what_has_changed_since(database: Database, boss: Caller) -> None:
    winner, loser = create(database, boss, "甲有限公司"), create(database, boss, "乙有限公司", website="yi.cn")
    moved = contact(database, boss, loser, "李雷")
    merge_id = merge(database, boss, winner, loser)
    with database.write(boss) as session:
        update_customer(session, winner, CustomerPatch({"website": "jia.cn"}))
    with pytest.raises(Conflict) as refusal:
        undo(database, boss, merge_id)
    assert (refusal.value.reason, refusal.value.details["resource"]) == ("MERGE_CHANGED_SINCE", f"customers/{winner}")
    with database.write(boss) as session:
        update_customer(session, winner, CustomerPatch({"website": "yi.cn"}))
        delete_contact(session, moved)
    with pytest.raises(Conflict) as refusal:
        undo(database, boss, merge_id)
    assert refusal.value.details["resource"] == f"contacts/{moved}"


def test_what_was_added_since_stays_where_it_belongs(database: Database, boss: Caller) -> None:
    winner, loser = create(database, boss, "甲有限公司"), create(database, boss, "乙有限公司", website="yi.cn")
    merge_id = merge(database, boss, winner, loser)
    added = contact(database, boss, winner, "新人")
    follow_up(database, loser, loser)  # on its way since before the merge
    follow_up(database, winner, winner)
    with database.write(boss) as session:
        update_customer(session, winner, CustomerPatch({"remark": "新"}))
    undo(database, boss, merge_id)
    assert (read(database, winner).remark, read(database, winner).website) == ("新", None)
    with database.read(boss) as session:
        owners = dict(session.execute(select(TimelineEntry.id, TimelineEntry.customer_id)).all())
        assert owners == {loser: loser, winner: winner}
        assert session.scalars(select(Contact.customer_id).where(Contact.id == added)).one() == winner
        assert replay(session).mismatch is None
    with pytest.raises(Conflict) as refusal:
        undo(database, boss, merge_id)
    assert refusal.value.reason == "MERGE_UNDONE"


def test_undo_ends_after_thirty_days_and_gives_way_to_a_new_namesake(
    database: Database, boss: Caller, clock: FixedClock
) -> None:
    winner, loser = create(database, boss, "甲有限公司"), create(database, boss, "乙有限公司")
    merge_id = merge(database, boss, winner, loser)
    twin = create(database, boss, "乙有限公司")
    with pytest.raises(Duplicate):
        undo(database, boss, merge_id)
    with database.write(boss) as session:
        update_customer(session, twin, CustomerPatch({"display_name": "丙有限公司"}))
    clock.set(NOON + timedelta(days=30, seconds=1))
    with pytest.raises(Conflict) as refusal:
        undo(database, boss, merge_id)
    assert refusal.value.reason == "MERGE_TOO_OLD"
    clock.set(NOON + timedelta(days=30))
    undo(database, boss, merge_id)
    assert read(database, loser).display_name == "乙有限公司"


def test_merges_of_merges_are_undone_in_turn(database: Database, boss: Caller) -> None:
    one, two, three = (create(database, boss, f"{name}有限公司") for name in "甲乙丙")
    before = picture(database)
    first = merge(database, boss, two, three)
    second = merge(database, boss, one, two)
    with database.read(boss) as session, pytest.raises(NotFound) as refusal:
        get_customer(session, three)
    assert refusal.value.details["merged_into"] == f"customers/{one}"
    with pytest.raises(Conflict) as conflict:
        undo(database, boss, first)
    assert conflict.value.reason == "MERGE_CHANGED_SINCE"
    undo(database, boss, second)
    undo(database, boss, first)
    assert picture(database) == before


def test_every_table_of_customers_is_dealt_with() -> None:
    from customers.model import Base

    by_hand = rows._BY_HAND | rows._COUNTED | rows._HISTORY
    for table in Base.metadata.sorted_tables:
        if "customer_id" in table.c:
            assert table.name in {*rows.MOVED, *by_hand, *rows.dropped_tables()}, (
                f"say in customers.merging.rows what becomes of {table.name} when customers become one"
            )


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "phones": st.lists(st.sampled_from(["13800138000", "13900139000", "021-68880000"]), max_size=3, unique=True),
        "emails": st.lists(st.sampled_from(["a@a.cn", "b@b.cn"]), max_size=2, unique=True),
        "website": st.sampled_from(["a.cn", "b.cn"]),
        "tags": st.lists(st.sampled_from("xyz"), max_size=3),
        "level": st.sampled_from("AB"),
        "remark": st.text("甲乙\n\"'", max_size=5),
        "address.city": st.sampled_from(["上海", "北京"]),
    },
)
CONTACTS = st.lists(
    st.fixed_dictionaries(
        {"display_name": st.sampled_from("王李张")},
        optional={
            "phones": st.lists(st.sampled_from(["13800138000", "13900139000"]), max_size=2, unique=True),
            "emails": st.lists(st.sampled_from(["a@a.cn", "b@b.cn"]), max_size=2, unique=True),
            "primary": st.booleans(),
            "remark": st.text("甲", max_size=2),
        },
    ),
    max_size=3,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.tuples(VALUES, CONTACTS, st.booleans(), st.booleans()), min_size=2, max_size=4),
    fields=st.lists(st.sampled_from(["display_name", "address", "phones", "level", "remark"]), max_size=3),
)
def test_to_merge_and_to_undo_is_to_do_nothing(
    database: Database, boss: Caller, organisation: Organisation, records: Any, fields: list[str]
) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE customer, record_share, timeline_entry, customer_merge, merged_row CASCADE"))
        connection.execute(text("TRUNCATE merged_customer, holding_change"))
    ids = []
    for number, (values, contacts, followed, shared) in enumerate(records):
        ids.append(create(database, boss, f"第{number}号有限公司", **values))
        for one in contacts:
            contact(
                database,
                boss,
                ids[-1],
                name=one["display_name"],
                **{k: v for k, v in one.items() if k != "display_name"},
            )
        if followed:
            follow_up(database, ids[-1], ids[-1], number)
        if shared:
            with database.write(boss) as session:
                share_customer(session, ShareDraft(ids[-1], organisation.zhao.id, None, "READ_ONLY"))
    before = picture(database)
    merge_id = merge(database, boss, *ids, choices=[Choice(field, ids[-1]) for field in fields])
    with database.read(boss) as session:
        assert session.scalars(select(Customer.id)).all() == [ids[0]]
    undo(database, boss, merge_id)
    assert picture(database) == before
    with database.read(boss) as session:
        assert replay(session).mismatch is None
