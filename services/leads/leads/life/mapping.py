"""The life of leads from rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Mapping, Set
from typing import Any
from uuid import UUID

from chassis.etags import etag
from crm.leads.v1 import lead_pb2, life_pb2

from leads.life.rules import LifeRules, Reason
from leads.life.update_rules import RULES_NAME
from leads.mapping import follow_up_to_proto
from leads.model import LeadRules

RULE_FIELDS = frozenset(LifeRules.__dataclass_fields__)
"""The fields of the rules that may be changed."""

_KINDS = {name.removeprefix("LEAD_TIMELINE_KIND_"): number for name, number in life_pb2.LeadTimelineKind.items()}
_KIND_NAMES: dict[int, str] = {number: name for name, number in _KINDS.items()}
_STATUS_NAMES: dict[int, str] = {
    number: name.removeprefix("LEAD_STATUS_") for name, number in lead_pb2.LeadStatus.items()
}


def status_name(status: int) -> str:
    """What the use cases call a status."""
    return _STATUS_NAMES.get(status, str(status))


def kind_names(kinds: Any) -> list[str]:
    """What the queries call some kinds of entries. One that is not known names nothing."""
    return [_KIND_NAMES.get(kind, str(kind)) for kind in kinds]


def entry_to_proto(row: Any, follow_ups: Mapping[UUID, Any]) -> life_pb2.LeadTimelineEntry:
    """Something that happened to a lead."""
    follow_up = follow_ups.get(row.id)
    return life_pb2.LeadTimelineEntry(
        kind=_KINDS[row.kind],
        actor=row.actor,
        occur_time=row.occur_time,
        before=row.before,
        after=row.after,
        reason=row.reason,
        note=row.note,
        follow_up=follow_up_to_proto(follow_up) if follow_up is not None else None,
    )


def rules_to_proto(kept: LeadRules) -> life_pb2.LeadRules:
    """The rules of the life of leads."""
    rules = LifeRules.from_json(kept.rules)
    return life_pb2.LeadRules(
        name=RULES_NAME,
        contact_on_follow_up=rules.contact_on_follow_up,
        disqualification_reasons=[life_pb2.LeadReason(**vars(one)) for one in rules.disqualification_reasons],
        etag=etag(kept.version),
    )


def rule_changes(rules: life_pb2.LeadRules, paths: Set[str]) -> dict[str, Any]:
    """The rules at some paths, as the use case takes them."""
    given: dict[str, Any] = {
        "contact_on_follow_up": rules.contact_on_follow_up,
        "disqualification_reasons": tuple(
            Reason(one.code, one.display_name.strip(), one.archived) for one in rules.disqualification_reasons
        ),
    }
    return {path: given[path] for path in paths}
