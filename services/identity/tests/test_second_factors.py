"""A second factor: set up, asked for, used once, recovered, required, taken away."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pyotp
import pytest
from chassis.callers import service_caller
from chassis.clock import system_clock
from chassis.encryption import DataKeys, new_key
from chassis.testing import eventually
from chassis.testing.edge import bearer
from crm.identity.v1 import auth_service_pb2, role_pb2, role_service_pb2, user_service_pb2
from crm.identity.v1 import second_factor_service_pb2 as pb
from identity.model import TotpFactor
from identity.testing import grant, outcome, refused
from identity.usecases import prove_code
from identity.usecases.renew_seals import renew_seals
from sqlalchemy import select


@pytest.fixture(autouse=True)
def steps(monkeypatch):
    """Time steps that go on as the test says: to wait for real ones would take half a minute each."""
    clock = Steps()
    monkeypatch.setattr(prove_code, "STEP_SECONDS", clock)
    return clock


class Steps:
    """Stands for the length of a time step: dividing the present time by it gives the step that is set."""

    def __init__(self):
        self.step = int(time.time()) // 30

    def __rfloordiv__(self, seconds):
        return self.step

    def next(self):
        self.step += 1


def key():
    return str(uuid4())


class Person:
    """A user with an authenticator app."""

    def __init__(self, suite, steps, roles=()):
        self.suite, self.steps = suite, steps
        self.user = suite.user(roles=roles)
        self.pair = suite.login(self.user.username)
        self.metadata = bearer(self.pair.access_token)
        self.secret, self.codes = "", []

    def code(self):
        """The code of the next step, which was not used yet."""
        self.steps.next()
        return self.same_code()

    def same_code(self):
        return pyotp.TOTP(self.secret).generate_otp(self.steps.step)

    def begin(self):
        begun = self.suite.second_factors.BeginTotpEnrolment(
            pb.BeginTotpEnrolmentRequest(request_id=key()), metadata=self.metadata
        )
        self.secret = begun.secret
        return begun

    def confirm(self, code=None, request_id=None):
        request = pb.ConfirmTotpRequest(code=code or self.code(), request_id=request_id or key())
        return self.suite.second_factors.ConfirmTotp(request, metadata=self.metadata)

    def enrol(self):
        self.begin()
        self.codes = list(self.confirm().codes)
        return self

    def standing(self):
        return self.suite.second_factors.GetMySecondFactor(pb.GetMySecondFactorRequest(), metadata=self.metadata)

    def challenge(self):
        answered = self.suite.login(self.user.username)
        assert not answered.access_token
        assert not answered.refresh_token
        return answered.second_factor_challenge

    def complete(self, code, challenge=None):
        request = auth_service_pb2.CompleteLoginRequest(challenge=challenge or self.challenge(), code=code)
        return self.suite.auth.CompleteLogin(request)

    def disable(self, password=None, code=None):
        request = pb.DisableTotpRequest(
            password=password or self.suite.password, code=code or self.code(), request_id=key()
        )
        return self.suite.second_factors.DisableTotp(request, metadata=self.metadata)

    def refresh(self):
        request = auth_service_pb2.RefreshTokensRequest(refresh_token=self.pair.refresh_token)
        self.pair = self.suite.auth.RefreshTokens(request)
        self.metadata = bearer(self.pair.access_token)


@pytest.fixture
def person(suite, steps):
    return Person(suite, steps).enrol()


def test_the_app_is_told_what_it_needs(suite, steps):
    person = Person(suite, steps)
    begun = person.begin()
    parts = urlsplit(begun.uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parts.path.endswith(person.user.username)
    assert parse_qs(parts.query)["secret"] == [begun.secret]
    assert not person.standing().enabled
    assert suite.login(person.user.username).access_token


def test_a_login_asks_for_the_code(suite, person):
    assert person.standing().enabled
    assert person.standing().recovery_codes_left == 10
    pair = person.complete(person.code())
    assert suite.me(bearer(pair.access_token)).name == person.user.name
    assert "user.login" in suite.audited(person.user.name)
    for code in ("000000", "", "not a code", person.same_code()[:5]):
        with refused("UNAUTHENTICATED", "BAD_CODE"):
            person.complete(code)


def test_a_code_works_once(person):
    code = person.code()
    person.complete(code)
    with refused("UNAUTHENTICATED", "BAD_CODE"):
        person.complete(code)


def test_a_code_does_not_confirm_and_sign_in(suite, steps):
    person = Person(suite, steps)
    person.begin()
    code = person.code()
    person.confirm(code)
    with refused("UNAUTHENTICATED", "BAD_CODE"):
        person.complete(code)


def test_an_older_code_is_refused_after_a_newer_one(person):
    older, newer = person.code(), person.code()
    person.complete(newer)
    with refused("UNAUTHENTICATED", "BAD_CODE"):
        person.complete(older)


@pytest.mark.parametrize(("late", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(person, late, good):
    for _ in range(3):
        person.steps.next()
    code = pyotp.TOTP(person.secret).generate_otp(person.steps.step + late)
    result = outcome(lambda: person.complete(code))
    assert (result != "BAD_CODE") is good


def test_full_width_digits_and_blanks_are_the_same_code(person):
    code = person.code()
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    assert person.complete(f" {wide[:3]} {wide[3:]} ").access_token


def test_of_parallel_uses_of_a_code_one_wins(person):
    code, challenges = person.code(), [person.challenge() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda challenge: outcome(lambda: person.complete(code, challenge)), challenges))
    assert sorted(isinstance(result, str) for result in results) == [False, True, True, True]


def test_a_recovery_code_works_once_however_it_is_typed(suite, person):
    first, second = person.codes[:2]
    assert len(set(person.codes)) == 10
    assert person.complete(first).access_token
    with refused("UNAUTHENTICATED", "BAD_CODE"):
        person.complete(first)
    assert person.complete(f" {second.upper().replace('-', '')} ").access_token
    assert person.standing().recovery_codes_left == 8


def test_nobody_uses_another_ones_recovery_code(suite, steps, person):
    other = Person(suite, steps).enrol()
    with refused("UNAUTHENTICATED", "BAD_CODE"):
        other.complete(person.codes[0])


def test_recovery_codes_can_be_renewed(suite, person):
    request = pb.RenewRecoveryCodesRequest(code="000000", request_id=key())
    with refused("INVALID_ARGUMENT", "BAD_CODE"):
        suite.second_factors.RenewRecoveryCodes(request, metadata=person.metadata)
    request.code = person.code()
    renewed = suite.second_factors.RenewRecoveryCodes(request, metadata=person.metadata).codes
    with refused("UNAUTHENTICATED", "BAD_CODE"):
        person.complete(person.codes[0])
    assert person.complete(renewed[0]).access_token


def test_guessing_is_braked_whatever_the_challenge(suite, person):
    for number in range(10):
        with refused("UNAUTHENTICATED", "BAD_CODE"):
            person.complete(f"{number:06}")
    for code in (person.code(), person.codes[0]):
        with refused("RESOURCE_EXHAUSTED", "TOO_MANY_ATTEMPTS"):
            person.complete(code)
    assert suite.audited(person.user.name).count("user.login_refused") == 10


def test_a_right_code_forgets_the_wrong_ones(person):
    for _ in range(3):
        for number in range(6):
            with refused("UNAUTHENTICATED", "BAD_CODE"):
                person.complete(f"{number:06}")
        person.complete(person.code())


def test_a_challenge_works_once_and_not_for_ever(suite, person, monkeypatch):
    challenge = person.challenge()
    person.complete(person.code(), challenge)
    with refused("UNAUTHENTICATED", "INVALID_CHALLENGE"):
        person.complete(person.code(), challenge)
    with refused("UNAUTHENTICATED", "INVALID_CHALLENGE"):
        person.complete(person.code(), "made up")
    late = person.challenge()
    monkeypatch.setattr(
        "identity.usecases.complete_login.system_clock", lambda: system_clock() + timedelta(minutes=5, seconds=1)
    )
    with refused("UNAUTHENTICATED", "INVALID_CHALLENGE"):
        person.complete(person.code(), late)


def test_a_challenge_ends_with_the_password_that_led_to_it(suite, person):
    challenge = person.challenge()
    request = user_service_pb2.ResetUserPasswordRequest(
        name=person.user.name, password="given by the office", request_id=key()
    )
    suite.users.ResetUserPassword(request, metadata=suite.admin)
    with refused("UNAUTHENTICATED", "INVALID_CHALLENGE"):
        person.complete(person.code(), challenge)


def test_a_wrong_password_is_told_from_none_by_no_challenge(suite, person):
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        suite.login(person.user.username, "wrong password")


def test_to_confirm_ends_other_sessions(suite, steps):
    person = Person(suite, steps)
    other = suite.login(person.user.username)
    person.enrol()
    eventually(lambda: outcome(lambda: suite.me(bearer(other.access_token))) == "TOKEN_REVOKED")
    assert suite.me(person.metadata).name == person.user.name


def test_what_cannot_be_confirmed(suite, steps, monkeypatch):
    person = Person(suite, steps)
    with refused("FAILED_PRECONDITION", "ENROLMENT_NOT_BEGUN"):
        person.confirm("123456")
    person.begin()
    with refused("INVALID_ARGUMENT", "BAD_CODE"):
        person.confirm("000000")
    with monkeypatch.context() as later:
        later.setattr("identity.usecases.enrol_totp.system_clock", lambda: system_clock() + timedelta(minutes=31))
        with refused("FAILED_PRECONDITION", "ENROLMENT_NOT_BEGUN"):
            person.confirm()
    person.confirm()
    with refused("FAILED_PRECONDITION", "SECOND_FACTOR_ENABLED"):
        person.confirm()
    with refused("FAILED_PRECONDITION", "SECOND_FACTOR_ENABLED"):
        person.begin()


def test_a_retry_takes_effect_once_and_shows_no_secret_again(suite, steps):
    person = Person(suite, steps)
    person.begin()
    code, request_id = person.code(), key()
    assert len(person.confirm(code, request_id).codes) == 10
    assert not person.confirm(code, request_id).codes
    assert person.standing().recovery_codes_left == 10


def test_to_give_it_up_takes_the_password_and_a_code(suite, person):
    with refused("INVALID_ARGUMENT", "WRONG_PASSWORD"):
        person.disable(password="wrong password")
    with refused("INVALID_ARGUMENT", "BAD_CODE"):
        person.disable(code="000000")
    assert person.standing().enabled
    person.disable()
    assert not person.standing().enabled
    assert suite.login(person.user.username).access_token
    assert suite.audited(person.user.name)[-2:] == ["user.second_factor_disable", "user.login"]


def test_an_administrator_takes_a_lost_one_away(suite, person):
    request = pb.ResetSecondFactorRequest(name=person.user.name, request_id=key())
    suite.second_factors.ResetSecondFactor(request, metadata=suite.admin)
    eventually(lambda: outcome(lambda: suite.me(person.metadata)) == "TOKEN_REVOKED")
    assert suite.login(person.user.username).access_token
    assert "user.second_factor_reset" in suite.audited(person.user.name)
    with refused("FAILED_PRECONDITION", "NO_SECOND_FACTOR"):
        suite.second_factors.ResetSecondFactor(
            pb.ResetSecondFactorRequest(name=person.user.name, request_id=key()), metadata=suite.admin
        )


def test_nobody_takes_it_from_whoever_may_do_more(suite, person):
    _, helper = suite.somebody(grant("user.update"))
    request = pb.ResetSecondFactorRequest(name=suite.admin_name, request_id=key())
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.second_factors.ResetSecondFactor(request, metadata=helper)
    with refused("PERMISSION_DENIED", "OWN_SECOND_FACTOR"):
        suite.second_factors.ResetSecondFactor(request, metadata=suite.admin)


def strict_role(suite):
    role = suite.role(grant("user.read"))
    request = role_service_pb2.UpdateRoleRequest(
        role=role_pb2.Role(name=role.name, require_second_factor=True), request_id=key()
    )
    return suite.roles.UpdateRole(request, metadata=suite.admin)


def read(suite, person):
    return suite.users.GetUser(user_service_pb2.GetUserRequest(name=person.user.name), metadata=person.metadata)


def test_a_role_that_requires_one_grants_nothing_without(suite, steps):
    person = Person(suite, steps, [strict_role(suite)])
    assert person.pair.second_factor_missing
    assert person.standing().required
    with refused("PERMISSION_DENIED", "SECOND_FACTOR_REQUIRED"):
        read(suite, person)
    person.enrol()
    with refused("PERMISSION_DENIED", "SECOND_FACTOR_REQUIRED"):
        read(suite, person)
    person.refresh()
    assert not person.pair.second_factor_missing
    assert read(suite, person).name == person.user.name
    with refused("FAILED_PRECONDITION", "SECOND_FACTOR_REQUIRED"):
        person.disable()


def test_a_role_that_begins_to_require_one_is_felt_at_once(suite, steps):
    role = suite.role(grant("user.read"))
    person, with_factor = Person(suite, steps, [role]), Person(suite, steps, [role]).enrol()
    assert read(suite, person)
    change = role_pb2.Role(name=role.name, require_second_factor=True)
    suite.roles.UpdateRole(role_service_pb2.UpdateRoleRequest(role=change, request_id=key()), metadata=suite.admin)
    eventually(lambda: outcome(lambda: read(suite, person)) == "TOKEN_REVOKED")
    person.refresh()
    with refused("PERMISSION_DENIED", "SECOND_FACTOR_REQUIRED"):
        read(suite, person)
    assert read(suite, with_factor)


def test_the_data_key_can_be_changed(suite, person, monkeypatch):
    old = suite.runtime.database.data_keys
    both = DataKeys.parse(f"next:{new_key()},{suite.runtime.settings.environment['DATA_KEYS']}")
    monkeypatch.setattr(suite.runtime.database, "data_keys", both)
    assert person.complete(person.code()).access_token
    assert person.complete(person.codes[0]).access_token
    with suite.runtime.database.write(service_caller("identity")) as session:
        renew_seals(session)
        assert session.scalars(select(TotpFactor.user_id).where(both.outdated(TotpFactor.secret))).all() == []
    assert person.complete(person.code()).access_token
    monkeypatch.setattr(suite.runtime.database, "data_keys", old)
    with refused("INTERNAL", "INTERNAL"):
        person.complete(person.code())
    monkeypatch.setattr(suite.runtime.database, "data_keys", both)
    with suite.runtime.database.write(service_caller("identity")) as session:
        for factor in session.scalars(select(TotpFactor)):
            place = TotpFactor.place(factor.user_id)
            factor.secret = old.seal(both.open(factor.secret, place), place)


def test_no_secret_of_it_is_kept_readable(suite, person):
    kept = " ".join(
        str(tuple(row))
        for table in ("totp_factor", "recovery_code", "login_challenge", "audit_entry", "idempotency_claim")
        for row in suite.rows(f"SELECT {table}::text FROM {table}")
    )
    challenge = person.challenge()
    for secret in (person.secret, person.secret.encode().hex(), challenge, *person.codes):
        assert secret not in kept
