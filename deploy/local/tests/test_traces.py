import json

from local_suite import traces

FIRST, SECOND = "a" * 32, "b" * 32


def span(trace_id, span_id, parent, name, start, end, process="gateway", status="UNSET", **attributes):
    return {
        "trace_id": trace_id,
        "span_id": span_id,
        "parent_span_id": parent,
        "name": name,
        "process": process,
        "start": start * 1_000_000,
        "end": end * 1_000_000,
        "status": status,
        "attributes": attributes,
    }


def write(folder, process, *spans):
    with (folder / f"{process}.jsonl").open("a") as file:
        file.writelines(json.dumps(each, separators=(",", ":")) + "\n" for each in spans)


def test_a_trace_is_put_together_from_the_files_of_all_processes(tmp_path):
    write(tmp_path, "gateway", span(FIRST, "1", "", "query", 100, 160), span(SECOND, "9", "", "other", 500, 510))
    statement = {"db.statement": "SELECT 1\n FROM  a"}
    write(
        tmp_path,
        "serve",
        span(FIRST, "3", "2", "SQL SELECT", 120, 125, "serve", **statement),
        span(FIRST, "2", "1", "GetCustomer", 110, 150, "serve", status="ERROR"),
    )
    lines = traces.tree(traces.read(tmp_path, "aaaa")[FIRST])
    assert [line.split("  ")[-1] for line in lines] == ["query", "ERROR", "SQL SELECT SELECT 1 FROM a"]
    assert [len(line) - len(line.lstrip()) for line in lines] == [6, 5, 5]
    assert lines[1].split() == ["10.0", "40.0", "ms", "serve", "GetCustomer", "ERROR"]


def test_a_span_whose_parent_is_not_ours_begins_the_tree(tmp_path):
    write(tmp_path, "gateway", span(FIRST, "1", "outside", "query", 100, 160))
    assert len(traces.tree(traces.read(tmp_path, FIRST)[FIRST])) == 1


def test_the_latest_traces_come_last(tmp_path):
    write(tmp_path, "gateway", span(SECOND, "9", "", "other", 500, 510), span(FIRST, "1", "", "query", 100, 160))
    newest = traces.latest(tmp_path, 5)
    assert [line.split()[1] for line in newest] == [FIRST, SECOND]
    assert traces.latest(tmp_path, 1) == newest[1:]


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    write(tmp_path, "gateway", span(FIRST, "1", "", "query", 100, 160))
    with (tmp_path / "gateway.jsonl").open("a") as file:
        file.write('{"trace_id":"' + FIRST)
    assert len(traces.read(tmp_path)[FIRST]) == 1
