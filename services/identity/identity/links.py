"""The links that people get by mail. What opens something stands behind the `#`, which browsers send to no server."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from chassis.errors import Invalid, Unavailable


class Links:
    """Makes links to the web client of this installation."""

    def __init__(self, public_url: str) -> None:
        self._base = public_url.rstrip("/")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Links":
        """By `PUBLIC_URL`. Raises Invalid if it is no web address."""
        given = environment.get("PUBLIC_URL", "")
        if given and (urlsplit(given).scheme not in ("http", "https") or not urlsplit(given).netloc):
            message = "the address must read like https://crm.example.com"
            raise Invalid("INVALID_SETTING", message, field="PUBLIC_URL")
        return cls(given)

    def activation(self, token: str) -> str:
        """Where an invited person sets a password."""
        return f"{self._url()}/activate#token={token}"

    def reset(self, token: str) -> str:
        """Where a person sets a new password."""
        return f"{self._url()}/reset-password#token={token}"

    def home(self) -> str:
        """Where one signs in."""
        return self._url()

    def _url(self) -> str:
        if not self._base:
            message = "links cannot be made: set PUBLIC_URL to where people find the web client"
            raise Unavailable("NO_PUBLIC_URL", message)
        return self._base
