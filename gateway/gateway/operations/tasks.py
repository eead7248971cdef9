"""Tasks: what is to be done about leads and customers."""

from typing import TYPE_CHECKING, Annotated

import strawberry
from crm.leads.v1 import task_pb2, task_service_pb2

from gateway.conditions import FilterInput, OrderByInput, to_filter, to_order
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect, page_fields
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_task, pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.tasks import Task, TaskBoardRow, TaskConnection, TaskOutcome

if TYPE_CHECKING:
    from enum import Enum as TaskBucket
else:
    TaskBucket = enum_of(task_pb2.DESCRIPTOR.enum_types_by_name["TaskBucket"])

_OUTPUT = {
    "subject",
    "subject_title",
    "creator",
    "cancel_reason",
    "blocked",
    "stage",
    "template",
    "follows_owner",
    "ender",
    "end_time",
    "create_time",
    "update_time",
}
Subject = Annotated[
    strawberry.ID, strawberry.field(description="What it is about: the id of a lead or customer, `leads/{uuid}`.")
]


@strawberry.type
class TasksQuery:
    @field("A task.")
    async def task(self, info: Info, key: Key) -> Task | None:
        return await get_task(info.context, key)

    @field(
        "Tasks, those due first first if no order is given. `bucket` picks a part of them as the board counts it: with "
        "the same filter and the assignee, the list shows what a number of the board counts."
    )
    async def tasks(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        bucket: TaskBucket | None = None,
        order_by: list[OrderByInput] | None = None,
    ) -> TaskConnection | None:
        condition, part = to_filter(filter, task_pb2.Task.DESCRIPTOR), bucket.value if bucket is not None else 0
        fetch = pages(
            info.context,
            info.context.services.tasks.ListTasks,
            task_service_pb2.ListTasksRequest,
            "tasks",
            filter=condition,
            bucket=part,
            order_by=to_order(order_by, task_pb2.Task.DESCRIPTOR),
        )
        return TaskConnection(filter=condition, bucket=part, **await page_fields(first, after, Task, fetch))

    @field("Who has how much to do: a row for each assignee of the tasks that `tasks` lists with the same filter.")
    async def task_board(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
    ) -> Connection[TaskBoardRow] | None:
        fetch = pages(
            info.context,
            info.context.services.tasks.GetTaskBoard,
            task_service_pb2.GetTaskBoardRequest,
            "rows",
            filter=to_filter(filter, task_pb2.Task.DESCRIPTOR),
        )
        return await connect(first, after, TaskBoardRow, fetch)


@derive_input(
    task_pb2.Task,
    required={"title"},
    hide={"name", "etag", "status", *_OUTPUT},
    references={"assignee", "dependencies"},
)
class CreateTaskInput(Input[task_pb2.Task]):
    subject: Subject
    request_id: RequestId = None


@derive_input(task_pb2.Task, required={"name"}, hide={"assignee", *_OUTPUT}, references={"dependencies"})
class UpdateTaskInput(Input[task_pb2.Task]):
    request_id: RequestId = None


@strawberry.input(description="Gives a task to somebody else.")
class AssignTaskInput:
    id: strawberry.ID
    assignee_id: strawberry.ID = strawberry.field(description="Who is to do it, `users/{uuid}`.")
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Which task has been done, or is to be done again.")
class TaskInput:
    id: strawberry.ID
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Which tasks have been done.")
class BatchCompleteTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description="From 1 to 200 ids.")
    request_id: RequestId = None


@strawberry.input(description="Says that a task will not be done.")
class CancelTaskInput:
    id: strawberry.ID
    reason: str = strawberry.field(description="Why, up to 500 characters.")
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.type
class TasksMutation:
    @mutation("Makes a task about a lead or customer; the caller is to do it unless somebody else is named.")
    async def create_task(self, info: Info, input: CreateTaskInput) -> Task | None:  # noqa: A002
        task = input.to_proto()
        task.subject = input.subject
        request = task_service_pb2.CreateTaskRequest(task=task, request_id=input.request_id or "")
        return Task(await info.context.calls(info.context.services.tasks.CreateTask, request))

    @mutation("Changes a task: the fields that are given.")
    async def update_task(self, info: Info, input: UpdateTaskInput) -> Task | None:  # noqa: A002
        request = task_service_pb2.UpdateTaskRequest(
            task=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Task(await info.context.calls(info.context.services.tasks.UpdateTask, request))

    @mutation("Gives a task to somebody else, who is told.")
    async def assign_task(self, info: Info, input: AssignTaskInput) -> Task | None:  # noqa: A002
        request = task_service_pb2.AssignTaskRequest(
            name=input.id, assignee=input.assignee_id, etag=input.etag or "", request_id=input.request_id or ""
        )
        return Task(await info.context.calls(info.context.services.tasks.AssignTask, request))

    @mutation("Says that a task has been done.")
    async def complete_task(self, info: Info, input: TaskInput) -> Task | None:  # noqa: A002
        request = task_service_pb2.CompleteTaskRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        return Task(await info.context.calls(info.context.services.tasks.CompleteTask, request))

    @mutation("Says of several tasks that they have been done. One that is refused keeps none of the others back.")
    async def batch_complete_tasks(
        self,
        info: Info,
        input: BatchCompleteTasksInput,  # noqa: A002
    ) -> list[TaskOutcome] | None:
        request = task_service_pb2.BatchCompleteTasksRequest(names=input.ids, request_id=input.request_id or "")
        answer = await info.context.calls(info.context.services.tasks.BatchCompleteTasks, request)
        return [TaskOutcome(outcome) for outcome in answer.outcomes]

    @mutation("Says that a task will not be done, and why.")
    async def cancel_task(self, info: Info, input: CancelTaskInput) -> Task | None:  # noqa: A002
        request = task_service_pb2.CancelTaskRequest(
            name=input.id, reason=input.reason, etag=input.etag or "", request_id=input.request_id or ""
        )
        return Task(await info.context.calls(info.context.services.tasks.CancelTask, request))

    @mutation("Opens a task that was completed or cancelled.")
    async def reopen_task(self, info: Info, input: TaskInput) -> Task | None:  # noqa: A002
        request = task_service_pb2.ReopenTaskRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        return Task(await info.context.calls(info.context.services.tasks.ReopenTask, request))

    @mutation("Deletes a task, which also ends its recurrence, and returns its id.")
    async def delete_task(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = task_service_pb2.DeleteTaskRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.tasks.DeleteTask, request)
        return input.id
