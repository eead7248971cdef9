"""Likely pairs, joined to groups."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from chassis.db import ServiceSession
from chassis.names import new_id
from sqlalchemy import delete, insert
from sqlalchemy.dialects.postgresql import insert as upsert

from customers.model.duplicates import DuplicateGroup, DuplicateMember, GroupState

MOST_MEMBERS = 11
"""One that stays and ten that become one with it: what a merge takes."""


class Pair(NamedTuple):
    """Two customers that are likely one."""

    score: float
    one: UUID
    other: UUID
    reasons: tuple[str, ...]
    codes: tuple[str | None, str | None] = (None, None)


class Group(NamedTuple):
    """Customers that are likely one."""

    members: Sequence[UUID]
    score: float
    """That of the weakest pair that joined them."""
    reasons: Sequence[str]


def grouped(pairs: Iterable[Pair]) -> list[Group]:
    """Join pairs to groups, the most certain first.

    Two companies of different credit codes never come into one group by way of a third, and no group grows beyond
    what can be merged at once.
    """
    groups = _Groups()
    for pair in sorted(pairs, key=lambda pair: (-pair.score, pair.one, pair.other)):
        groups.join(pair)
    return groups.all()


class _Groups:
    def __init__(self) -> None:
        self._root: dict[UUID, UUID] = {}
        self._members: dict[UUID, list[UUID]] = {}
        self._codes: dict[UUID, set[str]] = {}
        self._score: dict[UUID, float] = {}
        self._reasons: dict[UUID, dict[str, None]] = {}

    def join(self, pair: Pair) -> None:
        one, other = (self._find(key, code) for key, code in zip((pair.one, pair.other), pair.codes, strict=True))
        if one != other:
            size = len(self._members[one]) + len(self._members[other])
            if size > MOST_MEMBERS or len(self._codes[one] | self._codes[other]) > 1:
                return
            self._root[other] = one
            self._members[one] += self._members.pop(other)
            self._codes[one] |= self._codes.pop(other)
            self._score[one] = min(self._score[one], self._score.pop(other), pair.score)
            self._reasons[one] |= self._reasons.pop(other)
        self._reasons[one] |= dict.fromkeys(pair.reasons)

    def all(self) -> list[Group]:
        """The groups of more than one."""
        return [
            Group(sorted(members), self._score[root], list(self._reasons[root]))
            for root, members in self._members.items()
            if len(members) > 1
        ]

    def _find(self, key: UUID, code: str | None) -> UUID:
        if key not in self._root:
            self._root[key] = key
            self._members[key], self._codes[key] = [key], {code} if code else set()
            self._score[key], self._reasons[key] = 1.0, {}
        root = key
        while self._root[root] != root:
            root = self._root[root]
        self._root[key] = root
        return root


def members_key(members: Iterable[UUID]) -> str:
    """What a group is known by from one scan to the next."""
    return " ".join(map(str, sorted(members)))


def store_groups(session: ServiceSession, scan_id: UUID, groups: Sequence[Group]) -> int:
    """Keep the groups of a scan, and forget the open ones that it did not find. Returns how many are open."""
    for group in groups:
        _store(session, scan_id, group)
    session.execute(
        delete(DuplicateGroup).where(DuplicateGroup.state == GroupState.OPEN, DuplicateGroup.scan_id != scan_id)
    )
    return len(groups)


def _store(session: ServiceSession, scan_id: UUID, group: Group) -> None:
    found = {"score": group.score, "reasons": list(group.reasons), "scan_id": scan_id, "update_time": session.now}
    statement = upsert(DuplicateGroup).values(
        id=new_id(),
        members_key=members_key(group.members),
        state=GroupState.OPEN,
        create_time=session.now,
        **found,
    )
    # The members of a merged group can only be found again if the merge was taken back.
    statement = statement.on_conflict_do_update(index_elements=["members_key"], set_=found | {"state": GroupState.OPEN})
    group_id = session.scalar(statement.returning(DuplicateGroup.id))
    session.execute(delete(DuplicateMember).where(DuplicateMember.group_id == group_id))
    session.execute(
        insert(DuplicateMember), [{"group_id": group_id, "customer_id": member} for member in group.members]
    )
