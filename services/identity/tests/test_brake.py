"""Guessing is braked by name and by address, so that strangers can hardly keep anybody out."""

from collections import Counter
from contextvars import copy_context
from itertools import count

import pytest
from chassis.callers import service_caller
from chassis.errors import Exhausted
from chassis.origins import Origin, metadata_for, set_source
from crm.identity.v1 import auth_service_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st
from identity.attempts import SIGN_IN, count_attempt
from identity.main import SERVICE
from identity.testing import outcome, running_suite

SECRET = "what the gateway shares with the services"
_hosts = count(1)


@pytest.fixture(scope="module")
def suite(make_database):
    with running_suite(make_database("identity", SERVICE.migrations), GATEWAY_SECRET=SECRET) as running:
        yield running


def fresh_address():
    number = next(_hosts)
    return f"10.1.{number // 250}.{number % 250 + 1}"


def login(suite, username, password, address, *, secret=SECRET):
    request = pb.LoginRequest(username=username, password=password)
    metadata = metadata_for(Origin(address), secret)
    answer = outcome(lambda: suite.auth.Login(request, metadata=metadata))
    return answer if isinstance(answer, str) else "OK"


def test_a_stranger_who_guesses_does_not_keep_the_bearer_of_the_name_out(suite):
    user = suite.user()
    stranger, home = fresh_address(), fresh_address()
    guesses = [login(suite, user.username, "wrong password", stranger) for _ in range(12)]
    assert guesses == ["BAD_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"] * 2
    assert login(suite, user.username, suite.password, stranger) == "TOO_MANY_ATTEMPTS"
    assert login(suite, user.username, suite.password, home) == "OK"


def test_an_address_that_nobody_vouches_for_is_not_believed(suite):
    user = suite.user()
    guesses = [login(suite, user.username, "wrong password", fresh_address(), secret="guessed") for _ in range(11)]
    assert guesses == ["BAD_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"]


class Line:
    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"


def attempt(suite, whose, address):
    """Whether an attempt from an address is let through: what Login asks before it looks at a password."""

    def count_it():
        set_source(SECRET, dict(metadata_for(Origin(address), SECRET)), Line())
        with suite.runtime.database.write(service_caller("identity")) as session:
            count_attempt(session, SIGN_IN, whose)
        return True

    try:
        return copy_context().run(count_it)
    except Exhausted:
        return False


def test_one_address_cannot_try_many_names(suite):
    address, names = fresh_address(), [suite.unique("guessed") for _ in range(52)]
    assert [attempt(suite, name, address) for name in names] == [True] * 50 + [False] * 2
    assert attempt(suite, names[-1], fresh_address())


def test_many_addresses_together_are_braked_for_a_name(suite):
    name = suite.unique("famous")
    for _ in range(10):
        address = fresh_address()
        assert all(attempt(suite, name, address) for _ in range(10))
    assert not attempt(suite, name, fresh_address())


@settings(max_examples=10, deadline=None)
@given(tries=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=20, max_size=45))
def test_no_sequence_of_guesses_gets_more_than_its_share(suite, tries):
    names, addresses = [suite.unique("shared") for _ in range(3)], [fresh_address() for _ in range(2)]
    allowed = Counter()
    for name, address in tries:
        expected = allowed[name, address] < 10
        assert attempt(suite, names[name], addresses[address]) == expected
        allowed[name, address] += expected
