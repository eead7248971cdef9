"""Whether the databases are as the code wants them. Then a start spares the seconds that it takes to migrate them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import psycopg

from local_suite.layout import ROOT, SERVICES

SOURCES = ("services", "libs")
"""Where the code is that migrates databases and puts in what they begin with."""


def state(environment: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """What the databases depend on: the code, what processes are told, and the revision that each database is at.

    As long as it is what it was after the last migration, there is nothing to do for another one.
    """
    revisions = {name: _revision(environment[f"DATABASE_URL_{name.upper()}"]) for name in SERVICES}
    told = hashlib.sha256(json.dumps(dict(environment), sort_keys=True).encode()).hexdigest()
    return {"code": _code(root), "environment": told, **revisions}


def _code(root: Path) -> str:
    """Changes with any file of Python; when it was written tells as well as what it holds, and sooner."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in SOURCES for path in (root / folder).rglob("*.py")):
        found = path.stat()
        digest.update(f"{path.relative_to(root)} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _revision(url: str) -> str:
    """The revision that a database is at; empty for one that is new."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            return ""
    return str(found[0]) if found else ""
