"""The scores of customers, compared with scores that are reckoned here from the published rule."""

import csv
import gzip
import os
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from chassis.callers import Reach
from chassis.errors import Denied, Invalid, NotFound
from chassis.names import new_id
from customers.model.purchases import RfmScore
from customers.purchases import queries
from customers.purchases.rfm import RfmBase, RfmMethod, RfmParameters
from customers.usecases.run_rfm import do_rfm, queue_rfm
from sqlalchemy import select, text

DAY = date(2026, 3, 2)
DATA = Path(os.environ.get("CRM_DATA") or Path(__file__).resolve().parents[5] / "shared" / "data")
RETAIL = DATA / "online_retail" / "online_retail_II_2009_2010_600customers.csv.gz"
"""A file of the UCI data set Online Retail II as gzipped CSV, to check with the sales of a real shop."""
SEGMENTS = [
    ("CHAMPIONS", "5-5", "5-5", "5-5"),
    ("POTENTIAL_LOYALIST", "3-5", "3-5", "2-5"),
    ("LOYAL", "2-4", "2-4", "2-4"),
    ("PROMISING", "3-4", "1-3", "3-5"),
    ("NEW", "4-5", "1-3", "1-5"),
    ("CANT_LOSE", "1-2", "3-4", "4-5"),
    ("AT_RISK", "1-2", "2-5", "4-5"),
    ("NEED_ATTENTION", "1-3", "3-5", "3-5"),
    ("ABOUT_TO_SLEEP", "2-3", "1-3", "1-4"),
    ("LOST", "1-1", "1-5", "1-5"),
]
TYPES = {
    (True, True, True): "IMPORTANT_VALUE",
    (True, False, True): "IMPORTANT_DEVELOP",
    (False, True, True): "IMPORTANT_KEEP",
    (False, False, True): "IMPORTANT_RETAIN",
    (True, True, False): "GENERAL_VALUE",
    (True, False, False): "GENERAL_DEVELOP",
    (False, True, False): "GENERAL_KEEP",
    (False, False, False): "GENERAL_RETAIN",
}


def quintiles(values: dict) -> dict:
    """The score of each key: its place in five classes of almost equal size, the first ones being the larger."""
    ordered = sorted(values, key=values.__getitem__)
    size, larger = divmod(len(ordered), 5)
    classes = [number + 1 for number in range(5) for _ in range(size + (number < larger))]
    lowest = {}
    for key, place in zip(ordered, classes, strict=True):
        lowest.setdefault(values[key], place)
    return {key: lowest[value] for key, value in values.items()}


def within(groups: dict, values: dict) -> dict:
    """The same within each group."""
    members = defaultdict(dict)
    for key, value in values.items():
        members[groups[key]][key] = value
    return {key: place for part in members.values() for key, place in quintiles(part).items()}


def segment(*scores: int) -> str:
    for name, *bounds in SEGMENTS:
        ranges = [tuple(map(int, bound.split("-"))) for bound in bounds]
        if all(low <= score <= high for score, (low, high) in zip(scores, ranges, strict=True)):
            return name
    return "OTHERS"


def expected(purchases, day, *, base="ORDER", nested=False, gross=False, period=365):
    """Customer → recency, frequency, value, the scores, segment and type. Purchases are customer, day, kind, amount."""
    first = day - timedelta(days=period - 1)
    found = defaultdict(list)
    for customer, bought, kind, amount in purchases:
        if first <= bought <= day:
            found[customer].append((bought, kind, amount))
    recency, frequency, value = {}, {}, {}
    for customer, rows in found.items():
        days = [bought for bought, kind, _ in rows if kind == base]
        if days:
            recency[customer], frequency[customer] = (day - max(days)).days, len(days)
            back = sum((amount for _, kind, amount in rows if kind == "REFUND"), Decimal(0))
            value[customer] = sum(amount for _, kind, amount in rows if kind == base) - (0 if gross else back)
    r = quintiles({key: -days for key, days in recency.items()})
    f = within(r, frequency) if nested else quintiles(frequency)
    m = within({key: (r[key], f[key]) for key in r}, value) if nested else quintiles(value)
    mean = [Fraction(sum(scores.values()), max(len(scores), 1)) for scores in (r, f, m)]
    return {
        key: (
            *(recency[key], frequency[key], value[key], r[key], f[key], m[key]),
            segment(r[key], f[key], m[key]),
            TYPES[r[key] > mean[0], f[key] > mean[1], m[key] > mean[2]],
        )
        for key in recency
    }


def fixture(customers, seed=7):
    """Purchases of a thousand customers with many ties in all three values."""
    chance = random.Random(seed)
    rows = []
    for customer in customers:
        for _ in range(chance.choice([0, 1, 1, 1, 2, 3, 5, 8])):
            bought = DAY - timedelta(days=chance.choice([0, 1, 7, 7, 30, 60, 90, 180, 364, 365, 400]))
            amount = Decimal(chance.choice(["10", "99.90", "100", "100", "250.55", "1000"]))
            kind = chance.choice(["ORDER", "ORDER", "ORDER", "PAYMENT", "PAYMENT", "REFUND"])
            rows.append((customer, bought, kind, amount))
    return rows


def put(database, purchases):
    """Store purchases at an hour at which it is the same day in Shanghai, the first ones at its very ends."""
    hours = [timedelta(hours=-8), timedelta(hours=16) - timedelta(microseconds=1)]
    rows = [
        {
            "id": new_id(),
            "customer": customer,
            "key": str(number),
            "kind": kind,
            "time": datetime(day.year, day.month, day.day, tzinfo=UTC) + hours[number % 2],
            "amount": amount,
        }
        for number, (customer, day, kind, amount) in enumerate(purchases)
    ]
    insert = text(
        """INSERT INTO purchase (id, customer_id, source, external_id, kind, time, amount, currency, base_amount,
             recorder, record_time)
           VALUES (:id, :customer, 'erp', :key, :kind, :time, :amount, 'CNY', :amount, 'clients/erp', :time)"""
    )
    with database.engine.begin() as connection:
        connection.execute(insert, rows)


def analyse(database, caller, day=None, **parameters):
    with database.write(caller) as session:
        run = queue_rfm(session, day, RfmParameters(**parameters))
        do_rfm(session, run.id)
    with database.read(caller) as session:
        rows = session.scalars(select(RfmScore).where(RfmScore.run_id == run.id))
        return {
            row.customer_id: (
                *(row.recency_days, row.frequency, row.monetary, row.r, row.f, row.m, row.segment, row.type),
            )
            for row in rows
        }


@pytest.mark.parametrize("method", RfmMethod)
@pytest.mark.parametrize(("base", "gross"), [(RfmBase.ORDER, False), (RfmBase.PAYMENT, True)])
def test_a_thousand_customers_score_by_the_published_rule(shop, database, organisation, method, base, gross):
    purchases = fixture(shop.customers(1000))
    put(database, purchases)
    found = analyse(database, organisation.boss.caller(), method=method, base=base, gross=gross)
    assert found == expected(purchases, DAY, base=base, nested=method is RfmMethod.NESTED, gross=gross)
    assert len(found) > 400
    assert {row[6] for row in found.values()} >= {"CHAMPIONS", "LOST", "AT_RISK", "OTHERS"}
    for at in range(3):  # equal values get equal scores, within what they are compared with
        if method is RfmMethod.INDEPENDENT:
            pairs = {(row[at], row[3 + at]) for row in found.values()}
            assert len(pairs) == len({value for value, _ in pairs}) < len(found)


def test_an_earlier_day_is_reckoned_as_it_was(shop, database, organisation, clock):
    purchases = fixture(shop.customers(100))
    put(database, purchases)
    boss = organisation.boss.caller()
    earlier = DAY - timedelta(days=31)
    found = analyse(database, boss, earlier, period_days=100)
    assert found == expected(purchases, earlier, period=100)
    assert found != analyse(database, boss, period_days=100)
    someone = next(iter(found))
    with database.read(boss) as session:
        score, run = queries.get_score(session, someone, earlier)
        assert (score.segment, run.analysis_date) == (found[someone][6], earlier)
        with pytest.raises(NotFound) as refused:
            queries.get_score(session, someone, earlier - timedelta(days=1))
    assert refused.value.reason == "RFM_NOT_RUN"


def test_few_customers_are_scored_too(shop, database, organisation):
    boss = organisation.boss.caller()
    assert analyse(database, boss) == {}
    purchases = [(one, DAY, "ORDER", Decimal(10)) for one in shop.customers(3)]
    put(database, purchases)
    assert {row[3:6] for row in analyse(database, boss).values()} == {(1, 1, 1)}


def test_the_summary_counts_what_the_caller_sees(shop, database, organisation):
    mine, other = shop.customer("我的"), shop.customer("别人的", organisation.zhao)
    put(database, [(mine, DAY, "ORDER", Decimal(10)), (other, DAY, "ORDER", Decimal(20))])
    analyse(database, organisation.boss.caller())
    for caller, values in (
        (organisation.boss.caller(), [20, 10]),
        (organisation.li.caller(reach=Reach.SELF), [10]),
    ):
        with database.read(caller) as session:
            summary = queries.summary(session, None)
            run, page = queries.list_scores(session, None, segments=[], types=[], page_size=0, page_token="")
            none = queries.list_scores(session, None, segments=["LOYAL"], types=[], page_size=0, page_token="")[1]
        assert [row.monetary for row in page.rows] == values
        assert none.rows == []
        assert summary.run.id == run.id
        for lines in (summary.segments, summary.types):
            assert sum(line.monetary for line in lines) == sum(values)
            assert sum(line.customers for line in lines) == len(values)
        assert len(summary.segments) == 11
        assert len(summary.types) == 8


def test_an_analysis_has_limits(database, organisation, shop):
    with database.write(organisation.boss.caller()) as session:
        for day, period in ((DAY + timedelta(days=1), 365), (DAY, 3661), (DAY, -1)):
            with pytest.raises(Invalid):
                queue_rfm(session, day, RfmParameters(period_days=period))
    narrow = organisation.boss.caller("rfm.run", reach=Reach.DEPARTMENT_TREE)
    with database.write(narrow) as session, pytest.raises(Denied):
        queue_rfm(session, DAY, RfmParameters())


@pytest.mark.skipif(not RETAIL.is_file(), reason="needs the public data sets: name their folder in CRM_DATA")
def test_a_real_shop_scores_by_the_published_rule(shop, database, organisation):
    purchases = read_retail(RETAIL)
    names = sorted({row[0] for row in purchases})
    ids = dict(zip(names, shop.customers(len(names)), strict=True))
    purchases = [(ids[customer], *rest) for customer, *rest in purchases]
    put(database, purchases)
    day = max(row[1] for row in purchases)
    for method in RfmMethod:
        found = analyse(database, organisation.boss.caller(), day, method=method)
        assert found == expected(purchases, day, nested=method is RfmMethod.NESTED)
        assert len(found) > 100


def read_retail(file):
    """The invoices: those that begin with C are cancellations, other letters are adjustments."""
    totals = defaultdict(Decimal)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as content:
        for row in csv.DictReader(content):
            key = (row["Customer ID"], row["Invoice"], row["InvoiceDate"][:10])
            totals[key] += int(row["Quantity"]) * Decimal(row["Price"])
    return [
        (customer, date.fromisoformat(day), "REFUND" if invoice[0] == "C" else "ORDER", abs(total))
        for (customer, invoice, day), total in totals.items()
        if customer and (invoice[0] == "C" or invoice.isdigit())
    ]
