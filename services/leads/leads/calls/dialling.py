"""The telephone system as this service needs it."""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import httpx2
import orjson
from chassis.errors import Conflict, Invalid, Unauthenticated, Unavailable

URL, SECRET = "DIALLER_URL", "DIALLER_SECRET"
SECONDS = 0.9
TOLERANCE_SECONDS = 300
"""How far the clock of the telephone system may differ from ours, and for how long what it signed can be sent again."""
MINIMUM_SECRET = 16
MAX_PROVIDER_ID = 200


@dataclass(frozen=True)
class Dialling:
    """A call to be made."""

    reference: str
    """The resource name of the call: the telephone system tells it again with all that becomes of it, and makes one
    call however often it is asked."""
    phone: str
    agent: str
    """The telephone of who calls, else their resource name."""


class Dialler(Protocol):
    """A telephone system."""

    provider: str
    """What calls say they went through."""

    def dial(self, dialling: Dialling) -> str:
        """Have it call, and return what it calls the call; empty if it is told later.

        Raises Unavailable DIALLER_UNAVAILABLE if it does not answer, Conflict DIALLER_REFUSED if it does not call.
        """
        ...


class LocalDialler:
    """For companies without a telephone system: people dial themselves, and the log is kept all the same."""

    provider = "local"

    def dial(self, dialling: Dialling) -> str:
        """See Dialler. Nothing rings."""
        return ""


class HttpDialler:
    """Any telephone system that takes a signed POST: `{"reference", "phone", "agent"}`, answered by `{"id"}`."""

    provider = "http"

    def __init__(self, url: str, secret: str, *, seconds: float = SECONDS) -> None:
        self._url, self._secret, self._seconds = url, secret, seconds
        self._tls = httpx2.create_ssl_context()  # once: to load the authorities takes longer than most calls

    def dial(self, dialling: Dialling) -> str:
        """See Dialler."""
        body = orjson.dumps({"reference": dialling.reference, "phone": dialling.phone, "agent": dialling.agent})
        timestamp = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "idempotency-key": dialling.reference,
            "x-timestamp": timestamp,
            "x-signature": signature(self._secret, timestamp, body),
        }
        try:
            with httpx2.Client(timeout=self._seconds, trust_env=False, verify=self._tls) as client:
                answer = client.post(self._url, content=body, headers=headers)
        except httpx2.HTTPError as error:
            raise _unavailable() from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise _unavailable()
        if not answer.is_success:
            raise Conflict("DIALLER_REFUSED", "the telephone system does not make this call", status=answer.status_code)
        return _id_in(answer.content)


def dialler(environment: Mapping[str, str]) -> Dialler:
    """The telephone system that the environment names. Raises Invalid, naming the variable."""
    url = environment.get(URL, "")
    if not url:
        return LocalDialler()
    parts = urlsplit(url)
    # Over a plain connection anybody on the way could dial, and read whom the company calls.
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")):
        raise Invalid("INVALID_SETTING", "name the telephone system by https://", field=URL)
    return HttpDialler(url, secret(environment))


def secret(environment: Mapping[str, str]) -> str:
    """What requests are signed with in both directions; empty if none is set. Raises Invalid for one that is too weak,
    or that is missing though calls are dialled with it."""
    given = environment.get(SECRET, "")
    if (given or environment.get(URL)) and len(given) < MINIMUM_SECRET:
        raise Invalid("WEAK_SECRET", f"a secret needs at least {MINIMUM_SECRET} characters", field=SECRET)
    return given


def signature(secret_: str, timestamp: str, body: bytes) -> str:
    """What a request is signed with: HMAC-SHA256 (RFC 2104) of the time, a full stop and the body."""
    signed = hmac.digest(secret_.encode(), timestamp.encode() + b"." + body, "sha256")
    return f"sha256={signed.hex()}"


def require_signed(secret_: str, timestamp: str, body: bytes, given: str) -> None:
    """Raise Unauthenticated unless a request was signed of late by who knows the secret. By the clock on the wall: it
    bears on no business."""
    if not secret_:
        raise Unauthenticated("CALL_EVENTS_NOT_CONFIGURED", f"set {SECRET} to take in what telephone systems tell")
    recent = timestamp.isdecimal() and len(timestamp) < 13 and abs(time.time() - int(timestamp)) <= TOLERANCE_SECONDS
    right = hmac.compare_digest(signature(secret_, timestamp, body).encode(), given.encode())
    if not (recent and right):
        raise Unauthenticated("INVALID_SIGNATURE", "the signature is wrong, or too old")


def _id_in(content: bytes) -> str:
    """What the telephone system calls the call. One that answers otherwise tells it with what becomes of the call."""
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    found = answer.get("id", "") if isinstance(answer, dict) else ""
    return found if isinstance(found, str) and len(found) <= MAX_PROVIDER_ID else ""


def _unavailable() -> Unavailable:
    return Unavailable("DIALLER_UNAVAILABLE", "the telephone system does not answer; try again shortly")
