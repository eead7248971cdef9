"""Imports through GraphQL: many rows, bad rows, the corrected file, a killed worker."""

import csv
import io
import random
from functools import cache

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient
from local_suite.sample.company import make_organisation
from local_suite.sample.customers import make_customers

ROWS, BAD = 50_000, 200
KILLED_ROWS = 20_000
"""Eight times as many as are read before the first progress is told, so that the worker is killed in the midst."""
IMPORT = "mutation($file: Upload!, $input: ImportCustomersInput) { importCustomers(file: $file, input: $input) { id } }"
JOB = """id state processedRows totalRows createdRows updatedRows unchangedRows failedRows failureReason
  errorFileUrl ignoredColumns firstErrors { row field reason message value }"""
HEADINGS = ["客户名称", "统一社会信用代码", "电话", "省", "市", "地址", "备注"]


@cache
def companies(count: int, seed: int) -> list[list[str]]:
    """Companies that no other test has: name, credit code, phone, province, city, street, remark."""
    chance = random.Random(seed)
    made = make_customers(chance, make_organisation(chance), count)
    return [
        [f"{seed}号{item.name}", item.credit_code, item.phone, item.city.province, item.city.name, item.street, ""]
        for item in made
    ]


def as_csv(rows: list[list[str]], encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([HEADINGS, *rows])
    return text.getvalue().encode(encoding)


def upload(client: GraphQLClient, data: bytes, name: str = "客户.csv", **options: object) -> str:
    answer = client.upload(IMPORT, "variables.file", (name, data), file=None, input=options)
    started: str = answer["importCustomers"]["id"]
    return started


def finished(client: GraphQLClient, job: str) -> dict:
    with client.subscribe(f"subscription($id: ID!) {{ importProgress(id: $id) {{ {JOB} }} }}", id=job) as progress:
        seen = [item["importProgress"] for item in progress]
    assert [item["processedRows"] for item in seen] == sorted(item["processedRows"] for item in seen)
    return {**seen[-1], "steps": len(seen)}


def imported(client: GraphQLClient, data: bytes, **options: object) -> dict:
    return finished(client, upload(client, data, **options))


def counts(job: dict) -> tuple[int, int, int, int]:
    return job["createdRows"], job["updatedRows"], job["unchangedRows"], job["failedRows"]


@pytest.mark.feature("X2")
@pytest.mark.slow
def test_fifty_thousand_rows_with_two_hundred_bad_ones(admin):
    good = companies(ROWS, seed=11)
    bad = random.Random(3).sample(range(ROWS), BAD)
    faults = [(0, "", "display_name"), (1, "91310000MA1FL0000X", "credit_code"), (2, "12345", "phones")]
    rows = [list(row) for row in good]
    expected = {}
    for position, number in enumerate(sorted(bad)):
        column, value, field = faults[position % len(faults)]
        rows[number][column] = value
        expected[number + 2] = field  # the heading is row 1

    job = imported(admin, as_csv(rows))
    assert job["state"] == "SUCCEEDED", job
    assert counts(job) == (ROWS - BAD, 0, 0, BAD)
    assert job["steps"] > 3

    errors = admin.http.get(job["errorFileUrl"])
    assert errors.status_code == 200
    listed = list(csv.DictReader(io.StringIO(errors.content.decode("utf-8-sig"))))
    found = {int(row["row"]): row["field"] for row in listed}
    assert found == expected
    assert all(row["reason"] and row["message"] for row in listed)

    assert counts(imported(admin, as_csv(good))) == (BAD, 0, ROWS - BAD, 0)
    assert counts(imported(admin, as_csv(good))) == (0, 0, ROWS, 0)


def test_an_import_goes_on_after_its_worker_was_killed(suite, admin):
    rows = companies(KILLED_ROWS, seed=14)
    job = upload(admin, as_csv(rows))
    progress = f"query($id: ID!) {{ importJob(id: $id) {{ {JOB} }} }}"
    eventually(lambda: admin.run(progress, id=job)["importJob"]["processedRows"] > 0, timeout=30)
    suite.kill("customers-work")
    suite.start("customers-work")
    result = finished(admin, job)
    assert result["state"] == "SUCCEEDED"
    assert counts(result) == (KILLED_ROWS, 0, 0, 0)
    assert counts(imported(admin, as_csv(rows))) == (0, 0, KILLED_ROWS, 0)


def test_a_check_writes_nothing_and_can_be_run_without_another_upload(admin):
    rows = companies(50, seed=12)
    job = imported(admin, as_csv(rows), checkOnly=True)
    assert counts(job) == (50, 0, 0, 0)
    query = "query($text: String) { customers(search: $text) { totalCount } }"
    assert admin.run(query, text=rows[0][0])["customers"]["totalCount"] == 0
    run = "mutation($input: JobInput!) { runCheckedImport(input: $input) { id } }"
    second = admin.run(run, input={"id": job["id"]})["runCheckedImport"]["id"]
    assert counts(finished(admin, second)) == (50, 0, 0, 0)
    assert admin.run(query, text=rows[0][0])["customers"]["totalCount"] == 1


def test_add_or_update_changes_what_differs_and_keeps_what_is_empty(admin):
    rows = companies(20, seed=13)
    assert counts(imported(admin, as_csv(rows))) == (20, 0, 0, 0)
    changed = [[*row[:2], "", *row[3:6], "新备注" if number < 5 else ""] for number, row in enumerate(rows)]
    assert counts(imported(admin, as_csv(changed), mode="ADD_OR_UPDATE")) == (0, 5, 15, 0)
    query = "query($text: String) { customers(search: $text) { nodes { phones remark } } }"
    [customer] = admin.run(query, text=rows[0][0])["customers"]["nodes"]
    assert customer["remark"] == "新备注"
    assert customer["phones"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_files_from_all_kinds_of_spreadsheets_are_read(admin, encoding):
    seed = ["gb18030", "utf-8", "utf-8-sig", "utf-16"].index(encoding)
    rows = companies(3, seed=30 + seed)
    assert counts(imported(admin, as_csv(rows, encoding))) == (3, 0, 0, 0)
