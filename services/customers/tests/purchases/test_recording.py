"""Recording what customers bought, as other systems tell it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Denied, Invalid, NotFound
from chassis.names import new_id
from customers.purchases import queries
from customers.usecases.delete_customer import delete_customer
from customers.usecases.record_purchases import PurchaseDraft, record_purchases


@pytest.fixture
def order(shop, clock):
    """An order over 100 yuan."""
    customer = f"customers/{shop.customer('上海华诚科技有限公司')}"
    return PurchaseDraft(customer, "erp", "SO-1", "ORDER", clock.now - timedelta(days=1), "CNY", "100", "")


def reasons(outcomes):
    return [(one.refusal.reason, getattr(one.refusal, "field", "")) if one.refusal else one.created for one in outcomes]


def test_a_purchase_told_twice_is_one(shop, order, audited):
    [first] = shop.record(order)
    again, same, other = shop.record(order, order, replace(order, external_id="SO-2"))
    assert [one.created for one in (first, again, same, other)] == [True, False, False, True]
    assert first.purchase_id == again.purchase_id == same.purchase_id != other.purchase_id
    entries = [entry for entry in audited() if entry.action == "purchase.record"]
    assert [entry.after["external_id"] for entry in entries] == ["SO-1", "SO-2"]


def test_a_key_that_comes_with_another_content_is_refused(shop, order):
    shop.record(order)
    for change in ({"amount": "101"}, {"kind": "PAYMENT"}, {"time": order.time - timedelta(seconds=1)}):
        assert reasons(shop.record(replace(order, **change))) == [("PURCHASE_DIFFERS", "external_id")]
    assert shop.record(replace(order, amount="100.0"))[0].created is False


def test_each_purchase_of_a_batch_is_judged_by_itself(shop, order, clock):
    wrong = [
        ({"customer": f"customers/{new_id()}"}, "CUSTOMER_NOT_FOUND", ""),
        ({"customer": "华诚"}, "INVALID_NAME", "customer"),
        ({"source": " "}, "REQUIRED", "source"),
        ({"kind": "UNSPECIFIED"}, "INVALID_VALUE", "kind"),
        ({"time": None}, "INVALID_TIME", "time"),
        ({"time": clock.now + timedelta(days=2)}, "INVALID_TIME", "time"),
        ({"currency": "RMB"}, "INVALID_CURRENCY", "amount.currency_code"),
        ({"amount": "-1"}, "INVALID_AMOUNT", "amount.amount"),
        ({"amount": "1.00001"}, "INVALID_AMOUNT", "amount.amount"),
        ({"currency": "USD"}, "REQUIRED", "base_amount"),
        ({"currency": "USD", "base_amount": "7,15"}, "INVALID_AMOUNT", "base_amount"),
        ({"base_amount": "99"}, "INVALID_AMOUNT", "base_amount"),
    ]
    drafts = [replace(order, **{"external_id": str(at), **values}) for at, (values, _, _) in enumerate(wrong)]
    outcomes = shop.record(order, *drafts)
    assert outcomes[0].created
    told = [
        (one.refusal.violations[0].reason, one.refusal.violations[0].field)
        if getattr(one.refusal, "violations", ())
        else (one.refusal.reason, one.refusal.field)
        for one in outcomes[1:]
    ]
    assert told == [(reason, field) for _, reason, field in wrong]


def test_a_batch_has_a_size(shop, order):
    for count in (0, 501):
        with pytest.raises(Invalid):
            shop.record(*[order] * count)


def test_only_customers_within_reach_are_recorded_for_and_shown(shop, order, organisation, database):
    zhao = organisation.zhao.caller("purchase.record", "purchase.read", reach=Reach.DEPARTMENT_TREE)
    assert reasons(shop.record(order, caller=zhao)) == [("CUSTOMER_NOT_FOUND", "")]
    with pytest.raises(Denied):
        shop.record(order, caller=organisation.li.caller("customer.read"))
    shop.record(order)
    customer_id = order.customer.partition("/")[2]
    with database.read(organisation.li.caller(reach=Reach.SELF)) as session:
        assert len(queries.list_purchases(session, customer_id, page_size=0, page_token="").rows) == 1
    with database.read(zhao) as session, pytest.raises(NotFound):
        queries.list_purchases(session, customer_id, page_size=0, page_token="")


def test_what_a_customer_bought_adds_up_in_the_organisations_currency(shop, order, database, organisation, clock):
    later = clock.now - timedelta(hours=1)
    shop.record(
        order,
        replace(order, external_id="SO-2", currency="USD", amount="10", base_amount="71.5", time=later),
        replace(order, external_id="P-1", source="bank", kind="PAYMENT", amount="60", time=later),
        replace(order, external_id="R-1", kind="REFUND", amount="10.25", time=clock.now),
    )
    with database.read(organisation.boss.caller()) as session:
        row, currency = queries.purchase_insight(session, order.customer.partition("/")[2])
    assert currency == "CNY"
    assert [str(value) for value in (row.order_count, row.ordered, row.payment_count, row.paid, row.refunded)] == [
        "2",
        "171.5000",
        "1",
        "60.0000",
        "10.2500",
    ]
    assert (row.first_time, row.last_time, row.last_record_time) == (order.time, later, clock.now)
    assert sorted(row.sources) == ["bank", "erp"]


def test_purchases_go_with_their_customer(shop, order, database, organisation):
    shop.record(order)
    with database.write(organisation.boss.caller()) as session:
        delete_customer(session, order.customer.partition("/")[2])
    other = f"customers/{shop.customer('另一家')}"
    assert shop.record(replace(order, customer=other))[0].created


def test_batches_that_overlap_add_each_purchase_once(shop, order, database, organisation):
    drafts = [replace(order, external_id=str(number)) for number in range(50)]
    with database.write(organisation.boss.caller()) as first:
        record_purchases(first, drafts[:30])
        first.flush()
    made = [one.created for one in shop.record(*reversed(drafts))]
    assert made == [True] * 20 + [False] * 30
