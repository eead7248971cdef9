"""What purchases add up to: kept with each of them, merged, taken apart, rolled up and filtered by."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from chassis.bus.envelope import Received
from chassis.callers import Reach, service_caller
from chassis.custom_fields import CustomFieldDraft
from chassis.errors import Conflict, Denied
from chassis.names import new_id
from crm.common.v1 import filter_pb2
from customers.consumers import SUBSCRIPTIONS
from customers.purchases import queries
from customers.queries import count_customers, get_customer
from customers.usecases.create_custom_field import create_custom_field
from customers.usecases.evaluate_tiers import evaluate_part
from customers.usecases.merge_customers import MergeDraft, merge_customers
from customers.usecases.record_purchases import PurchaseDraft
from customers.usecases.undo_merge import undo_merge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

KINDS = ("ORDER", "PAYMENT", "REFUND")
SUMS = """
SELECT customer_id, count(*) FILTER (WHERE kind = 'ORDER'), coalesce(sum(base_amount) FILTER (WHERE kind = 'ORDER'), 0),
  count(*) FILTER (WHERE kind = 'PAYMENT'), coalesce(sum(base_amount) FILTER (WHERE kind = 'PAYMENT'), 0),
  coalesce(sum(base_amount) FILTER (WHERE kind = 'REFUND'), 0),
  min(time) FILTER (WHERE kind <> 'REFUND'), max(time) FILTER (WHERE kind <> 'REFUND')
FROM purchase GROUP BY customer_id
"""


def totals(shop):
    with shop.database.engine.connect() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(text("SELECT * FROM purchase_total"))}


def sums(shop):
    with shop.database.engine.connect() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(text(SUMS))}


def bought(shop, customer: UUID, amount: object = 100, kind: str = "ORDER", days: int = 0, key: str = ""):
    time = shop.database.clock() - timedelta(days=days)
    return PurchaseDraft(f"customers/{customer}", "erp", key or uuid4().hex, kind, time, "CNY", str(amount), "")


def merge(shop, winner, *others):
    with shop.database.write(shop.organisation.boss.caller()) as session:
        return merge_customers(session, MergeDraft(winner, others)).merge.id


def undo(shop, merge_id):
    with shop.database.write(shop.organisation.boss.caller()) as session:
        undo_merge(session, merge_id)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "again", "merge", "undo"]), st.integers(0, 2), st.sampled_from(KINDS), st.integers(1, 9)
    ),
    max_size=8,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_totals_are_the_sums_of_the_purchases_whatever_happens(shop, steps):
    with shop.database.engine.begin() as connection:
        connection.execute(text("TRUNCATE customer, purchase, purchase_total, customer_merge, merged_row CASCADE"))
        connection.execute(text("TRUNCATE merged_customer, holding_change"))
    ids = [shop.customer(f"第{number}号有限公司") for number in range(3)]
    sent: list[PurchaseDraft] = []
    merges: list[UUID] = []
    standing = list(ids)
    for step, which, kind, amount in steps:
        if step == "buy":
            sent.append(bought(shop, ids[which], amount, kind, days=amount))
            assert shop.record(sent[-1])[0].created
        elif step == "again" and sent:
            [outcome] = shop.record(sent[which % len(sent)])
            assert (outcome.refusal, outcome.created) == (None, False), "a merge makes no purchase another one"
        elif step == "merge" and len(standing) > 1:
            merges.append(merge(shop, standing[0], standing.pop()))
        elif step == "undo" and merges:
            undo(shop, merges.pop())
            standing.append(ids[len(standing)])
        assert totals(shop) == sums(shop)
    while merges:
        undo(shop, merges.pop())
    wanted = {key: [one for one in sent if one.customer == f"customers/{key}"] for key in ids}
    assert {key: row[0] + row[2] for key, row in totals(shop).items()} == {
        key: sum(one.kind != "REFUND" for one in drafts) for key, drafts in wanted.items() if drafts
    }


def test_wrong_totals_are_put_right_by_the_next_evaluation(shop):
    one, other, none = (shop.customer(f"{name}有限公司") for name in "甲乙丙")
    shop.record(bought(shop, one, 10), bought(shop, one, 5, "PAYMENT"), bought(shop, other, 1))
    with shop.database.engine.begin() as connection:
        connection.execute(text("DELETE FROM purchase_total WHERE customer_id = :id"), {"id": other})
        connection.execute(text("UPDATE purchase_total SET ordered = 99"))
        empty = text("INSERT INTO purchase_total VALUES (:id, 1, 1, 0, 0, 0, now(), now())")
        connection.execute(empty, {"id": none})
    with shop.database.write(service_caller("customers")) as session:
        evaluate_part(session, None)
    assert totals(shop) == sums(shop)


def test_roll_ups_over_purchases_follow_at_once_and_add_up_when_customers_merge(shop):
    boss = shop.organisation.boss.caller()
    with shop.database.write(boss) as session:
        for key, children, function, field in [
            ("sum", "orders", "SUM", "amount"), ("paid", "payments", "COUNT", ""), ("last", "orders", "MAX", "time"),
        ]:  # fmt: skip
            rollup = {"children": children, "function": function, "field": field}
            create_custom_field(session, CustomFieldDraft("customer", key, key, "ROLLUP", rollup=rollup))
        expression = CustomFieldDraft("customer", "double", "x", "FORMULA", expression="sum * 2", result_type="NUMBER")
        create_custom_field(session, expression)
    one, other = shop.customer("甲有限公司"), shop.customer("乙有限公司")
    shop.record(bought(shop, one, 10, days=3), bought(shop, one, 5, "PAYMENT"), bought(shop, other, "2.5", days=1))

    def custom(customer):
        with shop.database.read(boss) as session:
            return get_customer(session, customer).custom

    before = custom(one), custom(other)
    assert [(row["sum"], row["paid"], row["double"]) for row in before] == [(10, 1, 20), (2.5, 0, 5)]
    merge_id = merge(shop, one, other)
    united = custom(one)
    assert (united["sum"], united["paid"], united["double"]) == (12.5, 1, 25)
    assert united["last"] == before[1]["last"]
    shop.record(bought(shop, one, 1))
    undo(shop, merge_id)
    assert (custom(one)["sum"], custom(one)["double"], custom(other)) == (11, 22, before[1])


def deliver(shop, name, data):
    [subscription] = [one for one in SUBSCRIPTIONS if one.source == "contracts" and name in one.events]
    received = Received(new_id(), f"crm.contracts.v1.{name}", "contracts", "", shop.database.clock(), "", data)
    with shop.database.write(service_caller("customers")) as session:
        subscription.handle(session, received)


def test_events_of_contracts_are_heard_once_in_any_order(shop, clock):
    customer = shop.customer("丙有限公司")
    time = (clock.now - timedelta(hours=1)).isoformat().replace("+00:00", "Z")

    def told(name, amount):
        which = {"OrderPlaced": "order", "PaymentReceived": "payment", "PaymentRefunded": "refund"}[name]
        key = f"{which}s/{new_id()}"
        money = {"currency_code": "CNY", "amount": amount}
        return name, {which: key, "customer": f"customers/{customer}", f"{which}_time": time, "amount": money}

    events = [told("OrderPlaced", "100"), told("PaymentReceived", "60"), told("PaymentRefunded", "10")]
    for name, data in [events[2], events[1], events[2], events[0], events[1], events[0]]:
        deliver(shop, name, data)
    assert totals(shop)[customer][:5] == (1, Decimal(100), 1, Decimal(60), Decimal(10))
    with shop.database.read(shop.organisation.boss.caller()) as session:
        rows = queries.list_purchases(session, customer, page_size=0, page_token="").rows
    assert {(row.source, row.external_id) for row in rows} == {
        ("contracts", data[which]) for (_, data), which in zip(events, ("order", "payment", "refund"), strict=True)
    }
    name, data = events[0]
    with pytest.raises(Conflict, match="other content"):
        deliver(shop, name, {**data, "amount": {"currency_code": "CNY", "amount": "101"}})
    name, data = told("OrderPlaced", "5")
    deliver(shop, name, {**data, "customer": f"customers/{new_id()}"})
    assert len(totals(shop)) == 1, "who is no more has bought nothing"


def filtered(shop, caller, field, number):
    value = filter_pb2.FilterValue(number=number)
    condition = filter_pb2.Condition(field=field, operator=filter_pb2.OPERATOR_GREATER_OR_EQUAL, values=[value])
    with shop.database.read(caller) as session:
        return count_customers(session, conditions=filter_pb2.Filter(condition=condition), query="")


def test_nobody_finds_customers_by_purchases_that_they_may_not_see(shop, organisation):
    mine, theirs = shop.customer("丁有限公司"), shop.customer("戊有限公司", organisation.zhao)
    shop.record(bought(shop, mine, 10), bought(shop, theirs, 10))
    assert filtered(shop, organisation.boss.caller(), "ordered_amount", 10) == 2
    with pytest.raises(Denied):
        filtered(shop, organisation.li.caller("customer.read"), "ordered_amount", 10)
    caller = organisation.li.caller("customer.read", "purchase.read", reach=Reach.SELF)
    assert filtered(shop, caller, "ordered_amount", 10) == 1
