"""Guessing is braked by name and by address, so that strangers can hardly keep anybody out."""

from itertools import count

import pytest
from chassis.origins import Origin, metadata_for
from crm.identity.v1 import auth_service_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st
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


def test_one_address_cannot_try_many_names(suite):
    address = fresh_address()
    names = [suite.unique("guessed") for _ in range(52)]
    guesses = [login(suite, name, "wrong password", address) for name in names]
    assert guesses == ["BAD_CREDENTIALS"] * 50 + ["TOO_MANY_ATTEMPTS"] * 2
    assert login(suite, suite.user().username, suite.password, fresh_address()) == "OK"


def test_many_addresses_together_are_braked_for_a_name(suite):
    user = suite.user()
    for _ in range(10):
        address = fresh_address()
        assert [login(suite, user.username, "wrong password", address) for _ in range(10)] == ["BAD_CREDENTIALS"] * 10
    assert login(suite, user.username, "wrong password", fresh_address()) == "TOO_MANY_ATTEMPTS"


def test_an_address_that_nobody_vouches_for_is_not_believed(suite):
    user = suite.user()
    guesses = [login(suite, user.username, "wrong password", fresh_address(), secret="guessed") for _ in range(11)]
    assert guesses == ["BAD_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"]


@settings(max_examples=6, deadline=None)
@given(tries=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=20, max_size=36))
def test_no_sequence_of_guesses_gets_more_than_its_share(suite, tries):
    names = [suite.unique("shared") for _ in range(3)]
    addresses = [fresh_address() for _ in range(2)]
    judged = {}
    for name, address in tries:
        answer = login(suite, names[name], "wrong password", addresses[address])
        key = (name, address)
        if judged.get(key, 0) < 10:
            assert answer == "BAD_CREDENTIALS"
            judged[key] = judged.get(key, 0) + 1
        else:
            assert answer == "TOO_MANY_ATTEMPTS"
