"""The number of a person's identity document, as customers and contacts keep it."""

from uuid import UUID

from chassis.encryption import DataKeys, Encrypted, Place, Sealed
from chassis.field_rules import mask_id_number
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

PURPOSE = "identity_number"
"""Customers and contacts share one index, so that a person is found wherever the number is kept."""


class IdentityNumbered:
    """Keeps an identity number so that neither the database nor a dump of it tells it."""

    __tablename__: str
    id: Mapped[UUID]

    @declared_attr
    def identity_number_sealed(self) -> Mapped[Sealed | None]:
        """The number."""
        return mapped_column(Encrypted)

    @declared_attr
    def identity_number_index(self) -> Mapped[bytes | None]:
        """Its blind index."""
        return mapped_column(index=True)

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
