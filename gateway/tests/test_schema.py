"""The public schema, the deriver, and the catalogues of messages."""

import ast
import json
import re
from pathlib import Path

import pytest
from crm.common.v1 import job_pb2
from crm.customers.v1 import customer_pb2, pool_pb2
from crm.leads.v1 import lead_pb2, visit_pb2
from gateway.contracts import comment_on, descriptor_of
from gateway.deriver import Record, derive, type_of
from gateway.inputs import Input, derive_input
from gateway.schema import main
from gateway.types.customers import Customer, ImportJob
from gateway.types.visits import Visit

REASON = re.compile("[A-Z]+(_[A-Z]+)*")
REPOSITORY = Path(__file__).parents[2]
MESSAGES = REPOSITORY / "gateway" / "gateway" / "messages"
KINDS = {
    "Conflict",
    "Denied",
    "Duplicate",
    "Exhausted",
    "Invalid",
    "NotFound",
    "Stale",
    "Unauthenticated",
    "Unavailable",
    "Violation",
}
FOR_OPERATORS = {
    "DEAD_LETTER_NOT_FOUND",
    "INVALID_ARGUMENTS",
    "INVALID_SETTING",
    "MIGRATION_UNDER_WAY",
    "MISSING_ACCESS",
    "MISSING_SETTING",
    "PORT_IN_USE",
}
"""Reasons that only people who run the suite see."""


def test_committed_schema_is_the_one_that_is_served():
    assert main(["--check"]) == 0


def test_contract_that_moved_on_is_noticed():
    with pytest.raises(TypeError, match="no field nickname"):
        derive(customer_pb2.Customer, hide={"nickname"})
    with pytest.raises(TypeError, match="no field nickname"):
        derive_input(customer_pb2.Customer, hide={"nickname"})


def test_unspecified_and_unset_values_are_null():
    customer = Customer(customer_pb2.Customer(name="customers/1"))
    assert (customer.status, customer.address, customer.create_time, customer.level) == (None, None, None, None)
    assert (customer.phones, customer.custom_fields) == ([], None)


def test_counts_are_whole_numbers():
    job = ImportJob(job_pb2.ImportJob(total_rows=50_000))
    assert job.total_rows == 50_000


def test_message_may_have_a_field_called_message():
    job = ImportJob(job_pb2.ImportJob(first_errors=[job_pb2.RowError(row=3, message="no phone")]))
    assert [(error.row, error.wire.message, error.field) for error in job.first_errors] == [(3, "no phone", None)]


def test_record_shows_no_data_in_logs():
    assert "secret" not in repr(Customer(customer_pb2.Customer(display_name="secret")))


def test_message_without_a_type_of_its_own_gets_one():
    made = type_of(descriptor_of(customer_pb2.Address))
    assert made(customer_pb2.Address(city="上海")).city == "上海"
    assert type_of(descriptor_of(customer_pb2.Address)) is made
    assert issubclass(made, Record)


def test_input_keeps_apart_what_is_left_out_and_what_is_null():
    @derive_input(customer_pb2.Customer, hide={"custom_fields"}, references={"owner"})
    class SomeCustomerInput(Input[customer_pb2.Customer]):
        pass

    given = SomeCustomerInput(level=None, owner_id="users/1")
    assert sorted(given.mask().paths) == ["level", "owner"]
    assert given.to_proto() == customer_pb2.Customer(owner="users/1")


def test_descriptions_call_fields_as_the_schema_does():
    rules, lead = descriptor_of(pool_pb2.PoolRules), descriptor_of(lead_pb2.Lead)
    assert "unless `wonCount` is set" in comment_on(rules, "hold_limit")
    assert "`externalId`" in comment_on(lead, "external_id")


@pytest.mark.parametrize(
    ("fence", "hidden", "shown"),
    [("UNKNOWN", [], None), ("INSIDE", [], 80.0), ("OUT_OF_RANGE", ["distance_metres"], None)],
)
def test_distance_from_nowhere_is_none(fence, hidden, shown):
    metres = 0.0 if fence == "UNKNOWN" else 80.0
    visit = visit_pb2.Visit(
        geofence=visit_pb2.Geofence.Value(f"GEOFENCE_{fence}"), distance_metres=metres, hidden_fields=hidden
    )
    assert Visit(visit).distance_metres() == shown


def test_every_reason_has_its_messages():
    catalogues = [json.loads((MESSAGES / f"{locale}.json").read_text()) for locale in ("zh-CN", "zh-TW")]
    assert catalogues[0].keys() == catalogues[1].keys()
    missing = set(reasons_raised()) - set(catalogues[0]) - FOR_OPERATORS
    assert missing == set(), "add them to gateway/gateway/messages"


@pytest.mark.parametrize("locale", ["zh-CN", "zh-TW"])
def test_every_message_can_be_told_whatever_the_details(locale):
    texts = json.loads((MESSAGES / f"{locale}.json").read_text())
    last = {reason: text[-1] if isinstance(text, list) else text for reason, text in texts.items()}
    wanting = {
        reason
        for reason, text in last.items()
        if not reason.startswith("ACCESS_") and "{" in text.replace("{message}", "")
    }
    assert wanting == set(), "give them a last text without places"


def reasons_raised():
    """The reasons that domain errors are raised with anywhere in the suite."""
    for folder in ("services", "gateway/gateway", "libs/chassis/chassis"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            if not {"tests", "testing"} & set(path.parts):
                yield from reasons_in(ast.parse(path.read_text(encoding="utf-8")))


def reasons_in(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
            for argument in node.args[:2]:
                if isinstance(argument, ast.Constant) and REASON.fullmatch(str(argument.value)):
                    yield argument.value
