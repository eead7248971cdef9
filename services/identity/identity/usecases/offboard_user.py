"""Let a user leave, or try the hand-over again."""

from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, Invalid
from chassis.jobs import JobState
from chassis.names import make_name, new_id
from sqlalchemy import exists, select

from identity import queries
from identity.events import OffboardingStarted
from identity.locks import lock_tree
from identity.model import Department, Offboarding, OffboardingPart, User, UserState
from identity.offboarding_queries import PERMISSION, get_offboarding
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.saved_views import hand_over_shared_views
from identity.succession import SERVICES, Plan, require_successors, settle
from identity.usecases.update_user import ensure_administrator_remains

MOST_REASON = 500


def offboard_user(
    session: ServiceSession, user_id: UUID, plan: Plan, *, head_successor_id: UUID | None = None, reason: str = ""
) -> Offboarding:
    """Deactivate a user at once, relieve them of departments, and have what they hold handed over."""
    lock_tree(session)
    bump_policy(session)
    user = queries.get_user(session, user_id, PERMISSION, lock=True)
    if user.id == session.caller.user_id:
        raise Denied("OWN_OFFBOARDING", "somebody else must let you leave", user=user.name)
    running = exists().where(Offboarding.user_id == user.id, Offboarding.state == JobState.RUNNING)
    if session.scalar(select(running)):
        raise Conflict("OFFBOARDING_UNDER_WAY", "what the user holds is being handed over already", user=user.name)
    succession = settle(session, user, plan)
    if head_successor_id is not None:
        require_successors(session, user, {"head_successor": [head_successor_id]})
    _deactivate(session, user)
    offboarding = Offboarding(
        id=new_id(),
        user_id=user.id,
        state=JobState.RUNNING,
        reason=_reason(reason),
        rules=succession.rules,
        default_successor_id=succession.default_successor_id,
        departments=_relieve(session, user, head_successor_id),
        saved_views=hand_over_shared_views(session, user.id, succession.default_successor_id),
        round=1,
        creator=session.caller.subject,
        create_time=session.now,
        parts=[OffboardingPart.queued(service, entity) for entity, service in sorted(SERVICES.items())],
    )
    session.add(offboarding)
    session.flush()
    audit.record(session, "user.offboard", user.name, None, offboarding.snapshot() | {"offboarding": offboarding.name})
    _start(session, offboarding, user)
    return offboarding


def retry_offboarding(session: ServiceSession, offboarding_id: UUID, plan: Plan | None) -> Offboarding:
    """Go on with a hand-over that has failed, by a new plan if one is given."""
    offboarding = get_offboarding(session, offboarding_id, lock=True)
    if offboarding.state != JobState.FAILED:
        raise Conflict("OFFBOARDING_NOT_FAILED", "only an offboarding that has failed can be tried again")
    user = session.get_one(User, offboarding.user_id, with_for_update=True)
    if user.active:
        raise Conflict("LEAVER_ACTIVE", "the user may sign in again; deactivate the user and try again")
    before = offboarding.snapshot()
    if plan is not None:
        succession = settle(session, user, plan)
        offboarding.rules, offboarding.default_successor_id = succession.rules, succession.default_successor_id
    else:
        require_successors(session, user, _named(offboarding))
    offboarding.round += 1
    offboarding.state, offboarding.end_time = JobState.RUNNING, None
    for part in offboarding.parts:
        if part.state == JobState.FAILED:
            part.state, part.failure_reason, part.failure_message = JobState.QUEUED, "", ""
    session.flush()
    audit.record(session, "offboarding.retry", offboarding.name, before, offboarding.snapshot())
    _start(session, offboarding, user)
    return offboarding


def _deactivate(session: ServiceSession, user: User) -> None:
    """End whatever the user could do. A user who was deactivated before is announced again all the same."""
    before, administered = user.snapshot(), user.administers
    user.state = UserState.DEACTIVATED.value
    user.version += 1
    user.update_time = session.now
    session.flush()
    if administered:
        ensure_administrator_remains(session)
    revoke_tokens(session, [user.name, *end_sessions(session, user.id)])
    audit.record(session, "user.update", user.name, before, user.snapshot())
    outbox.emit(session, user.changed())


def _relieve(session: ServiceSession, user: User, successor_id: UUID | None) -> list[dict[str, str]]:
    """Give the departments that the user heads to a successor, or leave them without a head."""
    headed = session.scalars(select(Department).where(Department.head_id == user.id).order_by(Department.path)).all()
    for department in headed:
        before = department.snapshot()
        department.head_id = successor_id
        department.version += 1
        department.update_time = session.now
        session.flush()
        audit.record(session, "department.update", department.name, before, department.snapshot())
        outbox.emit(session, department.changed(department.path))
    return [{"department": department.name, "head": make_name("users", successor_id)} for department in headed]


def _start(session: ServiceSession, offboarding: Offboarding, user: User) -> None:
    event = OffboardingStarted(
        offboarding=offboarding.name,
        round=offboarding.round,
        user=user.changed(),
        rules=offboarding.rules,
        default_successor=make_name("users", offboarding.default_successor_id),
        actor=session.caller.subject,
    )
    outbox.emit(session, event)


def _named(offboarding: Offboarding) -> dict[str, list[UUID]]:
    """The successors that an offboarding names, by field."""
    named = {
        f"rules[{at}].successors": [UUID(name.removeprefix("users/")) for name in rule["successors"]]
        for at, rule in enumerate(offboarding.rules)
    }
    return named | {"default_successor": [offboarding.default_successor_id]}


def _reason(text: str) -> str:
    trimmed = text.strip()
    if len(trimmed) > MOST_REASON:
        raise Invalid("TOO_LONG", f"at most {MOST_REASON} characters fit", field="reason")
    if "\0" in trimmed:
        raise Invalid("INVALID_TEXT", "the text holds control characters", field="reason")
    return trimmed
