"""Databases for benchmarks."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chassis.service import Service
from chassis.testing.databases import create_database, drop_database
from embedded import postgres


@contextmanager
def fresh_database(service: Service) -> Iterator[str]:
    """The URL of a service's database with nothing in it, which is dropped in the end: on the server of
    TEST_POSTGRES_URL if set, else on a private one with commits written to disk."""
    with ExitStack() as stack:
        server = os.environ.get("TEST_POSTGRES_URL", "")
        if not server:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "postgres"
            server = postgres.start(folder).admin_url
            stack.callback(postgres.remove, folder)
        url = create_database(server, service.name, service.migrations)
        stack.callback(drop_database, url)
        yield url
