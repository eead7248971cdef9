"""Every permission that the methods of the suite ask for, read off the contracts."""

from chassis.access import known_permissions
from chassis.errors import Invalid


def permissions_page(size: int, token: str) -> tuple[list[tuple[str, tuple[str, ...]]], str]:
    """A page of the permissions with their methods, and the next token. Raises Invalid INVALID_PAGE_TOKEN."""
    known = known_permissions()
    if token and token not in known:
        raise Invalid("INVALID_PAGE_TOKEN", "page_token is not one that this list returned", field="page_token")
    rest = [item for item in known.items() if item[0] > token]
    page = rest[:size]
    return page, page[-1][0] if len(rest) > size else ""
