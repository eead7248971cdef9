"""What follow-ups change of the leads that they are about."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis.db import ServiceSession

from leads.effectiveness import Verdict
from leads.facts import snapshot
from leads.life.rules import life_rules
from leads.life.statuses import conversion_under_way, move
from leads.model import FollowUp, Lead, LeadStatus
from leads.usecases.update_lead import announce


def touch_leads(session: ServiceSession, follow_ups: Sequence[FollowUp], leads: Mapping[UUID, Lead]) -> None:
    """Note when somebody was in touch with leads last. A new lead is contacted by the first follow-up that counts, if
    the rules say so. The leads must be locked."""
    reached: dict[UUID, Lead] = {}
    for follow_up in follow_ups:
        lead, time = leads[follow_up.subject_id], follow_up.occur_time
        lead.last_follow_up_time = max(lead.last_follow_up_time or time, time)
        if follow_up.verdict == Verdict.EFFECTIVE:
            lead.last_effective_follow_up_time = max(lead.last_effective_follow_up_time or time, time)
            reached[lead.id] = lead
    session.flush()
    new = [lead for lead in reached.values() if lead.status == LeadStatus.NEW]
    if not new or not life_rules(session).contact_on_follow_up:
        return
    for lead in new:
        if not conversion_under_way(session, lead.id):
            before = snapshot(lead)
            move(session, lead, LeadStatus.CONTACTED)
            announce(session, lead, before, "lead.contact")
