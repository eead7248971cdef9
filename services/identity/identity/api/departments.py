"""DepartmentService."""

from collections.abc import Sequence

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import page_size
from crm.identity.v1 import department_pb2, department_service_pb2, department_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import mapping, queries
from identity.model import Department
from identity.usecases import create_department, delete_department, merge_departments, update_department


class DepartmentServicer(department_service_pb2_grpc.DepartmentServiceServicer):
    """The tree of departments."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetDepartment(
        self, request: department_service_pb2.GetDepartmentRequest, context: ServicerContext
    ) -> department_pb2.Department:
        department_id = parse_name("departments", request.name)
        with self.calls.read() as session:
            return _shown(session, queries.get_department(session, department_id))

    def BatchGetDepartments(
        self, request: department_service_pb2.BatchGetDepartmentsRequest, context: ServicerContext
    ) -> department_service_pb2.BatchGetDepartmentsResponse:
        ids = mapping.ids_from_names("departments", request.names)
        with self.calls.read() as session:
            found = _all_shown(session, queries.find_departments(session, ids))
        return department_service_pb2.BatchGetDepartmentsResponse(departments=found)

    def ListDepartments(
        self, request: department_service_pb2.ListDepartmentsRequest, context: ServicerContext
    ) -> department_service_pb2.ListDepartmentsResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = queries.list_departments(session, size, request.page_token)
            shown = _all_shown(session, page.rows)
        return department_service_pb2.ListDepartmentsResponse(departments=shown, next_page_token=page.next_token)

    def CreateDepartment(
        self, request: department_service_pb2.CreateDepartmentRequest, context: ServicerContext
    ) -> department_pb2.Department:
        draft = mapping.department_draft(request.department)
        return self.calls.write(
            request,
            department_pb2.Department,
            lambda session: _shown(session, create_department.create_department(session, draft)),
        )

    def UpdateDepartment(
        self, request: department_service_pb2.UpdateDepartmentRequest, context: ServicerContext
    ) -> department_pb2.Department:
        department_id = parse_name("departments", request.department.name)
        draft = mapping.department_draft(request.department)
        paths = changed_paths(request.department, request.update_mask, update_department.FIELDS)
        return self.calls.write(
            request,
            department_pb2.Department,
            lambda session: _shown(
                session,
                update_department.update_department(session, department_id, draft, paths, request.department.etag),
            ),
        )

    def MergeDepartments(
        self, request: department_service_pb2.MergeDepartmentsRequest, context: ServicerContext
    ) -> department_pb2.Department:
        sources = mapping.ids_from_names("departments", request.sources, field="sources")
        target = parse_name("departments", request.target, field="target")
        return self.calls.write(
            request,
            department_pb2.Department,
            lambda session: _shown(
                session,
                merge_departments.merge_departments(session, sources, target, merge_namesakes=request.merge_namesakes),
            ),
        )

    def DeleteDepartment(
        self, request: department_service_pb2.DeleteDepartmentRequest, context: ServicerContext
    ) -> Empty:
        department_id = parse_name("departments", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_department.delete_department(session, department_id, request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)


def _shown(session: ServiceSession, department: Department) -> department_pb2.Department:
    return _all_shown(session, [department])[0]


def _all_shown(session: ServiceSession, departments: Sequence[Department]) -> list[department_pb2.Department]:
    theatres = queries.nearest_theatres(session, departments)
    return [mapping.department_to_proto(department, theatres.get(department.id)) for department in departments]
