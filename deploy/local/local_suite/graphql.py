"""A small GraphQL client for the demonstration and the tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
from websockets.sync.client import connect
from websockets.typing import Subprotocol

JSON = dict[str, Any]


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

    def __init__(self, url: str, token: str = "", *, timeout: float = 30) -> None:
        self.url, self.token = url.rstrip("/"), token
        headers = {"graphql-require-preflight": "1"} | ({"authorization": f"Bearer {token}"} if token else {})
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)
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
        url = self.url.replace("http", "ws", 1) + "/graphql"
        with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            payload = {"authorization": f"Bearer {self.token}"} if self.token else {}
            socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            acknowledged = json.loads(socket.recv(timeout=10))
            if acknowledged["type"] != "connection_ack":
                raise ConnectionError(f"the gateway answered {acknowledged}")
            request = {"query": document, "variables": variables}
            socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": request}))
            yield _answers(socket)


def _answers(socket: Any) -> Iterator[JSON]:
    while True:
        message = json.loads(socket.recv(timeout=60))
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
