"""Which customers the rows of a file mean. Agrees with `customers.duplicates`, for thousands of rows at once."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from chassis.copying import text_array
from chassis.db import ServiceSession
from sqlalchemy import text

from customers.model import CustomerKind


class Identity(NamedTuple):
    """What tells a customer from others."""

    id: UUID
    kind: str
    name_key: str
    credit_code: str | None
    external_id: str | None
    phone: str
    """The first one, or empty."""


class Directory:
    """Customers by what tells them apart: those found in the database, and those met in the file."""

    def __init__(self) -> None:
        self._by_id: dict[UUID, Identity] = {}
        self._by_external_id: dict[str, UUID] = {}
        self._by_credit_code: dict[str, UUID] = {}
        self._by_name: dict[tuple[str, str], list[UUID]] = {}

    def add(self, identity: Identity) -> None:
        """Enter a customer, or what it has become."""
        self.remove(identity.id)
        self._by_id[identity.id] = identity
        if identity.external_id is not None:
            self._by_external_id[identity.external_id] = identity.id
        if identity.credit_code is not None:
            self._by_credit_code[identity.credit_code] = identity.id
        self._by_name.setdefault(_name(identity), []).append(identity.id)

    def remove(self, customer_id: UUID) -> None:
        """Forget a customer."""
        known = self._by_id.pop(customer_id, None)
        if known is None:
            return
        if known.external_id is not None:
            self._by_external_id.pop(known.external_id, None)
        if known.credit_code is not None:
            self._by_credit_code.pop(known.credit_code, None)
        self._by_name[_name(known)].remove(customer_id)

    def same(self, wanted: Identity) -> list[UUID]:
        """The customers that count as the same as this one, those with the same keys first, itself left out."""
        found: dict[UUID, None] = {}
        if wanted.external_id is not None and (key := self._by_external_id.get(wanted.external_id)):
            found[key] = None
        if wanted.credit_code is not None and (key := self._by_credit_code.get(wanted.credit_code)):
            found[key] = None
        for key in self._by_name.get(_name(wanted), ()):
            code = self._by_id[key].credit_code
            if wanted.credit_code is None or code is None or code == wanted.credit_code:
                found[key] = None
        found.pop(wanted.id, None)
        return list(found)

    def matched_by_key(self, wanted: Identity, customer_id: UUID) -> bool:
        """Whether the customer bears the same external id or credit code, not only the same name."""
        known = self._by_id[customer_id]
        return (wanted.external_id is not None and known.external_id == wanted.external_id) or (
            wanted.credit_code is not None and known.credit_code == wanted.credit_code
        )


class Keys(NamedTuple):
    """All that tells some customers from others. Those that are the same as one of them share a part of it."""

    external_ids: frozenset[str]
    credit_codes: frozenset[str]
    names: frozenset[tuple[str, str]]
    unlike: bool
    """Whether none of them may be the same as another one of them. False if in doubt: see `Directory.same`."""

    @classmethod
    def of(cls, identities: Sequence[Identity]) -> "Keys":
        """The keys of some customers."""
        external_ids = [one.external_id for one in identities if one.external_id is not None]
        codes = [one.credit_code for one in identities if one.credit_code is not None]
        names = list(map(_name, identities))
        distinct = frozenset(external_ids), frozenset(codes), frozenset(names)
        counts = len(external_ids), len(codes), len(names)
        return cls(*distinct, unlike=tuple(map(len, distinct)) == counts)

    def differ_from(self, others: "Keys") -> bool:
        """Whether none of these may be the same as one of the others."""
        return (
            self.external_ids.isdisjoint(others.external_ids)
            and self.credit_codes.isdisjoint(others.credit_codes)
            and self.names.isdisjoint(others.names)
        )


def _name(identity: Identity) -> tuple[str, str]:
    """What namesakes have in common."""
    return identity.name_key, "" if identity.kind == CustomerKind.COMPANY else f"PERSON {identity.phone}"


# Each arm is served by a unique index; the kinds are spelled out so that the partial ones are known to suit.
LOOK_UP = """
    SELECT id, kind, name_key, credit_code, external_id, {phone} AS phone
    FROM {table} WHERE external_id = ANY(CAST(:external_ids AS text[]))
    UNION ALL
    SELECT id, kind, name_key, credit_code, external_id, {phone}
    FROM {table} WHERE credit_code = ANY(CAST(:credit_codes AS text[]))
    UNION ALL
    SELECT id, kind, name_key, credit_code, external_id, {phone}
    FROM {table} WHERE kind = 'COMPANY' AND name_key = ANY(CAST(:company_names AS text[]))
    UNION ALL
    SELECT id, kind, {table}.name_key, credit_code, external_id, {phone}
    FROM unnest(CAST(:person_names AS text[]), CAST(:person_phones AS text[])) AS person (name_key, first_phone)
    JOIN {table} ON kind = 'PERSON' AND {table}.name_key = person.name_key AND {phone} = person.first_phone
"""
PREFER_INDEXES = text("SET LOCAL enable_seqscan = off")
"""While an import fills a table, its statistics lag behind, and plans made from them read all of it each time."""

_STORED = text(LOOK_UP.format(table="customer", phone="coalesce(phones[1], '')"))


def look_up(session: ServiceSession, wanted: Iterable[Identity]) -> list[Identity]:
    """The stored customers that may be the same as these."""
    session.execute(PREFER_INDEXES)
    return [Identity(*row) for row in session.execute(_STORED, keys(wanted))]


def keys(wanted: Iterable[Identity]) -> dict[str, str]:
    """What to look customers up by, as arrays, sorted so that an index is walked once."""
    wanted = list(wanted)
    persons = sorted({(one.name_key, one.phone) for one in wanted if one.kind == CustomerKind.PERSON})
    return {
        "external_ids": text_array(sorted({one.external_id for one in wanted if one.external_id is not None})),
        "credit_codes": text_array(sorted({one.credit_code for one in wanted if one.credit_code is not None})),
        "company_names": text_array(sorted({one.name_key for one in wanted if one.kind == CustomerKind.COMPANY})),
        "person_names": text_array([name for name, _ in persons]),
        "person_phones": text_array([phone for _, phone in persons]),
    }
