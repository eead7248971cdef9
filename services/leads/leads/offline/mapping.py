"""Changes and operations from and to messages. Pure."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.errors import DomainError, Invalid
from chassis.masks import changed_paths
from chassis.names import make_name, parse_name
from crm.leads.v1 import follow_up_pb2, lead_pb2
from crm.leads.v1 import offline_sync_service_pb2 as pb
from google.protobuf.field_mask_pb2 import FieldMask

from leads import mapping
from leads.drafts import FollowUpDraft
from leads.lead_mapping import STATED, lead_draft, lead_patch, lead_to_proto, lead_with
from leads.model import OfflineOperation
from leads.offline.applying import Operation, Outcome, Resolve
from leads.offline.edits import LeadEdits
from leads.offline.feed import FOLLOW_UPS, LEADS, PLANS, TASKS, VISITS, Change, Feed
from leads.offline.kinds import Leaving
from leads.subjects import parse_subject
from leads.tasks.queries import parse_task
from leads.usecases.create_lead import LeadDraft
from leads.visits import mapping as visits
from leads.visits.checking_in import CheckInDraft

_STATES = {name.removeprefix("OFFLINE_OPERATION_STATE_"): number for name, number in pb.OfflineOperationState.items()}
_REFERENCES = ("customer", "lead", "subject")
"""Fields by which a record names another one."""


def feed_to_proto(feed: Feed, work: Mapping[tuple[str, UUID], Any]) -> pb.ListChangesResponse:
    """A page of changes. `work` holds its tasks, plans and visits."""
    changes = [_change_to_proto(change, work.get((change.collection, change.id))) for change in feed.changes]
    return pb.ListChangesResponse(changes=changes, token=feed.token, more=feed.more, reset=feed.reset)


def _change_to_proto(change: Change, work: Any) -> pb.RecordChange:
    state = pb.RECORD_CHANGE_STATE_GONE if change.gone else pb.RECORD_CHANGE_STATE_CHANGED
    return pb.RecordChange(
        resource=make_name(change.collection, change.id),
        entity=change.collection,
        state=state,
        related=change.moved,
        lead=lead_to_proto(change.row) if change.collection == LEADS and change.row is not None else None,
        follow_up=mapping.follow_up_to_proto(change.row)
        if change.collection == FOLLOW_UPS and change.row is not None
        else None,
        task=work if change.collection == TASKS else None,
        plan=work if change.collection == PLANS else None,
        visit=work if change.collection == VISITS else None,
    )


def operation_from_proto(operation: pb.OfflineOperation) -> Operation:
    """Something that was done on a device. Raises Invalid if it has no id or says nothing."""
    kind = operation.WhichOneof("action")
    if kind is None:
        raise Invalid("REQUIRED", "say what was done", field="operations.action")
    return Operation(
        client_id=client_id(operation.client_id),
        kind=kind,
        digest=hashlib.sha256(operation.SerializeToString(deterministic=True)).digest(),
        read=lambda resolve: _READERS[kind](operation, resolve),
        occur_time=operation.occur_time.ToDatetime(UTC) if operation.HasField("occur_time") else None,
    )


def client_id(text: str) -> UUID:
    """The id that a device chose. Raises Invalid INVALID_OPERATION_ID."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("INVALID_OPERATION_ID", "client_id must be a UUID", field="client_id") from None


def _created(operation: pb.OfflineOperation, resolve: Resolve) -> LeadDraft:
    return lead_draft(operation.create_lead)


def _edits(operation: pb.OfflineOperation, resolve: Resolve) -> LeadEdits:
    given = operation.update_lead
    paths = changed_paths(given.lead, given.update_mask, set(STATED))
    return LeadEdits(
        lead_id=parse_name("leads", resolve(given.lead.name), field="update_lead.name"),
        etag=given.lead.etag,
        values=lead_patch(given.lead, given.update_mask),
        base=lead_patch(given.base, FieldMask(paths=sorted(paths))) if paths else {},
    )


def _follow_up(operation: pb.OfflineOperation, resolve: Resolve) -> FollowUpDraft:
    given = follow_up_pb2.FollowUp()
    given.CopyFrom(operation.log_follow_up)
    for field in _REFERENCES:
        if field in given.DESCRIPTOR.fields_by_name:
            setattr(given, field, resolve(getattr(given, field)))
    if operation.HasField("occur_time") and not given.HasField("occur_time"):
        given.occur_time.CopyFrom(operation.occur_time)
    return mapping.draft_from_proto(given)


def _completion(operation: pb.OfflineOperation, resolve: Resolve) -> UUID:
    return parse_task(resolve(operation.complete_task.task), field="complete_task.task")


def _check_in(operation: pb.OfflineOperation, resolve: Resolve) -> CheckInDraft:
    given, time = operation.check_in, _time_of(operation)
    return CheckInDraft(
        subject=parse_subject(resolve(given.subject), field="check_in.subject"),
        position=visits.position_from_proto(given.position, field="check_in.position"),
        device_time=time,
        device=given.device,
        mock_location=given.mock_location,
        note=given.note,
        reported_time=time,
    )


def _check_out(operation: pb.OfflineOperation, resolve: Resolve) -> Leaving:
    given = operation.check_out
    located = given.HasField("position")
    return Leaving(
        visit_id=parse_name("visits", resolve(given.visit), field="check_out.visit"),
        time=_time_of(operation),
        position=visits.position_from_proto(given.position, field="check_out.position") if located else None,
        report=visits.report_from_proto(given.report) if given.HasField("report") else None,
    )


def _time_of(operation: pb.OfflineOperation) -> datetime:
    if not operation.HasField("occur_time"):
        raise Invalid("REQUIRED", "say when that was, by the device's clock", field="occur_time")
    return operation.occur_time.ToDatetime(UTC)


_READERS: Mapping[str, Callable[[pb.OfflineOperation, Resolve], Any]] = {
    "create_lead": _created,
    "update_lead": _edits,
    "log_follow_up": _follow_up,
    "complete_task": _completion,
    "check_in": _check_in,
    "check_out": _check_out,
}
"""By kind: see `leads.offline.kinds`."""


def outcome_to_proto(outcome: Outcome, leads: Mapping[UUID, Any]) -> pb.OfflineOutcome:
    """What came of an operation. `leads` are those that operations were about, as they are now."""
    if outcome.kept is not None:
        answer = operation_to_proto(outcome.kept, leads)
    else:
        deferred = not isinstance(outcome.refusal, Invalid)
        answer = pb.OfflineOutcome(
            client_id=str(outcome.client_id), state=_STATES["DEFERRED" if deferred else "REFUSED"]
        )
    answer.duplicate = outcome.duplicate
    if outcome.refusal is not None:
        fault = _fault(outcome.refusal)
        answer.reason, answer.field, answer.message = fault.reason, fault.field, fault.message
    return answer


def operation_to_proto(kept: OfflineOperation, leads: Mapping[UUID, Any]) -> pb.OfflineOutcome:
    """How an operation stands."""
    lead = leads.get(kept.lead_id) if kept.lead_id is not None else None
    return pb.OfflineOutcome(
        client_id=str(kept.client_id),
        state=_STATES[kept.state],
        reason=kept.reason,
        field=kept.field,
        record=kept.record,
        lead=lead_to_proto(lead) if lead is not None else None,
        conflict=_conflict_to_proto(kept.conflict, kept.record) if kept.conflict is not None else None,
    )


def _conflict_to_proto(conflict: Mapping[str, Mapping[str, Any]], record: str) -> pb.LeadConflict:
    base: lead_pb2.Lead = lead_with(conflict["base"])
    yours: lead_pb2.Lead = lead_with(conflict["yours"])
    base.name = yours.name = record
    return pb.LeadConflict(fields=sorted(conflict["yours"]), base=base, yours=yours)


def _fault(refusal: DomainError) -> Any:
    return refusal.violations[0] if isinstance(refusal, Invalid) and refusal.violations else refusal
