"""Tasks, and who has how much to do."""

import strawberry
from crm.common.v1 import filter_pb2
from crm.leads.v1 import task_pb2, task_service_pb2

from gateway.connections import Connection
from gateway.context import Info
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node


@derive(
    task_pb2.Task,
    required={"title", "priority", "status", "etag"},
    hide={"subject", "due_rule"},
    relations={"assignee": "users"},
)
class Task(Record[task_pb2.Task], Node):
    @field("What it is about: the id of a lead or customer. A lead's tasks are about the customer it becomes.")
    def subject(self) -> strawberry.ID:
        return strawberry.ID(self.wire.subject)


@derive(task_service_pb2.TaskOutcome)
class TaskOutcome(Record[task_service_pb2.TaskOutcome]):
    pass


@strawberry.type(description="A page of tasks.")
class TaskConnection(Connection[Task]):
    filter: strawberry.Private[filter_pb2.Filter | None]
    bucket: strawberry.Private[int]

    @field("How many there are on all pages. Counted only if asked for.")
    async def total_count(self, info: Info) -> int:
        wanted: task_pb2.TaskBucket.ValueType = task_pb2.TaskBucket.ValueType(self.bucket)
        request = task_service_pb2.CountTasksRequest(filter=self.filter, bucket=wanted)
        return (await info.context.calls(info.context.services.tasks.CountTasks, request)).count


@derive(task_pb2.TaskBoardRow, relations={"assignee": "users"})
class TaskBoardRow(Record[task_pb2.TaskBoardRow]):
    pass
