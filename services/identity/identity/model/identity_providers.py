"""Other systems that tell who a person is."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.encryption import Encrypted, Place, Sealed
from chassis.names import make_name, new_id
from sqlalchemy import ForeignKey, Index, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from identity.model.base import Base, Plain


class UserMatching(StrEnum):
    """How a person is known the first time. The names are those of `crm.identity.v1.UserMatching`."""

    LINKED = "LINKED"
    EMAIL = "EMAIL"
    USERNAME = "USERNAME"


class IdentityProvider(Base):
    """A system that people sign in by over OpenID Connect."""

    __tablename__ = "identity_provider"
    __table_args__ = (
        Index("uq_identity_provider_display_name", "display_name", unique=True),
        Index("uq_identity_provider_issuer", "issuer", "client_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    issuer: Mapped[str]
    client_id: Mapped[str]
    client_secret: Mapped[Sealed | None] = mapped_column(Encrypted)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Plain))
    redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(Plain))
    matching: Mapped[str]
    email_domains: Mapped[list[str]] = mapped_column(ARRAY(Plain))
    auto_provision: Mapped[bool]
    default_department_id: Mapped[UUID | None] = mapped_column(ForeignKey("department.id", ondelete="SET NULL"))
    default_role_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    second_factor_trusted: Mapped[bool]
    disabled: Mapped[bool]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("identityProviders", self.id)

    @staticmethod
    def place(provider_id: UUID) -> Place:
        """Where a provider's client secret is kept."""
        return Place("identity_provider", "client_secret", provider_id)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it: all but the secret."""
        return {
            "display_name": self.display_name,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "scopes": list(self.scopes),
            "redirect_uris": list(self.redirect_uris),
            "matching": self.matching,
            "email_domains": list(self.email_domains),
            "auto_provision": self.auto_provision,
            "default_department": make_name("departments", self.default_department_id),
            "default_roles": [make_name("roles", key) for key in self.default_role_ids],
            "second_factor_trusted": self.second_factor_trusted,
            "disabled": self.disabled,
        }


class PendingSignIn(Base):
    """A sign-in that was begun at a provider. Only digests of what the browser holds are kept. Times are real."""

    __tablename__ = "pending_sign_in"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    state_digest: Mapped[bytes] = mapped_column(unique=True)
    browser_digest: Mapped[bytes]
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str]
    nonce: Mapped[str]
    code_verifier: Mapped[Sealed] = mapped_column(Encrypted)
    """For PKCE (RFC 7636)."""
    expire_time: Mapped[datetime] = mapped_column(index=True)

    @staticmethod
    def place(pending_id: UUID) -> Place:
        """Where a code verifier is kept."""
        return Place("pending_sign_in", "code_verifier", pending_id)


class LinkedIdentity(Base):
    """Which user a subject of an issuer is. Issuer and subject are all that a provider promises not to change."""

    __tablename__ = "linked_identity"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    create_time: Mapped[datetime]
