"""Passwords: what makes a good one, and how they are kept.

Hashing takes about 50 ms and 32 MiB on purpose. It is done outside any database transaction, by as many threads at
once as there are processors, and never more than 8.
"""

import os
import unicodedata
from collections.abc import Iterable
from importlib.resources import files
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from chassis.errors import Invalid
from chassis.settings import Settings

from identity.password_rules import MAXIMUM_LENGTH, PasswordRules

# Argon2id above OWASP's least cost of 19 MiB and 2 passes; one lane, as calls already run side by side.
_hasher = PasswordHasher(time_cost=2, memory_cost=32 * 1024, parallelism=1)
_busy = BoundedSemaphore(min(os.cpu_count() or 2, 8))
_NOBODY = _hasher.hash("no password has this hash" + os.urandom(16).hex())

LIGHT = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Takes no time instead of 50 ms. It protects nobody."""

_COMMON = frozenset(files("identity").joinpath("common_passwords.txt").read_text("ascii").split())


def use_cost_of(settings: Settings) -> None:
    """Hash at the cost that an installation has: next to none where clients may move the time, which is for tests, in
    which people sign in all the time."""
    global _hasher, _NOBODY
    if settings.test_clock:
        _hasher, _NOBODY = LIGHT, LIGHT.hash("no password has this hash")


def check_password(password: str, username: str, rules: PasswordRules, *, field: str) -> None:
    """Raise Invalid unless the password is fit for the user."""
    plain = _normal(password)
    rules.check(plain, field=field)
    if plain.casefold() == username.strip().casefold():
        raise Invalid("PASSWORD_IS_USERNAME", "the password must differ from the login name", field=field)
    if plain.casefold() in _COMMON or len(set(plain)) < 4:
        raise Invalid("PASSWORD_TOO_COMMON", "this password is among the first that are guessed", field=field)


def ensure_new(password: str, former: Iterable[str], *, field: str) -> None:
    """Raise Invalid if the password is one of the former ones, given by their hashes. Each takes time."""
    if any(verify_password(password_hash, password) for password_hash in former):
        raise Invalid("PASSWORD_REUSED", "take a password that you have not had lately", field=field)


def hash_password(password: str) -> str:
    """What to keep of a password."""
    with _busy:
        return _hasher.hash(_normal(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one kept. For nobody's hash it is not, which takes as long to find out."""
    plain = _normal(password)
    if len(plain) > MAXIMUM_LENGTH:
        plain = ""
    try:
        with _busy:
            return _hasher.verify(password_hash or _NOBODY, plain) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    # One password typed on two keyboards may be two sequences of code points (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password)
