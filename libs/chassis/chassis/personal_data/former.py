"""What a person was known by before."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import text

from chassis.db import ServiceSession
from chassis.personal_data.people import Person

_ENTRIES = text("""
    SELECT before, after FROM audit_entry
    WHERE resource = ANY(:records) AND (before IS NOT NULL OR after IS NOT NULL) ORDER BY id
""")
_KINDS = {
    "phones": ("phone", "phones", "login_phone"),
    "emails": ("email", "emails"),
    "wechats": ("wechat",),
    "usernames": ("username",),
}
"""By what the audit log calls them."""


def former(session: ServiceSession, records: Collection[str]) -> Person:
    """Numbers and addresses that the person's own records have had, by the audit log.

    Names are left out: where a record was given to somebody else, the former name is the other one's.
    """
    rows = session.execute(_ENTRIES, {"records": sorted(records)}).all()
    contents = [content for row in rows for content in row if isinstance(content, dict)]
    return Person(**{kind: frozenset(_values(contents, keys)) for kind, keys in _KINDS.items()})


def _values(contents: Iterable[Mapping[str, Any]], keys: Collection[str]) -> Iterable[str]:
    for content in contents:
        for key in content.keys() & set(keys):
            value = content[key]
            yield from value if isinstance(value, list) else [value] if isinstance(value, str) and value else []
