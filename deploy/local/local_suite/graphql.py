"""A small GraphQL client for the demonstration and the tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
from websockets.sync.client import connect
from websockets.typing import Subprotocol

JSON = dict[str, Any]

PATIENCE_SECONDS = 90.0
"""How long an answer is waited for: longer than the gateway takes for anything, even on a machine that is busy."""

_TLS = httpx.create_ssl_context()
"""Shared by all clients: to load the authorities takes longer than most calls."""


class GraphQLError(Exception):
    """The answer holds errors."""

    def __init__(self, errors: list[JSON], data: JSON | None) -> None:
        super().__init__(json.dumps(errors, ensure_ascii=False, indent=1))
        self.errors = errors
        self.data = data

    @property
    def reasons(self) -> list[str]:
        """The stable reason of each error."""
        return [error.get("extensions", {}).get("reason", "") for error in self.errors]


class GraphQLClient:
    """Talks to a gateway, as whoever its token says."""

    def __init__(self, url: str, token: str = "", *, timeout: float = PATIENCE_SECONDS) -> None:
        self.url, self.token = url.rstrip("/"), token
        headers = {"graphql-require-preflight": "1"} | ({"authorization": f"Bearer {token}"} if token else {})
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, verify=_TLS)
        self.last: httpx.Response | None = None

    def sign_in(self, username: str, password: str) -> Self:
        """A client that speaks as a user."""
        answer = self.run(
            "mutation SignIn($input: LoginInput!) { login(input: $input) { accessToken } }",
            input={"username": username, "password": password},
        )
        return type(self)(self.url, answer["login"]["accessToken"])

    def run(self, document: str, **variables: Any) -> JSON:
        """The data of an answer. Raises GraphQLError if it holds errors."""
        answer = self.answer(document, **variables)
        if answer.get("errors"):
            raise GraphQLError(answer["errors"], answer.get("data"))
        data: JSON = answer["data"]
        return data

    def answer(self, document: str, **variables: Any) -> JSON:
        """The whole answer, errors included."""
        self.last = self.http.post("/graphql", json={"query": document, "variables": variables})
        answer: JSON = self.last.json()
        return answer

    def upload(self, document: str, path: str, file: tuple[str, bytes], /, **variables: Any) -> JSON:
        """Run an operation with one file in it, at a path such as `variables.input.file`."""
        operations = json.dumps({"query": document, "variables": variables})
        self.last = self.http.post(
            "/graphql",
            data={"operations": operations, "map": json.dumps({"0": [path]})},
            files={"0": file},
        )
        answer: JSON = self.last.json()
        if answer.get("errors"):
            raise GraphQLError(answer["errors"], answer.get("data"))
        data: JSON = answer["data"]
        return data

    @contextmanager
    def subscribe(self, document: str, **variables: Any) -> Iterator[Iterator[JSON]]:
        """The answers of a subscription, one after the other. It is established when the block begins."""
        url, patience = self.url.replace("http", "ws", 1) + "/graphql", PATIENCE_SECONDS
        with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], open_timeout=patience) as socket:
            payload = {"authorization": f"Bearer {self.token}"} if self.token else {}
            socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            acknowledged = _received(socket)
            if acknowledged["type"] != "connection_ack":
                raise ConnectionError(f"the gateway answered {acknowledged}")
            _begin(socket, "1", document, variables)
            yield _answers(socket, _told_until_established(socket))


def _begin(socket: Any, key: str, document: str, variables: JSON) -> None:
    payload = {"query": document, "variables": variables}
    socket.send(json.dumps({"id": key, "type": "subscribe", "payload": payload}))


def _received(socket: Any) -> JSON:
    message: JSON = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
    return message


def _told_until_established(socket: Any) -> list[JSON]:
    """What a subscription has told until it is established.

    The protocol does not say when that is. The gateway first asks whose token it is, so that what is asked after it,
    and takes the same way, is answered later.
    """
    told = []
    for key in ("2", "3"):
        _begin(socket, key, "{ me { id } }", {})
        while (message := _received(socket)).get("id") != key or message["type"] == "next":
            if message.get("id") != key:
                told.append(message)
    return told


def _answers(socket: Any, told: list[JSON]) -> Iterator[JSON]:
    while True:
        message = told.pop(0) if told else _received(socket)
        match message["type"]:
            case "next" if message["payload"].get("errors"):
                raise GraphQLError(message["payload"]["errors"], message["payload"].get("data"))
            case "next":
                yield message["payload"]["data"]
            case "error":
                raise GraphQLError(message["payload"], None)
            case "complete":
                return
            case "ping":
                socket.send(json.dumps({"type": "pong"}))
