"""Other systems are called outside any transaction, signed, where operators allow it, and until they answer."""

import json
import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from chassis.callers import service_caller
from chassis.errors import Invalid
from chassis.jobs.run import run_next
from chassis.settings import Settings
from leads.automation import delivering, webhooks
from leads.automation.create_rule import create_rule
from leads.automation.settings import days_kept, webhook_policy
from leads.automation.update_rule import publish_rule
from leads.automation.webhooks import SIGNATURE, NotDelivered, WebhookPolicy, call, signature
from leads.main import SERVICE
from leads.model import AutomationDelivery
from sqlalchemy import select

from .conftest import CREATED

SECRET = "k" * 32
ENVIRONMENT = {
    "AUTOMATION_WEBHOOK_HOSTS": "localhost",
    "AUTOMATION_WEBHOOK_SECRET": SECRET,
    "AUTOMATION_WEBHOOK_PRIVATE": "1",
}


@pytest.fixture
def other():
    """Another system, which answers what it is told to and keeps what it gets."""
    system = SimpleNamespace(answers=[], calls=[])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            system.calls.append((self.path, dict(self.headers), body))
            self.send_response(system.answers.pop(0) if system.answers else 204)
            self.send_header("Location", "http://localhost:1/")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    system.url = f"http://localhost:{server.server_port}/leads?from=crm"
    yield system
    server.shutdown()
    server.server_close()


@pytest.fixture
def deliver(house, clock):
    """Let the timer look for calls, and do the job that it queues."""
    runtime: Any = SimpleNamespace(database=house.database, settings=SimpleNamespace(environment=ENVIRONMENT))

    def go(later: timedelta = timedelta()) -> AutomationDelivery:
        clock.set(clock() + later)
        with house.database.write(service_caller("leads")) as session:
            delivering.start_due(session, clock())
        while run_next(SERVICE, runtime):
            pass
        with house.database.read(service_caller("leads")) as session:
            return session.scalars(select(AutomationDelivery)).one()

    return go


@pytest.fixture
def rule(house, other):
    """A rule that tells the other system of new leads."""
    boss = house.person()
    action = {"kind": "CALL_WEBHOOK", "url": other.url, "payload": ["lead.source", "lead.phones", "event"]}
    with house.database.write(boss) as session:
        made = create_rule(
            session,
            {"display_name": "通知", "trigger": CREATED, "actions": [action]},
            webhook_policy(Settings.read(ENVIRONMENT)),
        )
        return publish_rule(session, made.id, webhook_policy(Settings.read(ENVIRONMENT)))


def test_another_system_is_told_with_a_signature(house, other, rule, deliver):
    lead = house.lead(house.person(), source="展会", phones=["13800138000"])
    house.pump()
    assert (other.calls, house.runs(rule)[0].results[0]["state"]) == ([], "QUEUED")
    assert deliver().state == "DELIVERED"
    [(path, headers, body)] = other.calls
    assert path == "/leads?from=crm"
    assert headers[SIGNATURE] == "sha256=" + signature(SECRET, headers["X-Guanxi-Timestamp"], body)
    told = json.loads(body)
    assert (told["record"], told["rule"], told["delivery"]) == (lead.name, rule.name, headers["X-Guanxi-Delivery"])
    assert told["values"] == {"lead.source": "展会", "lead.phones": ["+8613800138000"], "event": "LeadCreated"}
    assert house.runs(rule)[0].results[0]["state"] == "DELIVERED"
    deliver(timedelta(days=1))
    assert len(other.calls) == 1


def test_a_call_that_fails_is_made_again_later_and_given_up_in_the_end(house, other, rule, deliver):
    other.answers = [500, 302, *[503] * 8]
    house.lead(house.person())
    house.pump()
    assert (deliver().state, deliver().attempts) == ("PENDING", 1)  # not before its time
    assert deliver(timedelta(minutes=1)).last_error == "the answer was 302"
    for _ in range(6):
        last = deliver(timedelta(hours=8))
    assert (last.state, last.attempts, len(other.calls)) == ("FAILED", 6, 6)
    assert len({headers["X-Guanxi-Delivery"] for _, headers, _ in other.calls}) == 1
    result = house.runs(rule)[0].results[0]
    assert (result["state"], result["detail"]) == ("FAILED", "the answer was 503")


@pytest.mark.parametrize(("status", "state"), [(404, "FAILED"), (410, "FAILED"), (429, "PENDING"), (408, "PENDING")])
def test_a_call_that_is_refused_for_good_is_not_made_again(house, other, rule, deliver, status, state):
    other.answers = [status]
    house.lead(house.person())
    house.pump()
    assert (deliver().state, len(other.calls)) == (state, 1)


def test_a_call_that_nobody_may_tell_of_any_more_is_given_up_at_once(house, other, rule, deliver):
    house.lead(house.person())
    house.pump()
    house.person(user_id=rule.author_id, active=False)
    last = deliver()
    assert (last.state, last.attempts, other.calls) == ("FAILED", 1, [])
    assert house.runs(rule)[0].results[0]["state"] == "FAILED"


def test_a_system_that_answers_byte_by_byte_is_cut_off(monkeypatch):
    monkeypatch.setattr(webhooks, "LONGEST", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))

    def drip():
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            for byte in b"HTTP/1.1 204 " + b"x" * 1_000:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    policy = WebhookPolicy(("localhost",), private=True, secret=SECRET)
    with pytest.raises(NotDelivered, match="no answer within"):
        call(policy, f"http://localhost:{listener.getsockname()[1]}/", {}, b"")
    thread.join(60)
    assert not thread.is_alive()
    listener.close()


def test_what_the_author_may_not_read_any_more_is_not_sent(house, other, rule, deliver):
    house.lead(house.person(), source="展会", phones=["13800138000"])
    house.pump()
    house.person(user_id=rule.author_id, field_rules=[{"entity": "lead", "field": "phones", "effect": "HIDE"}])
    deliver()
    [(_, _, body)] = other.calls
    assert "lead.phones" not in json.loads(body)["values"]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "::1", "fd00::1", "::ffff:10.0.0.1",
     "64:ff9b::a00:1", "2002:a00:1::", "224.0.0.1", "0.0.0.0"],
)  # fmt: skip
def test_no_address_inside_is_called(monkeypatch, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]
    answers.append((family, socket.SOCK_STREAM, 6, "", (address, 443)))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(NotDelivered, match="not public"):
        call(WebhookPolicy(("hooks.example.com",), secret=SECRET), "https://hooks.example.com/", {}, b"")


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/", "https://hooks.example.com.evil.com/", "https://evil.com/?hooks.example.com",
     "https://evil.com#@hooks.example.com", "https://me@hooks.example.com/", "https://hooks.example.com:0/",
     "https://hooks.example.com:x/", "https://2130706433/", "https://[::1]/", "https://hooks.example.com/客户",
     "https://hooks.example.com/a b", "https://hooks.example.com/a\tb", "https://客户.example.com/",
     "https://hooks.example.com/" + "x" * 500],
)  # fmt: skip
def test_no_other_address_is_allowed(url):
    with pytest.raises(Invalid) as refusal:
        WebhookPolicy(("hooks.example.com", "*.hooks.example.com"), secret=SECRET).check(url)
    assert refusal.value.reason == "WEBHOOK_NOT_ALLOWED"


def test_a_name_that_no_host_can_have_is_an_unknown_host():
    with pytest.raises(NotDelivered, match="not known"):
        call(WebhookPolicy(("*.example.com",), secret=SECRET), f"https://{'x' * 64}.example.com/", {}, b"")


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({"AUTOMATION_WEBHOOK_HOSTS": "https://x"}, "AUTOMATION_WEBHOOK_HOSTS"),
        ({"AUTOMATION_WEBHOOK_HOSTS": "x.com"}, "AUTOMATION_WEBHOOK_SECRET"),
        ({"AUTOMATION_RUN_DAYS": "7"}, "AUTOMATION_RUN_DAYS"),
    ],
)
def test_settings_that_cannot_be_used_are_named(environment, variable):
    settings = Settings.read(environment)
    with pytest.raises(Invalid) as refusal:
        days_kept(settings) and webhook_policy(settings)
    assert refusal.value.field == variable
