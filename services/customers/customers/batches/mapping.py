"""Batches as messages, and requests as orders. Pure."""

from collections.abc import Sequence
from typing import Any

from chassis.errors import Invalid
from chassis.jobs import Job, JobError
from chassis.names import parse_optional_name
from crm.common.v1 import job_pb2
from crm.customers.v1 import customer_batch_service_pb2 as pb

from customers.batches.orders import Action, Order
from customers.mapping import patch_from_proto
from customers.usecases.update_customer import CustomerPatch

_PREFIX = "CUSTOMER_BATCH_ACTION_"
_ACTIONS = {number: name.removeprefix(_PREFIX) for name, number in pb.CustomerBatchAction.items() if number}


def order_from_proto(request: pb.StartCustomerBatchRequest) -> Order:
    """What is asked for. Raises Invalid if no action is stated."""
    if request.action not in _ACTIONS:
        raise Invalid("REQUIRED", "say what to do", field="action")
    action = Action(_ACTIONS[request.action])
    patch = CustomerPatch()
    if action is Action.UPDATE_FIELDS:
        patch = patch_from_proto(request.customer, request.update_mask)
    return Order(
        action=action,
        owner_id=parse_optional_name("users", request.owner, field="owner"),
        pool_id=parse_optional_name("pools", request.pool, field="pool"),
        reason=request.reason,
        note=request.note,
        tags=tuple(request.tags),
        values=patch.values,
        custom_fields=patch.custom_fields,
        replace_custom_fields=patch.replace_custom_fields,
    )


def batch_to_proto(job: Job, refused: Sequence[JobError]) -> pb.CustomerBatch:
    """A batch, with the first customers that it refused."""
    times: Any = job
    return pb.CustomerBatch(
        name=job.name,
        state=job_pb2.JobState.Value(f"JOB_STATE_{job.state}"),
        action=pb.CustomerBatchAction.Value(_PREFIX + job.options["order"]["action"]),
        total_customers=job.options["count"],
        processed_customers=job.processed,
        changed_customers=job.counters.get("changed", 0),
        unchanged_customers=job.counters.get("unchanged", 0),
        refused_customers=job.counters.get("refused", 0),
        first_refusals=[
            pb.CustomerBatchRefusal(customer=row.cells[0], reason=one["reason"], message=one["message"])
            for row in refused
            for one in row.problems
        ],
        failure_reason=job.failure_reason,
        failure_message=job.failure_message,
        create_time=times.create_time,
        start_time=times.start_time,
        end_time=times.end_time,
        creator=job.creator,
    )
