"""Telephone calls."""

from crm.leads.v1 import call_pb2

from gateway.deriver import Record, derive
from gateway.nodes import Node


@derive(call_pb2.Call, required={"direction", "state", "provider", "etag"}, relations={"assignee": "users"})
class Call(Record[call_pb2.Call], Node):
    pass


@derive(call_pb2.CallOutcome, required={"code", "display_name"})
class CallOutcome(Record[call_pb2.CallOutcome]):
    pass


@derive(call_pb2.CallExtension, required={"extension"}, relations={"user": "users"})
class CallExtension(Record[call_pb2.CallExtension]):
    pass


@derive(call_pb2.CallRules, required={"etag"})
class CallRules(Record[call_pb2.CallRules]):
    pass


@derive(call_pb2.CallOutcomeCount, required={"outcome"})
class CallOutcomeCount(Record[call_pb2.CallOutcomeCount]):
    pass


@derive(call_pb2.CallStatisticsRow, required={"date"}, relations={"user": "users"})
class CallStatisticsRow(Record[call_pb2.CallStatisticsRow]):
    pass
