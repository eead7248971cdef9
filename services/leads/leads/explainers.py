"""How the access to leads, follow-ups and other work is explained."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.explaining import Explainer, Place, Reason, UserAccess, by_roles
from chassis.names import make_name
from chassis.sharing import ANY_LEVEL, Reachable
from sqlalchemy import and_, case, func, select

from leads.calls.queries import no_call
from leads.lead_queries import ENTITY, no_lead
from leads.model import Call, FollowUp, KnownCustomer, KnownTheatre, Lead, Plan, PlanParticipant, Task, Visit
from leads.plans.queries import no_plan
from leads.queries import BY_OWNER, REACHABLE, no_follow_up
from leads.tasks.queries import no_task
from leads.visits.queries import no_visit

WIDE = frozenset(
    {
        "assignment_rule.configure",
        "automation.configure",
        "automation.read",
        "call.configure",
        "capture.configure",
        "capture.correct",
        "escalation.configure",
        "follow_up.configure",
        "lead.configure",
        "plan.configure",
        "playbook.configure",
        "visit.configure",
    }
)
"""Permissions that are refused to who does not reach everything."""


_WORK = ("task.create", "plan.create", "call.create", "visit.create", "visit.locate")
"""Permissions with which people plan and log work on a lead that they may see."""


def _of_follow_up(session: ServiceSession, follow_up_id: UUID) -> Place | None:
    its_theatre = and_(
        KnownTheatre.customer_id == FollowUp.customer_id,
        KnownTheatre.theatre == FollowUp.joint_theatre,
        KnownTheatre.active,
    )
    of_owner = KnownTheatre.owner_id.is_(None)
    path = case((of_owner, KnownCustomer.owner_department_path), else_=KnownTheatre.owner_department_path)
    statement = (
        select(
            # What a theatre logs that follows the customer beside its owner is opened by no share of the customer.
            case((of_owner, func.coalesce(FollowUp.customer_id, FollowUp.id)), else_=FollowUp.id),
            func.coalesce(KnownTheatre.owner_id, KnownCustomer.owner_id, Lead.owner_id),
            func.coalesce(path, Lead.owner_department_path),
            FollowUp.author,
        )
        .outerjoin(KnownCustomer, KnownCustomer.id == FollowUp.customer_id)
        .outerjoin(KnownTheatre, its_theatre)
        .outerjoin(Lead, and_(FollowUp.customer_id.is_(None), Lead.id == FollowUp.lead_id))
        .where(FollowUp.id == follow_up_id)
    )
    row = session.execute(statement).first()
    return Place(*row) if row is not None else None


def _of_lead(session: ServiceSession, lead_id: UUID) -> Place | None:
    statement = select(Lead.id, Lead.owner_id, Lead.owner_department_path, Lead.registrant_id)
    row = session.execute(statement.where(Lead.id == lead_id)).first()
    if row is None:
        return None
    return Place(row.id, row.owner_id, row.owner_department_path, registrant=row.registrant_id)


def _assignee(session: ServiceSession, table: Any, record_id: UUID) -> Place | None:
    """Whose work a record is."""
    row = session.execute(
        select(table.assignee_id, table.assignee_department_path).where(table.id == record_id)
    ).first()
    return Place(record_id, *row) if row is not None else None


def _subject(session: ServiceSession, table: Any, record_id: UUID) -> Sequence[Place]:
    """What a record of work is about, by which `leads.subjects.reach` reaches it, too."""
    row = session.execute(select(table.lead_id, table.customer_id).where(table.id == record_id)).one()
    if row.customer_id is not None:
        customer = session.get(KnownCustomer, row.customer_id)
        return [Place(customer.id, customer.owner_id, customer.owner_department_path)] if customer else []
    lead = session.get(Lead, row.lead_id) if row.lead_id is not None else None
    return [Place(lead.id, lead.owner_id, lead.owner_department_path)] if lead else []


def _of_plan(session: ServiceSession, plan_id: UUID) -> Place | None:
    """A plan is its organiser's, too; who takes part may see it; and a private one is for them alone."""
    place = _assignee(session, Plan, plan_id)
    if place is None:
        return None
    plan = session.get_one(Plan, plan_id)
    asked = session.scalars(select(PlanParticipant.user_id).where(PlanParticipant.plan_id == plan_id))
    members = {make_name("users", user_id) for user_id in asked}
    return replace(place, author=plan.organiser, members=members, private=plan.private)


def _subject_of_plan(session: ServiceSession, plan_id: UUID) -> Sequence[Place]:
    """What a plan is about, for whoever may know of the plan."""
    plan = _of_plan(session, plan_id)
    if plan is None:
        return ()
    subject = _subject(session, Plan, plan_id)
    return [replace(each, author=plan.author, members=plan.members, private=plan.private) for each in subject]


def _ones_own(table: Any) -> Callable[..., Iterable[Reason]]:
    """What only whoever's work it is may do."""

    def rule(
        session: ServiceSession, access: UserAccess, ask: Callable[[str], UserAccess], record_id: UUID
    ) -> Iterator[Reason]:
        place = _assignee(session, table, record_id)
        if place is not None and place.owner == access.user_id:
            yield Reason("ITS_PERSON", opens=True)
        else:
            yield Reason(
                "NOT_ITS_PERSON", params={"owner": make_name("users", place.owner if place is not None else None)}
            )

    return rule


def _review(
    session: ServiceSession, access: UserAccess, ask: Callable[[str], UserAccess], visit_id: UUID
) -> Iterator[Reason]:
    """What `review_visit` goes by: the scope reaches the person, who is somebody else."""
    place = _assignee(session, Visit, visit_id)
    if place is None:
        return
    if place.owner == access.user_id:
        yield Reason("OWN_WORK")
    else:
        yield from by_roles(access, "visit.review", place)


def _work(collection: str, table: Any, missing: Callable[[], NotFound], *permissions: str, **more: Any) -> Explainer:
    """How the access to records of work is explained: see `leads.subjects.reach`."""
    about: dict[str, Any] = {
        "find": lambda session, record_id: _assignee(session, table, record_id),
        "further": lambda session, record_id: _subject(session, table, record_id),
    }
    return Explainer(
        collection=collection,
        reachable=replace(REACHABLE, opened=dict.fromkeys(permissions, ANY_LEVEL)),
        permissions=permissions,
        missing=missing,
        **about | more,
    )


EXPLAINERS = (
    Explainer(
        collection="leads",
        # Leads are shared with nobody.
        reachable=Reachable(ENTITY, Lead.id, Lead.owner_id, Lead.owner_department_path, opened={}),
        permissions=("lead.*", "follow_up.create", *_WORK),
        unrelated=("lead.configure", "lead.create", "lead.import", "lead.register"),
        find=_of_lead,
        missing=no_lead,
        opened_to_partners=("lead.read",),
        registered=True,
    ),
    Explainer(
        collection="followUps",
        reachable=BY_OWNER,
        permissions=("follow_up.read",),
        find=_of_follow_up,
        missing=no_follow_up,
        opened_to_author=("follow_up.read",),
    ),
    _work("tasks", Task, no_task, "task.read", "task.update", "task.assign", "task.delete"),
    _work(
        "plans",
        Plan,
        no_plan,
        "plan.read",
        "plan.update",
        find=_of_plan,
        further=_subject_of_plan,
        opened_to_author=("plan.read", "plan.update"),
        opened_to_members=("plan.read",),
    ),
    _work("visits", Visit, no_visit, "visit.read", rules={"visit.create": _ones_own(Visit), "visit.review": _review}),
    _work("calls", Call, no_call, "call.read", rules={"call.create": _ones_own(Call)}),
)
