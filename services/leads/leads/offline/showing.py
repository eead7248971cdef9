"""Records of work in a page of changes, as messages."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from google.protobuf.message import Message

from leads import subjects
from leads.offline.feed import PLANS, TASKS, VISITS, Feed
from leads.plans.mapping import plan_to_proto
from leads.plans.records import read_records
from leads.tasks.mapping import task_to_proto
from leads.visits.api import shown as shown_visits


def work_of(session: ServiceSession, feed: Feed) -> Mapping[tuple[str, UUID], Message]:
    """The tasks, plans and visits in a page, by their collections and ids."""
    rows: dict[str, list[Any]] = {TASKS: [], PLANS: [], VISITS: []}
    for change in feed.changes:
        if change.collection in rows and change.row is not None:
            rows[change.collection].append(change.row)
    named = subjects.titles(session, map(subjects.of, rows[TASKS]))
    records = read_records(session, [row.Plan for row in rows[PLANS]])
    visits = [row.Visit for row in rows[VISITS]]
    return {
        **{(TASKS, row.id): task_to_proto(row, named) for row in rows[TASKS]},
        **{(PLANS, record.plan.id): plan_to_proto(record) for record in records},
        **{(VISITS, one.id): message for one, message in zip(visits, shown_visits(session, visits), strict=True)},
    }
