"""What people choose for themselves, and what may be chosen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zoneinfo import available_timezones

import orjson
from chassis.db import ServiceSession
from chassis.errors import Invalid

from identity.model import User, UserSettings

MAXIMUM_LAYOUT_BYTES = 64 * 1024
MAXIMUM_SWITCHES = 200
_KIND = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class Channel(StrEnum):
    """A way for notifications to reach a person. The names are those of `crm.identity.v1.NotificationChannel`."""

    IN_APP = "IN_APP"
    MAIL = "MAIL"

    @property
    def usual(self) -> bool:
        """Whether notifications come by it to who has chosen nothing."""
        return self is Channel.IN_APP


@dataclass(frozen=True)
class Switch:
    """Whether notifications of a kind come by a channel."""

    kind: str
    channel: Channel
    enabled: bool

    def to_json(self) -> dict[str, Any]:
        """The form it is stored in."""
        return {"kind": self.kind, "channel": self.channel.value, "enabled": self.enabled}

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> "Switch":
        """From the form it is stored in."""
        return Switch(stored["kind"], Channel(stored["channel"]), stored["enabled"])


@dataclass(frozen=True)
class SettingsDraft:
    """What a client says of settings."""

    locale: str
    time_zone: str
    switches: tuple[Switch, ...]
    web_layout: str
    mobile_layout: str


def settings_of(session: ServiceSession, user: User) -> UserSettings:
    """A user's settings, also of one who has chosen nothing."""
    kept = session.get(UserSettings, user.id)
    return kept or UserSettings(user_id=user.id, time_zone="", switches=[], web_layout="", mobile_layout="", version=0)


def comes(settings: UserSettings, kind: str, channel: Channel) -> bool:
    """Whether notifications of a kind come to a person by a channel."""
    chosen = (Switch.from_json(item) for item in settings.switches)
    return next((each.enabled for each in chosen if (each.kind, each.channel) == (kind, channel)), channel.usual)


def check_time_zone(name: str) -> str:
    """A time zone as it is kept. Raises Invalid for what is no IANA name."""
    if name and name not in available_timezones():
        raise Invalid(
            "INVALID_TIME_ZONE", f"{name[:50]!r} is no IANA time zone such as Asia/Shanghai", field="time_zone"
        )
    return name


def check_switches(switches: Sequence[Switch]) -> list[dict[str, Any]]:
    """Switches as they are kept. Raises Invalid for too many, one of no possible kind, and one that comes twice."""
    if len(switches) > MAXIMUM_SWITCHES:
        message = f"at most {MAXIMUM_SWITCHES} switches can be kept"
        raise Invalid("TOO_MANY_SWITCHES", message, field="notification_switches")
    seen = set()
    for index, switch in enumerate(switches):
        at = f"notification_switches[{index}].kind"
        if not _KIND.fullmatch(switch.kind):
            raise Invalid("INVALID_NOTIFICATION_KIND", "a kind is a code such as FOLLOW_UP_DUE", field=at)
        if (switch.kind, switch.channel) in seen:
            raise Invalid("DUPLICATE_SWITCH", f"{switch.kind} is switched twice for one channel", field=at)
        seen.add((switch.kind, switch.channel))
    return [switch.to_json() for switch in switches]


def check_layout(text: str, *, field: str) -> str:
    """A layout as it is kept, which is as it came. Raises Invalid for what is no JSON or too long."""
    if len(text.encode()) > MAXIMUM_LAYOUT_BYTES:
        raise Invalid("LAYOUT_TOO_LARGE", f"a layout has at most {MAXIMUM_LAYOUT_BYTES} bytes", field=field)
    if text:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Invalid("INVALID_LAYOUT", "a layout is JSON", field=field) from None
    return text
