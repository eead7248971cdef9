"""What the short way answers is what graphql-core answers without it, errors included."""

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import pytest
import strawberry
from gateway.execution import RecordExecutor, reads_of
from gateway.scalars import CONFIG, BigInt
from graphql import Executor, execute, parse

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@strawberry.enum
class Level(Enum):
    A = 1
    B = strawberry.enum_value(2, description="Second.")


@strawberry.type
class Part:
    text: str | None
    parts: list["Part"] | None = None


@strawberry.type
class Record:
    id: strawberry.ID
    text: str
    maybe: str | None
    number: int
    big: BigInt
    share: float
    flag: bool
    level: Level | None
    time: datetime | None
    texts: list[str]
    levels: list[Level | None] | None
    anything: strawberry.scalars.JSON | None
    parts: list[Part]

    @strawberry.field
    def said(self, word: str = "so") -> str:
        return f"{word} {self.text}"

    @strawberry.field
    async def later(self) -> str:
        return f"later {self.text}"


@strawberry.type
class Query:
    @strawberry.field
    def records(self, info: strawberry.Info) -> list[Record | None]:
        return info.context

    @strawberry.field
    async def record(self, info: strawberry.Info) -> Record:
        return info.context[0]


SCHEMA = strawberry.Schema(Query, config=CONFIG)._schema
PLAIN = "id text maybe number big share flag level time texts levels anything __typename"
QUERIES = [
    "{ records { __typename } }",
    "{ records { parts { __typename } } }",
    f"{{ records {{ {PLAIN} }} }}",
    f"{{ record {{ {PLAIN} parts {{ text }} }} __typename }}",
    f'{{ records {{ {PLAIN} said(word: "no") later parts {{ text parts {{ t: text u: text }} }} }} }}',
    """query($no: Boolean = false) { records { ...Some level @include(if: $no) } }
    fragment Some on Record { name: text ... on Record { time @skip(if: $no) again: text number } }""",
    '{ __schema { queryType { name fields { name } } } __type(name: "Level") { enumValues { name } } }',
    """{ __schema { __typename directives { __typename } types { name @skip(if: true) } }
    __type(name: "Level") { enumValues { __typename } } }""",
]
UNUSUAL = {
    "id": [None, 7],
    "text": [None, "", 5, object()],
    "maybe": [None, "", 1.5, [], ValueError("bad")],
    "number": [None, 2**31, "12", "x", True, 1.0],
    "big": [None, 2**63, "x"],
    "share": [None, float("nan"), 3, "x"],
    "flag": [None, 1, "x"],
    "level": [None, Level.B, 1, 9, "A", []],
    "time": [None, NOON.astimezone(timezone(timedelta(hours=8))), "today"],
    "texts": [None, [], ("a", "b"), ["a", None], "ab", 5, ["a", 5], {"a": 1}],
    "levels": [None, [], [None, Level.B], [Level.A, 9], (Level.A,)],
    "anything": [None, {"a": [1]}, "x"],
    "parts": [None, [], [None], [Part(text=None, parts=[Part(text="inner")])], [object()]],
}
"""Field → values that are empty, not of its type, or another way to say the same."""


def record(**given):
    usual = {
        "id": "records/1",
        "text": "华诚",
        "maybe": "so",
        "number": 12,
        "big": 2**40,
        "share": 0.5,
        "flag": False,
        "level": Level.A,
        "time": NOON,
        "texts": ["a", "b"],
        "levels": [Level.A, None],
        "anything": {"region": "华东"},
        "parts": [Part(text="one"), Part(text="two", parts=[Part(text="three")])],
    }
    return Record(**{**usual, **given})


async def run(query, records, **how):
    result = execute(SCHEMA, parse(query), context_value=records, **how)
    result = result if hasattr(result, "data") else await result
    return result.data, sorted((error.message, error.path, error.locations) for error in result.errors or ())


@pytest.mark.anyio
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(
    ("field", "value"),
    [("id", "records/2"), *((field, value) for field, values in UNUSUAL.items() for value in values)],
)
async def test_short_way_answers_as_the_long_one(query, field, value, anyio_backend):
    records = [record(), record(**{field: value}), None, record()]
    for given in (records, records[1:]):
        short = await run(query, given, executor_class=RecordExecutor, reads=reads_of(SCHEMA))
        assert short == await run(query, given, executor_class=Executor)


@pytest.mark.anyio
async def test_short_way_is_taken(anyio_backend, monkeypatch):
    """graphql-core does not promise to call what is overridden: without it, answers would be right, and slow."""
    described = []

    def describing(self, field_def, field_nodes, parent_type, path):
        described.append(field_nodes[0].name.value)
        return build(self, field_def, field_nodes, parent_type, path)

    build = Executor.build_resolve_info
    monkeypatch.setattr(Executor, "build_resolve_info", describing)
    await run(
        f"{{ records {{ {PLAIN} parts {{ text }} }} record {{ {PLAIN} }} }}",
        [record(), record()],
        executor_class=RecordExecutor,
        reads=reads_of(SCHEMA),
    )
    assert described == ["records", "parts", "parts", "record"]


def test_fields_with_a_resolver_are_left_to_it():
    [reads] = [reads for kind, reads in reads_of(SCHEMA).items() if kind.name == "Record"]
    assert set(reads) == set(PLAIN.split())
