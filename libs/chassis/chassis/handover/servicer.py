"""HandoverService, which every server has for the services that it hosts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm.common.v1 import handover_pb2, handover_service_pb2, handover_service_pb2_grpc
from google.protobuf.json_format import MessageToDict
from sqlalchemy import func, select

from chassis.callers import current_caller
from chassis.db import Database, ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.handover.entities import Handover, HandoverEntity
from chassis.handover.rules import Rule, read_rules, rule_of_record
from chassis.names import make_name, parse_name
from chassis.service import Runtime, Service, Servicer

PERMISSION = "user.offboard"
MOST_RULES = 100


def handover_servicers(hosted: Sequence[tuple[Service, Runtime]]) -> Sequence[Servicer]:
    """The service that tells what the services of a server would hand over; none if they hand over nothing."""
    handovers = {service.name: (service.handover, runtime.database) for service, runtime in hosted if service.handover}
    if not handovers:
        return ()
    return (
        Servicer(
            descriptor=handover_service_pb2.DESCRIPTOR.services_by_name["HandoverService"],
            implementation=HandoverServicer(handovers),
            register=handover_service_pb2_grpc.add_HandoverServiceServicer_to_server,
        ),
    )


class HandoverServicer(handover_service_pb2_grpc.HandoverServiceServicer):
    """Implements HandoverService."""

    def __init__(self, handovers: Mapping[str, tuple[Handover, Database]]) -> None:
        """Takes what is handed over, and the databases, by service."""
        self._handovers = handovers

    def PreviewHandover(
        self, request: handover_service_pb2.PreviewHandoverRequest, context: Any
    ) -> handover_service_pb2.PreviewHandoverResponse:
        """Count what a user holds and who would get it."""
        if request.service not in self._handovers:
            raise Invalid("UNKNOWN_SERVICE", f"this server hosts no service {request.service!r}", field="service")
        handover, database = self._handovers[request.service]
        user_id = parse_name("users", request.user, field="user")
        default = parse_name("users", request.default_successor, field="default_successor")
        if len(request.rules) > MOST_RULES:
            raise Invalid("TOO_MANY_RULES", f"at most {MOST_RULES} rules fit", field="rules")
        rules = read_rules([MessageToDict(rule, preserving_proto_field_name=True) for rule in request.rules], default)
        for rule in rules:
            if not rule.successors:
                at = f"rules[{rule.number - 1}].successors"
                raise Invalid("REQUIRED", "name who gets these records", field=at)
        with database.read(current_caller()) as session:
            known: Any = session.execute(handover.known_user(user_id)).one_or_none()
            if known is None or not session.caller.scope(PERMISSION).reaches(user_id, known[1]):
                raise NotFound("USER_NOT_FOUND", "there is no such user")
            counts = [_count(session, handover.service, entity, user_id, rules) for entity in handover.entities]
        return handover_service_pb2.PreviewHandoverResponse(counts=counts)


def _count(
    session: ServiceSession, service: str, entity: HandoverEntity, user_id: Any, rules: Sequence[Rule]
) -> handover_pb2.HandoverCount:
    held = entity.held_by(user_id)
    number = rule_of_record(session, entity, rules).label("rule")
    by_rule = select(number).where(held).subquery()
    counts = select(by_rule.c.rule, func.count()).group_by(by_rule.c.rule)
    found: dict[int, int] = {row[0]: row[1] for row in session.execute(counts)}
    return handover_pb2.HandoverCount(
        service=service,
        entity=entity.name,
        count=sum(found.values()),
        attached=entity.attached(session, held),
        shares=[share for rule in rules if rule.number in found for share in _shares(entity, rule, found[rule.number])],
    )


def _shares(entity: HandoverEntity, rule: Rule, count: int) -> Iterator[handover_pb2.HandoverShare]:
    """What each successor gets of a rule's records when they take turns."""
    if entity.follows and rule.entity != entity.name:
        yield handover_pb2.HandoverShare(rule=rule.number, count=count)
        return
    turns = len(rule.successors)
    for place, successor in enumerate(rule.successors):
        share = count // turns + (place < count % turns)
        if share:
            yield handover_pb2.HandoverShare(rule=rule.number, successor=make_name("users", successor), count=share)
