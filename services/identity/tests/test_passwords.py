"""What makes a good password, and how it is kept."""

import pytest
from chassis.errors import Invalid
from identity.main import SERVICE
from identity.password_rules import PasswordRules
from identity.passwords import check_password, hash_password, verify_password
from identity.testing import running_suite


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "PASSWORD_TOO_SHORT"),
        ("九个字也还是太短了吗", ""),
        ("x1" * 200, "PASSWORD_TOO_LONG"),
        ("Wang.Xiaoming", "PASSWORD_IS_USERNAME"),
        ("Password123", "PASSWORD_TOO_COMMON"),
        ("aaaaaaaaaaaa", "PASSWORD_TOO_COMMON"),
        ("woaini1314520", "PASSWORD_TOO_COMMON"),
        ("correct horse battery", ""),
    ],
)
def test_password_rules(password, reason):
    if not reason:
        check_password(password, "wang.xiaoming", PasswordRules(), field="password")
        return
    with pytest.raises(Invalid) as caught:
        check_password(password, "wang.xiaoming", PasswordRules(), field="password")
    assert (caught.value.reason, caught.value.field) == (reason, "password")


def test_only_the_password_itself_is_accepted(costly_passwords):
    kept = hash_password("correct horse battery")
    assert kept.startswith("$argon2id$")
    assert verify_password(kept, "correct horse battery")
    assert not verify_password(kept, "correct horse battery ")
    assert not verify_password(None, "correct horse battery")


def test_one_password_typed_on_two_keyboards_is_one_password():
    assert verify_password(hash_password("cafe\u0301 au lait"), "caf\u00e9 au lait")


def test_equal_passwords_are_kept_differently():
    assert hash_password("correct horse battery") != hash_password("correct horse battery")


@pytest.mark.parametrize(("test_clock", "cost"), [("", "m=32768,t=2,p=1"), ("1", "m=8,t=1,p=1")])
def test_only_where_the_time_can_be_moved_passwords_are_hashed_at_next_to_no_cost(
    make_database, costly_passwords, test_clock, cost
):
    """OWASP's least cost for Argon2id is 19 MiB and 2 passes."""
    with running_suite(make_database("identity", SERVICE.migrations), TEST_CLOCK=test_clock) as suite:
        suite.user()
        kept = suite.rows("SELECT password_hash FROM user_account")
    assert len(kept) == 2
    assert all(f"${cost}$" in row.password_hash for row in kept)
