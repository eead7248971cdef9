"""Reads about signing in: sessions, second factors, identity providers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.names import make_name
from chassis.paging import Page, SortKey, fetch_page
from sqlalchemy import func, select

from identity.model import IdentityProvider, LoginSession, RecoveryCode, TotpFactor, User


def list_own_sessions(session: ServiceSession, size: int, token: str) -> Page[LoginSession]:
    """A page of the caller's open sessions, the newest first."""
    statement = select(LoginSession).where(
        LoginSession.user_id == session.caller.user_id,
        LoginSession.revoke_time.is_(None),
        LoginSession.expire_time > system_clock(),
    )
    keys = [
        SortKey(LoginSession.create_time, descending=True, nullable=False),
        SortKey(LoginSession.id, descending=True, nullable=False),
    ]
    return fetch_page(session, statement, keys, size, token, f"sessions of {session.caller.subject}")


@dataclass(frozen=True)
class SecondFactorStanding:
    """How it stands with a user's second factor."""

    confirm_time: datetime | None
    required: bool
    recovery_codes_left: int


def second_factor_of(session: ServiceSession, user: User) -> SecondFactorStanding:
    """How it stands with a user's second factor."""
    confirm_time = session.scalars(select(TotpFactor.confirm_time).where(TotpFactor.user_id == user.id)).one_or_none()
    left = select(func.count()).where(RecoveryCode.user_id == user.id, RecoveryCode.use_time.is_(None))
    required = any(role.require_second_factor for role in user.roles)
    return SecondFactorStanding(confirm_time, required, session.scalars(left).one())


def get_provider(session: ServiceSession, provider_id: UUID, *, lock: bool = False) -> IdentityProvider:
    """An identity provider. Raises NotFound."""
    statement = select(IdentityProvider).where(IdentityProvider.id == provider_id)
    provider = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if provider is None:
        name = make_name("identityProviders", provider_id)
        raise NotFound("IDENTITY_PROVIDER_NOT_FOUND", "there is no such identity provider", identity_provider=name)
    return provider


def list_providers(session: ServiceSession, size: int, token: str, *, usable: bool = False) -> Page[IdentityProvider]:
    """A page of the identity providers by name; with `usable` only those that people may sign in by."""
    statement = select(IdentityProvider)
    if usable:
        statement = statement.where(IdentityProvider.disabled.is_(False))
    key = SortKey(IdentityProvider.display_name, nullable=False)
    return fetch_page(session, statement, [key], size, token, f"identity providers {usable}")
