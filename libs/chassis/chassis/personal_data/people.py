"""What a person is known by."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from crm.common.v1.personal_data_pb2 import PersonIdentifiers

from chassis import rules
from chassis.encryption import DataKeys, Place, Sealed
from chassis.formats import name_key
from chassis.names import parse_name

_MOST_NAME = 200
_SHORT_ID = 8


@dataclass(frozen=True)
class Person:
    """A person, by the records of the suite and by what is known of the person elsewhere."""

    records: frozenset[str] = frozenset()
    """The person's own records, by their resource names."""
    places: frozenset[str] = frozenset()
    """Records of others in whose texts the person may be named."""
    names: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    wechats: frozenset[str] = frozenset()
    identity_numbers: frozenset[str] = frozenset()
    usernames: frozenset[str] = frozenset()

    def merged(self, *others: "Person") -> "Person":
        """All that is known of the person by several services."""
        everyone = (self, *others)
        return Person(**{key: frozenset().union(*(getattr(each, key) for each in everyone)) for key in _ALL})

    def ids(self, collection: str) -> set[UUID]:
        """The ids of the person's own records of a collection."""
        return _ids(self.records, collection)

    def place_ids(self, collection: str) -> set[UUID]:
        """The ids of the records of a collection that are the person's or may name the person."""
        return _ids(self.records | self.places, collection)

    def bears(self, display_name: str | None) -> bool:
        """Whether a record that shares a number or address with the person is the person's: it must bear the name,
        since colleagues share numbers. If no name is known, numbers and addresses decide alone."""
        return not self.names or name_key(display_name or "") in {name_key(name) for name in self.names}

    @property
    def marks(self) -> frozenset[str]:
        """The numbers and addresses that tell the person from others."""
        return self.phones | self.emails | self.identity_numbers

    def only(self, mark: str) -> "Person":
        """The person as known by one of the numbers or addresses alone."""
        one = frozenset({mark})
        return Person(phones=self.phones & one, emails=self.emails & one, identity_numbers=self.identity_numbers & one)

    def seal(self, keys: DataKeys, request_id: UUID) -> bytes:
        """What the person is known by, unreadable but for services that hold the data keys."""
        values = {key: sorted(getattr(self, key)) for key in _KNOWN}
        return keys.seal(orjson.dumps(values).decode(), _place(request_id)).data

    @classmethod
    def unseal(
        cls, keys: DataKeys, request_id: UUID, sealed: bytes, records: Iterable[str], places: Iterable[str]
    ) -> "Person":
        """The person that was sealed for a request. Raises SealBroken."""
        values = orjson.loads(keys.open(Sealed(sealed), _place(request_id)))
        known = {key: frozenset(values.get(key, ())) for key in _KNOWN}
        return cls(records=frozenset(records), places=frozenset(places), **known)

    @classmethod
    def from_proto(cls, given: PersonIdentifiers, records: Collection[str] = ()) -> "Person":
        """The person that a message tells of, in the forms in which records keep numbers. Raises Invalid."""
        values: dict[str, Any] = {
            "identifiers.display_names": given.display_names,
            "identifiers.phones": given.phones,
            "identifiers.emails": given.emails,
            "identifiers.wechats": given.wechats,
            "identifiers.identity_numbers": given.identity_numbers,
            "identifiers.usernames": given.usernames,
        }
        stored, faults = rules.apply(_RULES, values, lambda path: path.partition(".")[2])
        rules.refuse(faults)
        names = frozenset(stored.pop("display_names"))
        return cls(records=frozenset(records), names=names, **{key: frozenset(each) for key, each in stored.items()})

    def to_proto(self) -> PersonIdentifiers:
        """The message that tells what the person is known by."""
        return PersonIdentifiers(
            display_names=sorted(self.names),
            phones=sorted(self.phones),
            emails=sorted(self.emails),
            wechats=sorted(self.wechats),
            identity_numbers=sorted(self.identity_numbers),
            usernames=sorted(self.usernames),
        )


def pseudonym(record_id: UUID) -> str:
    """What a record is called whose person is erased: `「已删除」` and a part of its id, to tell it from others."""
    return f"「已删除」{record_id.hex[-_SHORT_ID:]}"


def _texts(values: Iterable[str]) -> list[str]:
    return [text for value in values if (text := rules.optional_text(value, maximum=_MOST_NAME))]


def _numbers(values: Iterable[str]) -> list[str]:
    return [number for value in values if (number := rules.identity_number(value))]


_KNOWN = ("names", "phones", "emails", "wechats", "identity_numbers", "usernames")
_ALL = ("records", "places", *_KNOWN)
_RULES: dict[str, rules.Rule] = {
    "identifiers.display_names": _texts,
    "identifiers.phones": rules.phones,
    "identifiers.emails": rules.emails,
    "identifiers.wechats": _texts,
    "identifiers.identity_numbers": _numbers,
    "identifiers.usernames": _texts,
}


def _ids(names: Iterable[str], collection: str) -> set[UUID]:
    return {parse_name(collection, name) for name in names if name.partition("/")[0] == collection}


def _place(request_id: UUID) -> Place:
    return Place("personal_data_request", "identifiers", request_id)
