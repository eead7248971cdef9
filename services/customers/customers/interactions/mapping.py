"""From messages to what the use cases take, and back. Pure."""

from datetime import UTC

from chassis.errors import Invalid
from chassis.structs import to_dict
from crm.customers.v1 import customer_service_pb2, interaction_service_pb2

from customers.timeline import Narrowing
from customers.usecases.record_interactions import InteractionDraft, InteractionOutcome


def draft_from_proto(message: interaction_service_pb2.Interaction) -> InteractionDraft:
    """Something that happened, as somebody tells it."""
    return InteractionDraft(
        customer=message.customer,
        kind=message.kind,
        source=message.source,
        external_id=message.external_id,
        actor=message.actor,
        summary=message.summary,
        details=to_dict(message.details),
        occur_time=message.occur_time.ToDatetime(UTC) if message.HasField("occur_time") else None,
    )


def outcome_to_proto(outcome: InteractionOutcome) -> interaction_service_pb2.InteractionOutcome:
    """What came of recording it."""
    if (refusal := outcome.refusal) is None:
        return interaction_service_pb2.InteractionOutcome(
            name=f"timelineEntries/{outcome.entry_id}", created=outcome.created
        )
    fault = refusal.violations[0] if isinstance(refusal, Invalid) and refusal.violations else refusal
    return interaction_service_pb2.InteractionOutcome(reason=fault.reason, field=fault.field, message=fault.message)


def narrowing(request: customer_service_pb2.ListTimelineEntriesRequest) -> Narrowing:
    """Which entries of a timeline somebody asks for, besides their kinds."""
    return Narrowing(
        sources=tuple(request.sources),
        actors=tuple(request.actors),
        start=request.start_time.ToDatetime(UTC) if request.HasField("start_time") else None,
        end=request.end_time.ToDatetime(UTC) if request.HasField("end_time") else None,
    )
