"""SessionService."""

from chassis.callers import current_caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.paging import page_size
from crm.identity.v1 import session_service_pb2, session_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import sign_in_queries
from identity.sign_in_mapping import session_to_proto
from identity.tokens import session_of
from identity.usecases import revoke_sessions


class SessionServicer(session_service_pb2_grpc.SessionServiceServicer):
    """The sessions that people have open."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListMySessions(
        self, request: session_service_pb2.ListMySessionsRequest, context: ServicerContext
    ) -> session_service_pb2.ListMySessionsResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = sign_in_queries.list_own_sessions(session, size, request.page_token)
        current = session_of(current_caller().token)
        return session_service_pb2.ListMySessionsResponse(
            sessions=[session_to_proto(login, current) for login in page.rows], next_page_token=page.next_token
        )

    def RevokeSession(self, request: session_service_pb2.RevokeSessionRequest, context: ServicerContext) -> Empty:
        session_id = parse_name("sessions", request.name)

        def revoke(session: ServiceSession) -> Empty:
            revoke_sessions.revoke_session(session, session_id)
            return Empty()

        return self.calls.write(request, Empty, revoke)

    def RevokeUserSessions(
        self, request: session_service_pb2.RevokeUserSessionsRequest, context: ServicerContext
    ) -> Empty:
        user_id = parse_name("users", request.name)

        def revoke(session: ServiceSession) -> Empty:
            revoke_sessions.revoke_user_sessions(session, user_id)
            return Empty()

        return self.calls.write(request, Empty, revoke)
