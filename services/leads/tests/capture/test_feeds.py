"""Feeds of tenders: what is new comes in once, and what cannot be read is known."""

import json
import threading
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from chassis.callers import service_caller
from chassis.errors import Conflict, Unavailable
from chassis.jobs.run import run_next
from chassis.service import Runtime
from chassis.settings import Settings
from leads.automation.webhooks import WebhookPolicy
from leads.capture.feeds import FeedSettings, fetch
from leads.capture.polling import poll_now, queue_due_polls
from leads.capture.reading import TakenField
from leads.capture.sources import update_source
from leads.main import SERVICE
from leads.model import CaptureSource, CaptureSubmission, FeedPoll, Lead
from sqlalchemy import text

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>标讯</title>{}</channel></rss>"""
ITEM = "<item><guid>{0}</guid><title>采购公告 {0}</title><link>https://t.example/{0}</link><author>招标人{0}</author></item>"


class Board:
    """A server that a feed is read from."""

    def __init__(self) -> None:
        self.body, self.status, self.asked, self.leads_to = b"", 200, [], ""
        self.meanwhile = lambda: None
        board = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("location", board.leads_to)
                    self.end_headers()
                    return
                board.asked.append(self.headers.get("if-none-match"))
                board.meanwhile()
                unchanged = board.status == 200 and self.headers.get("if-none-match") == board.tag
                self.send_response(304 if unchanged else board.status)
                self.send_header("etag", board.tag)
                self.end_headers()
                if not unchanged:
                    self.wfile.write(board.body)

            def log_message(self, *args: object) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    @property
    def tag(self) -> str:
        return f'"{hash(self.body)}"'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/feed"

    def shows(self, *numbers: int) -> None:
        self.body = RSS.format("".join(map(ITEM.format, numbers))).encode()


@pytest.fixture
def board():
    board = Board()
    yield board
    board.server.shutdown()
    board.server.server_close()


@pytest.fixture
def read(intake, database):
    """Does what the timer and the jobs do, and judges what is new."""
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE job CASCADE"))
    settings = Settings.read({"DATABASE_URL_LEADS": "unused", "AUTOMATION_WEBHOOK_PRIVATE": "1"})

    def work() -> None:
        with database.write(service_caller("leads")) as session:
            queue_due_polls(session, session.now)
        while run_next(SERVICE, Runtime(settings, database)):
            pass
        intake.judge(*(one.id for one in intake.all(CaptureSubmission) if one.state == "NEW"))

    return work


FIELDS = [TakenField("company_name", "author"), TakenField("requirement", "title"), TakenField("landing_page", "link")]


def feed(intake, board, form="SYNDICATION", **values):
    settings = {
        "feed": FeedSettings(board.url, form, values.pop("items_path", ""), 15),
        "lead_fields": FIELDS,
        **values,
    }
    return intake.source("FEED", default_source="标讯", **settings)[0]


def test_what_is_new_in_a_feed_comes_in_once(intake, board, read, clock):
    source = feed(intake, board)
    board.shows(2, 1)
    read()
    leads = intake.all(Lead)
    assert [(one.company_name, one.requirement, one.external_id) for one in leads] == [
        ("招标人1", "采购公告 1", "1"),
        ("招标人2", "采购公告 2", "2"),
    ]
    assert {one.source for one in leads} == {"标讯"}
    read()
    assert len(board.asked) == 1  # not due yet
    clock.advance(timedelta(minutes=15))
    read()
    board.shows(3, 2, 1)
    clock.advance(timedelta(minutes=15))
    read()
    assert len(intake.all(Lead)) == 3
    assert [(one.item_count, one.new_count, one.reason) for one in intake.all(FeedPoll)] == [
        (2, 2, ""),
        (0, 0, ""),
        (3, 1, ""),
    ]
    assert board.asked[0] is None
    assert board.asked[1] is not None
    assert source.id == intake.all(CaptureSource)[0].id


def test_a_list_in_json_is_a_feed_as_well(intake, board, read):
    fields = [TakenField("company_name", "buyer.name"), TakenField("external_id", "no")]
    feed(intake, board, "JSON", items_path="data.records", lead_fields=fields)
    records = [{"no": 7, "buyer": {"name": "市一医院"}}, {"no": 6, "buyer": {}}]
    board.body = json.dumps({"data": {"records": records}}).encode()
    read()
    [lead] = intake.all(Lead)
    assert (lead.company_name, lead.external_id) == ("市一医院", "7")
    assert [one.state for one in intake.all(CaptureSubmission)] == ["REJECTED", "ACCEPTED"]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [(500, b"", "FEED_UNREACHABLE"), (200, b"not a feed", "FEED_UNREADABLE")],
)
def test_a_feed_that_fails_is_noted_and_rests_longer_each_time(intake, board, read, clock, status, body, reason):
    feed(intake, board)
    board.status, board.body = status, body
    pauses = []
    for _ in range(3):
        read()
        [source] = intake.all(CaptureSource)
        pauses.append(source.next_poll_time - clock())
        clock.set(source.next_poll_time)
    assert [one.reason for one in intake.all(FeedPoll)] == [reason] * 3
    assert pauses == [timedelta(minutes=30), timedelta(minutes=60), timedelta(minutes=120)]
    board.status = 200
    board.shows(1)
    read()
    [source] = intake.all(CaptureSource)
    assert (source.failure_count, len(intake.all(Lead))) == (0, 1)


def test_an_item_without_an_id_tells_the_setting_at_fault(intake, board, read):
    feed(intake, board, lead_fields=[*FIELDS, TakenField("external_id", "nowhere")])
    board.shows(1)
    read()
    assert [one.reason for one in intake.all(FeedPoll)] == ["NO_ITEM_ID"]


def test_only_a_feed_can_be_read(intake, board, read):
    form, _ = intake.source()
    with pytest.raises(Conflict) as caught:
        intake.do(poll_now, form.id)
    assert caught.value.reason == "NO_FEED"
    source = feed(intake, board)
    board.shows(1)
    read()
    intake.do(poll_now, source.id)
    read()
    assert len(board.asked) == 2


def test_an_address_inside_is_not_read_by_whatever_way_it_is_named(board, monkeypatch):
    board.shows(1)
    inside = FeedSettings(board.url, "SYNDICATION", "", 15)
    with pytest.raises(Unavailable, match="not public"):
        fetch(inside, {}, WebhookPolicy())
    board.leads_to = "http://inside.example/feed"
    monkeypatch.setattr(WebhookPolicy, "addresses", only_loopback(WebhookPolicy.addresses))
    with pytest.raises(Unavailable, match="not public"):
        fetch(replace(inside, url=board.url.replace("/feed", "/moved")), {}, WebhookPolicy())
    assert board.asked == []


def only_loopback(judge):
    """Take the loopback address for a public one, and any name for one inside."""

    def addresses(policy, host, port):
        return [host] if host == "127.0.0.1" else judge(policy, "10.0.0.1", port)

    return addresses


def test_a_feed_that_has_moved_is_followed(board):
    board.shows(1)
    board.leads_to = "/feed"
    settings = FeedSettings(board.url.replace("/feed", "/moved"), "SYNDICATION", "", 15)
    assert [item["id"] for item in fetch(settings, {}, WebhookPolicy(private=True)).items] == ["1"]


def test_what_is_sent_is_never_taken_for_the_name_of_a_file(board, tmp_path):
    file = tmp_path / "secret.xml"
    board.shows(1)
    file.write_bytes(board.body)
    board.body = str(file).encode()
    with pytest.raises(Unavailable) as caught:
        fetch(FeedSettings(board.url, "SYNDICATION", "", 15), {}, WebhookPolicy(private=True))
    assert caught.value.reason == "FEED_UNREADABLE"


def test_an_id_that_no_text_of_the_database_can_hold_holds_nothing_up(intake, board, read):
    fields = [TakenField("company_name", "buyer"), TakenField("external_id", "no")]
    feed(intake, board, "JSON", lead_fields=fields)
    board.body = json.dumps([{"no": "A\0-1", "buyer": "市一医院"}]).encode()
    read()
    assert [lead.external_id for lead in intake.all(Lead)] == ["A-1"]


def test_a_feed_that_is_closed_before_its_turn_is_not_read(intake, board, database, read):
    source = feed(intake, board)
    with database.write(service_caller("leads")) as session:
        queue_due_polls(session, session.now)
    intake.do(update_source, source.id, {"disabled": True})
    read()
    assert (board.asked, intake.all(FeedPoll)) == ([], [])
    assert intake.all(CaptureSource)[0].next_poll_time is None


def test_a_feed_that_is_closed_while_it_fails_stays_closed(intake, board, read):
    source = feed(intake, board)
    board.status, board.meanwhile = 500, lambda: intake.do(update_source, source.id, {"disabled": True})
    read()
    [closed] = intake.all(CaptureSource)
    assert (closed.failure_count, closed.next_poll_time) == (1, None)


def test_the_marks_of_another_address_are_not_kept(intake, board, read):
    source = feed(intake, board)
    board.shows(1)
    changed = {"feed": FeedSettings("https://other.example/feed", "SYNDICATION", "", 15)}
    board.meanwhile = lambda: intake.do(update_source, source.id, changed)
    read()
    [moved] = intake.all(CaptureSource)
    assert (moved.feed_marks, moved.next_poll_time, len(intake.all(Lead))) == ({}, moved.update_time, 1)
