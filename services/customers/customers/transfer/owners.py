"""The users whom a file names as owners."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Denied, DomainError, Invalid
from chassis.names import make_name
from sqlalchemy import or_, select

from customers.model import KnownUser
from customers.owners import Owner, find_owner

Owners = Mapping[str, Owner | DomainError | None]
"""By the text of the cell; the empty one stands for the importer. For a text that names no possible owner, why."""


def find_owners(session: ServiceSession, texts: Iterable[str]) -> Owners:
    """The owners that the texts name, by `users/{uuid}`, username or display name.

    The users stay share-locked until the transaction ends, as in `customers.owners.find_owner`.
    """
    own_id = session.caller.user_id
    default = find_owner(session, own_id) if own_id else None
    named = {text for text in texts if text}
    candidates = _candidates(session, named) if named else []
    owners: dict[str, Owner | DomainError | None] = {text: _judge(session, text, candidates) for text in named}
    return owners | {"": default, make_name("users", own_id): default}


def _candidates(session: ServiceSession, named: set[str]) -> Sequence[KnownUser]:
    ids = [key for text in named if (key := _user_id(text)) is not None]
    matches = or_(KnownUser.id.in_(ids), KnownUser.username.in_(named), KnownUser.display_name.in_(named))
    return session.scalars(select(KnownUser).where(matches).order_by(KnownUser.id).with_for_update(read=True)).all()


def _judge(session: ServiceSession, text: str, candidates: Sequence[KnownUser]) -> Owner | DomainError:
    found = [user for user in candidates if text in (user.username, make_name("users", user.id))]
    found = found or [user for user in candidates if user.display_name == text]
    if not found:
        return Invalid("UNKNOWN_OWNER", f"no user is called {text!r}", field="owner")
    if len(found) > 1:
        return Invalid("AMBIGUOUS_OWNER", f"{len(found)} users are called {text!r}: give the username", field="owner")
    user = found[0]
    if not user.active:
        return Invalid("INACTIVE_OWNER", "this user may not sign in and cannot be given customers", field="owner")
    if user.id != session.caller.user_id and not session.caller.granted("customer.transfer"):
        return Denied(
            "PERMISSION_DENIED", "to give customers to others needs the permission customer.transfer", field="owner"
        )
    return Owner(user.id, user.display_name, user.department_id, user.department_path)


def _user_id(text: str) -> UUID | None:
    try:
        return UUID(text.removeprefix("users/"))
    except ValueError:
        return None
