"""The gRPC methods of TaskService: open a transaction, call, map."""

from collections.abc import Callable, Iterable
from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import DomainError
from chassis.names import parse_name
from crm.leads.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from leads.model import Task
from leads.reachable import Customers
from leads.subjects import of, titles
from leads.tasks import mapping, queries
from leads.tasks.changing import assign_task, delete_task, update_task
from leads.tasks.ending import cancel_task, complete_task, complete_tasks, reopen_task
from leads.tasks.making import create_task
from leads.tasks.queries import parse_task


class TaskServicer(task_service_pb2_grpc.TaskServiceServicer):
    """Implements TaskService."""

    def __init__(self, calls: Calls, customers: Customers) -> None:
        self.calls = calls
        self.customers = customers

    def GetTask(self, request: task_service_pb2.GetTaskRequest, context: Any) -> task_pb2.Task:
        task_id = parse_task(request.name)
        with self.calls.read() as session:
            [task] = _messages(session, [queries.get_task(session, task_id)])
            return task

    def ListTasks(self, request: task_service_pb2.ListTasksRequest, context: Any) -> task_service_pb2.ListTasksResponse:
        with self.calls.read() as session:
            page = queries.list_tasks(
                session,
                conditions=request.filter,
                bucket=mapping.bucket_from_proto(request.bucket),
                order_by=request.order_by,
                page_size=request.page_size,
                page_token=request.page_token,
            )
            tasks = _messages(session, page.rows)
        return task_service_pb2.ListTasksResponse(tasks=tasks, next_page_token=page.next_token)

    def CountTasks(
        self, request: task_service_pb2.CountTasksRequest, context: Any
    ) -> task_service_pb2.CountTasksResponse:
        bucket = mapping.bucket_from_proto(request.bucket)
        with self.calls.read() as session:
            count = queries.count_tasks(session, conditions=request.filter, bucket=bucket)
        return task_service_pb2.CountTasksResponse(count=count)

    def GetTaskBoard(
        self, request: task_service_pb2.GetTaskBoardRequest, context: Any
    ) -> task_service_pb2.GetTaskBoardResponse:
        with self.calls.read() as session:
            page = queries.board(
                session, conditions=request.filter, page_size=request.page_size, page_token=request.page_token
            )
        return task_service_pb2.GetTaskBoardResponse(
            rows=map(mapping.board_row_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateTask(self, request: task_service_pb2.CreateTaskRequest, context: Any) -> task_pb2.Task:
        draft = mapping.draft_from_proto(request.task)
        return self._write(request, lambda session: create_task(session, draft, self.customers))

    def UpdateTask(self, request: task_service_pb2.UpdateTaskRequest, context: Any) -> task_pb2.Task:
        task_id, etag = parse_task(request.task.name), request.task.etag
        patch = mapping.patch_from_proto(request.task, request.update_mask)
        return self._write(request, lambda session: update_task(session, task_id, patch, etag=etag))

    def AssignTask(self, request: task_service_pb2.AssignTaskRequest, context: Any) -> task_pb2.Task:
        task_id = parse_task(request.name)
        assignee_id = parse_name("users", request.assignee, field="assignee")
        return self._write(request, lambda session: assign_task(session, task_id, assignee_id, etag=request.etag))

    def CompleteTask(self, request: task_service_pb2.CompleteTaskRequest, context: Any) -> task_pb2.Task:
        task_id = parse_task(request.name)
        return self._write(request, lambda session: complete_task(session, task_id, etag=request.etag))

    def BatchCompleteTasks(
        self, request: task_service_pb2.BatchCompleteTasksRequest, context: Any
    ) -> task_service_pb2.BatchCompleteTasksResponse:
        ids = [parse_task(name, field="names") for name in request.names]

        def complete(session: ServiceSession) -> task_service_pb2.BatchCompleteTasksResponse:
            outcomes = complete_tasks(session, ids)
            done = [task for task in outcomes if isinstance(task, Task)]
            rows = queries.rows(session, [task.id for task in done])
            messages = {message.name: message for message in _messages(session, rows.values())}
            return task_service_pb2.BatchCompleteTasksResponse(
                outcomes=[
                    mapping.outcome_to_proto(one if isinstance(one, DomainError) else messages[one.name])
                    for one in outcomes
                ]
            )

        return self.calls.write(request, task_service_pb2.BatchCompleteTasksResponse, complete)

    def CancelTask(self, request: task_service_pb2.CancelTaskRequest, context: Any) -> task_pb2.Task:
        task_id = parse_task(request.name)
        return self._write(request, lambda session: cancel_task(session, task_id, request.reason, etag=request.etag))

    def ReopenTask(self, request: task_service_pb2.ReopenTaskRequest, context: Any) -> task_pb2.Task:
        task_id = parse_task(request.name)
        return self._write(request, lambda session: reopen_task(session, task_id, etag=request.etag))

    def DeleteTask(self, request: task_service_pb2.DeleteTaskRequest, context: Any) -> Empty:
        task_id = parse_task(request.name)

        def remove(session: ServiceSession) -> Empty:
            delete_task(session, task_id, etag=request.etag)
            return Empty()

        return self.calls.write(request, Empty, remove)

    def _write(self, request: Any, call: Callable[[ServiceSession], Task]) -> task_pb2.Task:
        def answer(session: ServiceSession) -> task_pb2.Task:
            task = call(session)
            [message] = _messages(session, queries.rows(session, [task.id]).values())
            return message

        return self.calls.write(request, task_pb2.Task, answer)


def _messages(session: ServiceSession, rows: Iterable[Any]) -> list[task_pb2.Task]:
    """Tasks with what their subjects are called."""
    rows = list(rows)
    known = titles(session, map(of, rows))
    return [mapping.task_to_proto(row, known) for row in rows]
