"""What operators say of automation, in the environment."""

import re

from chassis.errors import Invalid
from chassis.settings import Settings

from leads.automation.webhooks import WebhookPolicy

MINIMUM_SECRET = 32
SHORTEST_KEPT, LONGEST_KEPT = 31, 3_650
"""Runs say what a rule has run for: they are kept longer than a delay is taken up late."""

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def webhook_policy(settings: Settings) -> WebhookPolicy:
    """Where rules may call other systems. Raises Invalid, naming the variable."""
    given = settings.environment.get("AUTOMATION_WEBHOOK_HOSTS", "")
    hosts = tuple(part.strip().lower() for part in given.split(",") if part.strip())
    for host in hosts:
        if not _HOST.fullmatch(host):
            message = f"{host[:100]!r} is no host such as hooks.example.com or *.example.com"
            raise Invalid("INVALID_SETTING", message, field="AUTOMATION_WEBHOOK_HOSTS")
    secret = settings.environment.get("AUTOMATION_WEBHOOK_SECRET", "")
    if hosts and len(secret) < MINIMUM_SECRET:
        message = f"calls are signed with a secret of at least {MINIMUM_SECRET} characters"
        raise Invalid("INVALID_SETTING", message, field="AUTOMATION_WEBHOOK_SECRET")
    return WebhookPolicy(hosts, settings.environment.get("AUTOMATION_WEBHOOK_PRIVATE", "") == "1", secret)


def days_kept(settings: Settings) -> int:
    """For how many days runs are kept. Raises Invalid, naming the variable."""
    given = settings.environment.get("AUTOMATION_RUN_DAYS", "90")
    if not given.isdecimal() or not SHORTEST_KEPT <= int(given) <= LONGEST_KEPT:
        message = f"{given[:20]!r} is no number of days from {SHORTEST_KEPT} to {LONGEST_KEPT}"
        raise Invalid("INVALID_SETTING", message, field="AUTOMATION_RUN_DAYS")
    return int(given)
