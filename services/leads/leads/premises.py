"""What follow-ups rest on that are about to be logged: whom they are about, whose contacts they are, rules."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.prepared import Prepared
from sqlalchemy import text

from leads.effectiveness import EffectivenessRules
from leads.model import Lead

# Once locks are granted the statement goes on with what it saw when it began, so what others have logged meanwhile is
# read by the next one. The keys are in one order for everybody, so that no two callers wait for each other.
_PREMISES = Prepared(
    text(
        """
        WITH known AS MATERIALIZED (
          SELECT id, owner_id, owner_department_path, company_key, credit_code, deleted
          FROM known_customer WHERE id = ANY(CAST(:customers AS uuid[]))
        ),
        locked AS MATERIALIZED (
          SELECT count(pg_advisory_xact_lock(key)) FROM (
            SELECT DISTINCT hashtextextended(party, 0) AS key FROM (
              SELECT 'follow_up author ' || CAST(:author AS text)
              UNION ALL SELECT unnest(CAST(:parties AS text[]))
              UNION ALL SELECT 'contact customer ' || unnest(CAST(:customers AS uuid[]))
              UNION ALL SELECT 'contact name ' || company_key FROM known WHERE company_key <> ''
              UNION ALL SELECT 'contact code ' || credit_code FROM known WHERE credit_code IS NOT NULL
            ) AS parties (party)
            ORDER BY key
          ) AS keys
        ),
        own AS MATERIALIZED (
          SELECT coalesce('departments/' || substring(coalesce(max(path), CAST(:lowest AS text)) FROM '([^/]+)/$'),
            CAST(:author AS text)) AS theatre
          FROM known_department WHERE path = ANY(CAST(:line AS text[])) AND theatre
        )
        SELECT known.*, own.theatre, joint.theatre AS joint_theatre, (SELECT rules FROM follow_up_rules) AS rules
        FROM locked CROSS JOIN own LEFT JOIN known ON true LEFT JOIN LATERAL (
          SELECT theatre FROM known_theatre AS follower
          WHERE follower.customer_id = known.id AND follower.active
            AND (follower.owner_id = CAST(:user AS uuid) OR follower.theatre = own.theatre)
          ORDER BY coalesce(follower.owner_id = CAST(:user AS uuid), false) DESC, theatre DESC LIMIT 1
        ) AS joint ON true
        """
    )
)


@dataclass(frozen=True)
class Premises:
    """What follow-ups of one author rest on."""

    customers: Mapping[UUID, Any]
    """Those that are known here, by id, with the columns that the statement names."""
    theatre: str
    """Whose contacts the author's are reckoned to: the resource name of a department, or of the author."""
    rules: EffectivenessRules
    leads: Mapping[UUID, Lead] = field(default_factory=dict)
    """Those that follow-ups are about, by id, locked."""

    def joint_theatre(self, customer_id: UUID | None) -> str | None:
        """For which theatre the caller follows a customer, if not for its owner: one that they follow it for, else
        their own, if it follows the customer."""
        known = self.customers.get(customer_id) if customer_id is not None else None
        return known.joint_theatre if known is not None else None


def read_premises(session: ServiceSession, customer_ids: Collection[UUID], leads: Collection[Lead] = ()) -> Premises:
    """What follow-ups of the caller with some customers, and with leads that are locked, rest on, in one statement.

    Until the transaction ends, nobody else passes this for the same author, or for the same company under any of the
    names and codes that it is known by: of two equal notes at once the second is seen to be a copy, and of many
    contacts at once no more pass than the cap allows.
    """
    line = _line(session.caller)
    rows = _PREMISES.all(
        session,
        customers=list(customer_ids),
        parties=[party for lead in leads for party in _parties(lead)],
        author=session.caller.subject,
        user=session.caller.user_id,
        line=line,
        lowest=line[-1] if line else None,
    )
    rules = rows[0].rules
    return Premises(
        customers={row.id: row for row in rows if row.id is not None},
        theatre=rows[0].theatre,
        rules=EffectivenessRules() if rules is None else EffectivenessRules.from_json(rules),
        leads={lead.id: lead for lead in leads},
    )


def _parties(lead: Lead) -> Iterator[str]:
    """What a lead is locked by: what a customer of the same company is, too."""
    yield f"contact lead {lead.id}"
    if lead.company_key:
        yield f"contact name {lead.company_key}"
    if lead.credit_code:
        yield f"contact code {lead.credit_code}"


def _line(caller: Caller) -> list[str]:
    """The paths of the caller's department and all above it, from the top."""
    keys = [key for key in caller.department_path.split("/") if key]
    return [f"{'/'.join(keys[:end])}/" for end in range(1, len(keys) + 1)]
