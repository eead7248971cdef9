"""Entities and messages of likely duplicates, both ways."""

from typing import Any

from chassis.names import make_name
from crm.common.v1 import job_pb2
from crm.customers.v1 import duplicate_pb2, duplicate_service_pb2

from customers.duplicate_finding.candidates import Candidate, Found
from customers.duplicate_finding.starting import KIND
from customers.model.duplicates import DuplicatePolicy

_POLICY, _STATE, _JOB = "DUPLICATE_POLICY_", "DUPLICATE_GROUP_STATE_", "JOB_STATE_"


def found_to_proto(found: Found, policy: DuplicatePolicy) -> duplicate_service_pb2.FindDuplicateCustomersResponse:
    """Likely duplicates."""
    return duplicate_service_pb2.FindDuplicateCustomersResponse(
        candidates=map(_candidate, found.visible),
        hidden_candidates=found.hidden,
        policy=duplicate_pb2.DuplicatePolicy.Value(_POLICY + policy),
    )


def _candidate(found: Candidate) -> duplicate_pb2.DuplicateCandidate:
    return duplicate_pb2.DuplicateCandidate(
        customer=make_name("customers", found.customer.id),
        display_name=found.customer.display_name,
        score=found.match.score,
        reasons=found.match.reasons,
    )


def settings_to_proto(policy: DuplicatePolicy) -> duplicate_pb2.DuplicateSettings:
    """The settings."""
    return duplicate_pb2.DuplicateSettings(policy=duplicate_pb2.DuplicatePolicy.Value(_POLICY + policy))


def policy_name(policy: int) -> str:
    """A policy as it is kept; a number that is none becomes itself, to be refused."""
    number = policy or duplicate_pb2.DUPLICATE_POLICY_WARN
    names: dict[int, str] = {value: name for name, value in duplicate_pb2.DuplicatePolicy.items()}
    return names.get(number, str(number)).removeprefix(_POLICY)


def state_name(state: int) -> str:
    """A state as it is kept."""
    number = state or duplicate_pb2.DUPLICATE_GROUP_STATE_OPEN
    names: dict[int, str] = {value: name for name, value in duplicate_pb2.DuplicateGroupState.items()}
    return names.get(number, str(number)).removeprefix(_STATE)


def group_to_proto(group: Any) -> duplicate_pb2.DuplicateGroup:
    """A group."""
    return duplicate_pb2.DuplicateGroup(
        name=group.name,
        score=float(group.score),
        reasons=group.reasons,
        state=duplicate_pb2.DuplicateGroupState.Value(_STATE + group.state),
        members=[
            duplicate_pb2.DuplicateMember(customer=make_name("customers", member.customer_id))
            for member in group.members
        ],
        create_time=group.create_time,
        update_time=group.update_time,
    )


def scan_to_proto(job: Any) -> duplicate_pb2.DuplicateScanJob:
    """A scan."""
    return duplicate_pb2.DuplicateScanJob(
        name=make_name(KIND, job.id),
        state=job_pb2.JobState.Value(_JOB + job.state),
        total_customers=job.total,
        processed_customers=job.processed,
        compared_pairs=job.result.get("compared_pairs", 0),
        groups=job.result.get("groups", 0),
        passed_over_keys=job.result.get("passed_over_keys", 0),
        failure_reason=job.failure_reason,
        failure_message=job.failure_message,
        create_time=job.create_time,
        end_time=job.end_time,
        creator=job.creator,
    )
