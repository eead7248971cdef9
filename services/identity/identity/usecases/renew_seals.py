"""Seal anew what an old data key sealed, so that the old key can be taken out."""

from chassis.db import ServiceSession
from chassis.encryption import Sealed
from sqlalchemy import select

from identity.model import IdentityProvider, TotpFactor

AT_ONCE = 500


def renew_seals(session: ServiceSession) -> None:
    """Seal the secrets of apps and providers with the key that seals now, some hundred at a time."""
    keys = session.data_keys
    factors = select(TotpFactor).where(keys.outdated(TotpFactor.secret)).limit(AT_ONCE)
    for factor in session.scalars(factors.with_for_update(skip_locked=True)):
        place = TotpFactor.place(factor.user_id)
        factor.secret = keys.seal(keys.open(factor.secret, place), place)
    providers = select(IdentityProvider).where(keys.outdated(IdentityProvider.client_secret)).limit(AT_ONCE)
    for provider in session.scalars(providers.with_for_update(skip_locked=True)):
        secret = provider.client_secret
        assert isinstance(secret, Sealed)
        place = IdentityProvider.place(provider.id)
        provider.client_secret = keys.seal(keys.open(secret, place), place)
    session.flush()
