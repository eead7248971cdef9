"""Offboardings to messages and back."""

from chassis.filters import filter_to_json
from chassis.names import make_name, parse_name, parse_optional_name
from crm.common.v1 import handover_pb2, job_pb2
from crm.identity.v1 import offboarding_pb2, offboarding_service_pb2
from google.protobuf.json_format import ParseDict

from identity.mapping import timestamp
from identity.model import Offboarding, OffboardingPart
from identity.succession import Plan, Rule


def plan_from_proto(message: offboarding_service_pb2.OffboardingPlan) -> Plan:
    """Who gets what, as a client says."""
    rules = [
        Rule(
            entity=rule.entity,
            filter=filter_to_json(rule.filter),
            successors=[parse_name("users", name, field=f"rules[{at}].successors") for name in rule.successors],
            department_head=rule.department_head,
        )
        for at, rule in enumerate(message.rules)
    ]
    return Plan(rules, parse_optional_name("users", message.default_successor, field="default_successor"))


def offboarding_to_proto(offboarding: Offboarding) -> offboarding_pb2.Offboarding:
    """An offboarding as clients see it."""
    return offboarding_pb2.Offboarding(
        name=offboarding.name,
        user=make_name("users", offboarding.user_id),
        state=_state(offboarding.state),
        reason=offboarding.reason,
        rules=[ParseDict(rule, handover_pb2.HandoverRule()) for rule in offboarding.rules],
        default_successor=make_name("users", offboarding.default_successor_id),
        departments=[offboarding_pb2.RelievedDepartment(**each) for each in offboarding.departments],
        handed_over_views=offboarding.saved_views,
        parts=map(_part, offboarding.parts),
        round=offboarding.round,
        creator=offboarding.creator,
        create_time=timestamp(offboarding.create_time),
        end_time=timestamp(offboarding.end_time),
    )


def _part(part: OffboardingPart) -> offboarding_pb2.OffboardingPart:
    return offboarding_pb2.OffboardingPart(
        service=part.service,
        entity=part.entity,
        state=_state(part.state),
        before=part.before,
        moved=part.moved,
        withdrawn=part.withdrawn,
        left=part.left,
        after=part.after,
        attached=part.attached,
        failure_reason=part.failure_reason,
        failure_message=part.failure_message,
    )


def _state(state: str) -> job_pb2.JobState.ValueType:
    return job_pb2.JobState.Value(f"JOB_STATE_{state}")
