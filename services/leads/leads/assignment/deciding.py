"""What decisions on leads come to: owners, debts, the fallback pool, the history, and whoever must know of it.

One transaction at a time decides, so that two never count the same room of somebody, and nobody moves meanwhile.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
from chassis import audit, locks, outbox
from chassis.db import ServiceSession
from chassis.names import make_name, new_id, parse_optional_name
from chassis.notifications import Notice, notify_all
from chassis.prepared import Prepared
from chassis.snapshots import filled
from sqlalchemy import bindparam, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm.attributes import set_committed_value

from leads.assignment.choosing import Rep
from leads.assignment.explaining import candidate_facts, detail_of, rule_facts
from leads.assignment.judging import Decision, Judge
from leads.events import LeadUpdated
from leads.facts import state
from leads.heads import head_above
from leads.life.timeline import note_changes
from leads.locking import stand_still
from leads.model import (
    Acceptance,
    AssignmentCause,
    AssignmentOutcome,
    AssignmentRound,
    AssignmentRule,
    KnownDepartment,
    Lead,
    LeadAssignment,
    WaitingLead,
)
from leads.subjects import Subject
from leads.told import titles_for

PART = 1_000
"""Leads decided on in one transaction."""
SKIPPED = "SKIPPED"
"""Why a lead is in the fallback pool that the rules leave alone."""
_ROUNDS = UUID("5f0bb8f4-0f5e-4a5c-9d27-0c7b6d0f2f61")
"""The name space of the ids of rounds."""


def alone(session: ServiceSession) -> None:
    """Let nobody else give leads by rules until the transaction ends. To be called before leads are locked."""
    locks.hold(session, "lead assignment")
    stand_still(session)


def assign(
    session: ServiceSession,
    causes: Mapping[UUID, AssignmentCause],
    *,
    former: Mapping[UUID, UUID] | None = None,
) -> list[Decision]:
    """Decide on those of some leads that are the rules' business, and let it be so. `former`: who owned leads until the
    same transaction took them away; those that the rules leave alone wait in the fallback pool to be claimed."""
    alone(session)
    waiting = {row.lead_id: row for row in session.scalars(_waiting(causes))}
    since = {key: row.pool_time for key, row in waiting.items()}
    judge = Judge(session)
    decisions = judge.judge(causes, lock=True, since=since)
    given = [one for one in decisions if one.assignee is not None]
    left = [one for one in decisions if one.assignee is None]
    _give(session, given, former or {})
    _leave(session, judge, left, waiting, former or {})
    _keep(session, judge, [*given, *(one for one in left if not _is_old(one, waiting.get(one.lead.id)))])
    _keep_debts(session, judge)
    if former and (skipped := former.keys() - {one.lead.id for one in decisions}):
        _pool_skipped(session, skipped, former)
    _tell_assignees(session, given)
    _tell_managers(session, judge, left)
    return decisions


def _waiting(leads: Iterable[UUID]) -> Any:
    statement = select(WaitingLead).where(WaitingLead.lead_id.in_(list(leads)))
    return statement.execution_options(populate_existing=True)


def _give(session: ServiceSession, given: Sequence[Decision], former: Mapping[UUID, UUID]) -> None:
    changes = []
    for one in given:
        assert one.assignee is not None
        rule = one.rule.name if one.rule is not None else ""
        changes.append(_change(session, one.lead, one.assignee, "lead.assign", former, {"rule": rule}))
    _store(session, [one.lead for one in given])
    audit.record_all(session, changes)
    outbox.emit_all(session, [_event(one.lead) for one in given])
    gone = delete(WaitingLead).where(WaitingLead.lead_id.in_([one.lead.id for one in given]))
    session.execute(gone.execution_options(synchronize_session=False))


def _change(
    session: ServiceSession,
    lead: Lead,
    owner: Rep | None,
    action: str,
    former: Mapping[UUID, UUID],
    more: Mapping[str, str],
) -> audit.Change:
    """Let a lead have another owner, or none, and return what is to be recorded of it. `_store` writes it."""
    before = filled({"owner": make_name("users", former.get(lead.id)), "version": lead.version})
    values: dict[str, Any] = {"owner_id": None, "version": lead.version + 1}
    values |= dict.fromkeys(("owner_since", "update_time"), session.now)
    if owner is not None:
        values |= {"owner_id": owner.user_id, "owner_department_path": owner.department_path}
    for column, value in values.items():
        set_committed_value(lead, column, value)
    after = filled({"owner": make_name("users", lead.owner_id), "version": lead.version})
    note_changes(session, lead, before, after)
    return audit.Change(action, lead.name, before, filled({**after, **more}))


_STORE = Prepared(
    text(
        """
    UPDATE lead SET owner_id = new.owner_id, owner_department_path = new.path, version = new.version,
      owner_since = :now, update_time = :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:owners AS uuid[]), CAST(:paths AS text[]), CAST(:versions AS bigint[]))
      AS new (id, owner_id, path, version)
    WHERE lead.id = new.id
        """
    )
)


def _store(session: ServiceSession, leads: Sequence[Lead]) -> None:
    """Write the owners of locked leads, in one statement."""
    session.flush()
    if leads:
        _STORE.write(
            session,
            now=session.now,
            ids=[lead.id for lead in leads],
            owners=[lead.owner_id for lead in leads],
            paths=[lead.owner_department_path for lead in leads],
            versions=[lead.version for lead in leads],
        )


def _event(lead: Lead) -> LeadUpdated:
    return LeadUpdated(lead.name, lead.version, state(lead), ["owner"])


def _leave(
    session: ServiceSession,
    judge: Judge,
    left: Sequence[Decision],
    waiting: Mapping[UUID, WaitingLead],
    former: Mapping[UUID, UUID],
) -> None:
    """Keep in the fallback pool what nobody gets. It is reckoned to the department that looks after the pool."""
    if not left:
        return
    departments = {one.lead.id: _fallback_of(judge, one) for one in left}
    paths = _paths(session, {key for key in departments.values() if key is not None})
    changes, changed, rows = [], [], []
    for one in left:
        department, old = departments[one.lead.id], waiting.get(one.lead.id)
        if department in paths:
            one.lead.owner_department_path = paths[department]
        if one.lead.id in former:
            changes.append(_change(session, one.lead, None, "lead.pool", former, {"reason": one.reason}))
            changed.append(one.lead)
        elif not _is_old(one, old):
            after = {"reason": one.reason, "rule": one.rule.name if one.rule is not None else ""}
            changes.append(audit.Change("lead.pool", one.lead.name, None, filled(after)))
        rows.append(_pool_row(session, one, department, old))
    _store(session, changed)
    audit.record_all(session, changes)
    outbox.emit_all(session, [_event(lead) for lead in changed])
    _upsert(session, rows)


def _pool_skipped(session: ServiceSession, skipped: Collection[UUID], former: Mapping[UUID, UUID]) -> None:
    """Keep in the fallback pool what was taken away and the rules leave alone: people can claim it there."""
    leads = session.scalars(select(Lead).where(Lead.id.in_(skipped)).order_by(Lead.id)).all()
    changes = [_change(session, lead, None, "lead.pool", former, {"reason": SKIPPED}) for lead in leads]
    _store(session, leads)
    audit.record_all(session, changes)
    outbox.emit_all(session, [_event(lead) for lead in leads])
    leave_alone(session, [lead.id for lead in leads])


def leave_alone(session: ServiceSession, leads: Sequence[UUID]) -> None:
    """Put leads into the fallback pool that the rules are not to be asked for. Those that are there already stay."""
    queue(session, leads, AssignmentCause.RETRIED, session.now)
    idle = update(WaitingLead).where(WaitingLead.lead_id.in_(leads))
    values = {"retry_time": None, "reason": SKIPPED, "waiting": False}
    session.execute(idle.values(**values).execution_options(synchronize_session=False))


def _fallback_of(judge: Judge, one: Decision) -> UUID | None:
    own = one.rule.fallback_department_id if one.rule is not None else None
    return own or judge.settings.fallback_department_id


def _paths(session: ServiceSession, departments: Iterable[UUID]) -> Mapping[UUID | None, str]:
    statement = select(KnownDepartment.id, KnownDepartment.path).where(KnownDepartment.id.in_(list(departments)))
    return {row.id: row.path for row in session.execute(statement)}


def _pool_row(
    session: ServiceSession, one: Decision, department: UUID | None, old: WaitingLead | None
) -> dict[str, Any]:
    return {
        "lead_id": one.lead.id,
        "waiting": one.outcome is AssignmentOutcome.WAITING,
        "reason": one.reason,
        "rule_id": one.rule.id if one.rule is not None else None,
        "fallback_department_id": department,
        "pool_time": old.pool_time if old is not None else session.now,
        "retry_time": one.retry_time,
        "cause": AssignmentCause.RETRIED,
    }


def _is_old(one: Decision, row: WaitingLead | None) -> bool:
    """Whether a lead is left where it was for the same reason as before, which is no news."""
    if row is None or one.cause is not AssignmentCause.RETRIED:
        return False
    rule_id = one.rule.id if one.rule is not None else None
    return (row.reason, row.rule_id) == (one.reason, rule_id)


def _keep(session: ServiceSession, judge: Judge, decisions: Sequence[Decision]) -> None:
    """Keep decisions with all that explains them."""
    if not decisions:
        return
    rounds: dict[UUID, dict[str, Any]] = {}

    def round_of(facts: dict[str, Any]) -> UUID:
        key = uuid5(_ROUNDS, orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode())
        rounds[key] = facts
        return key

    rules_id = round_of(rule_facts(judge.rules, session.now))
    asked = {one.rule.id: (one.rule, one.team) for one in decisions if one.rule is not None and one.team is not None}
    candidates = {key: round_of(candidate_facts(rule, team)) for key, (rule, team) in asked.items()}
    rows = [
        _row(session, one, rules_id, candidates.get(one.rule.id) if one.rule is not None and one.team else None)
        for one in decisions
    ]
    kept = [{"id": key, "facts": facts, "create_time": session.now} for key, facts in sorted(rounds.items())]
    session.execute(postgresql.insert(AssignmentRound).on_conflict_do_nothing(), kept)
    session.execute(insert(LeadAssignment), rows)


def _row(session: ServiceSession, one: Decision, rules_id: UUID, candidates_id: UUID | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "lead_id": one.lead.id,
        "outcome": one.outcome,
        "cause": one.cause,
        "rule_id": one.rule.id if one.rule is not None else None,
        "assignee_id": one.assignee.user_id if one.assignee is not None else None,
        "reason": one.reason,
        "acceptance": Acceptance.PENDING if one.accept_due_time is not None else None,
        "accept_due_time": one.accept_due_time,
        "decide_time": session.now,
        "rules_id": rules_id,
        "candidates_id": candidates_id,
        "detail": detail_of(one),
    }


_OWE = Prepared(
    text(
        """
    INSERT INTO assignment_debt (rule_id, user_id, debt, last_time)
    SELECT * FROM unnest(CAST(:rules AS uuid[]), CAST(:users AS uuid[]), CAST(:debts AS bigint[]),
                         CAST(:times AS timestamptz[]))
    ON CONFLICT (rule_id, user_id) DO UPDATE SET debt = excluded.debt, last_time = excluded.last_time
        """
    )
)


def _keep_debts(session: ServiceSession, judge: Judge) -> None:
    changed = [
        (rule_id, team.standings[at]) for rule_id, team in judge.teams.asked.items() for at in sorted(team.changed)
    ]
    if changed:
        _OWE.write(
            session,
            rules=[rule_id for rule_id, _ in changed],
            users=[standing.rep.user_id for _, standing in changed],
            debts=[standing.debt for _, standing in changed],
            times=[standing.last_time for _, standing in changed],
        )


def _upsert(session: ServiceSession, rows: Sequence[Mapping[str, Any]]) -> None:
    statement = postgresql.insert(WaitingLead)
    changed = {name: statement.excluded[name] for name in rows[0] if name != "lead_id"}
    session.execute(statement.on_conflict_do_update(index_elements=["lead_id"], set_=changed), rows)


def _tell_assignees(session: ServiceSession, given: Sequence[Decision]) -> None:
    """Tell people of the one lead that they were given, or of how many."""
    leads: dict[UUID, list[Lead]] = {}
    for one in given:
        assert one.assignee is not None
        leads.setdefault(one.assignee.user_id, []).append(one.lead)
    actor = session.caller.subject
    single = {user_id: Subject("leads", own[0].id) for user_id, own in leads.items() if len(own) == 1}
    named = titles_for(session, single.items())
    notices = [
        Notice(user_id, "LEAD_ASSIGNED", subject.name, {"lead_name": named[user_id, subject], "actor": actor})
        if (subject := single.get(user_id)) is not None
        else Notice(user_id, "LEADS_ASSIGNED", "", {"count": str(len(own)), "actor": actor})
        for user_id, own in leads.items()
    ]
    notify_all(session, notices)


def _tell_managers(session: ServiceSession, judge: Judge, left: Sequence[Decision]) -> None:
    told = []
    for one in left:
        if one.reason != "TRIES_USED_UP" or one.rule is None or one.cause is AssignmentCause.RETRIED:
            continue
        manager = _manager_of(session, judge, one.rule)
        if manager is not None:
            told.append((manager, Subject("leads", one.lead.id), one.rule.display_name))
    named = titles_for(session, [(manager, subject) for manager, subject, _ in told])
    notify_all(
        session,
        [
            Notice(manager, "LEAD_UNACCEPTED", subject.name, {"lead_name": named[manager, subject], "rule": rule})
            for manager, subject, rule in told
        ],
    )


def _manager_of(session: ServiceSession, judge: Judge, rule: AssignmentRule) -> UUID | None:
    """Who is told of leads that nobody accepts."""
    department_id = rule.fallback_department_id or judge.settings.fallback_department_id
    if rule.manager_is_head and department_id is not None:
        path = session.scalar(select(KnownDepartment.path).where(KnownDepartment.id == department_id))
        if (head := head_above(session, path, None)) is not None:
            return head
    creator = rule.creator if rule.creator.startswith("users/") else ""
    return rule.manager_id or judge.settings.manager_id or parse_optional_name("users", creator, field="")


def wake(session: ServiceSession) -> None:
    """Let the rules be asked at once for all that is in the pool: rules, capacities or absences are other ones.

    What decides by the former ones is waited for, lest it put off anew what it left in the pool."""
    alone(session)
    session.execute(
        update(WaitingLead)
        .where(WaitingLead.retry_time > session.now)
        .values(retry_time=session.now)
        .execution_options(synchronize_session=False)
    )


def queue(session: ServiceSession, leads: Sequence[UUID], cause: AssignmentCause, due: datetime) -> None:
    """Let the rules be asked for leads when the time has come. Those that are in the pool already stay there."""
    if not leads:
        return
    statement = postgresql.insert(WaitingLead).values(
        lead_id=bindparam("lead"),
        waiting=False,
        reason="",
        pool_time=session.now,
        retry_time=due,
        cause=cause,
    )
    again = {"retry_time": due, "cause": cause}
    statement = statement.on_conflict_do_update(index_elements=["lead_id"], set_=again)
    session.execute(statement, [{"lead": lead} for lead in sorted(leads)])
