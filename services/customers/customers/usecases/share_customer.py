"""Share a customer with somebody whom data scopes do not bring to it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import audit, notifications, outbox, sharing
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.likes import starting_with
from chassis.names import make_name
from chassis.sharing import RecordShare, ShareLevel
from sqlalchemy import select

from customers.events import CustomerShareChanged
from customers.model import Customer, KnownDepartment, KnownUser
from customers.own_fields import ENTITY
from customers.queries import lock_customer

MOST_TOLD = 200
"""How many people of a department are told of a share with it."""


@dataclass(frozen=True)
class ShareDraft:
    """A share as its giver states it. Either a user or a department is named."""

    customer_id: UUID
    user_id: UUID | None
    department_id: UUID | None
    level: str
    expire_time: datetime | None = None


def share_customer(session: ServiceSession, draft: ShareDraft) -> RecordShare:
    """Share a customer, or change how it is shared already; tell the receivers. No change leaves no trace."""
    level = _judge(session, draft)
    customer = lock_customer(session, draft.customer_id, "customer.share")
    told = _receivers(session, customer, draft)
    grantee = make_name("users", draft.user_id) or make_name("departments", draft.department_id)
    share = sharing.find_share(session, ENTITY, customer.id, grantee)
    if share is not None and share.live(session.now) and (share.level, share.expire_time) == (level, draft.expire_time):
        return share
    share, before = sharing.grant(session, ENTITY, customer.id, grantee, level, draft.expire_time)
    audit.record(session, "customer.share", customer.name, before, share.snapshot())
    outbox.emit(session, share_changed(share))
    params = {
        "customer_name": customer.display_name,
        "actor": session.caller.subject,
        "level": share.level,
        "expire_time": share.expire_time.isoformat() if share.expire_time else "",
    }
    for user_id in told:
        notifications.notify(session, user_id, "CUSTOMER_SHARED", customer.name, params)
    return share


def share_changed(share: RecordShare) -> CustomerShareChanged:
    """The fact that a customer is shared as it is now."""
    return CustomerShareChanged(
        customer=make_name("customers", share.record_id),
        grantee=share.grantee,
        version=share.version,
        level=share.level,
        expire_time=share.expire_time,
        active=share.revoke_time is None,
    )


def _judge(session: ServiceSession, draft: ShareDraft) -> ShareLevel:
    if (draft.user_id is None) == (draft.department_id is None):
        raise Invalid("INVALID_GRANTEE", "name either a user or a department to share with", field="user")
    if draft.level not in ShareLevel.__members__:
        raise Invalid("INVALID_SHARE_LEVEL", f"say what it opens: {' or '.join(ShareLevel)}", field="level")
    if draft.expire_time is not None and draft.expire_time <= session.now:
        raise Invalid("INVALID_EXPIRE_TIME", "a share ends in the future", field="expire_time")
    return ShareLevel(draft.level)


def _receivers(session: ServiceSession, customer: Customer, draft: ShareDraft) -> list[UUID]:
    """Who is to be told. Raises Invalid or Conflict if the customer cannot be shared with them."""
    if draft.department_id is not None:
        department = session.get(KnownDepartment, draft.department_id)
        if department is None:
            raise Invalid("UNKNOWN_DEPARTMENT", "there is no such department", field="department")
        people = select(KnownUser.id).where(
            KnownUser.department_path.like(starting_with(department.path)),
            KnownUser.active,
            KnownUser.id != session.caller.user_id,
        )
        return list(session.scalars(people.order_by(KnownUser.id).limit(MOST_TOLD)))
    user = session.scalars(select(KnownUser).where(KnownUser.id == draft.user_id).with_for_update(read=True)).first()
    if user is None:
        raise Invalid("UNKNOWN_USER", "there is no such user", field="user")
    if not user.active:
        raise Invalid("INACTIVE_USER", "this user may not sign in, so that a share would serve nobody", field="user")
    if user.id == customer.owner_id:
        raise Conflict("ALREADY_OWNER", "this user owns the customer", field="user")
    return [user.id] if user.id != session.caller.user_id else []
