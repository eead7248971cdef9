"""The gRPC methods of CallService: open a transaction, call, map."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from chassis.callers import service_caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import DomainError
from chassis.masks import changed_paths
from chassis.names import parse_name
from crm.leads.v1 import call_pb2, call_service_pb2, call_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from leads.calls import mapping, queries
from leads.calls.dialling import Dialler, require_signed
from leads.calls.events import Told
from leads.calls.making import Numbers, dialling, note_dialled, note_failed, request_call
from leads.calls.outcomes import assign_call, set_outcome
from leads.calls.receiving import receive_call_event
from leads.calls.rules import RULES, CallRules
from leads.company_rules import read_rules, update_rules
from leads.model import Call, CallState
from leads.subjects import of, parse_subject, titles


class CallServicer(call_service_pb2_grpc.CallServiceServicer):
    """Implements CallService."""

    def __init__(self, calls: Calls, customers: Numbers, dialler: Dialler, secret: str) -> None:
        """`secret` is what the telephone system signs with; empty if it tells nothing."""
        self.calls = calls
        self.customers = customers
        self.dialler = dialler
        self.secret = secret

    def Dial(self, request: call_service_pb2.DialRequest, context: Any) -> call_pb2.Call:
        draft, provider = mapping.dial_from_proto(request), self.dialler.provider
        noted = self._write(request, lambda session: request_call(session, draft, provider, self.customers))
        return self._have_dialled(parse_name("calls", noted.name))

    def _have_dialled(self, call_id: UUID) -> call_pb2.Call:
        """Ask the telephone system, with no transaction open meanwhile. One call however often it is asked."""
        with self.calls.read() as session:
            call = session.get_one(Call, call_id)
            if call.state != CallState.REQUESTED or call.provider_call_id is not None:
                return _shown(session, [call])[0]
            wanted = dialling(session, call)
        try:
            provider_call_id = self.dialler.dial(wanted)
        except DomainError as refusal:
            with self.calls.transaction(unaudited="one that may be asked again changes nothing") as session:
                note_failed(session, call_id, refusal)
            raise
        with self.calls.transaction(unaudited="where people dial themselves nothing is to be noted") as session:
            return _shown(session, [note_dialled(session, call_id, self.dialler.provider, provider_call_id)])[0]

    def ReceiveCallEvent(self, request: call_service_pb2.ReceiveCallEventRequest, context: Any) -> Empty:
        require_signed(self.secret, request.timestamp, request.body, request.signature)
        told = Told.read(request.body)
        repeated = "what was told before changes nothing"
        with self.calls.transaction(caller=service_caller("leads"), unaudited=repeated) as session:
            receive_call_event(session, told)
        return Empty()

    def SetCallOutcome(self, request: call_service_pb2.SetCallOutcomeRequest, context: Any) -> call_pb2.Call:
        call_id, draft = parse_name("calls", request.name), mapping.outcome_from_proto(request)
        return self._write(request, lambda session: set_outcome(session, call_id, draft, self.customers))

    def AssignCall(self, request: call_service_pb2.AssignCallRequest, context: Any) -> call_pb2.Call:
        call_id, subject = parse_name("calls", request.name), parse_subject(request.subject)
        return self._write(request, lambda session: assign_call(session, call_id, subject, self.customers))

    def GetCall(self, request: call_service_pb2.GetCallRequest, context: Any) -> call_pb2.Call:
        with self.calls.read() as session:
            return _shown(session, [queries.get_call(session, parse_name("calls", request.name))])[0]

    def ListCalls(self, request: call_service_pb2.ListCallsRequest, context: Any) -> call_service_pb2.ListCallsResponse:
        subject = parse_subject(request.subject) if request.subject else None
        with self.calls.read() as session:
            page = queries.list_calls(
                session,
                subject,
                conditions=request.filter,
                page_size=request.page_size,
                page_token=request.page_token,
            )
            calls = _shown(session, page.rows)
        return call_service_pb2.ListCallsResponse(calls=calls, next_page_token=page.next_token)

    def ListCallStatistics(
        self, request: call_service_pb2.ListCallStatisticsRequest, context: Any
    ) -> call_service_pb2.ListCallStatisticsResponse:
        period = mapping.period_from_proto(request)
        with self.calls.read() as session:
            page = queries.list_statistics(session, period, page_size=request.page_size, page_token=request.page_token)
        return call_service_pb2.ListCallStatisticsResponse(
            rows=map(mapping.statistics_to_proto, page.rows), next_page_token=page.next_token
        )

    def GetCallRules(self, request: call_service_pb2.GetCallRulesRequest, context: Any) -> call_pb2.CallRules:
        with self.calls.read() as session:
            return mapping.rules_to_proto(*read_rules(session, RULES, CallRules))

    def UpdateCallRules(self, request: call_service_pb2.UpdateCallRulesRequest, context: Any) -> call_pb2.CallRules:
        paths = changed_paths(request.rules, request.update_mask, mapping.RULE_FIELDS)
        changes = mapping.rule_changes(request.rules, paths)
        return self.calls.write(
            request,
            call_pb2.CallRules,
            lambda session: mapping.rules_to_proto(
                *update_rules(session, RULES, CallRules, "call.configure", changes, request.rules.etag)
            ),
        )

    def _write(self, request: Any, change: Callable[[ServiceSession], Call]) -> call_pb2.Call:
        return self.calls.write(request, call_pb2.Call, lambda session: _shown(session, [change(session)])[0])


def _shown(session: ServiceSession, calls: Sequence[Call]) -> list[call_pb2.Call]:
    """Calls with what people call their subjects."""
    subjects = {call.id: of(call) for call in calls if call.subject}
    named = titles(session, subjects.values())
    return [
        mapping.call_to_proto(each, named.get(subjects[each.id], "") if each.id in subjects else "") for each in calls
    ]
