"""The number of a person's identity document, as customers and contacts keep it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.encryption import DataKeys, Encrypted, Place, Sealed
from chassis.field_rules import mask_id_number
from chassis.resealing import DERIVED
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

PURPOSE = "identity_number"
"""Customers and contacts share one index, so that a person is found wherever the number is kept."""


def index_of_numbers(table: str) -> Index:
    """What customers and contacts are looked up by. Those without a number, as nearly all are, are left out of it."""
    column = "identity_number_index"
    return Index(f"ix_{table}_{column}", column, postgresql_where=text(f"{column} IS NOT NULL"))


def _index(keys: DataKeys, number: str) -> Mapping[str, Any]:
    return {"identity_number_index": keys.blind_index(number, PURPOSE)}


class IdentityNumbered:
    """Keeps an identity number so that neither the database nor a dump of it tells it."""

    __tablename__: str
    id: Mapped[UUID]

    @declared_attr
    def identity_number_sealed(self) -> Mapped[Sealed | None]:
        """The number."""
        return mapped_column(Encrypted, info={DERIVED: _index})

    @declared_attr
    def identity_number_index(self) -> Mapped[bytes | None]:
        """Its blind index."""
        return mapped_column()

    @declared_attr
    def identity_number_shown(self) -> Mapped[str | None]:
        """What lists and the audit log show of it, see `chassis.field_rules.mask_id_number`."""
        return mapped_column()

    def keep_identity_number(self, keys: DataKeys, number: str | None) -> bool:
        """Keep a number, or none. Says whether it is another one than before. The record must have its id."""
        if self._same_number(keys, number):
            return False
        self.identity_number_sealed = keys.seal(number, self._place) if number else None
        self.identity_number_index = keys.blind_index(number, PURPOSE) if number else None
        self.identity_number_shown = mask_id_number(number) if number else None
        return True

    def identity_number(self, keys: DataKeys) -> str | None:
        """The number as it is. Raises SealBroken."""
        sealed = self.identity_number_sealed
        return keys.open(sealed, self._place) if sealed is not None else None

    @property
    def _place(self) -> Place:
        return Place(self.__tablename__, "identity_number_sealed", self.id)

    def _same_number(self, keys: DataKeys, number: str | None) -> bool:
        if number is None:
            return self.identity_number_index is None
        return self.identity_number_index in keys.blind_indexes(number, PURPOSE)
