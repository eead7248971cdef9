"""The telephone system over HTTP: what is asked of it, and what is believed."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest
from chassis.errors import Conflict, Invalid, Unauthenticated, Unavailable
from leads.calls.dialling import Dialling, HttpDialler, LocalDialler, dialler, require_signed, secret, signature

SECRET = "a-secret-of-the-telephones"
WANTED = Dialling("calls/1", "+8613800138000", "801")


@pytest.fixture
def telephones():
    """A telephone system: it answers as it is told to, and keeps what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            server.asked.append((dict(self.headers.items()), body))
            time.sleep(server.seconds)
            self.send_response(server.status)
            self.send_header("content-length", str(len(server.answer)))
            self.end_headers()
            self.wfile.write(server.answer)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.status, server.answer, server.seconds = [], 200, b'{"id": "p1"}', 0
    server.url = f"http://127.0.0.1:{server.server_port}/dial"
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_call_is_asked_for_with_a_signature(telephones):
    assert HttpDialler(telephones.url, SECRET).dial(WANTED) == "p1"
    [(headers, body)] = telephones.asked
    headers = {name.lower(): value for name, value in headers.items()}
    assert orjson.loads(body) == {"reference": "calls/1", "phone": "+8613800138000", "agent": "801"}
    assert headers["idempotency-key"] == "calls/1"
    require_signed(SECRET, headers["x-timestamp"], body, headers["x-signature"])


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"id": 5}', b"ok"])
def test_one_that_names_no_call_tells_it_later(telephones, answer):
    telephones.answer = answer
    assert HttpDialler(telephones.url, SECRET).dial(WANTED) == ""


@pytest.mark.parametrize(("status", "kind"), [(500, Unavailable), (429, Unavailable), (404, Conflict), (302, Conflict)])
def test_a_refusal_is_told_as_what_it_is(telephones, status, kind):
    telephones.status = status
    with pytest.raises(kind):
        HttpDialler(telephones.url, SECRET).dial(WANTED)


def test_one_that_is_slow_or_away_is_told_as_away(telephones):
    telephones.seconds = 0.3
    with pytest.raises(Unavailable) as caught:
        HttpDialler(telephones.url, SECRET, seconds=0.05).dial(WANTED)
    assert caught.value.reason == "DIALLER_UNAVAILABLE"
    telephones.server_close()
    with pytest.raises(Unavailable):
        HttpDialler("http://127.0.0.1:9/dial", SECRET).dial(WANTED)


def test_settings_say_which_telephone_system_there_is():
    assert isinstance(dialler({}), LocalDialler)
    assert dialler({}).dial(WANTED) == ""
    assert isinstance(dialler({"DIALLER_URL": "https://pbx.example.com", "DIALLER_SECRET": SECRET}), HttpDialler)
    for wrong in (
        {"DIALLER_URL": "http://pbx.example.com", "DIALLER_SECRET": SECRET},
        {"DIALLER_URL": "https://pbx.example.com"},
        {"DIALLER_URL": "https://pbx.example.com", "DIALLER_SECRET": "short"},
    ):
        with pytest.raises(Invalid):
            dialler(wrong)
    assert secret({}) == ""


def test_only_what_was_signed_of_late_by_who_knows_the_secret_is_believed():
    now, body = str(int(time.time())), b"{}"
    require_signed(SECRET, now, body, signature(SECRET, now, body))
    old = str(int(time.time()) - 301)
    for timestamp, signed, what in (
        (now, signature("another-secret-of-others", now, body), body),
        (now, signature(SECRET, now, b"{ }"), body),
        (now, "", body),
        (now, "sha256=ü", body),
        (old, signature(SECRET, old, body), body),
        ("nan", signature(SECRET, "nan", body), body),
        ("", signature(SECRET, "", body), body),
    ):
        with pytest.raises(Unauthenticated) as caught:
            require_signed(SECRET, timestamp, what, signed)
        assert caught.value.reason == "INVALID_SIGNATURE"
    with pytest.raises(Unauthenticated) as caught:
        require_signed("", now, body, signature("", now, body))
    assert caught.value.reason == "CALL_EVENTS_NOT_CONFIGURED"
