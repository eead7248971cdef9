"""Ways to call every service of the suite as anyone."""

import time
from uuid import uuid4

import grpc
import pytest
from chassis.tokens import SigningKeys


@pytest.fixture(scope="module")
def channels(suite):
    opened = {name: grpc.insecure_channel(suite.target(name)) for name in ("identity", "customers", "leads")}
    yield opened
    for channel in opened.values():
        channel.close()


@pytest.fixture
def claims():
    now = time.time()
    return {"sub": f"users/{uuid4()}", "iat": now, "exp": now + 600, "jti": str(uuid4()), "roles": [], "pv": 1}


@pytest.fixture(scope="module")
def keys(suite):
    return SigningKeys.from_pem(suite.environment["TOKEN_SIGNING_KEY"])
