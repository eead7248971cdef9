"""The export of the work log, or of its statistics, to a file, as a job."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from chassis import audit
from chassis.field_rules import effect_on
from chassis.jobs import JobRun
from chassis.names import make_name
from chassis.organisation import organisation
from chassis.tabular import CsvWriter, XlsxWriter

from leads import queries as follow_ups
from leads import subjects
from leads.worklog import queries
from leads.worklog.criteria import Criteria

EXPORTS = "workExports"
PERMISSION = "follow_up.export"
PAGE_ROWS = 200

KINDS = {"FOLLOW_UP": "跟进", "TASK": "任务", "VISIT": "拜访", "CALL": "通话"}
METHODS = {"CALL": "电话", "VISIT": "拜访", "WECHAT": "微信", "EMAIL": "邮件", "MEETING": "会议", "OTHER": "其他"}
VERDICTS = {"EFFECTIVE": "有效", "NOT_EFFECTIVE": "无效"}
LOG_HEADING = ("时间", "人员", "类型", "方式", "对象", "对象名称", "内容", "是否有效")
COUNT_HEADING = ("总数", "有效", "无效", "客户与线索数")
KEY_HEADINGS = {
    "PERSON": "人员",
    "DEPARTMENT": "部门",
    "METHOD": "方式",
    "KIND": "类型",
    "DAY": "日期",
    "WEEK": "周起始日",
    "MONTH": "月起始日",
}
RESTRICTED = ("method", "content")
"""The fields of follow-ups that roles may keep from their holders, and that a file may hold."""


def run_export(run: JobRun) -> None:
    """Write what a list would show over all pages to a file."""
    options = run.options
    criteria = Criteria(**{**options["criteria"], "kinds": tuple(options["criteria"]["kinds"])})
    if run.processed:
        with run.transaction() as session:
            run.restart(session)  # the file so far died with its process
    groupings: list[str] = options["group_by"]
    heading = [*(KEY_HEADINGS[each] for each in groupings), *COUNT_HEADING] if groupings else LOG_HEADING
    with tempfile.TemporaryFile() as file:
        writer = XlsxWriter(file, heading) if options["format"] == "XLSX" else CsvWriter(file, heading)
        for page in _count_pages(run, criteria, groupings) if groupings else _log_pages(run, criteria):
            for cells in page:
                writer.write(cells)
            with run.transaction() as session:
                run.advance(session, processed=run.processed + len(page), counters={}, checkpoint={})
        writer.close()
        file.seek(0)
        with run.transaction() as session:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = {"rows": run.processed, **options, "sha256": digest}
            audit.record(session, "work_log.export", run.name, None, after)
            shown = {field: effect_on(run.caller, follow_ups.ENTITY, field) or 0 for field in RESTRICTED}
            run.succeed(session, total=run.processed, output=file, result={"fields": shown, "sha256": digest})


def _log_pages(run: JobRun, criteria: Criteria) -> Iterator[Sequence[Sequence[str]]]:
    token = ""
    while True:
        with run.reading_much() as session:
            zone = organisation(session).zone
            page = queries.list_work(session, criteria, page_size=PAGE_ROWS, page_token=token)
            about = [subjects.of(row) for row in page.rows if row.customer_id or row.lead_id]
            titles = subjects.titles(session, about)
        cells = []
        for row in page.rows:
            subject = subjects.of(row) if row.customer_id or row.lead_id else None
            cells.append(
                [
                    row.time.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
                    row.person or "",
                    KINDS[row.kind],
                    METHODS.get(row.method or "", ""),
                    subject.name if subject is not None else "",
                    titles.get(subject, "") if subject is not None else "",
                    row.summary or "",
                    VERDICTS.get(row.verdict or "", ""),
                ]
            )
        yield cells
        token = page.next_token
        if not token:
            return


def _count_pages(run: JobRun, criteria: Criteria, groupings: Sequence[str]) -> Iterator[Sequence[Sequence[str]]]:
    token = ""
    while True:
        with run.reading_much() as session:
            page = queries.list_statistics(session, criteria, groupings, page_size=PAGE_ROWS, page_token=token)
        yield [
            [
                *(_key(grouping, row._mapping[grouping.lower()]) for grouping in groupings),
                *(str(count) for count in (row.total, row.effective, row.ineffective, row.subjects)),
            ]
            for row in page.rows
        ]
        token = page.next_token
        if not token:
            return


def _key(grouping: str, value: Any) -> str:
    match grouping:
        case "METHOD":
            return METHODS.get(value or "", "")
        case "KIND":
            return KINDS[value]
        case "DEPARTMENT":
            return make_name("departments", value)
    return str(value) if value is not None else ""
