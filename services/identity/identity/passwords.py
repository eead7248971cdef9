"""Passwords: what makes a good one, and how they are kept.

Hashing takes about 50 ms and 32 MiB on purpose. It is done outside any database transaction, by as many threads at
once as there are processors, and never more than 8.
"""

import os
import unicodedata
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from chassis.errors import Invalid

MINIMUM_LENGTH = 10
MAXIMUM_LENGTH = 256

# Argon2id at more than twice OWASP's least cost (19 MiB, 2 passes); one lane, as calls already run side by side.
_hasher = PasswordHasher(time_cost=2, memory_cost=32 * 1024, parallelism=1)
_busy = BoundedSemaphore(min(os.cpu_count() or 2, 8))
_NOBODY = _hasher.hash("no password has this hash" + os.urandom(16).hex())

_COMMON = frozenset(
    [
        "0123456789",
        "01234567890",
        "0987654321",
        "1020304050",
        "1122334455",
        "1111122222",
        "11223344556",
        "123123123123",
        "1231231234",
        "1234512345",
        "1234554321",
        "123454321a",
        "1234567890",
        "1234567891",
        "12345678900",
        "12345678901",
        "123456789a",
        "123456789q",
        "1234567899",
        "123456789z",
        "123456abcd",
        "123456qwer",
        "123456qwerty",
        "123456aaaa",
        "12341234qwer",
        "1234qwerasdf",
        "1357924680",
        "147258369a",
        "1472583690",
        "147852369a",
        "159357159357",
        "1q2w3e4r5t",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "1qazxsw23edc",
        "1qaz@wsx3edc",
        "a1234567890",
        "a123456789",
        "a12345678910",
        "aa123456789",
        "aa12345678",
        "abc1234567",
        "abc123456789",
        "abcd123456",
        "abcd1234567",
        "abcde12345",
        "abcdef123456",
        "abcdefghij",
        "admin12345",
        "admin123456",
        "admin@1234",
        "admin@12345",
        "admin@123456",
        "administrator",
        "adminadmin",
        "asd123456789",
        "asdf123456",
        "asdfghjkl1",
        "asdfghjkl;",
        "asdfasdfasdf",
        "basketball",
        "changeme123",
        "computer123",
        "football123",
        "iloveyou12",
        "iloveyou123",
        "iloveyou520",
        "iloveyou1314",
        "internet123",
        "letmein123",
        "letmein1234",
        "liverpool123",
        "manchester",
        "manunited1",
        "mypassword",
        "p@ssw0rd123",
        "p@ssw0rd1234",
        "p@ssword123",
        "pa$$w0rd123",
        "passw0rd12",
        "passw0rd123",
        "password01",
        "password10",
        "password11",
        "password12",
        "password123",
        "password1234",
        "password12345",
        "password123!",
        "password1!",
        "password@1",
        "password@123",
        "passwordpassword",
        "princess123",
        "q1w2e3r4t5",
        "q1w2e3r4t5y6",
        "q123456789",
        "qazwsx123456",
        "qazwsxedcrfv",
        "qq123456789",
        "qq1234567890",
        "qwe123456789",
        "qwer123456",
        "qwer12345678",
        "qwerasdfzxcv",
        "qwerqwerqwer",
        "qwerty1234",
        "qwerty12345",
        "qwerty123456",
        "qwerty1234567890",
        "qwertyuiop",
        "qwertyuiop1",
        "qwertyuiop123",
        "qwertyuiop[]",
        "root123456",
        "sunshine123",
        "superman123",
        "test123456",
        "testtest123",
        "welcome123",
        "welcome1234",
        "welcome@123",
        "woaini1314",
        "woaini1314520",
        "woaini5201314",
        "woaini123456",
        "woainima520",
        "woaiwojia1",
        "wang123456",
        "wojiushiwo",
        "zhang123456",
        "zhangwei123",
        "zxcvbnm123",
        "zxcvbnm1234",
        "zxc123456789",
        "5201314520",
        "52013141314",
        "1314520520",
        "1314521521",
        "9876543210",
        "98765432100",
        "6666688888",
    ]
)


def check_password(password: str, username: str, *, field: str) -> None:
    """Raise Invalid unless the password is fit for the user."""
    plain = _normal(password)
    if len(plain) < MINIMUM_LENGTH:
        raise Invalid("PASSWORD_TOO_SHORT", f"a password needs at least {MINIMUM_LENGTH} characters", field=field)
    if len(plain) > MAXIMUM_LENGTH:
        raise Invalid("PASSWORD_TOO_LONG", f"a password has at most {MAXIMUM_LENGTH} characters", field=field)
    if plain.casefold() == username.strip().casefold():
        raise Invalid("PASSWORD_IS_USERNAME", "the password must differ from the login name", field=field)
    if plain.casefold() in _COMMON or len(set(plain)) < 4:
        raise Invalid("PASSWORD_TOO_COMMON", "this password is among the first that are guessed", field=field)


def hash_password(password: str) -> str:
    """What to keep of a password."""
    with _busy:
        return _hasher.hash(_normal(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one kept. For nobody's hash it is not, which takes as long to find out."""
    if len(password) > MAXIMUM_LENGTH:
        password = ""
    try:
        with _busy:
            return _hasher.verify(password_hash or _NOBODY, _normal(password)) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    # One password typed on two keyboards may be two sequences of code points (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password)
