"""What the world sends, without a token: passed on whole, offered again until it is answered, told as HTTP has it."""

import pytest
from chassis.errors import Conflict, Exhausted, Unavailable

pytestmark = pytest.mark.anyio
PATH = "/capture/00000000-0000-7000-8000-000000000001"
SITE = "https://www.example.com"


async def test_what_is_sent_is_passed_on_as_it_came(suite):
    headers = {"x-capture-key": "k", "x-capture-signature": "s", "x-capture-timestamp": "1", "origin": SITE}
    answer = await suite.http.post(PATH, content=b'{"a": 1}', headers={**headers, "content-type": "application/json"})
    assert (answer.status_code, answer.json()["receipt"]) == (202, "captureSubmissions/1")
    assert answer.headers["access-control-allow-origin"] == SITE
    sent = suite.world.requests[-1]
    assert (sent.source, sent.body, sent.content_type) == (
        f"captureSources/{PATH[9:]}",
        b'{"a": 1}',
        "application/json",
    )
    assert (sent.key, sent.signature, sent.timestamp, sent.origin) == ("k", "s", "1", SITE)
    assert sent.request_id


async def test_what_is_not_answered_is_offered_again_under_the_same_id(suite):
    suite.world.raising["Submit"] = Unavailable("DATABASE_UNAVAILABLE", "the database does not answer")
    answer = await suite.http.post(PATH, content=b"{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert suite.world.calls["Submit"] == 4
    assert len({one.request_id for one in suite.world.requests if hasattr(one, "body")}) == 1


async def test_a_refusal_is_told_once_and_to_websites_that_may_read_it(suite):
    suite.world.raising["Submit"] = Exhausted("RATE_LIMITED", "too many", retry_after_seconds=7)
    answer = await suite.http.post(PATH, content=b"{}", headers={"origin": SITE})
    assert (answer.status_code, answer.headers["retry-after"], suite.world.calls["Submit"]) == (429, "7", 1)
    assert answer.headers["access-control-allow-origin"] == SITE
    long = await suite.http.post(PATH, content=b"x" * 65_537)
    assert (long.status_code, long.json()["reason"]) == (413, "BODY_TOO_LARGE")


async def test_a_browser_is_told_which_websites_may_send(suite):
    allowed = await suite.http.options(PATH, headers={"origin": SITE})
    assert (allowed.status_code, allowed.headers["access-control-allow-methods"]) == (204, "POST")
    other = await suite.http.options(PATH, headers={"origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


async def test_a_person_confirms_by_a_button_not_by_the_link(suite):
    page = await suite.http.get("/capture/confirm", params={"token": '"><script>'})
    assert (page.status_code, "<script>" in page.text, suite.world.calls["ConfirmOptIn"]) == (200, False, 0)
    done = await suite.http.post("/capture/confirm", data={"token": "t&1"}, headers={"accept-language": "en"})
    assert (done.status_code, "Confirmed." in done.text, suite.world.requests[-1].token) == (200, True, "t&1")
    suite.world.raising["ConfirmOptIn"] = Conflict("OPT_IN_EXPIRED", "this link works no longer")
    late = await suite.http.post("/capture/confirm", data={"token": "t"})
    assert (late.status_code, "已过期" in late.text) == (409, True)
    wrong = await suite.http.post("/capture/confirm", json={"token": "t"})
    assert wrong.status_code == 400
