"""Addresses that this service itself calls, at the word of others."""

from urllib.parse import urlsplit

from chassis.errors import Invalid

LOCAL = ("localhost", "127.0.0.1", "::1")
MAXIMUM_LENGTH = 1000


def check_url(url: str, *, field: str, allow_local_http: bool) -> str:
    """An address that may be called: https; with `allow_local_http` also http on this machine, for development.

    Raises Invalid INVALID_URL. Without https nobody could say who answers, and anybody who may name an address could
    have services called that were never meant to be, such as those that tell a machine in a cloud its secrets.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise _invalid(field) from None
    encrypted = parts.scheme == "https" or (allow_local_http and parts.scheme == "http" and host in LOCAL)
    plain = not (parts.username or parts.password or parts.fragment or parts.query)
    if not (encrypted and host and plain and port_is_fine) or len(url) > MAXIMUM_LENGTH or url != url.strip():
        raise _invalid(field)
    return url


def _invalid(field: str) -> Invalid:
    return Invalid("INVALID_URL", "give an address that begins with https:// and has no query or fragment", field=field)
