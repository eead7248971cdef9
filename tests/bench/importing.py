"""How fast an import is, beside COPY of the same rows in the same run, and that no row is lost or doubled by it.

It also tells what a row costs in processor time, which other work on the machine disturbs little: in all in the job
process and in PostgreSQL, and by step: reading and making alone, and COPY of what was written into each table.

    python tests/bench/importing.py [--rows 50000] [--rounds 3]

A file of companies with 200 bad rows is uploaded to a running customers service and imported by its job process:
validated, checked for duplicates, audited, announced. The floor is COPY of the very rows that the import wrote into an
empty table with the same indexes; COPY into one with three indexes is shown, too. The server is that of
TEST_POSTGRES_URL if set, else a private one with commits written to disk.
"""

import argparse
import csv
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg
from chassis.callers import Reach
from chassis.db import Database
from chassis.jobs import Supervisor
from chassis.tabular import open_table
from chassis.testing import make_caller
from chassis.testing.edge import Edge, running
from crm.common.v1 import job_pb2
from crm.customers.v1 import transfer_service_pb2 as pb
from crm.customers.v1.transfer_service_pb2_grpc import TransferServiceStub
from customers.main import SERVICE
from customers.tiers.vocabulary import open_codes
from customers.transfer.column_parsing import ColumnParser
from customers.transfer.headings import read_heading
from customers.transfer.importing import CHUNK_ROWS
from customers.transfer.new_customers import Basis, Maker
from customers.transfer.parsing import ParsedRow, RowParser
from databases import fresh_database
from stdnum.cn import uscc

BAD_ROWS = 200
SEED = 20260302
TARGET_PER_SECOND = 10_000
HEADING = (
    "客户名称", "统一社会信用代码", "电话", "邮箱", "行业", "来源", "级别", "省", "市", "地址", "联系人", "联系人电话",
    "职务", "标签", "外部编号",
)  # fmt: skip
PLACES = (("上海", "上海"), ("北京", "北京"), ("广东", "深圳"), ("浙江", "杭州"), ("四川", "成都"), ("湖北", "武汉"))
TRADES = ("科技有限公司", "贸易有限公司", "电子股份有限公司", "机械制造有限公司", "信息技术有限公司")
SYLLABLES = "华诚盛达宏远新泰瑞丰恒通金源东方科创明德天成博雅中联信和嘉业永兴鼎力"
FAULTS = ((0, ""), (1, "91310000MA1FL0000X"), (2, "12345"), (3, "nobody"))


def companies(count: int) -> Iterator[list[str]]:
    """Made-up companies, the same ones each time."""
    rng = random.Random(SEED)
    for number in range(count):
        province, city = rng.choice(PLACES)
        name = "".join(rng.choices(SYLLABLES, k=4))
        code = f"91{rng.randrange(110000, 650000)}{''.join(rng.choices('0123456789ABCDEFGHJKLMNPQRTUWXY', k=9))}"
        yield [
            f"{city}{name}{number}{rng.choice(TRADES)}",
            code + uscc.calc_check_digit(code),
            f"{rng.choice(('138', '139', '186', '177'))}{rng.randrange(10**8):08}",
            f"info{number}@{rng.choice(('example.com', 'example.cn', 'mail.example.org'))}",
            rng.choice(("制造业", "软件和信息技术", "批发零售", "建筑业", "物流运输")),
            rng.choice(("展会", "官网", "转介绍", "电话")),
            rng.choice("ABCDE"),
            province,
            city,
            f"{rng.choice(('人民', '中山', '解放', '建设'))}路{rng.randrange(1, 999)}号",
            rng.choice("王李张刘陈杨赵黄周吴") + rng.choice(SYLLABLES),
            f"{rng.choice(('138', '139', '186', '177'))}{rng.randrange(10**8):08}",
            rng.choice(("采购经理", "总经理", "财务", "技术总监")),
            rng.choice(("", "重点", "重点;老客户")),
            f"K{number:07}",
        ]


def as_csv(rows: list[list[str]]) -> bytes:
    """The rows below their heading."""
    content = io.StringIO(newline="")
    csv.writer(content).writerows([HEADING, *rows])
    return content.getvalue().encode("utf-8-sig")


def damaged(rows: list[list[str]]) -> list[list[str]]:
    """The rows with some of them made bad."""
    copy = [row[:] for row in rows]
    for index, number in enumerate(random.Random(SEED).sample(range(len(rows)), BAD_ROWS)):
        column, value = FAULTS[index % len(FAULTS)]
        copy[number][column] = value
    return copy


@dataclass
class Import:
    """A finished import and what it took."""

    job: Any
    seconds: float
    """From when a process took it to its end."""
    waited: float
    """From the upload to its end."""
    looks: int
    """How many different states of progress a client saw that asked all the time."""
    start_cpu: float
    """Processor seconds of the job process until it took the job."""
    job_cpu: float
    """Processor seconds of it from then on."""
    server_cpu: float
    """Processor seconds of PostgreSQL meanwhile; 0 if it runs on another machine."""
    megabytes: float
    """The most memory that the job process held."""


class Bench:
    """A service with a fresh database, and one who imports."""

    def __init__(self, edge: Edge, url: str) -> None:
        self.edge, self.url = edge, url
        self.metadata = edge.metadata_for(grants=dict.fromkeys(("customer.import", "customer.update"), Reach.ALL))
        self.stub = TransferServiceStub(edge.channel)
        runtime = edge.runtimes["customers"]
        self.database: Database = runtime.database
        environment = {**os.environ, **runtime.settings.environment}
        each_by_itself = (sys.executable, "-m", "chassis.jobs.run", "customers", "0")
        self.supervisor = Supervisor(type(runtime.settings).read(environment), self.database, command=each_by_itself)

    def run(self, content: bytes) -> Import:
        """Import a file."""
        job = self.stub.ImportCustomers(self.chunks(content), metadata=self.metadata)
        uploaded, looks, megabytes, start_cpu, job_cpu = time.monotonic(), {0}, 0.0, 0.0, 0.0
        server_cpu = self.server_seconds()
        while job.state in (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING):
            self.supervisor.check()
            time.sleep(0.05)
            job = self.stub.GetImportJob(pb.GetImportJobRequest(name=job.name), metadata=self.metadata)
            looks.add(job.processed_rows)
            for pid in self.supervisor.process_ids:
                seconds, memory = used(pid)
                job_cpu, megabytes = max(job_cpu, seconds), max(megabytes, memory)
            if job.state == job_pb2.JOB_STATE_QUEUED:
                start_cpu = job_cpu
        server_cpu = self.server_seconds() - server_cpu
        seconds = job.end_time.ToDatetime().timestamp() - job.start_time.ToDatetime().timestamp()
        waited = time.monotonic() - uploaded
        return Import(job, seconds, waited, len(looks), start_cpu, job_cpu - start_cpu, server_cpu, megabytes)

    def server_seconds(self) -> float:
        """Processor seconds that PostgreSQL has used with all its processes; 0 if it runs on another machine."""
        with psycopg.connect(self.url) as connection:
            backend = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert backend is not None
            if not psutil.pid_exists(backend[0]) or "postgres" not in psutil.Process(backend[0]).name():
                return 0.0
            server = psutil.Process(backend[0]).parent()
            assert server is not None
            return sum(server.cpu_times()[:4]) + sum(used(child.pid)[0] for child in server.children())

    @staticmethod
    def chunks(content: bytes) -> Iterator[job_pb2.UploadChunk]:
        """An upload."""
        yield job_pb2.UploadChunk(options=job_pb2.ImportOptions(file_name="companies.csv"))
        for start in range(0, len(content), 1 << 20):
            yield job_pb2.UploadChunk(data=content[start : start + (1 << 20)])

    def empty(self) -> None:
        """Forget all customers."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("TRUNCATE customer, contact, audit_entry, outbox, job_error CASCADE")

    def copy_again(self, indexes: str, table: str = "customer") -> tuple[float, float]:
        """Seconds that COPY takes for what a table holds, into an empty table, and those of PostgreSQL's processor."""
        with psycopg.connect(self.url, autocommit=True) as connection, connection.cursor() as cursor:
            with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                data = [bytes(block) for block in copy]
            cursor.execute(indexes.format(table=table))
            backend = connection.info.backend_pid
            started, spent = time.monotonic(), used(backend)[0]
            with cursor.copy("COPY floor FROM STDIN") as copy:
                for block in data:
                    copy.write(block)
            seconds, spent = time.monotonic() - started, used(backend)[0] - spent
            cursor.execute("DROP TABLE floor")
        return seconds, spent


SAME_INDEXES = "CREATE TABLE floor (LIKE {table} INCLUDING ALL)"
THREE_INDEXES = """CREATE TABLE floor (LIKE {table});
    CREATE UNIQUE INDEX ON floor (id); CREATE INDEX ON floor (name_key); CREATE INDEX ON floor (owner_id)"""


def used(pid: int) -> tuple[float, float]:
    """The processor seconds a process has used and the megabytes of memory it holds; nothing if it has ended."""
    try:
        process = psutil.Process(pid)
        return sum(process.cpu_times()[:2]), float(process.memory_info().rss) / (1 << 20)
    except psutil.NoSuchProcess:
        return 0.0, 0.0


def show_steps(bench: Bench, rows: list[list[str]]) -> None:
    """Print what each step costs per row of the file, each by itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "companies.csv"
        path.write_bytes(as_csv(rows))
        caller = make_caller("customer.import", "customer.update")
        with open_table(path, path.name) as table, bench.database.read(caller) as session:
            layout = read_heading(table.heading, {}, [])
            levels, empty = open_codes(session), frozenset[str]()
            parser = ColumnParser(layout, empty, levels, RowParser(layout, empty, {}, levels))
            steps = [("read", time.process_time())]
            read = list(table.rows())
            steps.append(("parse", time.process_time()))
            parts = [parser.parse_all(read[at : at + CHUNK_ROWS]) for at in range(0, len(read), CHUNK_ROWS)]
            steps.append(("make", time.process_time()))
            for part in parts:
                good = [row for row in part if isinstance(row, ParsedRow)]
                Maker(session, Basis.read(session, good)).make_all(good)
            steps.append(("", time.process_time()))
    for (step, start), (_, end) in pairwise(steps):
        print(f"step       {(end - start) / len(rows) * 1e6:8.1f} µs/row   to {step}, in Python")
    for written in ("customer", "contact", "audit_entry", "classification_change", "outbox"):
        _, spent = bench.copy_again(SAME_INDEXES, written)
        print(f"step       {spent / len(rows) * 1e6:8.1f} µs/row   to COPY into {written}, in PostgreSQL")


def counts(done: Import) -> tuple[int, int, int]:
    """Rows added, unchanged and refused."""
    return done.job.created_rows, done.job.unchanged_rows, done.job.failed_rows


def measure(bench: Bench, rows: list[list[str]], rounds: int) -> bool:
    """Measure and print. Returns whether all is as wanted."""
    broken, total = as_csv(damaged(rows)), len(rows)
    good = total - BAD_ROWS
    rates, floors, thin_floors, right = [], [], [], True
    for _ in range(rounds):
        bench.empty()
        done = bench.run(broken)
        right = right and counts(done) == (good, 0, BAD_ROWS)
        rates.append(total / done.seconds)
        floors.append(good / bench.copy_again(SAME_INDEXES)[0])
        thin_floors.append(good / bench.copy_again(THREE_INDEXES)[0])
        print(
            f"import     {total / done.seconds:8.0f} rows/s   {total / done.waited:.0f} from upload to end, "
            f"{done.looks} states of progress seen, {done.megabytes:.0f} MiB"
        )
        print(
            f"processor  {(done.job_cpu + done.server_cpu) / total * 1e6:8.0f} µs/row   "
            f"{done.job_cpu / total * 1e6:.0f} in the job process (and {done.start_cpu:.1f} s to start it), "
            f"{done.server_cpu / total * 1e6:.0f} in PostgreSQL"
        )
        print(f"COPY       {floors[-1]:8.0f} rows/s   with the same indexes; {thin_floors[-1]:.0f} with three indexes")
    show_steps(bench, rows)
    again, corrected = bench.run(broken), bench.run(as_csv(rows))
    print(f"again      {total / again.seconds:8.0f} rows/s   added {again.job.created_rows}")
    print(f"corrected  {total / corrected.seconds:8.0f} rows/s   added {corrected.job.created_rows}")
    right = right and counts(again) == (0, good, BAD_ROWS) and counts(corrected) == (BAD_ROWS, good, 0)
    rate, floor = median(rates), median(floors)
    print(
        f"ratio      {rate / floor:8.2f}   to COPY with the same indexes, {rate / median(thin_floors):.2f} with three; "
        f"at least {TARGET_PER_SECOND} rows/s are wanted"
    )
    print("every row  " + ("accounted for" if right else "NOT accounted for"))
    return right and rate >= TARGET_PER_SECOND


def main() -> int:
    """Run the benchmark; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        bench = Bench(stack.enter_context(running([SERVICE], {"customers": url})), url)
        stack.callback(bench.supervisor.stop)
        return 0 if measure(bench, list(companies(chosen.rows)), chosen.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
