"""Single records shared with a user or a department, beyond what data scopes reach.

A share widens which records a permission reaches, and never grants a permission: who shares nothing but the record
cannot make anybody a reader. A share with a department is one with everybody in it and below it: a caller's
department path is made of ids, so that the departments above are known without the tree.

The service that owns an entity keeps its shares and announces every change; other services keep a replica of them
by `keep`, so that what belongs to a record is opened by the record's share. Both stop at the expiry of a share by
themselves. Rows of shares that have ended are kept for a while, so that a late older event brings none back.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Connection,
    Index,
    Select,
    String,
    UniqueConstraint,
    and_,
    any_,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from chassis.callers import Caller
from chassis.columns import AnyColumn
from chassis.db import ChassisTables, ServiceSession, UtcDateTime
from chassis.errors import Denied, DomainError
from chassis.following import Followers
from chassis.names import make_name, new_id
from chassis.prepared import Prepared
from chassis.scopes import in_scope

KEPT = timedelta(days=30)
"""How long the row of a share that has ended is kept."""


class ShareLevel(StrEnum):
    """What a share opens. The names are those of `crm.common.v1.ShareLevel`."""

    READ_ONLY = "READ_ONLY"
    COLLABORATE = "COLLABORATE"


ANY_LEVEL = tuple(ShareLevel)
COLLABORATION = (ShareLevel.COLLABORATE,)


class RecordShare(ChassisTables):
    """One record shared with one user or department."""

    __tablename__ = "record_share"
    __table_args__ = (
        CheckConstraint(f"level IN ({', '.join(repr(str(level)) for level in ShareLevel)})", name="level"),
        UniqueConstraint("record_id", "grantee", "entity"),
        Index("ix_record_share_grantee", "grantee", "entity", postgresql_where=text("revoke_time IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    entity: Mapped[str]
    record_id: Mapped[UUID]
    grantee: Mapped[str]
    """With whom: `users/{uuid}` or `departments/{uuid}`."""
    level: Mapped[str]
    expire_time: Mapped[datetime | None]
    """From when on it counts no more, by the business time. None for never."""
    revoke_time: Mapped[datetime | None]
    creator: Mapped[str]
    version: Mapped[int]
    """Grows with every change of the share."""
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    def live(self, now: datetime) -> bool:
        """Whether it counts at a time."""
        return self.revoke_time is None and (self.expire_time is None or self.expire_time > now)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        expiry = self.expire_time.isoformat() if self.expire_time is not None else None
        return {"grantee": self.grantee, "level": self.level, "expire_time": expiry}


_TABLE = RecordShare.__table__


def create_table(bind: Connection) -> None:
    """Create the table where it is not there yet. For a revision of a service."""
    RecordShare.metadata.create_all(bind, tables=[RecordShare.metadata.tables["record_share"]])


def grantees_of(caller: Caller) -> list[str]:
    """As whom a caller receives shares: themselves, their department and all above it.

    People of partners receive only what is shared with them by name.
    """
    path = caller.department_path if caller.partner_id is None else ""
    departments = [f"departments/{key}" for key in path.split("/") if key]
    return [*([make_name("users", caller.user_id)] if caller.user_id else []), *departments]


def _live(now: Any) -> ColumnElement[bool]:
    return and_(_TABLE.c.revoke_time.is_(None), or_(_TABLE.c.expire_time.is_(None), _TABLE.c.expire_time > now))


_GIVEN_SHARES = select(_TABLE.c.id).where(
    _TABLE.c.grantee == any_(bindparam("grantees", type_=ARRAY(String))),
    _TABLE.c.entity == bindparam("entity", type_=String),
    _TABLE.c.level == any_(bindparam("levels", type_=ARRAY(String))),
    _live(bindparam("now", type_=UtcDateTime)),
)
_ANY_SHARE = Prepared(_GIVEN_SHARES.limit(1))


def shared_as_given(record_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Whether a record is shared, for prepared queries, which are given with whom by `Reachable.share_values`."""
    return _GIVEN_SHARES.where(_TABLE.c.record_id == record_id).exists()


def not_yours(permission: str, owner: UUID | None, how: str = "or their manager to do it") -> Denied:
    """The refusal of a change to a record that the caller can read; `how` says what to ask its owner."""
    return Denied(
        "NOT_YOURS",
        f"you may see this record, but your permission {permission} does not reach it: ask its owner {how}",
        permission=permission,
        owner=make_name("users", owner),
    )


Place: TypeAlias = tuple[UUID, UUID | None, str | None]
"""A record's id, owner and department path."""


@dataclass(frozen=True)
class Reachable:
    """Which records of an entity a caller reaches, by data scope, by followers or by share: one rule for get, list,
    search, count, export and every change.
    """

    entity: str
    """What is shared, e.g. `thing`."""
    id: AnyColumn
    owner: AnyColumn
    department_path: AnyColumn
    opened: Mapping[str, Sequence[ShareLevel]]
    """Permission → the levels of a share that open a record for it. Others no share opens, and no follower."""
    followers: Followers | None = None
    """Who looks after records besides their owners."""

    def reach(self, session: ServiceSession, permission: str) -> ColumnElement[bool]:
        """Whether a row is reached by the caller with a permission. Raises Denied if it is not granted.

        Callers with no share and no record that they follow get the plain predicate of their scope, and with it its
        plan. The other ids are computed once per statement, as an array, so that the index on the id serves them beside
        those of the scope.
        """
        scope = session.caller.scope(permission)
        own = in_scope(scope, self.owner, self.department_path)
        if scope.everything or not self.opened.get(permission):
            return own
        others: list[Select[Any]] = []
        if (
            grantees_of(session.caller)
            and _ANY_SHARE.first(session, **self.share_values(session, permission)) is not None
        ):
            others.append(self._shares(session, permission).with_only_columns(_TABLE.c.record_id))
        if self.followers is not None and self.followers.any_in(session, scope):
            others.append(self.followers.records(scope))
        if not others:
            return own
        ids = func.array(union_all(*others).scalar_subquery(), type_=ARRAY(_TABLE.c.record_id.type))
        return or_(own, self.id == any_(ids))

    def share_values(self, session: ServiceSession, permission: str) -> dict[str, Any]:
        """Which shares open records to the caller, as the parameters of prepared queries."""
        return {
            "grantees": grantees_of(session.caller),
            "entity": self.entity,
            "levels": list(self.opened.get(permission, ())),
            "now": session.now,
        }

    def reaches(
        self, session: ServiceSession, permission: str, record_id: UUID, owner: UUID | None, department_path: str | None
    ) -> bool:
        """The same for one record that was read. Raises Denied if the permission is not granted."""
        return bool(self.reached(session, permission, [(record_id, owner, department_path)]))

    def reached(self, session: ServiceSession, permission: str, places: Iterable[Place]) -> set[UUID]:
        """The same for several records that were read: the ids of those that are reached."""
        scope = session.caller.scope(permission)
        own: set[UUID] = set()
        others: set[UUID] = set()
        for record_id, owner, department_path in places:
            (own if scope.reaches(owner, department_path) else others).add(record_id)
        return own | self.opened_to(session, permission, others)

    def opened_to(self, session: ServiceSession, permission: str, ids: Collection[UUID]) -> set[UUID]:
        """Those of the records that a share or a follower opens to the caller for a permission, in scope or not."""
        if not ids or not self.opened.get(permission):
            return set()
        found: set[UUID] = set()
        if grantees_of(session.caller):
            statement = self._shares(session, permission).where(_TABLE.c.record_id.in_(ids))
            found |= set(session.scalars(statement.with_only_columns(_TABLE.c.record_id)))
        if self.followers is not None:
            found |= self.followers.among(session, session.caller.scope(permission), set(ids) - found)
        return found

    def refusal(
        self,
        session: ServiceSession,
        permission: str,
        read: str,
        record: Place | None,
        missing: DomainError,
    ) -> DomainError:
        """What a change is refused with that the caller's permission does not reach.

        A record (id, owner, department path) that the caller can read may be told of: the answer is Denied NOT_YOURS
        and says who can help. One that cannot be read is `missing`, as is one that does not exist.
        """
        if record is None or not session.caller.granted(read) or not self.reaches(session, read, *record):
            return missing
        how = "to share it with you for collaboration" if self.opened.get(permission) else "or their manager to do it"
        return not_yours(permission, record[1], how)

    def _shares(self, session: ServiceSession, permission: str) -> Select[Any]:
        return select(RecordShare).where(
            _TABLE.c.grantee.in_(grantees_of(session.caller)),
            _TABLE.c.entity == literal(self.entity),
            _TABLE.c.level.in_([str(level) for level in self.opened[permission]]),
            _live(session.now),
        )


@dataclass(frozen=True)
class ShareFacts:
    """A share as an event tells it."""

    entity: str
    record_id: UUID
    grantee: str
    level: str
    expire_time: datetime | None
    active: bool
    """False if it was taken back."""
    version: int


def find_share(session: ServiceSession, entity: str, record_id: UUID, grantee: str) -> RecordShare | None:
    """The share of a record with somebody, live or not, locked."""
    statement = select(RecordShare).where(
        RecordShare.entity == entity, RecordShare.record_id == record_id, RecordShare.grantee == grantee
    )
    return session.scalars(statement.with_for_update()).first()


def grant(
    session: ServiceSession,
    entity: str,
    record_id: UUID,
    grantee: str,
    level: ShareLevel,
    expire_time: datetime | None,
) -> tuple[RecordShare, dict[str, Any] | None]:
    """Share a record, or change how it is shared. The record must be locked.

    Returns the share, and what it was before if it was live.
    """
    share = find_share(session, entity, record_id, grantee)
    before = share.snapshot() if share is not None and share.live(session.now) else None
    if share is None:
        share = RecordShare(id=new_id(), entity=entity, record_id=record_id, grantee=grantee, version=0)
        session.add(share)
    if before is None:
        share.creator, share.create_time = session.caller.subject, session.now
    share.level, share.expire_time, share.revoke_time = level.value, expire_time, None
    share.version += 1
    share.update_time = session.now
    session.flush()
    return share, before


def revoke(session: ServiceSession, share: RecordShare) -> None:
    """Take a share back. The record must be locked, or nobody else change its shares."""
    share.revoke_time = share.update_time = session.now
    share.version += 1
    session.flush()


def live_shares(session: ServiceSession, entity: str) -> Select[RecordShare]:
    """The shares of an entity's records that count now."""
    return select(RecordShare).where(RecordShare.entity == entity, _live(session.now))


def keep(session: ServiceSession, facts: ShareFacts) -> None:
    """Note a share of another service's record. An older version than the known one changes nothing."""
    values = {
        "level": facts.level,
        "expire_time": facts.expire_time,
        "revoke_time": None if facts.active else session.now,
        "version": facts.version,
        "update_time": session.now,
    }
    statement = insert(RecordShare).values(
        id=new_id(),
        entity=facts.entity,
        record_id=facts.record_id,
        grantee=facts.grantee,
        creator=session.caller.subject,
        create_time=session.now,
        **values,
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["record_id", "grantee", "entity"],
            set_=values,
            where=RecordShare.version < statement.excluded.version,
        )
    )


def forget_record(session: ServiceSession, entity: str, record_id: UUID) -> None:
    """Remove all shares of a record that is gone for good."""
    session.execute(delete(RecordShare).where(RecordShare.entity == entity, RecordShare.record_id == record_id))


def purge(session: ServiceSession) -> None:
    """Remove the shares that ended longer ago than `KEPT`, by the business time. For a timer."""
    ended = func.least(RecordShare.revoke_time, RecordShare.expire_time)  # which passes over what is NULL
    session.execute(delete(RecordShare).where(ended < session.now - KEPT))
