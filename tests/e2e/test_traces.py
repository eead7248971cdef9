"""One trace id from the GraphQL answer to the handler in another service."""

import json
from pathlib import Path
from uuid import uuid4

from chassis.testing import eventually


def written(file: Path) -> list[str]:
    """The lines of a file, but for one that is being written."""
    return file.read_text(errors="replace").rpartition("\n")[0].splitlines()


def test_one_trace_crosses_all_processes(suite, admin):
    document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer = admin.run(document, input={"name": f"追踪{uuid4().hex}"})["createCustomer"]["id"]
    log = "mutation Note($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
    admin.run(log, input={"customerId": customer, "method": "CALL", "content": "追踪"})
    trace = admin.last.headers["x-trace-id"]
    assert len(trace) == 32

    def processes() -> set[str]:
        """The processes whose log has a line of this trace."""
        lines = {}
        for file in suite.logs.glob("*.log"):
            lines[file.stem] = [line for line in written(file) if trace in line]
            assert all(json.loads(line)["trace_id"] == trace for line in lines[file.stem])
        return {name for name, found in lines.items() if found}

    eventually(lambda: processes() >= {"gateway", "leads-serve", "customers-work"})
    with suite.database("leads") as connection:
        [[traceparent]] = connection.execute(
            "SELECT traceparent FROM outbox WHERE traceparent LIKE %s", [f"%{trace}%"]
        ).fetchall()
    assert trace in traceparent

    def span_names() -> set[str]:
        spans = [json.loads(line) for file in suite.traces.glob("*.jsonl") for line in written(file) if trace in line]
        return {span["process"] for span in spans if span["trace_id"] == trace}

    eventually(lambda: span_names() >= {"gateway", "leads-serve", "customers-work"})
