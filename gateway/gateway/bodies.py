"""What clients send: operations in a query string, in JSON, or with files in a multipart form."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from chassis.errors import DomainError, Exhausted, Invalid
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Message

from gateway.engine import Request

JSON_BYTES = 1024 * 1024
UPLOAD_BYTES = 200 * 1024 * 1024
DRAINED_BYTES = 32 * 1024 * 1024
"""A body that is refused for its length is still taken in, and dropped, up to this length."""
MAX_FILES = 5
PREFLIGHT = ("graphql-require-preflight", "apollo-require-preflight", "x-requested-with")
"""Headers that a page of another site cannot send without asking; one of them must come with a form."""


class Refusal(Exception):
    """A request that HTTP itself has an answer for."""

    def __init__(self, status: int, error: DomainError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.headers = dict(headers or {})


@asynccontextmanager
async def operation_in(request: HttpRequest) -> AsyncIterator[Request]:
    """The operation that a request asks for; files stay open meanwhile. Raises Refusal."""
    if request.method == "GET":
        yield _from_query_string(request)
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        yield to_request(_parse(await read_body(request, JSON_BYTES)))
    elif media_type == "multipart/form-data":
        if not any(request.headers.get(name) for name in PREFLIGHT):
            error = Invalid("PREFLIGHT_REQUIRED", f"send the header {PREFLIGHT[0]} with a form")
            raise Refusal(403, error)
        form = await _form(request)
        try:
            yield to_request(_with_files(form))
        finally:
            await form.close()
    else:
        raise Refusal(415, Invalid("UNSUPPORTED_MEDIA_TYPE", "send application/json or multipart/form-data"))


def to_request(body: object) -> Request:
    """The operation in a JSON body. Raises Refusal if it has not the right form."""
    if not isinstance(body, dict):
        raise bad_request("the body must be an object with a query")
    query, name = body.get("query"), body.get("operationName")
    variables, extensions = body.get("variables"), body.get("extensions")
    if not isinstance(query, str) or not query:
        raise bad_request("query must be a text")
    if name is not None and not isinstance(name, str):
        raise bad_request("operationName must be a text")
    if variables is not None and not isinstance(variables, dict):
        raise bad_request("variables must be an object")
    if extensions is not None and not isinstance(extensions, dict):
        raise bad_request("extensions must be an object")
    return Request(query=query, variables=variables or {}, operation_name=name or None)


def bad_request(message: str) -> Refusal:
    """The refusal of a request that cannot be read."""
    return Refusal(400, Invalid("BAD_REQUEST", message))


def too_large(limit: int) -> Refusal:
    """The refusal of a request of too many bytes."""
    return Refusal(413, Exhausted("BODY_TOO_LARGE", f"send at most {limit} bytes", limit=limit))


def _from_query_string(request: HttpRequest) -> Request:
    given = request.query_params
    body: dict[str, object] = {"query": given.get("query"), "operationName": given.get("operationName")}
    for name in ("variables", "extensions"):
        if given.get(name):
            body[name] = _parse(given[name].encode())
    return to_request(body)


def _parse(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise bad_request("the body must be JSON in UTF-8") from None


async def read_body(request: HttpRequest, limit: int) -> bytes:
    """The body of a request. Raises Refusal if it is longer than the limit."""
    await _check_length(request, limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    return b"".join(parts)


async def _check_length(request: HttpRequest, limit: int) -> None:
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated) > limit:
        if int(stated) <= DRAINED_BYTES:
            # A client that is still sending would see a broken connection instead of the answer.
            async for _ in request.stream():
                pass
        raise too_large(limit)


async def _form(request: HttpRequest) -> FormData:
    await _check_length(request, UPLOAD_BYTES)
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > UPLOAD_BYTES:
            raise too_large(UPLOAD_BYTES)
        return message

    try:
        counting = HttpRequest(request.scope, counted)
        return await counting._get_form(max_files=MAX_FILES, max_fields=10, max_part_size=JSON_BYTES)
    except MultiPartException as error:
        raise bad_request(error.message) from None
    except ClientDisconnect:
        raise bad_request("the upload broke off") from None


def _with_files(form: FormData) -> object:
    """`operations` with the files put where `map` says."""
    operations, places = _parse(_text(form, "operations")), _parse(_text(form, "map"))
    if not isinstance(operations, dict) or not isinstance(places, dict):
        raise bad_request("operations and map must be objects")
    for key, paths in places.items():
        file = form.get(key)
        if not isinstance(file, UploadFile) or not isinstance(paths, list):
            raise bad_request(f"there is no file {str(key)[:50]!r}")
        for path in paths:
            _put(operations, str(path), file)
    return operations


def _text(form: FormData, name: str) -> bytes:
    value = form.get(name)
    if not isinstance(value, str):
        raise bad_request(f"the form must have {name}")
    return value.encode()


def _put(operations: dict[str, Any], path: str, file: UploadFile) -> None:
    *steps, last = path.split(".")
    node: Any = operations
    try:
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node[step]
        key: Any = int(last) if isinstance(node, list) else last
        empty = node[key] is None
    except (KeyError, IndexError, ValueError, TypeError):
        empty = False
    if not empty:
        raise bad_request(f"there is no null at {path[:100]!r} for a file")
    node[key] = file
