"""What searches take among many customers, by what is searched for and who searches.

    python tests/bench/search.py [--customers 1000000] [--searches 60]

A fresh database is filled by COPY with made-up companies, each with a contact. Two calls of the service are measured
within its process, in the database and as a whole: the list of customers by a search (`list`) and the search over
customers and contacts (`search`), for somebody who sees everything (`all`) and for the owner of one customer in 200
(`own`). Each line says which indexes served it. The server is that of TEST_POSTGRES_URL if set, else a private one.
Exits with 1 if a search takes longer in the database than is wanted.
"""

import argparse
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import psutil
import psycopg
from chassis import pinyin
from chassis.callers import Caller, Reach
from chassis.copying import copy_cells, integer_array, text_array
from chassis.db import Database
from chassis.formats import name_key
from chassis.names import new_id
from chassis.search import grams
from chassis.testing import make_caller
from crm.common.v1 import filter_pb2
from customers import queries
from customers.main import SERVICE
from customers.model import searched_contact, searched_text
from customers.searching.queries import search_records
from databases import fresh_database
from sqlalchemy import event
from stdnum.cn import uscc

SEED = 20260302
TARGET_MS = 50
OWNERS = 200
PLACES = (
    "上海",
    "北京",
    "深圳",
    "广州",
    "杭州",
    "成都",
    "武汉",
    "西安",
    "苏州",
    "南京",
    "重庆",
    "天津",
    "宁波",
    "青岛",
    "长沙",
)
TRADES = (
    "科技",
    "贸易",
    "实业",
    "电子",
    "机械制造",
    "信息技术",
    "生物医药",
    "建筑工程",
    "物流",
    "新材料",
    "软件",
    "环保设备",
)
FORMS = ("有限公司", "有限公司", "有限公司", "有限责任公司", "股份有限公司", "集团")
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
)
SIGNS = [sign for sign in map(chr, range(0x4E00, 0x9FA6)) if b"\xb0" <= sign.encode("gb2312", "ignore")[:1] < b"\xd8"]
"""The 3,755 characters of level 1 of GB 2312, which are those in daily use."""
DOMAIN, GROUP_DOMAIN = "mail.example.cn", "group.example.cn"
"""Where 99 of 100 customers have their address, and where the others have it."""
CUSTOMER_COLUMNS = (
    "id, kind, display_name, name_key, credit_code, owner_id, owner_department_path, status, phones, emails, tags, "
    "custom, search_text, grams, creator, version, create_time, update_time"
)
CONTACT_COLUMNS = (
    "id, customer_id, display_name, phones, emails, is_primary, search_text, grams, version, create_time, update_time"
)


@dataclass(frozen=True)
class Made:
    """A made-up customer, as far as it is searched for."""

    brand: str
    trade: str
    phone: str
    email: str
    code: str
    contact: str
    contact_phone: str


class Archive:
    """A database full of customers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database("customers", url)
        self.dice = random.Random(SEED)
        self.owners = [new_id() for _ in range(OWNERS)]
        self.known: list[Made] = []

    def fill(self, count: int) -> None:
        """Bring customers in, with the indexes made afterwards."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET maintenance_work_mem = '512MB'")
            kept = connection.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('customer', 'contact') "
                "AND indexname NOT LIKE 'pk_%'"
            ).fetchall()
            for name, _ in kept:
                connection.execute(f"DROP INDEX {name}")
            for start in range(0, count, 10_000):
                self._copy(connection, min(10_000, count - start), start)
            for _, definition in kept:
                connection.execute(definition)
            connection.execute("VACUUM ANALYZE customer, contact")

    def _copy(self, connection: psycopg.Connection[Any], count: int, start: int) -> None:
        customers, contacts = [], []
        for number in range(start, start + count):
            customer, contact = self._make(number)
            customers.append(customer)
            contacts.append(contact)
        for table, columns, lines in (
            ("customer", CUSTOMER_COLUMNS, customers),
            ("contact", CONTACT_COLUMNS, contacts),
        ):
            with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                copy.write("".join(f"{line}\n" for line in lines))

    def _make(self, number: int) -> tuple[str, str]:
        dice = self.dice
        brand = "".join(dice.choices(SIGNS, k=dice.choice((2, 2, 3))))
        trade = dice.choice(TRADES)
        name = f"{dice.choice(PLACES)}{brand}{trade}{dice.choice(FORMS)}"
        code = f"91{dice.randrange(110000, 650000)}{''.join(dice.choices('0123456789ABCDEFGHJKLMNPQRTUWXY', k=9))}"
        code += uscc.calc_check_digit(code)
        phone = f"+861{dice.choice(('38', '39', '86', '77'))}{dice.randrange(10**8):08}"
        domain = DOMAIN if number % 100 else GROUP_DOMAIN
        email = f"{''.join(dice.choices('abcdefghijklmnopqrstuvwxyz', k=7))}{number % 100}@{domain}"
        contact = dice.choice(SURNAMES) + "".join(dice.choices(SIGNS, k=dice.choice((1, 2, 2))))
        contact_phone = f"+861{dice.choice(('35', '50', '59', '88'))}{dice.randrange(10**8):08}"
        if dice.random() < 0.01:
            self.known.append(Made(brand, trade, phone, email, code, contact, contact_phone))
        key, now = str(new_id()), f"2026-01-{1 + number % 28:02} {number % 24:02}:{number % 60:02}:{number % 59:02}Z"
        searched = searched_text(name, [phone], [email])
        customer = copy_cells(
            [
                key, "COMPANY", name, name_key(name), code, str(self.owners[number % OWNERS]), "1/", "POTENTIAL",
                text_array([phone]), text_array([email]), "{}", "{}", searched, integer_array(grams(searched)),
                "users/x", "1", now, now,
            ]
        )  # fmt: skip
        searched = searched_contact(contact, [contact_phone], [])
        cells = [str(new_id()), key, contact, text_array([contact_phone]), "{}", "t", searched]
        return customer, copy_cells([*cells, integer_array(grams(searched)), "1", now, now])


def spelled(name: str) -> list[str]:
    """The syllables of a name, as typed."""
    return pinyin.spelled(name).split(" ")[0].lower().split("'")[1:]


KINDS: dict[str, Callable[[Made], str]] = {
    "part of a name": lambda made: made.brand[:2],
    "common word": lambda made: made.trade[:2],
    "common and rare": lambda made: f"{made.trade[:2]} {made.brand[-2:]}",
    "name with trade": lambda made: made.brand[-1] + made.trade,
    "initials": lambda made: pinyin.initials(made.brand + made.trade)[0],
    "full pinyin": lambda made: "".join(spelled(made.brand + made.trade)),
    "pinyin of the brand": lambda made: "".join(spelled(made.brand)),
    "mixed pinyin": lambda made: "".join(
        one if number > 1 else one[0] for number, one in enumerate(spelled(made.brand + made.trade))
    ),
    "phone, last 4": lambda made: made.phone[-4:],
    "phone, last 8": lambda made: made.phone[-8:],
    "part of an e-mail": lambda made: made.email[:6],
    "credit code": lambda made: made.code,
    "name and phone": lambda made: f"{made.brand[:2]} {made.phone[-4:]}",
    "contact's name": lambda made: made.contact,
    "contact's pinyin": lambda made: "".join(spelled(made.contact)),
    "contact's phone": lambda made: made.contact_phone[-4:],
}


def list_customers(database: Database, caller: Caller, query: str) -> int:
    """The first page of a list; the number of rows."""
    with database.read(caller) as session:
        page = queries.list_customers(
            session, conditions=filter_pb2.Filter(), query=query, order_by=[], page_size=20, page_token=""
        )
        return len(page.rows)


def search(database: Database, caller: Caller, query: str) -> int:
    """The search over customers and contacts; the number of rows."""
    with database.read(caller) as session:
        found = search_records(session, query, 10)
        return len(found.customers) + len(found.contacts)


CALLS = {"list": list_customers, "search": search}


class Statements:
    """What a call sends to the database, and the milliseconds until all rows are there."""

    def __init__(self, database: Database) -> None:
        self._engine = database.pool_engine
        self._began = 0.0
        self.sent: list[tuple[str, Any]] = []
        self.took = 0.0

    def __enter__(self) -> "Statements":
        event.listen(self._engine, "before_cursor_execute", self._before)
        event.listen(self._engine, "after_cursor_execute", self._after)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._before)
        event.remove(self._engine, "after_cursor_execute", self._after)

    def _before(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        self.sent.append((statement, parameters))
        self._began = time.perf_counter()

    def _after(self, *_: Any) -> None:
        self.took += (time.perf_counter() - self._began) * 1000

    def indexes(self, url: str) -> set[str]:
        """The indexes that the searching ones go by; `scan` if a table is read as a whole."""
        searching = [each for each in self.sent if "grams" in each[0] or "credit_code =" in each[0]]
        with psycopg.connect(url) as connection:
            plans = [
                line
                for statement, parameters in searching
                for (line,) in connection.execute(f"EXPLAIN (COSTS OFF) {statement}", parameters)
            ]
        plan = "\n".join(plans)
        return set(re.findall(r"\b(?:ix|uq)_\w+", plan)) | ({"scan"} if "Seq Scan on c" in plan else set())


@dataclass
class Times:
    """What several searches took, in milliseconds."""

    whole: list[float]
    database: list[float]
    """Until the rows are there, whatever else the machine does meanwhile."""
    processor: float
    """Of the server, per search; 0 if it runs on another machine."""
    indexes: set[str]

    @property
    def slow(self) -> float:
        """The 95th percentile in the database."""
        return quantiles(self.database, n=20)[-1]

    def __str__(self) -> str:
        whole = quantiles(self.whole, n=20)[-1]
        return (
            f"p50 {median(self.database):6.1f} ms   p95 {self.slow:6.1f} ms   processor {self.processor:5.1f} ms   "
            f"whole call p95 {whole:6.1f} ms   {', '.join(sorted(self.indexes))}"
        )


def processor_ms(database: Database) -> float:
    """The processor time of the server's process that answers this program, which uses one connection."""
    with database.pool_engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    if not psutil.pid_exists(pid) or "postgres" not in psutil.Process(pid).name():
        return 0.0
    return 1000 * float(sum(psutil.Process(pid).cpu_times()[:2]))


def measured(archive: Archive, caller: Caller, call: Callable[..., int], words: Sequence[str]) -> Times:
    """Search for each of the words, after some to warm up."""
    times = Times([], [], 0.0, set())
    for word in words[:5]:
        call(archive.database, caller, word)
    used = processor_ms(archive.database)
    for word in words:
        with Statements(archive.database) as statements:
            began = time.perf_counter()
            call(archive.database, caller, word)
            times.whole.append((time.perf_counter() - began) * 1000)
        times.database.append(statements.took)
    times.processor = (processor_ms(archive.database) - used) / len(words)
    times.indexes = statements.indexes(archive.url)
    return times


def results(archive: Archive, searches: int) -> Iterator[tuple[str, Times]]:
    """What each kind of search took, by its title."""
    who = {
        "all": make_caller(),
        "own": make_caller(reach=Reach.SELF, user_id=archive.owners[0], department_path="1/"),
    }
    made = random.Random(SEED).sample(archive.known, min(searches, len(archive.known)))
    for kind, word_of in KINDS.items():
        words = [word for one in made if len(word := word_of(one)) > 1]
        for name, call in CALLS.items():
            for scope, caller in who.items():
                yield f"{kind:20} {name:6} {scope}", measured(archive, caller, call, words)


def main() -> int:
    """Run the benchmark; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=60)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        archive = Archive(url)
        stack.callback(archive.database.dispose)
        began = time.monotonic()
        archive.fill(chosen.customers)
        print(f"{chosen.customers:,} customers with a contact each, after {time.monotonic() - began:.0f} s", flush=True)
        missed = 0
        for title, times in results(archive, chosen.searches):
            missed += times.slow >= TARGET_MS
            print(f"{'  ' if times.slow < TARGET_MS else '✗ '}{title} {times}", flush=True)
        print(f"a p95 below {TARGET_MS} ms in the database is wanted: {missed or 'none'} missed it")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
