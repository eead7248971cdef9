"""Files that are too large for a database: kept in a folder, or in a bucket that speaks S3.

    OBJECT_STORE=file:///var/lib/crm/objects        the folder; `objects` in the working directory if not set
    OBJECT_STORE=s3://bucket/prefix                 with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and,
                                                    for anything but Amazon's own, AWS_ENDPOINT_URL

A file is written as a whole or not at all. What depends on a file is written after it, so that no row ever names one
that is not there.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store

from chassis.errors import Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Config

SETTING = "OBJECT_STORE"
PART_BYTES = 256 * 1024
_LONGEST = timedelta(seconds=5)
_GONE = (NotFoundError, FileNotFoundError)
_FAILURES = (BaseError, OSError)


class Objects:
    """An object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, key: str, data: bytes) -> None:
        """Keep a file, in place of one of the same key. Raises Unavailable."""
        try:
            obstore.put(self._store, key, data)
        except _FAILURES as error:
            raise _unavailable() from error

    def read(self, key: str) -> Iterator[bytes]:
        """The parts of a file. Raises NotFound FILE_EXPIRED if it is kept no more, and Unavailable."""
        try:
            for part in obstore.get(self._store, key).stream(min_chunk_size=PART_BYTES):
                yield bytes(part)
        except _GONE:
            raise NotFound("FILE_EXPIRED", "the file is kept no more; upload or export it again") from None
        except _FAILURES as error:
            raise _unavailable() from error

    def remove(self, key: str) -> None:
        """Remove a file, if it is there. Raises Unavailable."""
        try:
            obstore.delete(self._store, key)
        except _GONE:
            return
        except _FAILURES as error:
            raise _unavailable() from error


def open_objects(environment: Mapping[str, str]) -> Objects:
    """The object store that the environment names. Raises Invalid, naming the variable."""
    given = environment.get(SETTING, "") or Path("objects").resolve().as_uri()
    url = urlsplit(given)
    try:
        if url.scheme == "file" and url.path:
            return Objects(LocalStore(Path(unquote(url.path)), mkdir=True))
        if url.scheme == "s3" and url.netloc:
            return Objects(_bucket(url.netloc, url.path.strip("/"), environment))
    except (BaseError, ValueError, OSError) as error:
        raise Invalid("INVALID_SETTING", f"the object store cannot be opened: {error}", field=SETTING) from None
    raise Invalid("INVALID_SETTING", "name file:///folder or s3://bucket/prefix", field=SETTING)


def _bucket(bucket: str, prefix: str, environment: Mapping[str, str]) -> S3Store:
    endpoint = environment.get("AWS_ENDPOINT_URL", "")
    config: S3Config = {"region": environment.get("AWS_REGION", "us-east-1")}
    if endpoint:
        config["endpoint"] = endpoint
    if environment.get("AWS_ACCESS_KEY_ID"):
        config["access_key_id"] = environment["AWS_ACCESS_KEY_ID"]
        config["secret_access_key"] = environment.get("AWS_SECRET_ACCESS_KEY", "")
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={
            "timeout": _LONGEST,
            "connect_timeout": timedelta(seconds=1),
            "allow_http": endpoint.startswith("http://"),
        },
        retry_config={"max_retries": 2, "retry_timeout": _LONGEST},
    )


def _unavailable() -> Unavailable:
    return Unavailable("OBJECT_STORE_UNAVAILABLE", "the store of files does not answer; try again shortly")
